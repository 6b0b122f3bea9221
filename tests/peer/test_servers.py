"""URIs of ICE servers are sorted, and names are looked up once."""

import asyncio
import socket

import pytest

from custom_components.kinesis_webrtc.peer.servers import (
    Resolver,
    StunServer,
    read_servers,
)
from tests.helpers.servers import Server

HOST = "192-0-2-1.t-1a2b3c4d.kinesisvideo.us-east-1.amazonaws.com"


def test_kinesis_servers_are_sorted() -> None:
    servers = read_servers(
        [
            Server(("stun:stun.kinesisvideo.us-east-1.amazonaws.com:443",)),
            Server(
                (
                    f"turns:{HOST}:443?transport=tcp",
                    f"turns:{HOST}:443?transport=udp",
                    f"turn:{HOST}:443?transport=udp",
                ),
                "1700000000:djE6YXJu",
                "pa+ss/wo=rd",
            ),
        ]
    )
    assert [(s.host, s.port) for s in servers.stun] == [
        ("stun.kinesisvideo.us-east-1.amazonaws.com", 443)
    ]
    assert [(s.transport, s.tls) for s in servers.turn] == [
        ("udp", False),
        ("tcp", True),
    ]
    assert servers.turn[0].username == "1700000000:djE6YXJu"
    assert servers.turn[0].credential == "pa+ss/wo=rd"
    assert "pa+ss" not in repr(servers)
    assert len(servers.hosts) == 2


def test_defaults() -> None:
    servers = read_servers(
        [Server(("stun:a", "stun:[2001:db8::1]:3479", "turn:b", "turns:c"))]
    )
    assert servers.stun == (StunServer("a", 3478), StunServer("2001:db8::1", 3479))
    assert [(s.host, s.port, s.transport) for s in servers.turn] == [
        ("b", 3478, "udp"),
        ("c", 5349, "tcp"),
    ]


@pytest.mark.parametrize(
    "uri",
    ["", "http://a", "stun:", "stun:a:99999", "turn:a?transport=sctp", "stuns:a"],
)
def test_what_cannot_be_used_is_left_out(uri: str) -> None:
    servers = read_servers([Server((uri,))])
    assert not servers.stun
    assert not servers.turn


async def test_addresses_need_no_look_up(monkeypatch: pytest.MonkeyPatch) -> None:
    resolver = Resolver()
    assert await resolver.resolve("192.0.2.7") == "192.0.2.7"


async def test_names_are_looked_up_once(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    async def getaddrinfo(host: str, *_: object, **__: object) -> list:
        asked.append(host)
        return [(socket.AF_INET, None, None, "", ("192.0.2.7", 0))]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", getaddrinfo)
    resolver = Resolver()
    both = await asyncio.gather(resolver.resolve("a.test"), resolver.resolve("a.test"))
    assert both == ["192.0.2.7"] * 2
    await resolver.warm(["a.test", "a.test"])
    assert asked == ["a.test"]
    monkeypatch.setattr("custom_components.kinesis_webrtc.peer.servers._FRESH", -1.0)
    assert await resolver.resolve("a.test") == "192.0.2.7"
    await resolver.close()


async def test_unknown_names_are_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    async def getaddrinfo(*_: object, **__: object) -> list:
        raise socket.gaierror

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", getaddrinfo)
    resolver = Resolver()
    with pytest.raises(OSError):
        await resolver.resolve("a.test")
    await resolver.warm(["a.test"])
    await resolver.close()
