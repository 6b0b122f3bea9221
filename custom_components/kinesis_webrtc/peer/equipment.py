"""What a session is made with."""

from collections.abc import Callable
from dataclasses import dataclass
import ssl
from typing import TYPE_CHECKING

from aiortc.rtcdtlstransport import RTCCertificate

from .events import SessionEvent
from .feed import CameraFeed
from .limits import Limits
from .servers import Resolver
from .talkback import TalkBack

if TYPE_CHECKING:
    from .session import PeerSession


@dataclass(frozen=True, slots=True, kw_only=True)
class Equipment:
    """What all sessions of a camera share, and the certificate of this one."""

    certificate: RTCCertificate
    feed: CameraFeed
    small_feed: CameraFeed
    """For viewers that take no larger pictures than an Echo."""

    is_direct: bool
    """Whether pictures go past aiortc's own senders."""

    live_only: bool
    """Whether nothing else than the live stream is to be seen."""

    resolver: Resolver
    tls: ssl.SSLContext | None
    limits: Limits
    talk_back: TalkBack | None
    on_event: Callable[[SessionEvent], None]
    on_end: Callable[[PeerSession], None]
