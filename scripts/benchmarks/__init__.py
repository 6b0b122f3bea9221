"""Benchmarks; scripts/bench runs them by name."""
