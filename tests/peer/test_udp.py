"""Packets leave by whichever path is selected, cut by the kernel or one by one."""

import asyncio
from collections.abc import AsyncIterator, Callable
import errno
import socket

import aioice.ice
import aioice.turn
import pytest

from custom_components.kinesis_webrtc.peer import takeover
from custom_components.kinesis_webrtc.peer.packets import Run
from custom_components.kinesis_webrtc.peer.takeover import Path
from custom_components.kinesis_webrtc.peer.udp import Outlet, has_segmentation

# Three of one size and a shorter one, then two of another size.
SIZES = [100, 100, 100, 40, 60, 60]
RUNS = [Run(0, 340, 100, 4), Run(340, 460, 60, 2)]
MEMORY = memoryview(bytes(n for n, size in enumerate(SIZES) for _ in range(size)))
PACKETS = [bytes([n]) * size for n, size in enumerate(SIZES)]


@pytest.fixture
def far_end() -> AsyncIterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        sock.settimeout(5)
        yield sock


@pytest.fixture
async def transport() -> AsyncIterator[asyncio.DatagramTransport]:
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(
        asyncio.DatagramProtocol, local_addr=("127.0.0.1", 0)
    )
    yield transport
    transport.close()
    await asyncio.sleep(0)


@pytest.fixture
async def path(
    far_end: socket.socket,
    transport: asyncio.DatagramTransport,
    monkeypatch: pytest.MonkeyPatch,
) -> list[Path | None]:
    """Return what is selected, to be changed."""
    selected: list[Path | None] = [Path(transport, far_end.getsockname(), False)]
    monkeypatch.setattr(takeover, "selected_path", lambda _: selected[0])
    return selected


@pytest.fixture
async def outlet(path: list[Path | None]) -> AsyncIterator[Outlet]:
    connection = aioice.ice.Connection(ice_controlling=False)
    outlet = Outlet(connection, asyncio.get_running_loop())
    yield outlet
    outlet.close()


def received(far_end: socket.socket, count: int) -> list[bytes]:
    packets = [far_end.recv(2000) for _ in range(count)]
    far_end.setblocking(False)
    with pytest.raises(BlockingIOError):
        far_end.recv(2000)
    far_end.settimeout(5)
    return packets


@pytest.mark.skipif(not has_segmentation(), reason="the kernel has none")
async def test_kernel_cuts_one_send_into_packets(
    outlet: Outlet, far_end: socket.socket
) -> None:
    assert outlet.send(MEMORY, RUNS, 0) == 6
    assert received(far_end, 6) == PACKETS


async def test_packets_go_one_by_one_without_that(
    outlet: Outlet, far_end: socket.socket
) -> None:
    outlet._segments = False
    assert outlet.send(MEMORY, RUNS, 0) == 6
    assert received(far_end, 6) == PACKETS


@pytest.mark.parametrize("skip", range(7))
async def test_what_has_left_does_not_leave_again(
    outlet: Outlet, far_end: socket.socket, skip: int
) -> None:
    assert outlet.send(MEMORY, RUNS, skip) == 6
    assert received(far_end, 6 - skip) == PACKETS[skip:]


class Refusing:
    """A socket whose sends fail from some packet on."""

    def __init__(self, failures: dict[str, tuple[int, int]]) -> None:
        self.failures = failures
        self.sent: list[bytes] = []
        self.closed = False

    def _send(self, kind: str, data: bytes) -> None:
        after, error = self.failures.get(kind, (99, 0))
        if len(self.sent) >= after:
            raise OSError(error, "")
        self.sent.append(data)

    def sendto(self, data: memoryview, address: object) -> None:
        self._send("sendto", bytes(data))

    def sendmsg(self, parts: list, control: list, flags: int, address: object) -> None:
        self._send("sendmsg", b"".join(map(bytes, parts)))

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def refusing(
    outlet: Outlet, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Refusing]:
    def make(**failures: tuple[int, int]) -> Refusing:
        double = Refusing(failures)
        monkeypatch.setattr(outlet, "_socket_of", lambda _: double)
        return double

    return make


