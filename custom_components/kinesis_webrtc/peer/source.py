"""By which media comes in."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from .orientation import Orientation
from .servers import IceServer

type FetchStill = Callable[[], Awaitable[bytes]]
"""Returns a picture, JPEG or PNG; awaited in the event loop, it may raise anything."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamUrl:
    """A stream that FFmpeg opens, with the options of its demuxer.

    Two options are the feed's own: `re` ("1" or "0") paces packets by their
    timestamps, which is the default for local files; `stream_loop` starts a file
    again at its end, "-1" for ever, else so many times.
    """

    url: str = field(repr=False)
    options: Mapping[str, str] = field(default_factory=dict, repr=False)
    orientation: Orientation = Orientation.NONE
    """How its pictures, and those of `still`, are to be turned."""

    still: FetchStill | None = field(default=None, repr=False, compare=False)
    """For the picture of now while the stream opens, where it takes no second pull."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stills:
    """Single pictures, JPEG or PNG, of a camera that has no stream."""

    fetch: FetchStill = field(repr=False)

    interval: float = 1.0
    """Seconds from one picture to the next."""


class WebRtcSession(Protocol):
    """The signaling of one view of a camera; all of it is called in the event loop."""

    async def offer(self, sdp: str) -> str:
        """Return the camera's answer; raises SourceError."""
        ...

    async def add_candidate(self, candidate: str, mid: str, index: int) -> None:
        """Send the camera one more candidate of ours; it may raise anything."""
        ...

    def close(self) -> None:
        """Tell the camera that the view has ended; called once, whatever happened."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class WebRtcCamera:
    """A camera that answers offers, and takes us for one of its viewers."""

    join: Callable[[Callable[[str], None], Callable[[str], None]], WebRtcSession] = (
        field(repr=False)
    )
    """Called in the event loop with what takes the camera's candidates, and with what
    takes a reason, one snake_case word, when the camera ends the view."""

    ice_servers: Sequence[IceServer] = field(default=(), repr=False)

    data_channel: str | None = None
    """The label of a data channel without which some cameras take no offer."""

    stills: Stills | None = None
    """What is read instead if the camera has no H.264 for us."""


class SourceError(Exception):
    """The camera has no stream to give, for a reason."""

    def __init__(self, reason: str) -> None:
        """Keep the reason, one snake_case word."""
        super().__init__(reason)
        self.reason = reason


type Source = StreamUrl | WebRtcCamera | Stills

CAMERA_OFF = "camera_off"


class MediaSource(Protocol):
    """A camera, asked for its stream at each opening."""

    async def resolve(self) -> Source:
        """Return what to open now; raises SourceError."""
        ...
