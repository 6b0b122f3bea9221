"""The signaling channels of all accounts, and their life cycle."""

import asyncio
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
import secrets
import string
import time
from typing import Any, Literal

from .errors import error, not_found
from .limits import Behaviour, Limits

type Status = Literal["CREATING", "ACTIVE", "UPDATING", "DELETING"]

_ALPHANUMERIC = string.ascii_letters + string.digits


def _new_version() -> str:
    return "".join(secrets.choice(_ALPHANUMERIC) for _ in range(20))


@dataclass(kw_only=True)
class Channel:
    """A signaling channel; created is a Unix time, message_ttl is in seconds."""

    name: str
    arn: str
    account: str
    created: float
    message_ttl: int
    tags: dict[str, str]
    status: Status = "CREATING"
    version: str = field(default_factory=_new_version)
    storage_stream: str | None = None

    @property
    def usable(self) -> bool:
        """Whether connections and messages are taken."""
        return self.status in ("ACTIVE", "UPDATING")

    def info(self) -> dict[str, Any]:
        """Return the ChannelInfo of the API."""
        return {
            "ChannelName": self.name,
            "ChannelARN": self.arn,
            "ChannelType": "SINGLE_MASTER",
            "ChannelStatus": self.status,
            "CreationTime": self.created,
            "SingleMasterConfiguration": {"MessageTtlSeconds": self.message_ttl},
            "Version": self.version,
        }


class ChannelStore:
    """All channels; names are unique in an account."""

    def __init__(
        self,
        *,
        region: str,
        partition: str,
        limits: Limits,
        behaviour: Behaviour,
        on_change: Callable[[Channel], None],
    ) -> None:
        """Begin without channels."""
        self.region = region
        self.partition = partition
        self._limits = limits
        self._behaviour = behaviour
        self._on_change = on_change
        self._channels: dict[str, Channel] = {}
        self._timers: set[asyncio.TimerHandle] = set()

    def __iter__(self) -> Iterator[Channel]:
        """Go over all channels in the order of their names."""
        return iter(sorted(self._channels.values(), key=lambda item: item.name))

    def new_arn(self, account: str, name: str) -> str:
        """Return the ARN that a channel made now would have."""
        return self.name_arn(account, name, str(time.time_ns() // 1_000_000))

    def name_arn(self, account: str, name: str, created: str = "*") -> str:
        """Return the ARN of a name, for a policy check before the channel is known."""
        return (
            f"arn:{self.partition}:kinesisvideo:{self.region}:{account}"
            f":channel/{name}/{created}"
        )

    def find(
        self, account: str, *, arn: str | None = None, name: str | None = None
    ) -> Channel | None:
        """Return an account's channel by ARN or by name."""
        if arn is not None:
            channel = self._channels.get(arn)
            return channel if channel and channel.account == account else None
        for channel in self._channels.values():
            if channel.account == account and channel.name == name:
                return channel
        return None

    def by_reference(self, reference: str) -> Channel:
        """Return a channel of any account by ARN or name; raise KeyError."""
        for channel in self._channels.values():
            if reference in (channel.arn, channel.name):
                return channel
        raise KeyError(reference)

    def create(
        self,
        *,
        account: str,
        arn: str,
        name: str,
        message_ttl: int | None,
        tags: Mapping[str, str],
        delay: float | None = None,
    ) -> Channel:
        """Make a channel that becomes ACTIVE after a delay."""
        if self.find(account, name=name):
            raise error("ResourceInUseException", f"The channel {name} already exists.")
        owned = sum(channel.account == account for channel in self._channels.values())
        if owned >= self._limits.channels:
            raise error(
                "AccountChannelLimitExceededException",
                f"The account has {owned} channels, which is the limit.",
            )
        channel = Channel(
            name=name,
            arn=arn,
            account=account,
            created=round(time.time(), 3),
            message_ttl=message_ttl or self._limits.default_message_ttl,
            tags=dict(tags),
        )
        self._channels[arn] = channel
        self._later(
            self._behaviour.create_delay if delay is None else delay,
            lambda: self._activate(channel),
        )
        return channel

    def update(self, channel: Channel, version: str, message_ttl: int | None) -> None:
        """Change the message TTL, under the optimistic lock."""
        self._check(channel, version)
        channel.status = "UPDATING"
        if message_ttl is not None:
            channel.message_ttl = message_ttl
        channel.version = _new_version()
        self._later(self._behaviour.update_delay, lambda: self._activate(channel))

    def delete(
        self, channel: Channel, version: str | None, *, delay: float | None = None
    ) -> None:
        """Delete a channel after a delay."""
        self._check(channel, version)
        channel.status = "DELETING"
        self._later(
            self._behaviour.delete_delay if delay is None else delay,
            lambda: self._forget(channel),
        )

    def __contains__(self, channel: object) -> bool:
        """Whether a channel has not been deleted."""
        return channel in self._channels.values()

    def close(self) -> None:
        """Stop all pending changes."""
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()

    def _check(self, channel: Channel, version: str | None) -> None:
        if channel.status == "DELETING":
            raise not_found(f"The channel {channel.arn} is not found.")
        if channel.status != "ACTIVE":
            raise error("ResourceInUseException", f"The channel is {channel.status}.")
        if version is not None and version != channel.version:
            raise error(
                "VersionMismatchException",
                f"The version {version} is not the latest one.",
            )

    def _activate(self, channel: Channel) -> None:
        if channel.status != "DELETING":
            channel.status = "ACTIVE"
        self._on_change(channel)

    def _forget(self, channel: Channel) -> None:
        self._channels.pop(channel.arn, None)
        self._on_change(channel)

    def _later(self, delay: float, change: Callable[[], None]) -> None:
        if delay <= 0:
            change()
            return
        timer: asyncio.TimerHandle

        def due() -> None:
            self._timers.discard(timer)
            change()

        timer = asyncio.get_running_loop().call_later(delay, due)
        self._timers.add(timer)
