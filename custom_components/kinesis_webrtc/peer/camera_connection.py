"""The connection to a camera that speaks WebRTC, whose media is taken undecoded."""

from collections.abc import Callable
import contextlib
from dataclasses import dataclass
from typing import Final, override

from aiortc import MediaStreamTrack, RTCPeerConnection
from aiortc.mediastreams import MediaStreamError
from aiortc.rtcrtpreceiver import RTCRtpReceiver
from aiortc.rtcrtptransceiver import RTCRtpTransceiver
from aiortc.rtp import RtpPacket

from . import internals
from .camera_sdp import CAMERA_RULES
from .candidates import AddressRules
from .limits import Limits
from .receiving import ReceivingPeer, receive_only

# Without retransmissions in a stream of their own, which aiortc only takes from cameras
# that name that stream in their answer; lost packets come again in the stream itself.
_VIDEO: Final = frozenset({"video/h264"})
_AUDIO: Final = frozenset({"audio/opus"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrivals:
    """Who takes what comes; each is called in the connection's event loop."""

    on_picture_packet: Callable[[RtpPacket, bytes], None]
    on_sound_packet: Callable[[RtpPacket, bytes], None]
    on_picture_report: Callable[[int, int], None]
    on_sound_report: Callable[[int, int], None]
    on_end: Callable[[], None]
    """No more will come; may be called more than once."""


class CameraConnection(ReceivingPeer):
    """Offers to receive H.264 and Opus, and hands on the packets."""

    def __init__(
        self,
        *,
        on_candidate: Callable[[str, str, int], None],
        arrivals: Arrivals,
        data_channel: str | None,
        limits: Limits,
    ) -> None:
        """Prepare; `on_candidate` is as for every receiver."""
        super().__init__(on_candidate=on_candidate, limits=limits)
        self._arrivals = arrivals
        self._data_channel = data_channel
        self._video: RTCRtpReceiver | None = None

    async def request_key_frame(self) -> None:
        """Ask for a key picture; nothing is asked while there is no connection."""
        if self._video is not None:
            with contextlib.suppress(ConnectionError):
                await internals.request_key_frame(self._video)

    async def request_packets(self, ssrc: int, numbers: list[int]) -> None:
        """Ask for packets of the pictures once more."""
        if self._video is not None:
            with contextlib.suppress(ConnectionError):
                await internals.request_packets(self._video, ssrc, numbers)

    @override
    def _add_media(self, pc: RTCPeerConnection) -> RTCRtpTransceiver:
        # Some cameras insist on sound, pictures and data, in this order.
        audio = receive_only(pc, "audio", _AUDIO)
        video = receive_only(pc, "video", _VIDEO)
        if self._data_channel is not None:
            pc.createDataChannel(self._data_channel)
        self._video = video.receiver
        arrivals = self._arrivals
        internals.divert_packets(audio.receiver, arrivals.on_sound_packet)
        internals.watch_reports(audio.receiver, arrivals.on_sound_report)
        internals.divert_packets(video.receiver, arrivals.on_picture_packet)
        internals.watch_reports(video.receiver, arrivals.on_picture_report)
        pc.on("track", self._track_came)
        return audio

    @property
    @override
    def _rules(self) -> AddressRules:
        return CAMERA_RULES

    def _track_came(self, track: MediaStreamTrack) -> None:
        if track.kind == "video":
            self._start(self._wait_for_end(track))

    async def _wait_for_end(self, track: MediaStreamTrack) -> None:
        """Wait for a goodbye: the track never has anything but its end."""
        with contextlib.suppress(MediaStreamError):
            await track.recv()
        self._arrivals.on_end()

    @override
    def _connection_ended(self) -> None:
        self._arrivals.on_end()
