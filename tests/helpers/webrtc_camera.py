"""A camera that only speaks WebRTC, made of aiortc: what it sends can be compared."""

import asyncio
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

from aiortc import (
    MediaStreamTrack,
    RTCConfiguration,
    RTCPeerConnection,
    RTCSessionDescription,
)
from aiortc.mediastreams import MediaStreamError
from aiortc.sdp import candidate_from_sdp
import av
from av.bitstream import BitStreamFilterContext

FPS = 25
SOUND_PACKETS = 50


def read_clip(path: Path) -> tuple[list[tuple[bytes, bool]], list[bytes]]:
    """Return a clip's pictures in Annex B form, and whether each is key; its sound."""
    pictures, sound = [], []
    with av.open(str(path)) as container:
        video = container.streams.video[0]
        boxed = (video.codec_context.extradata or b"")[:1] == b"\x01"
        convert = BitStreamFilterContext("h264_mp4toannexb", video)
        for packet in container.demux():
            if not packet.size:
                continue
            if packet.stream_index != video.index:
                sound.append(bytes(packet))
                continue
            parts = convert.filter(packet) if boxed else [packet]
            pictures += [(bytes(part), part.is_keyframe) for part in parts]
    return pictures, sound


class ClipTrack(MediaStreamTrack):
    """Sends a clip's packets at their pace, over and over."""

    def __init__(
        self, kind: str, packets: list[bytes], *, rate: int, ahead: float
    ) -> None:
        self.kind = kind
        super().__init__()
        self.running = asyncio.Event()
        self.running.set()
        self._packets = packets
        self._rate = rate
        self._ahead = ahead
        self._count = 0
        self._next = 0
        self._began: float | None = None

    def go_to(self, index: int) -> None:
        """Go on with this packet of the clip."""
        self._next = index

    async def recv(self) -> av.Packet[Any]:
        await self.running.wait()
        loop = asyncio.get_running_loop()
        if self._began is None:
            self._began = loop.time()
        at = self._count / self._rate
        self._count += 1
        await asyncio.sleep(max(0.0, self._began + at - loop.time()))
        if self.readyState != "live":
            raise MediaStreamError
        packet: av.Packet[Any] = av.Packet(self._packets[self._next])
        self._next = (self._next + 1) % len(self._packets)
        packet.pts = round((at + self._ahead) * 90_000)
        packet.time_base = Fraction(1, 90_000)
        return packet


