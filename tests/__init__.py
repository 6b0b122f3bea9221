"""Tests of Kinesis WebRTC."""
