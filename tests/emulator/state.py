"""What all parts of the service share."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
import time

from .channels import Channel, ChannelStore
from .errors import AccessDeniedError, limit_exceeded
from .faults import Faults
from .iam import User
from .ice import TurnConfig
from .journal import Journal
from .limits import Behaviour, Limits, RateLimiter


class Role(StrEnum):
    """Whose endpoint it is."""

    MASTER = "MASTER"
    VIEWER = "VIEWER"


class Protocol(StrEnum):
    """What is spoken at an endpoint."""

    WSS = "WSS"
    HTTPS = "HTTPS"
    WEBRTC = "WEBRTC"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """What a port of the data plane serves."""

    channel_arn: str
    role: Role
    protocol: Protocol


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls, and under which host name it found us."""

    user: User
    host: str
    endpoint: Endpoint | None = None

    @property
    def account(self) -> str:
        """The account of the caller."""
        assert self.user.account is not None
        return self.user.account


def partition_of(region: str) -> str:
    """Return the partition that a region lies in."""
    prefixes = {"cn-": "aws-cn", "us-gov-": "aws-us-gov", "eusc-": "aws-eusc"}
    return next((p for key, p in prefixes.items() if region.startswith(key)), "aws")


@dataclass(kw_only=True)
class State:
    """One region of the service."""

    region: str
    users: dict[str, User]
    limits: Limits
    behaviour: Behaviour
    turn: TurnConfig
    channels: ChannelStore
    faults: Faults = field(default_factory=Faults)
    journal: Journal = field(default_factory=Journal)
    rates: RateLimiter = field(default_factory=RateLimiter)
    streams: dict[str, int] = field(default_factory=dict)
    """Retention in hours by the ARN of a stream, for media storage."""

    @property
    def partition(self) -> str:
        """The partition of the region."""
        return self.channels.partition

    def now(self) -> float:
        """Return the service's Unix time."""
        return time.time() + self.behaviour.clock_offset

    def authorise(
        self,
        caller: Caller,
        operation: str,
        resource: str,
        *,
        channel: Channel | None = None,
        request_tags: Mapping[str, str] | None = None,
        tag_keys: Sequence[str] | None = None,
    ) -> None:
        """Raise AccessDeniedError unless the caller's policies and account allow it."""
        action = f"kinesisvideo:{operation}"
        context: dict[str, str | Sequence[str]] = {}
        for key, value in (channel.tags if channel else {}).items():
            context[f"aws:resourcetag/{key}"] = value
        for key, value in (request_tags or {}).items():
            context[f"aws:requesttag/{key}"] = value
        if tag_keys is not None:
            context["aws:tagkeys"] = list(tag_keys)
        owned = resource == "*" or resource.split(":")[4] == caller.account
        if owned and caller.user.may(action, resource, context):
            self.journal.rights[caller.user.access_key_id, action, resource] += 1
            return
        raise AccessDeniedError(
            f"User: {caller.user.arn(self.partition)} is not authorized to perform:"
            f" {action} on resource: {resource} because no identity-based policy allows"
            f" the {action} action"
        )

    def throttle(
        self, caller: Caller, operation: str, channel_arn: str | None = None
    ) -> None:
        """Raise ClientLimitExceededException when the quota is used up."""
        by_account = self.limits.account_rates.get(operation)
        if not self.rates.allow((caller.account, operation), by_account):
            raise limit_exceeded(f"Rate exceeded for {operation} in the account.")
        if channel_arn is None:
            return
        by_channel = self.limits.channel_rates.get(operation)
        if not self.rates.allow((channel_arn, operation), by_channel):
            raise limit_exceeded(f"Rate exceeded for {operation} on {channel_arn}.")
