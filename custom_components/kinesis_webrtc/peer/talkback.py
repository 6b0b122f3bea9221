"""What viewers say to a camera: one at a time, as one stream of MP3.

MP3, since that is what web radios send, so that every player takes it without knowing
how long it is. Of a high bitrate, since many players wait for a number of bytes before
they begin: the more of them a second, the sooner.

Nobody is heard before there is a voice: viewers' microphones send silence all the time
that they watch, which would keep a loudspeaker from everything else. Who speaks first
has the floor until they are silent for a while or leave.
"""

from array import array
from collections import deque
from collections.abc import Iterator
from fractions import Fraction
import logging
import threading
import time
from typing import Any, Final, Protocol

import av
import av.error

_LOGGER = logging.getLogger(__name__)

RATE: Final = 48_000
BIT_RATE: Final = 320_000
SILENCE: Final = 10.0
"""Seconds without a voice after which the floor is free: a pause in a conversation."""

# Samples of 16 bits: what is below is a room's noise, -32 dB below the loudest.
_VOICE: Final = 800
# Of so many frames so many have to be loud: a click is no voice.
_WINDOW: Final = 5
_LOUD: Final = 3
# Frames of 20 ms from before there was a voice: a word begins softly.
_BEFORE: Final = 15
# In seconds: what is missing by more is made up for by silence, as players run dry; what
# is early by more is dropped, as it would be late for ever.
_MISSING: Final = 0.2
_EARLY: Final = 0.3
_TICK: Final = 0.05
# A second's frames: no more waits for a machine that is busy.
_WAITING: Final = 50


class TalkSink(Protocol):
    """Who takes what is said; called in the talk-back's own thread, and never blocks."""

    def begin(self) -> None:
        """Begin: somebody speaks."""

    def take(self, chunk: bytes, /) -> None:
        """Take whole frames of MP3, mono, as they are made."""

    def end(self) -> None:
        """End: nobody speaks any more."""


class TalkBack:
    """Takes viewers' sound, in the event loop, and does all with it in a thread."""

    def __init__(self, sink: TalkSink) -> None:
        """Prepare; there is a thread while there are viewers who send sound."""
        self._floor = _Floor(sink)
        self._changed = threading.Condition()
        self._viewers: set[str] = set()
        self._waiting: deque[tuple[str, av.AudioFrame]] = deque(maxlen=_WAITING)
        self._left: list[str] = []
        self._thread: threading.Thread | None = None
        self._closed = False

    def take(self, viewer_id: str, frame: av.AudioFrame) -> None:
        """Take a viewer's next frame."""
        with self._changed:
            if self._closed:
                return
            self._viewers.add(viewer_id)
            self._waiting.append((viewer_id, frame))
            if self._thread is None:
                thread = threading.Thread(
                    target=self._work, name="kinesis_webrtc talk-back", daemon=True
                )
                # It may fail, on a machine that has too many of them.
                thread.start()
                self._thread = thread
            self._changed.notify()

    def leave(self, viewer_id: str) -> None:
        """Hear a viewer no more; it is no error when there was nothing to hear."""
        with self._changed:
            if viewer_id not in self._viewers:
                return
            self._viewers.discard(viewer_id)
            self._left.append(viewer_id)
            self._changed.notify()

    def close(self) -> None:
        """Hear nobody any more."""
        with self._changed:
            self._closed = True
            self._left += self._viewers
            self._viewers.clear()
            self._waiting.clear()
            self._changed.notify()

    def join(self) -> None:
        """Wait for the thread, after `close`; blocks for a moment."""
        if (thread := self._thread) is not None:
            thread.join()

    def _work(self) -> None:
        while True:
            with self._changed:
                if not self._waiting and not self._left:
                    self._changed.wait(_TICK if self._floor.is_taken else None)
                frames, left = tuple(self._waiting), tuple(self._left)
                self._waiting.clear()
                self._left.clear()
            now = time.monotonic()
            for viewer_id, frame in frames:
                self._floor.hear(viewer_id, frame, now)
            for viewer_id in left:
                self._floor.leave(viewer_id)
            self._floor.keep_up(time.monotonic())
            with self._changed:
                if not self._viewers and not self._waiting and not self._left:
                    self._thread = None
                    return


