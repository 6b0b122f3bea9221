import asyncio
from collections.abc import Awaitable, Callable
import logging
from typing import Any

import pytest

from custom_components.kinesis_webrtc.signaling import (
    CannotConnectError,
    ClientLimitExceededError,
    IceServer,
    IceServerCache,
    IceServerConfig,
    InvalidClientError,
    Role,
    SessionExpiredError,
    SignalingClient,
    SignalingError,
)
from custom_components.kinesis_webrtc.signaling.ice import FLOOR, MARGIN
from tests.emulator import Channel, KvsEmulator

type InVirtualTime = Callable[[Callable[[], Awaitable[None]]], None]


class Service:
    """Gives numbered ICE servers, and notes when it is asked."""

    def __init__(self, *, ttl: int = 300, takes: float = 0) -> None:
        self.ttl = ttl
        self.takes = takes
        self.errors: list[SignalingError] = []
        self.asked_at: list[float] = []
        self.asked_for: list[str | None] = []
        self.under_way = 0
        self.most_under_way = 0

    async def get_ice_server_config(
        self, arn: str, *, client_id: str | None, role: Role
    ) -> IceServerConfig:
        self.asked_at.append(asyncio.get_running_loop().time())
        self.asked_for.append(client_id)
        number = len(self.asked_at)
        self.under_way += 1
        self.most_under_way = max(self.most_under_way, self.under_way)
        try:
            await asyncio.sleep(self.takes)
        finally:
            self.under_way -= 1
        if self.errors:
            raise self.errors.pop(0)
        return IceServerConfig(
            servers=(IceServer(urls=(f"turn:{number}",)),), ttl=self.ttl
        )


class Running:
    """A cache that is kept up to date inside the with block."""

    def __init__(self, service: Service, **options: Any) -> None:
        self.cache = IceServerCache(
            client=service,  # type: ignore[arg-type]
            channel_arn="arn",
            clock=asyncio.get_running_loop().time,
            **options,
        )

    async def __aenter__(self) -> IceServerCache:
        self._task = asyncio.create_task(self.cache.run())
        await asyncio.sleep(0.01)
        return self.cache

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await self._task


def urls(cache: IceServerCache) -> tuple[str, ...]:
    return tuple(url for server in cache.servers for url in server.urls)


async def wait(seconds: float) -> None:
    await asyncio.sleep(seconds)


def test_servers_are_at_hand_and_shared(in_virtual_time: InVirtualTime) -> None:
    async def main() -> None:
        service = Service()
        async with Running(service) as cache:
            assert [urls(cache) for _ in range(10)] == [("turn:1",)] * 10
            assert len(service.asked_at) == 1
            assert cache.usable_for == pytest.approx(300 - MARGIN, abs=1)

    in_virtual_time(main)


def test_there_are_none_before_the_first_answer(in_virtual_time: InVirtualTime) -> None:
    async def main() -> None:
        async with Running(Service(takes=10)) as cache:
            assert urls(cache) == ()
            assert cache.usable_for == 0
            await wait(11)
            assert urls(cache) == ("turn:1",)

    in_virtual_time(main)


def test_tells_of_each_renewal(in_virtual_time: InVirtualTime) -> None:
    async def main() -> None:
        told: list[tuple[IceServer, ...]] = []
        failures: list[SignalingError] = []
        service = Service()
        service.errors = [error := ClientLimitExceededError()]
        async with Running(
            service, on_renewed=told.append, on_failed=failures.append
        ) as cache:
            assert told == []
            assert failures == [error]
            await wait(60)
            assert told == [cache.servers]
            cache.refresh()
            await wait(60)
            assert told[1:] == [cache.servers]
            assert told[0] != told[1]

    in_virtual_time(main)


def test_servers_are_renewed_before_they_are_too_old(
    in_virtual_time: InVirtualTime,
) -> None:
    async def main() -> None:
        service = Service()
        async with Running(service) as cache:
            for _ in range(3600):
                await wait(1)
                assert cache.servers

        gaps = [
            b - a for a, b in zip(service.asked_at, service.asked_at[1:], strict=False)
        ]
        assert all(200 < gap < 300 - MARGIN for gap in gaps)

    in_virtual_time(main)


