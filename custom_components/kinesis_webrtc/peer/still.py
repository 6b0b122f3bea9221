"""A viewer that joins for one picture."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
import contextlib
from dataclasses import dataclass, field
from fractions import Fraction
import logging
import ssl
from typing import Any, Final

from aiortc import (
    MediaStreamTrack,
    RTCIceCandidate,
    RTCPeerConnection,
    RTCRtpReceiver,
    RTCSessionDescription,
)
from aiortc.mediastreams import MediaStreamError
from aiortc.rtcdtlstransport import RTCCertificate
from aiortc.rtcrtptransceiver import RTCRtpTransceiver
import av

from . import internals
from .answer import LocalCandidate
from .candidates import parse_candidate
from .gathering import Gathering, reaches_loopback
from .limits import Limits
from .servers import IceServer, Resolver, read_servers

_LOGGER = logging.getLogger(__name__)

_CODECS: Final = frozenset({"video/h264", "video/rtx"})
# Seconds between two requests for a key frame; a master may have missed the first.
_ASK_EVERY: Final = 1.0
# FFmpeg's scale for JPEG is 2 (best) to 31.
_JPEG_SCALE: Final = "4"


class StillError(Exception):
    """There is no picture to be had."""


@dataclass(frozen=True, slots=True)
class Picture:
    """A decoded picture."""

    frame: av.VideoFrame = field(repr=False)

    @property
    def width(self) -> int:
        """The width in pixels."""
        return self.frame.width

    @property
    def height(self) -> int:
        """The height in pixels."""
        return self.frame.height

    def jpeg(self, width: int | None = None, height: int | None = None) -> bytes:
        """Return the picture as JPEG, which blocks for some milliseconds.

        It is made to fit into width and height (pixels), in its own proportions, and
        never larger than it came.
        """
        frame = self.frame
        scale = min(
            1.0,
            (width or frame.width) / frame.width,
            (height or frame.height) / frame.height,
        )
        size = max(2, round(frame.width * scale)), max(2, round(frame.height * scale))
        encoder = av.CodecContext.create("mjpeg", "w")
        encoder.width, encoder.height = size
        encoder.pix_fmt = "yuvj420p"
        encoder.time_base = Fraction(1, 25)
        encoder.options = {"qmin": _JPEG_SCALE, "qmax": _JPEG_SCALE}
        scaled = frame.reformat(
            *size, format="yuvj420p", dst_color_range="JPEG", interpolation="AREA"
        )
        scaled.pts = 0
        scaled.time_base = encoder.time_base
        packets = [*encoder.encode(scaled), *encoder.encode(None)]
        return b"".join(map(bytes, packets))


class StillViewer:
    """Offers to receive video, and takes the first picture of it."""

    def __init__(
        self,
        *,
        on_candidate: Callable[[str, str, int], None],
        limits: Limits | None = None,
    ) -> None:
        """Prepare; `on_candidate` gets candidate, mid and index of what is gathered late.

        It is called in the event loop, after `offer` has returned, and must not block.
        """
        self._on_candidate = on_candidate
        self._limits = limits or Limits()
        self._resolver = Resolver()
        self._pc: RTCPeerConnection | None = None
        self._transceiver: RTCRtpTransceiver | None = None
        self._gathering: Gathering | None = None
        self._tasks: set[asyncio.Task[Any]] = set()
        self._track: asyncio.Future[MediaStreamTrack] = (
            asyncio.get_running_loop().create_future()
        )
        self._failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def offer(self, ice_servers: Sequence[IceServer]) -> str:
        """Return an offer whose further candidates follow; no server is waited for."""
        certificate = await asyncio.to_thread(RTCCertificate.generateCertificate)
        # Reads the trusted certificates from disk.
        tls = await asyncio.to_thread(ssl.create_default_context)
        self._pc = pc = internals.new_connection(certificate, self._keep)
        pc.on("track", self._track_came)
        pc.on("connectionstatechange", self._connection_changed)
        self._transceiver = pc.addTransceiver("video", direction="recvonly")
        capabilities = RTCRtpReceiver.getCapabilities("video")
        self._transceiver.setCodecPreferences(
            [
                codec
                for codec in (capabilities.codecs if capabilities else ())
                if codec.mimeType.lower() in _CODECS
            ]
        )
        connection = internals.ice_connection(self._transceiver.receiver.transport)
        self._gathering = Gathering(
            connection=connection,
            servers=read_servers(ice_servers),
            resolver=self._resolver,
            tls=tls,
            limits=self._limits,
            trickle=True,
            on_candidate=self._candidate_gathered,
            on_end=self._gathering_ended,
            on_found=self._candidate_found,
        )
        internals.set_gatherer(connection, self._gathering.run)
        await pc.setLocalDescription(await pc.createOffer())
        return _trickled(pc.localDescription.sdp)

    async def accept(self, answer: str) -> None:
        """Apply the master's answer. Raises StillError."""
        if self._pc is None:
            raise StillError("not offered")
        try:
            await self._pc.setRemoteDescription(RTCSessionDescription(answer, "answer"))
        except Exception as err:  # noqa: BLE001 - aiortc raises whatever its parser hits
            raise StillError(f"unusable answer: {type(err).__name__}") from None

    def add_candidate(self, candidate: str) -> None:
        """Try one more candidate of the master; what cannot be used is ignored."""
        parsed = parse_candidate(candidate, loopback=reaches_loopback())
        if parsed is None or self._transceiver is None:
            return
        transport = self._transceiver.receiver.transport.transport
        self._start(
            transport.addRemoteCandidate(
                RTCIceCandidate(
                    component=1,
                    foundation=parsed.foundation,
                    ip=parsed.address,
                    port=parsed.port,
                    priority=parsed.priority,
                    protocol="udp",
                    type=parsed.kind,
                )
            )
        )

    async def picture(self) -> Picture:
        """Return the first picture that can be decoded, however long that takes.

        A decoder has one with the first key frame. Raises StillError when the
        connection fails, or ends before.
        """
        receiving = self._start(self._receive())
        self._failed.add_done_callback(lambda _: receiving.cancel())
        asking = self._start(self._ask_for_key_frames())
        try:
            return Picture(await receiving)
        except asyncio.CancelledError:
            if self._failed.done() and not self._failed.cancelled():
                raise StillError("the connection has failed") from None
            raise
        finally:
            asking.cancel()

    async def close(self) -> None:
        """Leave, and give everything back, within bounds."""
        if self._gathering is not None:
            await self._gathering.halt()
        if self._pc is not None:
            try:
                async with asyncio.timeout(self._limits.close_timeout):
                    await self._pc.close()
            except TimeoutError:
                _LOGGER.debug("Closing a peer connection took too long")
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._gathering is not None:
            await self._gathering.free_relays()
        await self._resolver.close()

    async def _receive(self) -> av.VideoFrame:
        track = await self._track
        try:
            frame = await track.recv()
        except MediaStreamError:
            raise StillError("the stream has ended") from None
        if not isinstance(frame, av.VideoFrame):
            raise StillError("no video")
        return frame

    async def _ask_for_key_frames(self) -> None:
        """Ask until there is one: masters begin in the middle of a group of pictures."""
        while self._transceiver is not None:
            with contextlib.suppress(ConnectionError):
                await internals.request_key_frame(self._transceiver.receiver)
            await asyncio.sleep(_ASK_EVERY)

    def _track_came(self, track: MediaStreamTrack) -> None:
        if not self._track.done():
            self._track.set_result(track)

    def _connection_changed(self) -> None:
        if self._pc is None or self._failed.done():
            return
        if self._pc.connectionState in {"failed", "closed"}:
            self._failed.set_result(None)
            self._connection_ended()

    def _candidate_gathered(self, candidate: LocalCandidate) -> None:
        if self._transceiver is not None:
            self._on_candidate(candidate.text, self._transceiver.mid or "0", 0)

    def _candidate_found(self, candidate: LocalCandidate) -> None:
        """Take note of a candidate of ours, whenever it comes."""

    def _gathering_ended(self) -> None:
        """Take note that no more candidates of ours will come."""

    def _connection_ended(self) -> None:
        """Take note that there is no connection, or will be none."""

    def _start[T](self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        task = asyncio.create_task(work, name="kinesis_webrtc still")
        self._keep(task)
        return task

    def _keep(self, task: asyncio.Task[Any]) -> None:
        self._tasks.add(task)
        task.add_done_callback(self._finished)

    def _finished(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            _LOGGER.debug("A still's task failed: %s", type(error).__name__)


def _trickled(offer: str) -> str:
    """Return aiortc's offer as one whose candidates are not all there yet.

    AWS's C SDK gathers for seconds before it answers an offer that does not say so.
    """
    lines = [
        line
        for line in offer.splitlines()
        if line != "a=end-of-candidates"
        and (not line.startswith("a=fingerprint:") or "sha-256 " in line)
    ]
    return "".join(f"{line}\r\n" for line in [*lines, "a=ice-options:trickle"])
