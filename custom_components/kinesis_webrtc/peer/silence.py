"""Audio for viewers of a camera without audio."""

import asyncio
from collections.abc import Callable
from fractions import Fraction
import time
from typing import Any, override

from aiortc import MediaStreamTrack
from aiortc.mediastreams import MediaStreamError
from aiortc.rtcrtpsender import RTCRtpSender
import av

from . import takeover
from .codecs import Codec
from .media import Media
from .media_stream import NEVER, Assemble, Dispatcher, MediaStream, abs_send_time
from .packets import Assembly, Batch
from .ring import ntp

_FRAMES_PER_SECOND = 50
_FRAME_SECONDS = Fraction(1, _FRAMES_PER_SECOND)
# One frame of 20 ms: CELT, full band, mono, and nothing in it (RFC 6716 section 3.1).
_OPUS_SILENCE = bytes.fromhex("f8fffe")
_FRAMES = {
    "opus": (48000, _OPUS_SILENCE),
    # The code words of zero in ITU-T G.711.
    "PCMU": (8000, b"\xff" * 160),
    "PCMA": (8000, b"\xd5" * 160),
}


class SilencePacker:
    """Gives the sender its payload, so that no viewer has an encoder."""

    def pack(self, packet: av.Packet[Any]) -> tuple[list[bytes], int]:
        """Return the packet's bytes as they are, and its timestamp."""
        return [bytes(packet)], packet.pts or 0


class SilenceTrack(MediaStreamTrack):
    """An encoded frame of silence every 20 ms."""

    kind = "audio"

    def __init__(self, codec: Codec) -> None:
        """Speak the codec that is answered."""
        super().__init__()
        rate, frame = _FRAMES[codec.name]
        self._samples = rate // _FRAMES_PER_SECOND
        self._packet = av.Packet(frame)
        self._packet.time_base = Fraction(1, rate)
        self._count = 0
        self._start = 0.0

    @override
    async def recv(self) -> av.Packet[Any]:
        """Return the next frame when its time has come."""
        if self.readyState != "live":
            raise MediaStreamError
        now = asyncio.get_running_loop().time()
        if self._count == 0:
            self._start = now
        due = self._start + self._count * float(_FRAME_SECONDS)
        if due > now:
            await asyncio.sleep(due - now)
        self._packet.pts = self._count * self._samples
        self._count += 1
        return self._packet


class SilenceStream(MediaStream):
    """The same without aiortc's sender: one packet every 20 ms, at the same time for all.

    A frame that the thread comes too late for is left out.
    """

    def __init__(
        self,
        *,
        sender: RTCRtpSender,
        media: Media,
        fanout: Dispatcher,
        on_failure: Callable[[], None],
    ) -> None:
        """Speak the codec that is answered."""
        super().__init__(
            sender=sender, media=media, fanout=fanout, on_failure=on_failure
        )
        rate, self._frame = _FRAMES[media.codec.name]
        self._samples = rate // _FRAMES_PER_SECOND
        self._batch: Batch | None = None
        self._slot = 0

    @override
    def step(self, now: float, scratch: takeover.Scratch, assemble: Assemble) -> float:
        """Send the frame of this time, unless that has been done."""
        with self._lock:
            if self._is_closed or self._layout is None:
                return NEVER
            slot = int(now * _FRAMES_PER_SECOND)
            if slot > self._slot:
                self._slot = slot
                if self._batch is None:
                    [self._batch] = Assembly(self._layout, [self._frame]).batches
                timestamp = slot * self._samples
                self._transmit(
                    self._batch,
                    scratch,
                    timestamp=(self._origin + timestamp) & 0xFFFFFFFF,
                    send_time=abs_send_time(),
                    begin=0,
                    frame_ntp=ntp(time.time()),
                    frame_timestamp=timestamp,
                )
            return (self._slot + 1) / _FRAMES_PER_SECOND
