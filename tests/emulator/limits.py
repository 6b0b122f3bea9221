"""The service's quotas and the points where its behaviour is not documented."""

from collections import defaultdict, deque
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
import time
from typing import Literal

_ACCOUNT_RATES: Mapping[str, float] = {
    "CreateSignalingChannel": 50,
    "DescribeSignalingChannel": 300,
    "GetSignalingChannelEndpoint": 300,
    "ListSignalingChannels": 50,
    "TagResource": 50,
    "UntagResource": 50,
    "ListTagsForResource": 50,
    "UpdateSignalingChannel": 50,
    "DeleteSignalingChannel": 50,
    "DescribeMediaStorageConfiguration": 50,
    "UpdateMediaStorageConfiguration": 10,
    "GetIceServerConfig": 100,
    "SendAlexaOfferToMaster": 100,
}

_CHANNEL_RATES: Mapping[str, float] = {
    "DescribeSignalingChannel": 5,
    "TagResource": 5,
    "UntagResource": 5,
    "ListTagsForResource": 5,
    "UpdateSignalingChannel": 5,
    "DeleteSignalingChannel": 5,
    "DescribeMediaStorageConfiguration": 5,
    "UpdateMediaStorageConfiguration": 5,
    "GetIceServerConfig": 5,
    "SendAlexaOfferToMaster": 5,
    "ConnectAsMaster": 3,
    "ConnectAsViewer": 3,
}


class _Settable:
    """Change fields by name, as the admin API and the command line do."""

    def update(self, values: Mapping[str, object]) -> None:
        """Set fields; raise ValueError for a name that does not exist."""
        known = {item.name for item in fields(self)}  # type: ignore[arg-type]
        if unknown := set(values) - known:
            raise ValueError(f"unknown: {', '.join(sorted(unknown))}")
        for name, value in values.items():
            setattr(self, name, value)


@dataclass(kw_only=True)
class Limits(_Settable):
    """Quotas, times in seconds, rates per second; defaults as documented.

    https://docs.aws.amazon.com/kinesisvideostreams-webrtc-dg/latest/devguide/kvswebrtc-limits.html
    """

    channels: int = 5_000
    viewers: int = 10
    tags: int = 50
    tags_page: int = 50
    payload: int = 10_000
    sdp_rate: float = 5
    candidate_rate: float = 20
    connection_duration: float = 3600
    idle_timeout: float = 600
    go_away_grace: float = 60
    session_lifetime: float = 2700
    clock_skew: float = 300
    default_message_ttl: int = 60
    message_ttl_scale: float = 1.0
    account_rates: Mapping[str, float] = field(
        default_factory=lambda: dict(_ACCOUNT_RATES)
    )
    channel_rates: Mapping[str, float] = field(
        default_factory=lambda: dict(_CHANNEL_RATES)
    )

    def without_rates(self) -> Limits:
        """Switch all limits of calls, connects and messages per second off."""
        self.account_rates = {}
        self.channel_rates = {}
        self.sdp_rate = self.candidate_rate = 1_000_000
        return self


@dataclass(kw_only=True)
class Behaviour(_Settable):
    """What AWS does not document, or does differently at times; seconds.

    displaced_master: what becomes of its socket; displaced_master_may_send: whether
    what it still sends is taken. alexa_unanswered: a null answer or an error at the end
    of the message TTL. empty_frames: an empty text frame after each candidate.
    frame_size: larger messages are split. master_offers: whether they are delivered.
    create_needs_tag_permission: creating with tags needs TagResource too.
    single_use_urls: a signed URL connects once. clock_offset: of the service's clock.
    """

    displaced_master: Literal["deaf", "close"] = "deaf"
    displaced_master_may_send: bool = False
    alexa_unanswered: Literal["null", "error"] = "null"
    empty_frames: bool = True
    pings_keep_alive: bool = True
    go_away_before_close: bool = True
    frame_size: int | None = None
    master_offers: bool = False
    create_needs_tag_permission: bool = True
    single_use_urls: bool = False
    create_delay: float = 0.1
    update_delay: float = 0.0
    delete_delay: float = 0.1
    clock_offset: float = 0.0


class RateLimiter:
    """Allow so many events for each key in any one second."""

    def __init__(self) -> None:
        """Begin with nothing counted."""
        self._events: defaultdict[tuple[str, ...], deque[float]] = defaultdict(deque)

    def allow(self, key: tuple[str, ...], rate: float | None) -> bool:
        """Count an event unless it is one too many; None means no limit."""
        if rate is None:
            return True
        now = time.monotonic()
        events = self._events[key]
        while events and events[0] <= now - 1:
            events.popleft()
        if len(events) >= rate:
            return False
        events.append(now)
        return True