class _Floor:
    """Who speaks, and what becomes of it; for one thread, times are monotonic."""

    def __init__(self, sink: TalkSink) -> None:
        self._sink = sink
        self._voices: dict[str, _Voice] = {}
        self._holder: str | None = None
        self._stream: _Stream | None = None
        self._heard_at = 0.0

    @property
    def is_taken(self) -> bool:
        return self._holder is not None

    def hear(self, viewer_id: str, frame: av.AudioFrame, now: float) -> None:
        """Take a frame; what cannot be taken is left out."""
        voice = self._voices.setdefault(viewer_id, _Voice())
        try:
            for samples in voice.take(frame):
                self._hear(viewer_id, voice, samples, now)
        except (av.error.FFmpegError, ValueError) as err:
            _LOGGER.debug("What is said could not be taken: %s", type(err).__name__)

    def _hear(
        self, viewer_id: str, voice: _Voice, samples: array[int], now: float
    ) -> None:
        if self._holder not in (None, viewer_id):
            voice.forget()
            return
        if self._stream is None:
            voice.keep(samples)
            if voice.is_speaking:
                self._begin(viewer_id, voice, now)
            return
        if is_loud(samples):
            self._heard_at = now
        self._give(self._stream.feed(samples, now))

    def leave(self, viewer_id: str) -> None:
        """Forget a viewer."""
        self._voices.pop(viewer_id, None)
        if self._holder == viewer_id:
            self._end()

    def keep_up(self, now: float) -> None:
        """Let the stream go on while nothing comes, or end it."""
        if self._stream is None:
            return
        if now - self._heard_at > SILENCE:
            self._end()
        else:
            self._give(self._stream.fill(now))

    def _begin(self, viewer_id: str, voice: _Voice, now: float) -> None:
        kept = voice.forget()
        self._stream = _Stream(now - sum(map(len, kept)) / RATE)
        self._holder, self._heard_at = viewer_id, now
        self._sink.begin()
        for samples in kept:
            self._give(self._stream.feed(samples, now))

    def _end(self) -> None:
        stream, self._stream, self._holder = self._stream, None, None
        if stream is not None:
            self._give(stream.end())
            self._sink.end()

    def _give(self, chunks: Iterator[bytes]) -> None:
        for chunk in chunks:
            self._sink.take(chunk)


class _Voice:
    """One viewer's sound, and the last of it until there is a voice in it."""

    def __init__(self) -> None:
        self._resampler = av.AudioResampler(format="s16", layout="mono", rate=RATE)
        self._kept: deque[array[int]] = deque(maxlen=_BEFORE)

    def take(self, frame: av.AudioFrame) -> Iterator[array[int]]:
        frame.pts = None
        for part in self._resampler.resample(frame):
            yield array("h", bytes(part.planes[0])[: 2 * part.samples])

    def keep(self, samples: array[int]) -> None:
        self._kept.append(samples)

    @property
    def is_speaking(self) -> bool:
        return sum(map(is_loud, tuple(self._kept)[-_WINDOW:])) >= _LOUD

    def forget(self) -> tuple[array[int], ...]:
        kept = tuple(self._kept)
        self._kept.clear()
        return kept


class _Stream:
    """Sound that goes on as time does, encoded."""

    def __init__(self, began: float) -> None:
        self._began = began
        self._fed = 0
        self._fifo = av.AudioFifo()
        encoder: Any = av.CodecContext.create("libmp3lame", "w")
        encoder.sample_rate = RATE
        encoder.layout = "mono"
        encoder.format = "s16p"
        encoder.bit_rate = BIT_RATE
        encoder.time_base = Fraction(1, RATE)
        # Each frame by itself: a player may begin with any, and one may be left out.
        encoder.options = {"reservoir": "0"}
        encoder.open()
        self._encoder = encoder

    def feed(self, samples: array[int], now: float) -> Iterator[bytes]:
        """Take sound that is not too early for its time."""
        if self._ahead(now) + len(samples) / RATE > _EARLY:
            return
        yield from self._encode(samples)

    def fill(self, now: float) -> Iterator[bytes]:
        """Take silence for what should have come."""
        if (missing := -self._ahead(now)) > _MISSING:
            yield from self._encode(array("h", bytes(2 * int(missing * RATE))))

    def end(self) -> Iterator[bytes]:
        """Return what is left."""
        yield from self._drain(partial=True)
        for packet in self._encoder.encode(None):
            yield bytes(packet)

    def _ahead(self, now: float) -> float:
        return self._fed / RATE - (now - self._began)

    def _encode(self, samples: array[int]) -> Iterator[bytes]:
        if not samples:
            return
        frame = av.AudioFrame(format="s16p", layout="mono", samples=len(samples))
        data = samples.tobytes()
        plane = frame.planes[0]
        plane.update(data.ljust(plane.buffer_size, b"\0"))
        frame.sample_rate = RATE
        self._fed += len(samples)
        self._fifo.write(frame)
        yield from self._drain()

    def _drain(self, *, partial: bool = False) -> Iterator[bytes]:
        while (frame := self._fifo.read(self._encoder.frame_size, partial)) is not None:
            frame.pts = None
            for packet in self._encoder.encode(frame):
                yield bytes(packet)


def is_loud(samples: array[int]) -> bool:
    """Tell whether samples are more than a room's noise."""
    return bool(samples) and (max(samples) >= _VOICE or min(samples) <= -_VOICE)
