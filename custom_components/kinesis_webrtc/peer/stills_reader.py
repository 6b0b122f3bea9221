"""Reads a camera that has single pictures only, in a thread of its own."""

import asyncio
from collections.abc import Callable
from concurrent.futures import CancelledError, Future
from fractions import Fraction
import logging
import threading
import time
from typing import Any, Final

import av
import av.error

from .cpu import CpuMeter
from .h264 import AccessUnit, ParameterSets
from .reader import Outcome, StreamFormat
from .source import Stills
from .timeline import CLOCK_RATE, Timeline
from .transcode import Encoder, yield_to_others

_LOGGER = logging.getLogger(__name__)

# In seconds. A picture that has not changed is sent again after so long, for a few
# bytes: viewers take a stream without any for a lost one.
_UNCHANGED: Final = 4.0
_KEY_INTERVAL: Final = 10.0
_PNG: Final = b"\x89PNG"


class StillsReader:
    """Fetches stills and hands them on as video until told to stop.

    A picture is encoded when it differs from the one before.
    """

    def __init__(
        self,
        stills: Stills,
        *,
        timeline: Timeline,
        on_format: Callable[[StreamFormat], None],
        on_unit: Callable[[AccessUnit], None],
        read_timeout: float,
        cpu: CpuMeter | None = None,
    ) -> None:
        """Prepare, in the event loop; the callbacks are called by `run`.

        `read_timeout` (seconds) is how long a camera may give no picture; `cpu` is told
        what that takes.
        """
        self._stills = stills
        self._timeline = timeline
        self._on_format = on_format
        self._on_unit = on_unit
        self._read_timeout = read_timeout
        self._cpu = cpu or CpuMeter()
        self._loop = asyncio.get_running_loop()
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._fetching: Future[bytes] | None = None
        self._encoder = Encoder(rate=1 / stills.interval, key_interval=_KEY_INTERVAL)
        self._sets = ParameterSets()
        self._size = 0, 0
        self._last = b""
        self._sent_at = 0.0

    def stop(self) -> None:
        """Have `run` return at once."""
        with self._lock:
            self._stopped.set()
            if self._fetching is not None:
                self._fetching.cancel()

    def run(self) -> Outcome:
        """Fetch until the camera fails, or is not wanted any more."""
        yield_to_others()
        with self._cpu.measuring():
            return self._run()

    def _run(self) -> Outcome:
        self._timeline.restart()
        fetched_at = time.monotonic()
        while not self._stopped.is_set():
            began = time.monotonic()
            try:
                self._take(self._fetch())
            except CancelledError:
                break
            except Exception as err:  # noqa: BLE001 - a camera raises what it likes
                _LOGGER.debug("A still failed: %s", type(err).__name__)
                if time.monotonic() - fetched_at > self._read_timeout:
                    return Outcome(detail=type(err).__name__)
            else:
                fetched_at = time.monotonic()
            self._cpu.lap()
            spent = time.monotonic() - began
            self._stopped.wait(max(0.0, self._stills.interval - spent))
        return Outcome()

    def _fetch(self) -> bytes:
        with self._lock:
            if self._stopped.is_set():
                raise CancelledError
            self._fetching = asyncio.run_coroutine_threadsafe(
                _as_coroutine(self._stills), self._loop
            )
        try:
            return self._fetching.result(self._read_timeout)
        finally:
            self._fetching.cancel()

    def _take(self, picture: bytes) -> None:
        now = time.monotonic()
        if picture == self._last and now - self._sent_at < _UNCHANGED:
            return
        frame = decode(picture)
        self._last, self._sent_at = picture, now
        place = self._timeline.place(int(now * CLOCK_RATE))
        for encoded in self._encoder.encode(frame, place):
            data, is_key = self._sets.complete(encoded.data, is_key=encoded.is_key)
            if is_key and self._encoder.size != self._size:
                self._size = self._encoder.size
                self._on_format(
                    StreamFormat(
                        profile=self._sets.profile,
                        width=self._size[0],
                        height=self._size[1],
                        transcoded_from="stills",
                    )
                )
            self._on_unit(AccessUnit(data, place, is_key))


async def _as_coroutine(stills: Stills) -> bytes:
    return await stills.fetch()


def decode(picture: bytes) -> av.VideoFrame:
    """Return a JPEG or PNG as a frame; raises FFmpegError or ValueError."""
    name = "png" if picture.startswith(_PNG) else "mjpeg"
    decoder: Any = av.CodecContext.create(name, "r")
    packet = av.Packet(picture)
    packet.pts, packet.time_base = 0, Fraction(1, CLOCK_RATE)
    for frame in [*decoder.decode(packet), *decoder.decode(None)]:
        if isinstance(frame, av.VideoFrame):
            return frame
    raise ValueError("no picture")
