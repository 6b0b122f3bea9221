"""Hands one camera's sound to all who listen, each frame when its time has come.

Where the camera has none there is silence, and so there is until it begins and when it
stops. It has no thread: the streams that listen have it served in that of the fan-out.
"""

from collections import deque
from collections.abc import Callable
import threading
import time
from typing import Final, Protocol

from .capture_clock import CaptureClock, system_time
from .packets import Assembly, Batch, Layout
from .ring import ntp
from .silence import FRAMES
from .sound import FRAMES_PER_SECOND, RATES, SoundFrame

# In seconds: without sound for so long there is silence instead.
_PATIENCE: Final = 0.3
# Sound that is early by no more need not wait for a timer.
_EARLY: Final = 0.01
# Silence that is late by more, as the loop was held up, is not made up for.
_MADE_UP: Final = 0.1
# A clock that moved by more is another one.
_JUMP: Final = 0.5
# Ten seconds: more is ahead of its pictures in no stream.
_WAITING: Final = 500


class DueFrame:
    """20 ms that are sent now."""

    def __init__(self, data: bytes, timestamp: int, captured: float) -> None:
        """Take a frame; `captured` is its time on the monotonic clock."""
        self.data = data
        self.timestamp = timestamp
        self.ntp = ntp(system_time(captured))
        self._batches: dict[Layout, Batch] = {}

    def batch(self, layout: Layout) -> Batch:
        """Return it as a packet, laid out once for all that agree."""
        batch = self._batches.get(layout)
        if batch is None:
            [batch] = Assembly(layout, [self.data]).batches
            self._batches[layout] = batch
        return batch


class Listener(Protocol):
    """One viewer."""

    codec: str
    due: deque[DueFrame]
    """What it has to send."""


class SoundFanout:
    """A `sound.SoundSink` for any number of listeners, of any thread."""

    def __init__(self, clock: CaptureClock, wake: Callable[[], None]) -> None:
        """Prepare; `wake` is to have `serve` called soon."""
        self._clock = clock
        self._wake = wake
        self._lock = threading.Lock()
        self._lines: dict[str, _Line] = {}
        self._offset: float | None = None
        self._shift = 0.0
        self.codecs: frozenset[str] = frozenset()

    @property
    def listeners(self) -> int:
        """How many viewers get sound."""
        return sum(len(line.listeners) for line in self._lines.values())

    def add(self, listener: Listener) -> None:
        """Send to one more viewer, from what comes next on."""
        with self._lock:
            line = self._lines.setdefault(listener.codec, _Line(listener.codec))
            line.listeners = (*line.listeners, listener)
            self.codecs = frozenset(self._lines)
        self._wake()

    def remove(self, listener: Listener) -> None:
        """Send no more to a viewer; it is no error when it was not sent to."""
        with self._lock:
            line = self._lines.get(listener.codec)
            if line is None:
                return
            line.listeners = tuple(x for x in line.listeners if x is not listener)
            if not line.listeners:
                del self._lines[listener.codec]
                self.codecs = frozenset(self._lines)

    def take(self, codec: str, frame: SoundFrame) -> None:
        """Take a frame, in the reader's thread."""
        with self._lock:
            line = self._lines.get(codec)
            # Without a picture, nothing tells when it is due.
            if line is None or self._clock.offset is None:
                return
            line.heard_at = time.monotonic()
            line.queue.append(frame)
        self._wake()

    def serve(self) -> float:
        """Give listeners what is due, and return in how many seconds there is more."""
        with self._lock:
            now = time.monotonic()
            offset = self._follow(now)
            lines = self._lines.values()
            pauses = [each.serve(now, offset, self._shift) for each in lines]
        return max(min(pauses, default=_PATIENCE), 0.001)

    def _follow(self, now: float) -> float:
        """Take the clock's word, and see to it that timestamps go on regardless."""
        offset = self._clock.offset
        if self._offset is None:
            self._offset = now if offset is None else offset
        elif offset is not None:
            if abs(offset - self._offset) > _JUMP:
                self._shift += offset - self._offset
            self._offset = offset
        return self._offset


class _Line:
    """What those get who listen to one codec."""

    def __init__(self, codec: str) -> None:
        self.listeners: tuple[Listener, ...] = ()
        self.queue: deque[SoundFrame] = deque(maxlen=_WAITING)
        self.heard_at = float("-inf")
        self._rate = RATES[codec]
        self._samples = self._rate // FRAMES_PER_SECOND
        self._silence = FRAMES[codec][1]
        self._last: int | None = None

    def serve(self, now: float, offset: float, shift: float) -> float:
        """Send what is due, and return in how many seconds there will be more."""
        live = now - offset
        shifted = round(shift * self._rate)
        pause = _PATIENCE
        while self.queue:
            frame = self.queue[0]
            ahead = frame.timestamp / self._rate - live
            if ahead > _EARLY:
                pause = min(pause, ahead)
                break
            self.queue.popleft()
            self.heard_at = time.monotonic()
            timestamp = frame.timestamp + shifted
            # What would go back in time was silent before.
            if self._last is None or timestamp >= self._last + self._samples:
                self._send(frame.data, timestamp, now + ahead)
        quiet = time.monotonic() - self.heard_at
        if quiet < _PATIENCE:
            return min(pause, _PATIENCE - quiet)
        until = int(live * self._rate)
        return min(pause, self._be_silent(until + shifted, now, self._room(until)))

    def _room(self, until: int) -> int:
        """Return by how much silence has to end earlier, for the sound that waits."""
        if not self.queue:
            return 0
        return max(0, until + self._samples - self.queue[0].timestamp)

    def _be_silent(self, until: int, now: float, room: int) -> float:
        timestamp = until
        if self._last is not None:
            timestamp = self._last + self._samples
            if (late := until - timestamp) > _MADE_UP * self._rate:
                timestamp += late // self._samples * self._samples
        while timestamp <= until - room:
            captured = now - (until - timestamp) / self._rate
            self._send(self._silence, timestamp, captured)
            timestamp += self._samples
        return max(timestamp - until, 0) / self._rate or 1 / FRAMES_PER_SECOND

    def _send(self, data: bytes, timestamp: int, captured: float) -> None:
        self._last = timestamp
        frame = DueFrame(data, timestamp, captured)
        for listener in self.listeners:
            listener.due.append(frame)
