"""Audio for viewers of a camera without audio."""

import asyncio
from fractions import Fraction
from typing import Any, override

from aiortc import MediaStreamTrack
from aiortc.mediastreams import MediaStreamError
import av

from .codecs import Codec

_FRAMES_PER_SECOND = 50
_FRAME_SECONDS = Fraction(1, _FRAMES_PER_SECOND)
# One frame of 20 ms: CELT, full band, mono, and nothing in it (RFC 6716 section 3.1).
_OPUS_SILENCE = bytes.fromhex("f8fffe")
FRAMES = {
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
        rate, frame = FRAMES[codec.name]
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
