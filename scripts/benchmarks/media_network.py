"""A network for a camera, its masters and their viewers, which no packet leaves.

ICE leaves the loopback's address out, so there has to be another one, and a way to the
internet that leads nowhere. Needs root.
"""

from collections.abc import Iterator
from contextlib import contextmanager
import os
from pathlib import Path
import subprocess

ADDRESS = "10.77.9.1"


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True, text=True)


def _remove(name: str) -> None:
    if Path("/run/netns", name).exists():
        _ip("netns", "delete", name)


@contextmanager
def bench_network(name: str = "kinesis-bench") -> Iterator[None]:
    """Enter the network with this thread, and all that it starts; it goes in the end."""
    _remove(name)
    try:
        _ip("netns", "add", name)
        _ip("-n", name, "link", "set", "lo", "up")
        _ip("-n", name, "link", "add", "eth0", "type", "veth", "peer", "name", "eth1")
        _ip("-n", name, "address", "add", f"{ADDRESS}/24", "dev", "eth0")
        for link in ("eth0", "eth1"):
            _ip("-n", name, "link", "set", link, "up")
        _ip("-n", name, "route", "add", "default", "dev", "eth0")
        with Path("/run/netns", name).open() as namespace:
            os.setns(namespace.fileno(), os.CLONE_NEWNET)
        yield
    finally:
        _remove(name)
