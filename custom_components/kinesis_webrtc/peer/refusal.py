"""Why an offer is not answered."""

import contextlib
from enum import StrEnum

from .events import EndReason


class RefusalReason(StrEnum):
    """Why an offer was refused; closed list."""

    NOT_SDP = "not_sdp"
    TRUNCATED = "truncated"
    MALFORMED = "malformed"
    TOO_LARGE = "too_large"
    NO_VIDEO = "no_video"
    VIDEO_NOT_WANTED = "video_not_wanted"
    NO_H264 = "no_h264"
    NO_MID = "no_mid"
    NO_FINGERPRINT = "no_fingerprint"
    NO_ICE_CREDENTIALS = "no_ice_credentials"
    NO_UDP_CANDIDATE = "no_udp_candidate"
    NOT_ENCRYPTED = "not_encrypted"
    NO_NETWORK = "no_network"
    VIEWER_LIMIT = "viewer_limit"
    SUPERSEDED = "superseded"
    TOO_MANY_OFFERS = "too_many_offers"
    CAMERA_OFF = "camera_off"
    SOURCE_FAILED = "source_failed"
    STALE = "stale"
    SHUTTING_DOWN = "shutting_down"
    UNEXPECTED = "unexpected"


class OfferRefused(Exception):
    """The offer is not answered, for a reason."""

    def __init__(self, reason: RefusalReason) -> None:
        """Keep the reason."""
        super().__init__(reason.value)
        self.reason = reason


def refusal_of(reason: EndReason | None) -> RefusalReason:
    """Return why there is no answer when a session ends before it has given one."""
    with contextlib.suppress(ValueError):
        return RefusalReason(str(reason))
    if reason is EndReason.SHUTDOWN:
        return RefusalReason.SHUTTING_DOWN
    if reason is EndReason.UNSUPPORTED_CODEC:
        return RefusalReason.SOURCE_FAILED
    return RefusalReason.SUPERSEDED
