"""What is private in aiortc and aioice is where the peer looks for it."""

import ast
import asyncio
import ipaddress
from pathlib import Path
import struct
from types import SimpleNamespace
from unittest.mock import AsyncMock, create_autospec

import aioice
import aioice.ice
import aioice.stun
import aiortc.rtcpeerconnection
import pytest

from custom_components.kinesis_webrtc.peer import internals

# As it is without what the tests put in its place.
STOCK_ADDRESSES = aioice.ice.get_host_addresses
PEER = Path(internals.__file__).parent


async def test_installed_libraries_fit() -> None:
    assert internals.missing() == []


@pytest.mark.parametrize(
    "name", ["_pair_remote_candidate", "sort_check_list", "gather_candidates"]
)
async def test_moved_name_is_noticed(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.delattr(aioice.ice.Connection, name)
    assert internals.missing() == [f"Connection.{name}"]


async def test_moved_method_of_aiortc_is_noticed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    name = "_RTCPeerConnection__connect"
    monkeypatch.delattr(aiortc.rtcpeerconnection.RTCPeerConnection, name)
    # The wrapper takes the name from the class, so it cannot even be built.
    assert internals.missing() == [f"RTCPeerConnection.{name}"]


async def test_connection_without_a_pair_has_no_types() -> None:
    connection = aioice.ice.Connection(ice_controlling=False)
    assert internals.selected_types(connection) == (None, None)


def _is_private(name: str) -> bool:
    return name.startswith("_") and not name.endswith("__")


def test_private_names_stand_in_three_modules() -> None:
    """Others may use private names of their own `self` alone."""
    for path in PEER.glob("*.py"):
        if path.name in {"internals.py", "relay_internals.py", "takeover.py"}:
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Attribute) and _is_private(node.attr):
                owner = node.value
                assert isinstance(owner, ast.Name), (path.name, node.attr)
                assert owner.id in ("self", "cls"), (path.name, node.attr)


def test_libraries_of_others_stay_out() -> None:
    """The peer knows neither Home Assistant nor the protocol, nor its siblings."""
    for path in PEER.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                assert node.level <= 1, path.name
                names = [node.module or ""] if node.level == 0 else []
            else:
                continue
            for name in names:
                top = name.partition(".")[0]
                assert top not in ("homeassistant", "boto3", "botocore", "aiohttp")
                assert top != "custom_components"


class Ports:
    """A session's port, and who sends to it."""

    def __init__(self) -> None:
        self.connection = aioice.ice.Connection(ice_controlling=False)
        self.connection.remote_username = "viewer"
        self.connection.remote_password = "word-of-the-viewer"
        self.protocol = internals.GuardedProtocol(self.connection)
        self.protocol.local_candidate = aioice.Candidate(
            foundation="1",
            component=1,
            transport="udp",
            priority=1,
            host="127.0.0.1",
            port=9,
            type="host",
        )
        self.protocol.transport = create_autospec(asyncio.DatagramTransport)

    def check(self, port: int) -> None:
        """Send what the viewer itself would send."""
        request = aioice.stun.Message(
            message_method=aioice.stun.Method.BINDING,
            message_class=aioice.stun.Class.REQUEST,
        )
        request.attributes["USERNAME"] = f"{self.connection.local_username}:viewer"
        request.attributes["PRIORITY"] = 1
        request.add_message_integrity(self.connection.local_password.encode())
        self.protocol.datagram_received(bytes(request), ("198.51.100.1", port))

    @property
    def taken(self) -> int:
        return len(self.connection._early_checks)


async def test_what_waits_for_dtls_is_bounded() -> None:
    ports = Ports()
    for _ in range(5000):
        ports.protocol.datagram_received(b"\x16" + bytes(50), ("198.51.100.1", 1))
    assert ports.connection._queue.qsize() == internals._MOST_WAITING


async def test_a_viewer_cannot_make_us_learn_addresses_for_ever() -> None:
    ports = Ports()
    ports.connection._remote_candidates = [
        aioice.Candidate(
            foundation="1",
            component=1,
            transport="udp",
            priority=1,
            host="198.51.100.1",
            port=port,
            type="prflx",
        )
        for port in range(1, internals._MOST_LEARNT + 1)
    ]
    ports.check(internals._MOST_LEARNT + 1)
    assert not ports.taken
    # Those that are known go on.
    ports.check(1)
    assert ports.taken == 1


async def test_a_check_without_the_password_teaches_nothing() -> None:
    ports = Ports()
    request = aioice.stun.Message(
        message_method=aioice.stun.Method.BINDING,
        message_class=aioice.stun.Class.REQUEST,
    )
    request.attributes["USERNAME"] = f"{ports.connection.local_username}:viewer"
    request.attributes["PRIORITY"] = 1
    request.add_message_integrity(b"guessed")
    ports.protocol.datagram_received(bytes(request), ("198.51.100.1", 5000))
    assert not ports.taken
    # The refusal is no larger than what asked for it, so nobody is flooded with it.
    ((refusal, _),) = [
        call.args for call in ports.protocol.transport.sendto.call_args_list
    ]
    assert len(refusal) <= len(bytes(request))


@pytest.mark.parametrize("data", [b"", b"\0\1\0\4" + bytes(16) + b"\0\x24\0\0"])
async def test_datagrams_that_cannot_be_read_are_passed_over(data: bytes) -> None:
    ports = Ports()
    ports.protocol.datagram_received(data, ("198.51.100.1", 1))
    assert not ports.connection._queue.qsize()
    ports.check(1)
    assert ports.taken == 1


@pytest.mark.parametrize("takes_rtp", [True, False])
async def test_media_reaches_us_only_where_it_is_to_be_received(
    takes_rtp: bool,
) -> None:
    transport = SimpleNamespace(
        _handle_rtcp_data=AsyncMock(), _handle_rtp_data=AsyncMock()
    )
    media, reports = transport._handle_rtp_data, transport._handle_rtcp_data
    internals.guard_media(transport, takes_rtp=takes_rtp)
    await transport._handle_rtp_data(b"sound", 1)
    await transport._handle_rtcp_data(b"report")
    assert media.called == takes_rtp
    assert reports.called


async def test_a_packet_that_cannot_be_read_ends_no_session() -> None:
    transport = SimpleNamespace(
        _handle_rtcp_data=AsyncMock(side_effect=struct.error),
        _handle_rtp_data=AsyncMock(side_effect=IndexError),
    )
    internals.guard_media(transport, takes_rtp=True)
    await transport._handle_rtp_data(b"sound", 1)
    await transport._handle_rtcp_data(b"report")


async def test_the_end_of_a_connection_is_passed_on() -> None:
    transport = SimpleNamespace(
        _handle_rtcp_data=AsyncMock(side_effect=ConnectionError),
        _handle_rtp_data=AsyncMock(),
    )
    internals.guard_media(transport, takes_rtp=True)
    with pytest.raises(ConnectionError):
        await transport._handle_rtcp_data(b"report")


def test_a_machine_s_own_addresses_are_never_loopback() -> None:
    """Else checks would go to whatever listens on this machine."""
    assert not any(
        ipaddress.ip_address(address).is_loopback
        for address in STOCK_ADDRESSES(use_ipv4=True, use_ipv6=True)
    )
