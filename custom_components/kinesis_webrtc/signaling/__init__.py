"""Kinesis Video Streams WebRTC signaling, for asyncio.

Knows AWS's protocol and nothing of Home Assistant or of media.
"""

from .api import Execute
from .client import SignalingClient
from .clock import ServiceClock
from .connection import ConnectionState, SignalingConnection
from .errors import (
    KEYS_REFUSED,
    CannotConnectError,
    ChannelLimitError,
    ClientLimitExceededError,
    ClockSkewError,
    DisplacedError,
    ExpiredTokenError,
    InvalidArgumentError,
    InvalidClientError,
    InvalidCredentialsError,
    NotAuthorizedError,
    NotConnectedError,
    PayloadTooLargeError,
    ResourceInUseError,
    ResourceNotFoundError,
    ServiceError,
    SessionExpiredError,
    SignalingError,
    UnsupportedRegionError,
    VersionMismatchError,
)
from .ice import IceServerCache
from .messages import (
    MAX_PAYLOAD,
    GoAway,
    IceCandidate,
    Message,
    Notice,
    OutgoingMessage,
    ReconnectIceServer,
    SdpAnswer,
    SdpOffer,
    StatusResponse,
    decode_payload,
    encode,
    encode_payload,
    parse,
)
from .models import (
    Channel,
    Credentials,
    Endpoints,
    IceServer,
    IceServerConfig,
    Role,
)
from .pacing import Pacer
from .presign import presign
from .reconnecting import ConnectionTimes
from .sdp import (
    connection_of,
    is_complete,
    is_trickled,
    prepare_offer,
    repair_answer,
)
from .translation import translate

__all__ = [
    "KEYS_REFUSED",
    "MAX_PAYLOAD",
    "CannotConnectError",
    "Channel",
    "ChannelLimitError",
    "ClientLimitExceededError",
    "ClockSkewError",
    "ConnectionState",
    "ConnectionTimes",
    "Credentials",
    "DisplacedError",
    "Endpoints",
    "Execute",
    "ExpiredTokenError",
    "GoAway",
    "IceCandidate",
    "IceServer",
    "IceServerCache",
    "IceServerConfig",
    "InvalidArgumentError",
    "InvalidClientError",
    "InvalidCredentialsError",
    "Message",
    "NotAuthorizedError",
    "NotConnectedError",
    "Notice",
    "OutgoingMessage",
    "Pacer",
    "PayloadTooLargeError",
    "ReconnectIceServer",
    "ResourceInUseError",
    "ResourceNotFoundError",
    "Role",
    "SdpAnswer",
    "SdpOffer",
    "ServiceClock",
    "ServiceError",
    "SessionExpiredError",
    "SignalingClient",
    "SignalingConnection",
    "SignalingError",
    "StatusResponse",
    "UnsupportedRegionError",
    "VersionMismatchError",
    "connection_of",
    "decode_payload",
    "encode",
    "encode_payload",
    "is_complete",
    "is_trickled",
    "parse",
    "prepare_offer",
    "presign",
    "repair_answer",
    "translate",
]
