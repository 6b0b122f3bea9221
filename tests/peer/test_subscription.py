"""One viewer's share of a feed: whole pictures, as fast as it takes them."""

import asyncio

import pytest

from custom_components.kinesis_webrtc.peer import EndReason
from custom_components.kinesis_webrtc.peer.h264 import AccessUnit
from custom_components.kinesis_webrtc.peer.ring import Ring
from custom_components.kinesis_webrtc.peer.subscription import (
    Subscription,
    SubscriptionEndedError,
)


class StubFeed:
    """Pictures that the test pushes."""

    def __init__(self) -> None:
        self.ring = Ring(1_000_000)
        self.listening: set[Subscription] = set()

    def listen(self, subscription: Subscription) -> None:
        self.listening.add(subscription)

    def unsubscribe(self, subscription: Subscription) -> None:
        self.listening.discard(subscription)


@pytest.fixture
def feed() -> StubFeed:
    return StubFeed()


def end(reason: EndReason, detail: str | None) -> None:
    raise AssertionError(reason, detail)


def unit(number: int, *, key: bool = False) -> AccessUnit:
    return AccessUnit(b"\x00" * 10, number * 3600, key)


async def test_slow_viewer_loses_whole_pictures_until_the_next_key_picture(
    feed: StubFeed,
) -> None:
    subscription = Subscription(feed, end, 5)
    waiting = asyncio.create_task(subscription.next())
    await asyncio.sleep(0)
    feed.ring.push(unit(0, key=True))
    subscription.wake()
    assert (await waiting).timestamp == 0
    for number in range(1, 20):
        feed.ring.push(unit(number))
    assert subscription.waiting is None
    feed.ring.push(unit(20, key=True))
    feed.ring.push(unit(21))
    seen = [(await subscription.next()).timestamp // 3600 for _ in range(2)]
    assert seen == [20, 21]
    assert subscription.dropped == 19
    subscription.close()
    with pytest.raises(SubscriptionEndedError):
        await subscription.next()


async def test_waiting_viewer_hears_of_the_end(feed: StubFeed) -> None:
    subscription = Subscription(feed, end, 5)
    waiting = asyncio.create_task(subscription.next())
    await asyncio.sleep(0)
    subscription.close()
    with pytest.raises(SubscriptionEndedError):
        await waiting
