"""A WebRTC master: answers offers with a camera's video.

Knows SDP, ICE and media; knows neither Home Assistant nor how offers travel.
"""

from .candidates import AddressRules
from .events import (
    CandidateGathered,
    Connected,
    Ended,
    EndOfCandidates,
    EndReason,
    KeyFrameSent,
    SessionEvent,
    Timings,
)
from .feed import CameraFeed
from .internals import IncompatibleLibraryError
from .limits import Limits
from .master import MasterPeer
from .offer import Offer, OfferRefused, RefusalReason, normalise
from .orientation import Orientation
from .probe import ProbeStep, ProbeViewer, candidate_types
from .servers import IceServer
from .source import (
    MediaSource,
    Source,
    SourceError,
    Stills,
    StreamUrl,
    WebRtcCamera,
    WebRtcSession,
)
from .still import Picture, StillError, StillViewer
from .talkback import TalkSink

__all__ = [
    "AddressRules",
    "CameraFeed",
    "CandidateGathered",
    "Connected",
    "EndOfCandidates",
    "EndReason",
    "Ended",
    "IceServer",
    "IncompatibleLibraryError",
    "KeyFrameSent",
    "Limits",
    "MasterPeer",
    "MediaSource",
    "Offer",
    "OfferRefused",
    "Orientation",
    "Picture",
    "ProbeStep",
    "ProbeViewer",
    "RefusalReason",
    "SessionEvent",
    "Source",
    "SourceError",
    "StillError",
    "StillViewer",
    "Stills",
    "StreamUrl",
    "TalkSink",
    "Timings",
    "WebRtcCamera",
    "WebRtcSession",
    "candidate_types",
    "normalise",
]
