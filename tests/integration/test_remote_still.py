"""A remote channel is joined for a picture as seldom as the policy says."""

import asyncio
from collections.abc import AsyncGenerator, Generator
from unittest.mock import AsyncMock, Mock, create_autospec, patch

import pytest

from custom_components.kinesis_webrtc.peer import Picture, StillError, StillViewer
from custom_components.kinesis_webrtc.remote_still import (
    FRESH,
    RECENT,
    RemoteStill,
    StillChannel,
)
from custom_components.kinesis_webrtc.signaling import (
    CannotConnectError,
    IceCandidate,
    IceServer,
)
from custom_components.kinesis_webrtc.viewer_session import MasterAbsentError

SERVERS = (IceServer(urls=("stun:stun.example:443",)),)


class Clock:
    """The loop's time, moved by hand."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._time = loop.time
        self.offset = 0.0

    def __call__(self) -> float:
        return self._time() + self.offset


@pytest.fixture
async def clock() -> AsyncGenerator[Clock]:
    loop = asyncio.get_running_loop()
    clock = Clock(loop)
    with patch("custom_components.kinesis_webrtc.remote_still._now", side_effect=clock):
        yield clock


@pytest.fixture
def pictures() -> list[Picture]:
    return [create_autospec(Picture, instance=True) for _ in range(3)]


@pytest.fixture
def viewer(pictures: list[Picture]) -> Generator[AsyncMock]:
    """Play the viewer that joins."""
    viewer = create_autospec(StillViewer, instance=True)
    viewer.offer.return_value = "offer"
    viewer.picture.side_effect = pictures
    with patch(
        "custom_components.kinesis_webrtc.remote_still.StillViewer",
        return_value=viewer,
    ) as made:
        viewer.made = made
        yield viewer


@pytest.fixture
def channel() -> Mock:
    channel = create_autospec(StillChannel, instance=True)
    channel.ice_servers = SERVERS
    channel.async_answer.return_value = "answer"
    return channel


@pytest.fixture
async def still(
    channel: Mock, viewer: AsyncMock, clock: Clock
) -> AsyncGenerator[RemoteStill]:
    still = RemoteStill(channel=channel, join_within=5)
    yield still
    await still.async_stop()


async def test_joins_for_the_first_picture(
    still: RemoteStill, channel: Mock, viewer: AsyncMock, pictures: list[Picture]
) -> None:
    assert await still.async_picture() is pictures[0]

    viewer.offer.assert_awaited_once_with(SERVERS)
    assert channel.async_answer.await_args.args[1] == "offer"
    viewer.accept.assert_awaited_once_with("answer")
    session_id = channel.async_answer.await_args.args[0]
    channel.async_close.assert_called_once_with(session_id)
    await still.async_stop()
    assert viewer.close.called


async def test_candidates_go_both_ways(
    still: RemoteStill, channel: Mock, viewer: AsyncMock
) -> None:
    await still.async_picture()
    session_id, _, on_candidate = channel.async_answer.await_args.args

    on_candidate(IceCandidate(candidate="candidate:theirs"))
    viewer.add_candidate.assert_called_once_with("candidate:theirs")

    viewer.made.call_args.kwargs["on_candidate"]("candidate:ours", "0", 0)
    channel.async_add_candidate.assert_called_once_with(
        session_id,
        IceCandidate(candidate="candidate:ours", sdp_mid="0", sdp_m_line_index=0),
    )


async def test_a_fresh_picture_is_served_again(
    still: RemoteStill, viewer: AsyncMock, clock: Clock, pictures: list[Picture]
) -> None:
    await still.async_picture()
    clock.offset = FRESH - 1
    assert await still.async_picture() is pictures[0]
    assert viewer.offer.await_count == 1


async def test_requests_share_a_join(
    still: RemoteStill, viewer: AsyncMock, pictures: list[Picture]
) -> None:
    got = await asyncio.gather(*(still.async_picture() for _ in range(5)))
    assert got == [pictures[0]] * 5
    assert viewer.offer.await_count == 1


async def test_a_recent_picture_is_served_while_the_next_one_comes(
    still: RemoteStill,
    channel: Mock,
    viewer: AsyncMock,
    clock: Clock,
    pictures: list[Picture],
) -> None:
    await still.async_picture()
    clock.offset = FRESH + 1
    joined = asyncio.Event()
    channel.async_close.side_effect = lambda _: joined.set()

    assert await still.async_picture() is pictures[0]
    async with asyncio.timeout(5):
        await joined.wait()
    assert await still.async_picture() is pictures[1]
    assert viewer.offer.await_count == 2


async def test_an_old_picture_is_not_served(
    still: RemoteStill, clock: Clock, pictures: list[Picture]
) -> None:
    await still.async_picture()
    clock.offset = RECENT + 1
    assert await still.async_picture() is pictures[1]


@pytest.mark.parametrize(
    "error", [MasterAbsentError(), CannotConnectError(), StillError("gone")]
)
async def test_a_join_that_failed_is_not_repeated_for_a_minute(
    still: RemoteStill,
    channel: Mock,
    clock: Clock,
    pictures: list[Picture],
    error: Exception,
) -> None:
    channel.async_answer.side_effect = error
    assert await still.async_picture() is None
    assert await still.async_picture() is None
    assert channel.async_answer.await_count == 1

    channel.async_answer.side_effect = None
    clock.offset = FRESH + 1
    assert await still.async_picture() is pictures[0]


async def test_a_defect_is_named_and_costs_no_more_than_another_failure(
    still: RemoteStill, viewer: AsyncMock, caplog: pytest.LogCaptureFixture
) -> None:
    viewer.offer.side_effect = OSError("too many open files")

    assert await still.async_picture() is None
    assert await still.async_picture() is None

    assert viewer.offer.await_count == 1
    assert [one.message for one in caplog.records if one.levelname == "ERROR"] == [
        "No still, unexpectedly: OSError"
    ]


async def test_a_join_takes_only_so_long(
    channel: Mock, viewer: AsyncMock, clock: Clock
) -> None:
    never = asyncio.Event()
    viewer.picture.side_effect = never.wait
    still = RemoteStill(channel=channel, join_within=0.05)
    assert await still.async_picture() is None
    await still.async_stop()
    assert channel.async_close.called
    assert viewer.close.called


async def test_a_request_that_is_given_up_does_not_end_the_join(
    still: RemoteStill, viewer: AsyncMock, pictures: list[Picture]
) -> None:
    may_go_on = asyncio.Event()

    async def picture() -> Picture:
        await may_go_on.wait()
        return pictures[0]

    viewer.picture.side_effect = picture
    first = asyncio.create_task(still.async_picture())
    second = asyncio.create_task(still.async_picture())
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.wait([first])
    may_go_on.set()
    assert await second is pictures[0]


async def test_stopping_leaves_the_channel(
    channel: Mock, viewer: AsyncMock, clock: Clock
) -> None:
    joining = asyncio.Event()

    async def picture() -> Picture:
        joining.set()
        return await asyncio.get_running_loop().create_future()

    viewer.picture.side_effect = picture
    still = RemoteStill(channel=channel)
    asked = asyncio.create_task(still.async_picture())
    async with asyncio.timeout(5):
        await joining.wait()

    await still.async_stop()

    assert await asked is None
    assert channel.async_close.called
    assert viewer.close.called
