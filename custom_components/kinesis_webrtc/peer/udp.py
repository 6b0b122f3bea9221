"""Sends packets by the addresses that ICE has selected, from any thread."""

import asyncio
from collections.abc import Iterable, Sequence
import contextlib
import errno
import functools
import logging
import socket
import struct
import threading
from typing import Any

import aioice.ice

from . import takeover
from .packets import PAYLOAD_SIZE, Run

_LOGGER = logging.getLogger(__name__)

# linux/udp.h; the socket module does not name it.
_UDP_SEGMENT = 103
_BLOCKED = (errno.EAGAIN, errno.EWOULDBLOCK, errno.ENOBUFS)
_NO_SEGMENTATION = (
    errno.EINVAL,
    errno.EIO,
    errno.EMSGSIZE,
    errno.ENOPROTOOPT,
    errno.EOPNOTSUPP,
)
# Bytes on their way to a relay, above which it counts as too slow.
_RELAY_BACKLOG = 256 * 1024


@functools.cache
def has_segmentation() -> bool:
    """Tell whether the kernel cuts one send into packets (UDP_SEGMENT, Linux 4.18)."""
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.getsockopt(socket.IPPROTO_UDP, _UDP_SEGMENT)
            return hasattr(probe, "sendmsg")
    except OSError:
        return False


class Outlet:
    """One viewer's way out, whichever pair of addresses that is."""

    def __init__(
        self, connection: aioice.ice.Connection, loop: asyncio.AbstractEventLoop
    ) -> None:
        """Prepare; `loop` is the one that the connection lives in."""
        self._connection = connection
        self._loop = loop
        self._transport: Any = None
        self._socket: socket.socket | None = None
        self._segments = has_segmentation()
        self._lock = threading.Lock()
        self._relayed = 0

    def send(self, memory: memoryview, runs: Sequence[Run], skip: int) -> int:
        """Send all packets but the first `skip`; return how many have left by then.

        Fewer than all: the others would have to wait. Packets that the network
        refuses count as sent, as those do that it loses.
        """
        total = sum(run.count for run in runs)
        path = takeover.selected_path(self._connection)
        if path is None:
            return total
        if path.is_relayed:
            return self._send_relayed(path, memory, runs, skip)
        try:
            outlet = self._socket_of(path.transport)
        except OSError:
            return total
        sent = 0
        for run in runs:
            if sent + run.count > skip:
                done = self._send_run(outlet, path.address, memory, run, skip - sent)
                if done < run.count:
                    return sent + done
            sent += run.count
        return sent

    def close(self) -> None:
        """Give the socket back."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None
        self._transport = None

    def _socket_of(self, transport: Any) -> socket.socket:
        if transport is not self._transport or self._socket is None:
            self.close()
            # A copy: the transport may close its own while this one is in use.
            self._socket = transport.get_extra_info("socket").dup()
            self._transport = transport
        return self._socket

    def _send_run(
        self,
        outlet: socket.socket,
        address: tuple[str, int],
        memory: memoryview,
        run: Run,
        skip: int,
    ) -> int:
        if run.count > 1 and skip <= 0 and self._segments:
            segment = struct.pack("=H", run.segment)
            try:
                outlet.sendmsg(
                    [memory[run.begin : run.end]],
                    [(socket.IPPROTO_UDP, _UDP_SEGMENT, segment)],
                    0,
                    address,
                )
            except OSError as err:
                if err.errno in _BLOCKED:
                    return 0
                if err.errno not in _NO_SEGMENTATION:
                    return run.count
                _LOGGER.debug("No segmentation offload (%s)", err.errno)
                self._segments = False
            else:
                return run.count
        for number, packet in enumerate(_cut(memory, run)):
            if number < skip:
                continue
            try:
                outlet.sendto(packet, address)
            except OSError as err:
                if err.errno in _BLOCKED:
                    return number
        return run.count

    def _send_relayed(
        self, path: takeover.Path, memory: memoryview, runs: Sequence[Run], skip: int
    ) -> int:
        packets = [bytes(packet) for run in runs for packet in _cut(memory, run)]
        del packets[:skip]
        size = sum(map(len, packets))
        with self._lock:
            waiting = self._relayed
        waiting += takeover.relay_backlog(path.transport, PAYLOAD_SIZE)
        if waiting > _RELAY_BACKLOG:
            return skip
        with self._lock:
            self._relayed += size
        # aioice's relays are for the event loop alone.
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._relay, path, packets, size)
        return skip + len(packets)

    def _relay(self, path: takeover.Path, packets: Iterable[bytes], size: int) -> None:
        with self._lock:
            self._relayed -= size
        for packet in packets:
            path.transport.sendto(packet, path.address)


def _cut(memory: memoryview, run: Run) -> Iterable[memoryview]:
    for at in range(run.begin, run.end, run.segment):
        yield memory[at : min(at + run.segment, run.end)]