def test_servers_stay_while_they_are_valid_and_renewing_fails(
    in_virtual_time: InVirtualTime,
) -> None:
    async def main() -> None:
        service = Service()
        async with Running(service) as cache:
            service.errors = [ClientLimitExceededError() for _ in range(50)]
            await wait(300 - MARGIN - 1)
            assert len(service.asked_at) > 1
            assert urls(cache) == ("turn:1",)
            assert isinstance(cache.error, ClientLimitExceededError)
            await wait(2)
            assert urls(cache) == ()

            service.errors.clear()
            await wait(61)
            assert cache.servers
            assert cache.error is None

    in_virtual_time(main)


def test_failures_are_spaced_out(
    in_virtual_time: InVirtualTime, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        service = Service()
        service.errors = [CannotConnectError() for _ in range(1000)]
        async with Running(service):
            await wait(3600)

        gaps = [
            b - a for a, b in zip(service.asked_at, service.asked_at[1:], strict=False)
        ]
        assert min(gaps) >= FLOOR
        assert max(gaps) <= 60.1
        assert len(gaps) < 200

    with caplog.at_level(logging.INFO):
        in_virtual_time(main)
    assert len(caplog.records) == 1


def test_refresh_fetches_at_once(in_virtual_time: InVirtualTime) -> None:
    async def main() -> None:
        service = Service()
        async with Running(service) as cache:
            await wait(60)
            cache.refresh()
            await wait(0.1)
            assert urls(cache) == ("turn:2",)

    in_virtual_time(main)


def test_refreshes_are_one_and_keep_the_floor(in_virtual_time: InVirtualTime) -> None:
    async def main() -> None:
        service = Service()
        async with Running(service) as cache:
            for _ in range(10):
                cache.refresh()
                await wait(0.1)
            assert len(service.asked_at) == 1
            await wait(FLOOR)
            assert len(service.asked_at) == 2
            await wait(60)
            assert len(service.asked_at) == 2
            assert service.asked_at[1] - service.asked_at[0] >= FLOOR

    in_virtual_time(main)


def test_refresh_during_a_fetch_fetches_once_more(
    in_virtual_time: InVirtualTime,
) -> None:
    async def main() -> None:
        service = Service(takes=8)
        async with Running(service) as cache:
            await wait(1)
            cache.refresh()
            await wait(30)
            assert urls(cache) == ("turn:2",)
            assert service.most_under_way == 1

    in_virtual_time(main)


@pytest.mark.parametrize("ttl", [0, 10, 30])
def test_servers_about_to_expire_are_never_used(
    ttl: int, in_virtual_time: InVirtualTime
) -> None:
    async def main() -> None:
        service = Service(ttl=ttl)
        async with Running(service) as cache:
            assert urls(cache) == ()
            await wait(60)
            assert len(service.asked_at) <= 60 / FLOOR + 1

    in_virtual_time(main)


@pytest.mark.parametrize("error", [SessionExpiredError, InvalidClientError])
def test_client_id_is_left_out_when_its_session_is_over(
    error: type[SignalingError], in_virtual_time: InVirtualTime
) -> None:
    async def main() -> None:
        service = Service()
        service.errors = [error()]
        async with Running(service, client_id="me") as cache:
            await wait(30)
            assert cache.servers
        assert service.asked_for == ["me", None]
        assert service.asked_at[1] - service.asked_at[0] >= FLOOR

    in_virtual_time(main)


async def test_servers_come_from_the_service(
    client: SignalingClient, channel: Channel, emulator: KvsEmulator
) -> None:
    cache = IceServerCache(client=client, channel_arn=channel.arn, floor=0.05)
    task = asyncio.create_task(cache.run())
    try:
        await emulator.wait_for(lambda: emulator.journal.calls["GetIceServerConfig"])
        cache.refresh()
        await emulator.wait_for(
            lambda: emulator.journal.calls["GetIceServerConfig"] == 2
        )
        assert len(cache.servers) == 2
    finally:
        task.cancel()
        await asyncio.wait([task])
