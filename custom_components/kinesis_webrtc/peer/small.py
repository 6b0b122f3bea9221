"""Which pictures those viewers get that cannot show every size."""

from collections.abc import Callable
import logging
import threading
from typing import Protocol

from .codecs import CONSTRAINED_BASELINE
from .limits import Limits
from .reader import StreamFormat
from .ring import Ring
from .shrink import Shrinker
from .transcode import fits

_LOGGER = logging.getLogger(__name__)


class PictureStream(Protocol):
    """What sends one viewer's pictures; for any thread."""

    def switch(self, ring: Ring, not_before: int = 0) -> None:
        """Go on with another ring, from its picture of this number on."""


class SmallPictures:
    """The camera's own pictures where they fit an Echo, else encoded anew for all.

    The camera's word on its format comes before the picture that begins it, so no
    viewer here is ever sent one that is too large. Nothing is encoded for nobody.
    """

    def __init__(
        self, ring: Ring, *, limits: Limits, on_picture: Callable[[], None]
    ) -> None:
        """Prepare for a camera's ring; `on_picture` is called in a thread of its own."""
        self._source = ring
        self._limits = limits
        self._on_picture = on_picture
        self._lock = threading.Lock()
        # By whether they need what is encoded here, whatever its size was.
        self._streams: dict[PictureStream, bool] = {}
        self._is_unable = False
        self._format: StreamFormat | None = None
        self._from = 0
        self._shrinker: Shrinker | None = None
        # Not what they run, whose decoder and encoder are given back with it.
        self._ending: list[threading.Thread] = []

    @property
    def is_large(self) -> bool:
        """Whether the camera's own pictures are too large for an Echo."""
        known = self._format
        return known is not None and not fits(known.width, known.height)

    @property
    def profile(self) -> str | None:
        """The profile-level-id of what is sent, where it is known."""
        if self.is_large:
            return CONSTRAINED_BASELINE
        return self._format.profile if self._format is not None else None

    @property
    def shrunk_from(self) -> tuple[int, int] | None:
        """The camera's width and height, while its pictures are made smaller."""
        known = self._format
        if self._shrinker is None or known is None or not self.is_large:
            return None
        return known.width, known.height

    @property
    def cpu_percent(self) -> float:
        """What that takes, in percent of one core."""
        shrinker = self._shrinker
        return shrinker.cpu.percent if shrinker is not None else 0.0

    def add(self, stream: PictureStream, *, is_encoded: bool = False) -> None:
        """Send to a viewer what it can show, for as long as it is here.

        `is_encoded` is for a viewer that cannot show the camera's own of any size.
        """
        with self._lock:
            self._streams[stream] = is_encoded
            self._choose()
            stream.switch(*self._choice(is_encoded=is_encoded))

    def remove(self, stream: PictureStream) -> None:
        """Let a viewer go; it is no error when it was not here."""
        with self._lock:
            self._streams.pop(stream, None)
            self._choose()

    def learn(self, stream_format: StreamFormat) -> None:
        """Take what the next picture of the camera begins; from who writes its ring."""
        with self._lock:
            was_large = self.is_large
            self._format = stream_format
            # Those that are there already may be of another size.
            self._from = self._source.end
            self._choose()
            if self.is_large is not was_large:
                self._switch_all()

    def wake(self) -> None:
        """Say that the camera has one more picture; for any thread."""
        if (shrinker := self._shrinker) is not None:
            shrinker.wake()

    def forget(self) -> None:
        """Say that the camera's stream has broken off; for any thread."""
        if (shrinker := self._shrinker) is not None:
            shrinker.forget()

    def close(self) -> None:
        """Send to nobody any more, and wait for the thread."""
        with self._lock:
            self._streams.clear()
            self._choose()
            ending = self._ending
        for thread in ending:
            thread.join()

    def _choice(self, *, is_encoded: bool) -> tuple[Ring, int]:
        if self._shrinker is not None and (is_encoded or self.is_large):
            return self._shrinker.ring, 0
        return self._source, self._from

    def _switch_all(self) -> None:
        for stream, is_encoded in self._streams.items():
            stream.switch(*self._choice(is_encoded=is_encoded))

    def _choose(self) -> None:
        """Begin or end to encode, as is needed now."""
        is_needed = not self._is_unable and (
            any(self._streams.values()) or (self.is_large and bool(self._streams))
        )
        if is_needed and self._shrinker is None:
            shrinker = Shrinker(
                self._source,
                not_before=self._from,
                max_bytes=self._limits.cached_bytes,
                backlog=self._limits.backlog,
                on_picture=self._on_picture,
                on_failure=self._failed,
            )
            try:
                shrinker.start()
            except RuntimeError as err:
                # A machine with too many threads may have fewer at the next viewer.
                _LOGGER.error("Pictures are not made smaller: %s", err)
                return
            self._shrinker = shrinker
        elif not is_needed and self._shrinker is not None:
            self._shrinker.stop()
            self._ending = [each for each in self._ending if each.is_alive()]
            self._ending.append(self._shrinker.thread)
            self._shrinker = None

    def _failed(self) -> None:
        """Send the camera's own pictures, which are better than none."""
        with self._lock:
            self._is_unable = True
            self._choose()
            self._switch_all()
