"""A microphone into which a tone can be spoken."""

import asyncio
from fractions import Fraction
from pathlib import Path
from typing import override
import wave

from aiortc import MediaStreamTrack
import av
import numpy as np

RATE = 48_000
_STEP = RATE // 50


class Microphone(MediaStreamTrack):
    """20 ms of sound at a time: silence, or a tone for as long as that is `pitch` Hz.

    It `has_spoken` once there was a second of either.
    """

    kind = "audio"

    def __init__(self, pitch: float | None = None) -> None:
        """Begin with a tone or, without its pitch, with silence."""
        super().__init__()
        self.pitch = pitch
        self.has_spoken = asyncio.Event()
        self._count = 0
        self._start = 0.0

    @override
    async def recv(self) -> av.AudioFrame:
        """Return the next frame when its time has come."""
        now = asyncio.get_running_loop().time()
        self._start = self._start or now
        await asyncio.sleep(max(0.0, self._start + self._count / 50 - now))
        times = (np.arange(_STEP) + self._count * _STEP) / RATE
        tone = np.sin(2 * np.pi * (self.pitch or 0) * times) * 10_000
        frame = av.AudioFrame.from_ndarray(
            tone.astype(np.int16).reshape(1, -1), format="s16", layout="mono"
        )
        frame.sample_rate = RATE
        frame.pts, frame.time_base = self._count * _STEP, Fraction(1, RATE)
        self._count += 1
        if self._count > 50:
            self.has_spoken.set()
        return frame


def make_wave(path: Path, *, pitch: float) -> Path:
    """Write a second of a tone that is heard for its first half."""
    times = np.arange(RATE) / RATE
    tone = np.sin(2 * np.pi * pitch * times) * (times < 0.5) * 16_000
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(tone.astype(np.int16).tobytes())
    return path


def decoded(mp3: bytes) -> np.ndarray:
    """Return the samples, between -1 and 1, of frames of MP3 that are 48 kHz and mono."""
    decoder = av.CodecContext.create("mp3float", "r")
    packets = [*decoder.parse(mp3), *decoder.parse(b"")]
    parts = [
        frame.to_ndarray()[0] for packet in packets for frame in decoder.decode(packet)
    ]
    assert decoder.sample_rate == RATE
    assert decoder.layout.name == "mono"
    return np.concatenate(parts)
