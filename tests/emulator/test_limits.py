"""Quotas."""

from collections.abc import Sequence
import errno
import time

from aiohttp.web import TCPSite
import pytest

from . import Behaviour, KvsEmulator, Limits
from .limits import RateLimiter
from .listeners import Listeners


def test_a_rate_is_of_any_one_second(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    rates = RateLimiter()
    assert [rates.allow(("a",), 2) for _ in range(3)] == [True, True, False]
    assert rates.allow(("b",), 2)
    assert rates.allow(("a",), None)
    now = 100.9
    assert not rates.allow(("a",), 2)
    now = 101.1
    assert [rates.allow(("a",), 2) for _ in range(3)] == [True, True, False]


def test_the_quotas_are_the_documented_ones() -> None:
    limits = Limits()
    assert limits.viewers == 10
    assert limits.channel_rates["ConnectAsMaster"] == 3
    assert limits.channel_rates["GetIceServerConfig"] == 5
    assert (limits.sdp_rate, limits.candidate_rate) == (5, 20)
    assert (limits.connection_duration, limits.idle_timeout) == (3600, 600)


def test_only_what_exists_can_be_set() -> None:
    for settable in (Limits(), Behaviour()):
        with pytest.raises(ValueError, match="unknown: typo"):
            settable.update({"typo": 1})


async def test_a_port_must_be_free_at_all_hosts() -> None:
    async with KvsEmulator(hosts=["127.0.0.2"]) as other:
        both = KvsEmulator(hosts=["127.0.0.1", "127.0.0.2"], port=other.port)
        with pytest.raises(OSError, match="address already in use"):
            await both.start()
        await both.stop()
        # What it had already opened is closed again.
        async with KvsEmulator(hosts=["127.0.0.1"], port=other.port):
            pass


async def test_a_port_taken_at_one_host_is_tried_no_longer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    listen, failures = Listeners._listen, 1

    async def clash(
        listeners: Listeners, port: int, hosts: Sequence[str] | None = None
    ) -> list[TCPSite]:
        nonlocal failures
        if failures:
            failures -= 1
            raise OSError(errno.EADDRINUSE, "taken")
        return await listen(listeners, port, hosts)

    monkeypatch.setattr(Listeners, "_listen", clash)
    async with KvsEmulator(hosts=["127.0.0.1", "127.0.0.2"]):
        assert failures == 0
    failures = 1_000
    never = KvsEmulator(hosts=["127.0.0.1", "127.0.0.2"])
    with pytest.raises(OSError, match="no port is free"):
        await never.start()
    await never.stop()
