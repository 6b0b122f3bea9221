"""A network for a camera, its masters and their viewers, which no packet leaves.

ICE leaves the loopback's address out, so there has to be another one, and a way to the
internet that leads nowhere. Needs root.
"""

from collections.abc import Iterator
from contextlib import contextmanager
import os
from pathlib import Path
import subprocess

NAME = "kinesis-bench"
ADDRESS = "10.77.9.1"


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True, text=True)


def _remove() -> None:
    if Path("/run/netns", NAME).exists():
        _ip("netns", "delete", NAME)


@contextmanager
def bench_network() -> Iterator[None]:
    """Enter the network with this thread, and all that it starts; it goes in the end."""
    _remove()
    try:
        _ip("netns", "add", NAME)
        _ip("-n", NAME, "link", "set", "lo", "up")
        _ip("-n", NAME, "link", "add", "eth0", "type", "veth", "peer", "name", "eth1")
        _ip("-n", NAME, "address", "add", f"{ADDRESS}/24", "dev", "eth0")
        for link in ("eth0", "eth1"):
            _ip("-n", NAME, "link", "set", link, "up")
        _ip("-n", NAME, "route", "add", "default", "dev", "eth0")
        with Path("/run/netns", NAME).open() as namespace:
            os.setns(namespace.fileno(), os.CLONE_NEWNET)
        yield
    finally:
        _remove()
