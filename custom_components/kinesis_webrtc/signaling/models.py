"""What the signaling service is asked with, and what it answers."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Self


class Role(StrEnum):
    """The part that a client plays on a signaling channel."""

    MASTER = "MASTER"
    VIEWER = "VIEWER"


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """An AWS access key, with its session token if it is a temporary one."""

    access_key_id: str
    secret_access_key: str = field(repr=False)
    session_token: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """A signaling channel. `message_ttl` is in seconds, 5 to 120."""

    name: str
    arn: str
    status: str
    message_ttl: int | None
    version: str
    type: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoints:
    """The addresses of one channel for one role, opaque to clients."""

    wss: str
    https: str


@dataclass(frozen=True, slots=True, kw_only=True)
class IceServer:
    """A STUN or TURN server under all its URLs."""

    urls: tuple[str, ...]
    username: str | None = field(default=None, repr=False)
    credential: str | None = field(default=None, repr=False)

    @classmethod
    def read(cls, entry: Mapping[str, Any]) -> Self:
        """Read one entry of an IceServerList. Raises TypeError, AttributeError."""
        urls = tuple(entry.get("Uris", ()))
        names = entry.get("Username"), entry.get("Password")
        if not (
            all(isinstance(url, str) for url in urls)
            and all(isinstance(name, str | None) for name in names)
        ):
            raise TypeError
        return cls(urls=urls, username=names[0], credential=names[1])


@dataclass(frozen=True, slots=True, kw_only=True)
class IceServerConfig:
    """TURN servers, valid for `ttl` seconds from their receipt."""

    servers: tuple[IceServer, ...]
    ttl: int

    @classmethod
    def read(cls, response: Mapping[str, Any]) -> Self:
        """Read what GetIceServerConfig answers; raises what unreadable ones lead to."""
        entries = response.get("IceServerList", ())
        return cls(
            servers=tuple(map(IceServer.read, entries)),
            # A number that no float can hold is no time, and no sum with one.
            ttl=int(float(min((entry.get("Ttl", 0) for entry in entries), default=0))),
        )
