"""Two hosts that meet nowhere but at a relay, made of network namespaces.

    home ── 10.77.1.0/24 ── relay ── 10.77.2.0/24 ── echo

The relay's host forwards nothing: what it does not answer itself is lost. Needs root.
"""

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
import os
from pathlib import Path
import subprocess
import threading
from typing import Any

HOME = "kinesis-home"
RELAY = "kinesis-relay"
ECHO = "kinesis-echo"

HOME_ADDRESS = "10.77.1.2"
RELAY_HOME_ADDRESS = "10.77.1.1"
RELAY_ECHO_ADDRESS = "10.77.2.1"
ECHO_ADDRESS = "10.77.2.2"


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True, text=True)


def _remove() -> None:
    for name in (HOME, RELAY, ECHO):
        if Path("/run/netns", name).exists():
            _ip("netns", "delete", name)


@contextmanager
def relay_network() -> Iterator[None]:
    """Make the three hosts; their links go with them."""
    _remove()
    try:
        for name in (HOME, RELAY, ECHO):
            _ip("netns", "add", name)
            _ip("-n", name, "link", "set", "lo", "up")
        _link(HOME, HOME_ADDRESS, RELAY_HOME_ADDRESS)
        _link(ECHO, ECHO_ADDRESS, RELAY_ECHO_ADDRESS)
        forwarding = in_namespace(RELAY, "cat", "/proc/sys/net/ipv4/ip_forward")
        shown = subprocess.run(forwarding, check=True, capture_output=True, text=True)
        if shown.stdout.strip() != "0":
            _ip("netns", "exec", RELAY, "sysctl", "-qw", "net.ipv4.ip_forward=0")
        yield
    finally:
        _remove()


def _link(name: str, address: str, relay_address: str) -> None:
    """Join a host to the relay's, which is its way to everywhere."""
    _ip("-n", name, "link", "add", "eth0", "type", "veth", "peer", "name", "far")
    _ip("-n", name, "link", "set", "far", "netns", RELAY, "name", name[-8:])
    _ip("-n", name, "address", "add", f"{address}/24", "dev", "eth0")
    _ip("-n", RELAY, "address", "add", f"{relay_address}/24", "dev", name[-8:])
    _ip("-n", RELAY, "link", "set", name[-8:], "up")
    _ip("-n", name, "link", "set", "eth0", "up")
    _ip("-n", name, "route", "add", "default", "via", relay_address)


def in_namespace(name: str, *command: str | Path) -> list[str | Path]:
    """Return the command that runs a command in a namespace."""
    return ["ip", "netns", "exec", name, *command]


def run_inside[T](name: str, main: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run a coroutine in a namespace, with all threads and processes that it starts.

    A network namespace belongs to a thread, so it gets a thread and a loop of its own.
    """
    outcome: list[T] = []
    failure: list[BaseException] = []

    def target() -> None:
        try:
            with Path("/run/netns", name).open() as namespace:
                os.setns(namespace.fileno(), os.CLONE_NEWNET)
            outcome.append(asyncio.run(main()))
        except BaseException as err:  # noqa: BLE001
            failure.append(err)

    thread = threading.Thread(target=target, name=f"in-{name}")
    thread.start()
    thread.join()
    if failure:
        raise failure[0]
    return outcome[0]
