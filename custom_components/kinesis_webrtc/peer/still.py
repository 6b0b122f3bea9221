"""A viewer that joins for one picture."""

import asyncio
from collections.abc import Callable
import contextlib
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Final, override

from aiortc import MediaStreamTrack, RTCPeerConnection
from aiortc.mediastreams import MediaStreamError
from aiortc.rtcrtptransceiver import RTCRtpTransceiver
import av

from . import internals
from .limits import Limits
from .receiving import AnswerUnusableError, ReceivingPeer, receive_only

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


class StillViewer(ReceivingPeer):
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
        super().__init__(on_candidate=on_candidate, limits=limits)
        self._track: asyncio.Future[MediaStreamTrack] = (
            asyncio.get_running_loop().create_future()
        )

    @override
    async def accept(self, answer: str) -> None:
        """Apply the master's answer. Raises StillError."""
        try:
            await super().accept(answer)
        except AnswerUnusableError as err:
            raise StillError(str(err)) from None

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

    @override
    def _add_media(self, pc: RTCPeerConnection) -> RTCRtpTransceiver:
        pc.on("track", self._track_came)
        return receive_only(pc, "video", _CODECS)

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
