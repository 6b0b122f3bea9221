"""A way between two hosts that can be lost without a word, made of network namespaces.

Loopback refuses or delivers; only a real link swallows what is sent into it. Needs root.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
import os
from pathlib import Path
import socket
import subprocess
from typing import Self

_NEAR, _FAR = "10.78.1.2", "10.78.1.1"


class Way:
    """Two hosts that exist while this is entered; their sockets are used anywhere."""

    def __init__(self) -> None:
        self._near = f"kinesis-near-{os.getpid()}"
        self._far = f"kinesis-far-{os.getpid()}"

    def __enter__(self) -> Self:
        for name in (self._near, self._far):
            _ip("netns", "add", name)
            _ip("-n", name, "link", "set", "lo", "up")
        link = ["link", "add", "eth0", "type", "veth", "peer", "name", "eth0"]
        _ip("-n", self._near, *link, "netns", self._far)
        for name, address in ((self._near, _NEAR), (self._far, _FAR)):
            _ip("-n", name, "address", "add", f"{address}/24", "dev", "eth0")
            _ip("-n", name, "link", "set", "eth0", "up")
        return self

    def __exit__(self, *_: object) -> None:
        for name in (self._near, self._far):
            _ip("netns", "delete", name)

    def lose(self) -> None:
        """Let nothing of the far host arrive."""
        _ip("-n", self._far, "route", "add", "blackhole", f"{_NEAR}/32")

    def restore(self) -> None:
        """Let all arrive again."""
        _ip("-n", self._far, "route", "delete", "blackhole", f"{_NEAR}/32")

    def listen(self) -> socket.socket:
        """Return a socket that listens at the far host."""
        listener = _inside(self._far, socket.socket)
        listener.bind((_FAR, 0))
        listener.listen()
        return listener

    def make_socket(
        self, info: tuple[int, int, int, str, tuple[object, ...]]
    ) -> socket.socket:
        """Return a socket of the near host, for an address of getaddrinfo's."""
        made = _inside(self._near, lambda: socket.socket(*info[:3]))
        made.setblocking(False)
        return made


def _inside[T](name: str, make: Callable[[], T]) -> T:
    """Return what is made in a namespace, to which a socket belongs for ever."""

    def enter() -> None:
        with Path("/run/netns", name).open() as namespace:
            os.setns(namespace.fileno(), os.CLONE_NEWNET)

    # A thread of its own: nothing else may find itself there.
    with ThreadPoolExecutor(1, initializer=enter) as pool:
        return pool.submit(make).result()


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True, text=True)
