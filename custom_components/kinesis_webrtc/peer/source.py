"""By which media comes in."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamUrl:
    """A stream that FFmpeg opens, with the options of its demuxer.

    Two options are the feed's own: `re` ("1" or "0") paces packets by their
    timestamps, which is the default for local files; `stream_loop` starts a file
    again at its end, "-1" for ever, else so many times.
    """

    url: str = field(repr=False)
    options: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stills:
    """Single pictures, JPEG or PNG, of a camera that has no stream."""

    fetch: Callable[[], Awaitable[bytes]] = field(repr=False)
    """Awaited in the event loop; it may raise anything."""

    interval: float = 1.0
    """Seconds from one picture to the next."""


class SourceError(Exception):
    """The camera has no stream to give, for a reason."""

    def __init__(self, reason: str) -> None:
        """Keep the reason, one snake_case word."""
        super().__init__(reason)
        self.reason = reason


CAMERA_OFF = "camera_off"


class MediaSource(Protocol):
    """A camera, asked for its stream at each opening."""

    async def resolve(self) -> StreamUrl | Stills:
        """Return what to open now; raises SourceError."""
        ...
