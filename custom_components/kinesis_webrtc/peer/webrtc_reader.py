"""Reads a camera that only speaks WebRTC, in a thread of its own.

The connection has that thread's own event loop: packets come by the hundred in a
second, and none of them is to disturb anybody else.
"""

import asyncio
from collections.abc import Callable
import contextlib
import functools
import logging
import threading

from .camera_view import CameraView
from .h264 import AccessUnit
from .limits import Limits
from .reader import Outcome, StreamFormat
from .sound import SoundSink
from .source import WebRtcCamera
from .stills_reader import StillsReader
from .timeline import Timeline

_LOGGER = logging.getLogger(__name__)


class WebRtcReader:
    """Joins a camera as its viewer, and hands its access units on as they came."""

    def __init__(
        self,
        camera: WebRtcCamera,
        *,
        timeline: Timeline,
        on_format: Callable[[StreamFormat], None],
        on_unit: Callable[[AccessUnit], None],
        limits: Limits,
        sound: SoundSink | None = None,
    ) -> None:
        """Prepare, in the event loop; the callbacks are called by `run`.

        `sound` gets the camera's sound in the codecs that it asks for, there as well.
        """
        self._home = asyncio.get_running_loop()
        self._session = camera.join(self._add_candidate, self._camera_ended)
        self._make_view = functools.partial(
            CameraView,
            camera=camera,
            session=self._session,
            home=self._home,
            timeline=timeline,
            on_format=on_format,
            on_unit=on_unit,
            limits=limits,
            sound=sound,
        )
        self._stills: StillsReader | None = None
        if camera.stills is not None:
            self._stills = StillsReader(
                camera.stills,
                timeline=timeline,
                on_format=on_format,
                on_unit=on_unit,
                read_timeout=limits.read_timeout,
            )
        self._lock = threading.Lock()
        self._view: CameraView | None = None
        # What has been said before there is a view.
        self._ended: Outcome | None = None
        self._early: list[str] = []

    def stop(self) -> None:
        """Have `run` return soon."""
        if self._stills is not None:
            self._stills.stop()
        self._end(Outcome())

    def request_key_frame(self) -> None:
        """Ask the camera for a key picture, unless one has just come; for any thread."""
        with self._lock:
            if self._view is not None:
                self._view.tell(self._view.want_key_frame)

    def run(self) -> Outcome:
        """Read until the camera ends the view, fails, or is not wanted any more."""
        try:
            outcome = asyncio.run(self._read())
        finally:
            with contextlib.suppress(RuntimeError):
                self._home.call_soon_threadsafe(self._session.close)
        if self._stills is None or not outcome.is_unsupported:
            return outcome
        _LOGGER.debug("Stills in place of WebRTC: %s", outcome.detail)
        by_stills = self._stills.run()
        # That there are none is not what is wrong with the camera.
        return by_stills if by_stills.detail is None else outcome

    async def _read(self) -> Outcome:
        view = self._make_view()
        with self._lock:
            if self._ended is not None:
                return self._ended
            self._view = view
            for candidate in self._early:
                view.add_candidate(candidate)
        try:
            return await view.run()
        finally:
            with self._lock:
                self._view = None

    def _add_candidate(self, candidate: str) -> None:
        with self._lock:
            if self._view is None:
                self._early.append(candidate)
            else:
                self._view.tell(functools.partial(self._view.add_candidate, candidate))

    def _camera_ended(self, reason: str) -> None:
        self._end(Outcome(detail=reason))

    def _end(self, outcome: Outcome) -> None:
        with self._lock:
            if self._view is None:
                self._ended = self._ended or outcome
            else:
                self._view.tell(functools.partial(self._view.end, outcome))