class WebRtcView:
    """One view of the camera: a peer connection that sends."""

    def __init__(self, camera: WebRtcCameraModel) -> None:
        self.pc = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self.key_frames_wanted = 0
        self.is_closed = False
        self.offer = ""
        self.drop: Callable[[bytes], bool] = lambda _: False
        """Which packets of the pictures get lost, by their plain text."""

        self._camera = camera
        self._tracks: list[ClipTrack] = []
        self._connecting: list[asyncio.Task[None]] = []
        name = "_RTCPeerConnection__connect"
        connect = getattr(self.pc, name)

        def keep() -> asyncio.Task[None]:
            self._connecting.append(asyncio.create_task(connect()))
            return self._connecting[-1]

        # aiortc forgets the task, which goes on for ever where nobody connects.
        vars(self.pc)[name] = keep

    async def answer(self, offer: str) -> str:
        """Answer an offer, and send what it takes."""
        camera = self._camera
        self.offer = offer
        await self.pc.setRemoteDescription(RTCSessionDescription(offer, "offer"))
        for transceiver in self.pc.getTransceivers():
            if transceiver.kind == "video":
                packets = [data for data, _ in camera.pictures]
                rate, ahead = camera.fps, 0.0
            else:
                packets, rate, ahead = camera.sound, SOUND_PACKETS, camera.sound_ahead
            if not packets:
                continue
            track = ClipTrack(transceiver.kind, packets, rate=rate, ahead=ahead)
            sender = self.pc.addTrack(track)
            self._tracks.append(track)
            if transceiver.kind == "video":
                self._wrap(sender, track)
        await self.pc.setLocalDescription(await self.pc.createAnswer())
        return self.pc.localDescription.sdp

    def pause(self) -> None:
        """Send nothing any more, without a word."""
        for track in self._tracks:
            track.running.clear()

    async def close(self) -> None:
        """Say goodbye."""
        self.is_closed = True
        self._camera.changed.set()
        for track in self._tracks:
            track.running.set()
        await self.pc.close()
        for task in self._connecting:
            task.cancel()
        await asyncio.gather(*self._connecting, return_exceptions=True)

    async def add_candidate(self, text: str, mid: str) -> None:
        """Take a candidate of the viewer."""
        candidate = candidate_from_sdp(text.removeprefix("candidate:"))
        candidate.sdpMid = mid
        await self.pc.addIceCandidate(candidate)

    def _wrap(self, sender: Any, track: ClipTrack) -> None:
        def wanted() -> None:
            self.key_frames_wanted += 1
            self._camera.changed.set()
            if self._camera.has_key_frames_on_demand:
                track.go_to(0)

        sender._send_keyframe = wanted
        transport = sender.transport
        send = transport._send_rtp

        async def lossy(data: bytes) -> None:
            # RTCP has payload types from 64 to 95 (RFC 5761 section 4).
            is_video = data[8:12] in _ssrcs(sender)
            if 64 <= data[1] & 0x7F < 96 or not is_video or not self.drop(data):
                await send(data)

        transport._send_rtp = lossy


def _ssrcs(sender: Any) -> tuple[bytes, bytes]:
    return sender._ssrc.to_bytes(4), sender._rtx_ssrc.to_bytes(4)


class WebRtcCameraModel:
    """A camera; each view is a peer connection of its own.

    `sound_ahead`: seconds by which timestamps of the sound are ahead of the clock that
    its reports tell. `has_key_frames_on_demand`: it goes back to the clip's first picture
    when it is asked for a key frame.
    """

    def __init__(
        self,
        clip: Path,
        *,
        fps: int = FPS,
        sound_ahead: float = 0.0,
        has_key_frames_on_demand: bool = True,
    ) -> None:
        self.pictures, self.sound = read_clip(clip)
        self.fps = fps
        self.sound_ahead = sound_ahead
        self.has_key_frames_on_demand = has_key_frames_on_demand
        self.views: list[WebRtcView] = []
        self.changed = asyncio.Event()

    async def wait(self, is_so: Callable[[], bool], timeout: float = 10) -> None:
        """Wait until something holds of the views; raises TimeoutError."""
        async with asyncio.timeout(timeout):
            while not is_so():
                self.changed.clear()
                await self.changed.wait()

    def new_view(self) -> WebRtcView:
        """Return a view that has not been offered anything."""
        self.views.append(WebRtcView(self))
        return self.views[-1]

    @property
    def open_views(self) -> int:
        """How many views have not been closed."""
        return sum(not view.is_closed for view in self.views)

    async def close(self) -> None:
        """End all views."""
        for view in self.views:
            await view.close()


class ModelSession:
    """The signaling of one view, as the peer has it."""

    def __init__(
        self,
        model: WebRtcCameraModel,
        on_candidate: Callable[[str], None],
        on_end: Callable[[str], None],
    ) -> None:
        self.view = model.new_view()
        self.on_candidate = on_candidate
        self.on_end = on_end
        self.closings = 0
        self._closing: asyncio.Task[None] | None = None

    async def offer(self, sdp: str) -> str:
        """Return the camera's answer."""
        return await self.view.answer(sdp)

    async def add_candidate(self, candidate: str, mid: str, index: int) -> None:
        """Take a candidate of the viewer; what is in the offer will do."""

    def close(self) -> None:
        """End the view."""
        self.closings += 1
        self._closing = asyncio.create_task(self.view.close())
