"""What is needed to send in aiortc's place is where it is looked for, or left alone."""

from collections.abc import Callable
from unittest.mock import Mock

from aiortc import RTCPeerConnection
import aiortc.rtcdtlstransport
import aiortc.rtcrtpsender
from aiortc.rtp import RtcpRtpfbPacket
import pylibsrtp
import pytest

from custom_components.kinesis_webrtc.peer import KeyFrameSent, MasterPeer, takeover
from tests.helpers.viewers import EchoPeer

from .conftest import Recorder

SENDER = aiortc.rtcrtpsender.RTCRtpSender
DTLS = aiortc.rtcdtlstransport.RTCDtlsTransport


async def _renamed(self: object, *_: object) -> None:
    """Do what a later release might do under another name."""


async def test_installed_libraries_fit() -> None:
    assert takeover.moved() == []


@pytest.mark.parametrize(
    ("owner", "name", "told"),
    [
        (SENDER, "_run_rtp", "RTCRtpSender._run_rtp"),
        (SENDER, "_retransmit", "RTCRtpSender._retransmit"),
        (SENDER, "_send_keyframe", "RTCRtpSender._send_keyframe"),
        (DTLS, "_get_stats", "RTCDtlsTransport._get_stats"),
        (pylibsrtp.Session, "protect", "Session.protect"),
        (pylibsrtp, "Session", None),
    ],
)
async def test_moved_name_is_noticed(
    monkeypatch: pytest.MonkeyPatch, owner: object, name: str, told: str | None
) -> None:
    if told is None:
        monkeypatch.setattr(takeover, "lib", None)
        told = "pylibsrtp._binding"
    else:
        monkeypatch.delattr(owner, name)
    assert takeover.moved() == [told]


@pytest.mark.parametrize(
    ("owner", "method"),
    [(SENDER, "send"), (SENDER, "getStats"), (DTLS, "_send_rtp")],
)
async def test_other_way_of_calling_is_noticed(
    monkeypatch: pytest.MonkeyPatch, owner: type, method: str
) -> None:
    monkeypatch.setattr(owner, method, _renamed)
    assert takeover.moved() == [f"{owner.__name__}.{method}()"]


async def test_viewers_are_served_by_aiortc_itself_where_it_is_not_known(
    make_master: Callable[..., MasterPeer],
    recorder: Recorder,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(takeover, "moved", lambda: ["RTCRtpSender._run_rtp"])
    master = make_master()
    await master.prepare()
    assert "RTCRtpSender._run_rtp" in caplog.text
    async with EchoPeer() as first, EchoPeer() as second:
        await first.accept(await master.answer("first", await first.offer(), []))
        await first.wait_frames(20)
        await second.accept(await master.answer("second", await second.offer(), []))
        await second.wait_frames(20)
        await first.wait_frames(40)
        assert master.feed.fanout.streams == 0
        assert master.feed.opened == 1
    assert len(recorder.all(KeyFrameSent)) == 2
    assert caplog.text.count("is not known") == 1


async def test_packet_that_is_too_old_to_be_encrypted_holds_no_other_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sender = RTCPeerConnection().addTransceiver("video").sender
    medium = Mock(find=lambda number: bytes([number]))
    takeover.take_over(sender, medium)
    sent = []

    async def send(data: bytes) -> None:
        if data == b"\x01":
            raise pylibsrtp.Error("replay check failed (index too old)")
        sent.append(data)

    monkeypatch.setattr(sender.transport, "_send_rtp", send)
    request = RtcpRtpfbPacket(fmt=1, ssrc=1, media_ssrc=sender._ssrc, lost=[1, 2, 3])
    await sender._handle_rtcp_packet(request)
    assert sent == [b"\x02", b"\x03"]


async def test_streams_of_a_viewer_take_turns_with_one_session(
    master: MasterPeer,
) -> None:
    async with EchoPeer() as echo:
        await echo.accept(await master.answer("echo", await echo.offer(), []))
        await echo.wait_frames(1)
        audio, video = master._sessions["echo"]._streams
        assert audio._session is not None
        assert audio._session is video._session
