"""Tests of the signaling layer."""
