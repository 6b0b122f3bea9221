"""Errors of Kinesis Video Streams signaling."""

from typing import ClassVar, Final, override


class SignalingError(Exception):
    """Base of all errors of this package.

    `key` names the kind of error for translations; the text never holds a secret.
    """

    key: ClassVar[str] = "signaling_error"

    def __init__(self, message: str = "", *, operation: str | None = None) -> None:
        """Say what failed, and in which operation of the API."""
        super().__init__(message)
        self.message = message
        self.operation = operation

    @override
    def __str__(self) -> str:
        text = self.message or self.key.replace("_", " ")
        return f"{self.operation}: {text}" if self.operation else text


class InvalidArgumentError(SignalingError):
    """A parameter is not acceptable to the service."""

    key = "invalid_argument"


class ClientLimitExceededError(SignalingError):
    """A quota is used up; the same call may succeed later."""

    key = "client_limit_exceeded"


class ResourceNotFoundError(SignalingError):
    """The signaling channel does not exist."""

    key = "resource_not_found"


class NotAuthorizedError(SignalingError):
    """The credentials are valid but lack a right.

    `action` is the IAM action to allow, such as `kinesisvideo:ConnectAsMaster`.
    """

    key = "not_authorized"

    def __init__(
        self,
        message: str = "",
        *,
        operation: str | None = None,
        action: str | None = None,
    ) -> None:
        """Name the missing IAM action where it is known."""
        super().__init__(message, operation=operation)
        self.action = action


class InvalidClientError(SignalingError):
    """The service does not know the client id of this request."""

    key = "invalid_client"


class SessionExpiredError(SignalingError):
    """The client's session is over; it lasts 45 minutes from connect."""

    key = "session_expired"


class ResourceInUseError(SignalingError):
    """The channel exists already, or is being changed."""

    key = "resource_in_use"


class ChannelLimitError(SignalingError):
    """The account holds as many channels in this region as it may."""

    key = "channel_limit"


class VersionMismatchError(SignalingError):
    """The channel was changed by someone else meanwhile."""

    key = "version_mismatch"


class InvalidCredentialsError(SignalingError):
    """The access key or the secret is wrong."""

    key = "invalid_credentials"


class ExpiredTokenError(SignalingError):
    """The session token has expired."""

    key = "expired_token"


# The user has to give other keys.
KEYS_REFUSED: Final = (InvalidCredentialsError, ExpiredTokenError)


class ClockSkewError(SignalingError):
    """The local clock is too far from the service's.

    `offset` is service minus local time, in seconds.
    """

    key = "clock_skew"

    def __init__(
        self, message: str = "", *, operation: str | None = None, offset: float = 0.0
    ) -> None:
        """Keep the offset that was measured."""
        super().__init__(message, operation=operation)
        self.offset = offset


class UnsupportedRegionError(SignalingError):
    """Kinesis Video Streams is not offered in this region."""

    key = "unsupported_region"


class CannotConnectError(SignalingError):
    """The service was not reached: network, DNS, TLS or a time-out."""

    key = "cannot_connect"


class ServiceError(SignalingError):
    """The service failed, or said something that this package does not know.

    `code` is the service's error code or the HTTP status.
    """

    key = "service_error"

    def __init__(
        self,
        message: str = "",
        *,
        operation: str | None = None,
        code: str | None = None,
    ) -> None:
        """Keep the service's code."""
        super().__init__(message, operation=operation)
        self.code = code


class NotConnectedError(SignalingError):
    """There is no websocket to send on."""

    key = "not_connected"


class DisplacedError(SignalingError):
    """The websocket is closed again and again right after connecting.

    Probably another client takes the channel over each time.
    """

    key = "displaced"


class PayloadTooLargeError(SignalingError):
    """A message payload is above 10,000 base64 characters."""

    key = "payload_too_large"
