"""Sends one camera's pictures to all its viewers, in a thread of its own."""

import logging
import threading
import time

from . import takeover
from .media_stream import NEVER, MediaStream
from .packets import BURST, Assembly, Layout
from .ring import Frame

_LOGGER = logging.getLogger(__name__)

# The largest packet that is ever encrypted, with some room.
_PACKET_SIZE = 1500
# Pictures in one layout each; live viewers are at the same one at the same time.
_ASSEMBLIES = 8


class Fanout:
    """Has a thread for as long as there are viewers."""

    def __init__(self) -> None:
        """Prepare; nothing runs before the first viewer."""
        self._changed = threading.Condition()
        self._streams: tuple[MediaStream, ...] = ()
        self._thread: threading.Thread | None = None
        self._is_running = False
        self._is_fresh = False
        self._assemblies: dict[tuple[Frame, Layout], Assembly] = {}

    @property
    def streams(self) -> int:
        """How many streams are sent."""
        return len(self._streams)

    def add(self, stream: MediaStream) -> None:
        """Send one more stream."""
        with self._changed:
            self._streams = (*self._streams, stream)
            self._is_fresh = True
            self._changed.notify()
            if self._is_running:
                return
            thread = threading.Thread(
                target=self._run, name="kinesis_webrtc fanout", daemon=True
            )
            # It may fail, on a machine that has too many of them.
            thread.start()
            self._thread, self._is_running = thread, True

    def remove(self, stream: MediaStream) -> None:
        """Send a stream no more; it is no error when it was not sent."""
        with self._changed:
            self._streams = tuple(each for each in self._streams if each is not stream)
            self._is_fresh = True
            self._changed.notify()

    def wake(self) -> None:
        """Have the thread look for new pictures; for any thread."""
        with self._changed:
            self._is_fresh = True
            self._changed.notify()

    def close(self) -> None:
        """Send to nobody any more, and wait for the thread."""
        with self._changed:
            self._streams = ()
            self._is_fresh = True
            self._changed.notify()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def _run(self) -> None:
        scratch = takeover.Scratch(BURST * _PACKET_SIZE)
        due = 0.0
        while True:
            with self._changed:
                if not self._is_fresh and (pause := due - time.monotonic()) > 0:
                    self._changed.wait(None if due == NEVER else pause)
                self._is_fresh = False
                streams = self._streams
                if not streams:
                    self._is_running = False
                    self._assemblies.clear()
                    return
            now = time.monotonic()
            due = NEVER
            for stream in streams:
                try:
                    due = min(due, stream.step(now, scratch, self._assemble))
                except Exception as err:  # noqa: BLE001
                    _LOGGER.error("Sending to a viewer failed: %s", type(err).__name__)
                    self.remove(stream)
                    stream.fail()

    def _assemble(self, frame: Frame, layout: Layout) -> Assembly:
        key = frame, layout
        assembly = self._assemblies.get(key)
        if assembly is None:
            if len(self._assemblies) >= _ASSEMBLIES:
                del self._assemblies[next(iter(self._assemblies))]
            assembly = self._assemblies[key] = Assembly(layout, frame.payloads)
        return assembly