@pytest.mark.parametrize("error", [errno.EAGAIN, errno.ENOBUFS])
async def test_full_socket_says_how_far_it_came(
    outlet: Outlet, refusing: Callable[..., Refusing], error: int
) -> None:
    outlet._segments = False
    refusing(sendto=(2, error))
    assert outlet.send(MEMORY, RUNS, 0) == 2
    refusing(sendto=(3, error))
    assert outlet.send(MEMORY, RUNS, 2) == 5
    outlet._segments = True
    refusing(sendmsg=(1, error))
    assert outlet.send(MEMORY, RUNS, 0) == 4
    refusing(sendmsg=(0, error))
    assert outlet.send(MEMORY, RUNS, 0) == 0


async def test_network_that_cannot_segment_gets_packets_one_by_one(
    outlet: Outlet, refusing: Callable[..., Refusing]
) -> None:
    outlet._segments = True
    double = refusing(sendmsg=(0, errno.EIO))
    assert outlet.send(MEMORY, RUNS, 0) == 6
    assert double.sent == PACKETS
    assert outlet.send(MEMORY, RUNS, 0) == 6
    assert double.sent == PACKETS * 2


async def test_what_the_network_refuses_is_lost(
    outlet: Outlet, refusing: Callable[..., Refusing]
) -> None:
    for segments in (True, False):
        outlet._segments = segments
        refusing(sendto=(0, errno.ENETUNREACH), sendmsg=(0, errno.ENETUNREACH))
        assert outlet.send(MEMORY, RUNS, 0) == 6


async def test_selected_path_may_change_and_go(
    outlet: Outlet, path: list[Path | None], far_end: socket.socket
) -> None:
    outlet.send(MEMORY, RUNS[:1], 0)
    loop = asyncio.get_running_loop()
    other, _ = await loop.create_datagram_endpoint(
        asyncio.DatagramProtocol, local_addr=("127.0.0.1", 0)
    )
    assert path[0] is not None
    path[0] = path[0]._replace(transport=other)
    outlet.send(MEMORY, RUNS[:1], 0)
    senders = {far_end.recvfrom(2000)[1] for _ in range(8)}
    assert len(senders) == 2
    other.close()
    await asyncio.sleep(0)
    # What is in use is a copy, so a closed transport is nobody's trouble.
    assert outlet.send(MEMORY, RUNS, 0) == 6
    outlet.close()
    assert outlet.send(MEMORY, RUNS, 0) == 6
    path[0] = None
    assert outlet.send(MEMORY, RUNS, 0) == 6


class Relay:
    """A relay that notes what it is given."""

    def __init__(self) -> None:
        self.sent: list[tuple[bytes, object]] = []

    def sendto(self, data: bytes, address: object) -> None:
        self.sent.append((data, address))


async def test_relays_are_spoken_to_in_the_event_loop(
    outlet: Outlet, path: list[Path | None], monkeypatch: pytest.MonkeyPatch
) -> None:
    relay, waiting = Relay(), [0]
    monkeypatch.setattr(takeover, "relay_backlog", lambda _, __: waiting[0])
    address = ("198.51.100.1", 5000)
    path[0] = Path(relay, address, True)
    assert await asyncio.to_thread(outlet.send, MEMORY, RUNS, 0) == 6
    assert await asyncio.to_thread(outlet.send, MEMORY, RUNS, 4) == 6
    await asyncio.sleep(0)
    expected = PACKETS + PACKETS[4:]
    assert relay.sent == [(packet, address) for packet in expected]
    waiting[0] = 1 << 20
    assert outlet.send(MEMORY, RUNS, 3) == 3


async def test_event_loop_that_does_not_come_to_it_holds_back(
    outlet: Outlet, path: list[Path | None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(takeover, "relay_backlog", lambda _, __: 0)
    relay = Relay()
    path[0] = Path(relay, ("198.51.100.1", 5000), True)
    taken = 0
    while outlet.send(MEMORY, RUNS, 0) == 6:
        taken += 1
        assert taken < 10_000
    assert 0 < taken * 460 < 512 * 1024
    await asyncio.sleep(0)
    assert len(relay.sent) == 6 * taken
    assert outlet.send(MEMORY, RUNS, 0) == 6
    await asyncio.sleep(0)
