"""Real programs for the end-to-end tests, the demo and the benchmarks.

Every program is an asynchronous context manager: entered when it is ready to use, left
when its process has gone.
"""
