"""Offers are answered apart from each other, in time, and before their candidates."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from unittest.mock import MagicMock, call, create_autospec, patch

import pytest

from custom_components.kinesis_webrtc import offer_desk
from custom_components.kinesis_webrtc.offer_desk import MAX_PENDING_OFFERS, OfferDesk
from custom_components.kinesis_webrtc.peer import (
    CandidateGathered,
    EndOfCandidates,
    EndReason,
    MasterPeer,
    OfferRefused,
    RefusalReason,
)
from custom_components.kinesis_webrtc.signaling import (
    IceCandidate,
    IceServer,
    NotConnectedError,
    SdpAnswer,
    SdpOffer,
    SignalingConnection,
)

ICE_SERVERS = (IceServer(urls=("stun:127.0.0.1:3478",)),)


class Desk:
    """A desk between a peer and a connection that the test decides about."""

    def __init__(self) -> None:
        self.peer = create_autospec(MasterPeer, instance=True)
        self.peer.answer.return_value = "answer"
        self.connection = create_autospec(SignalingConnection, instance=True)
        self.sent: asyncio.Queue[SdpAnswer | IceCandidate] = asyncio.Queue()
        self.connection.send.side_effect = self.sent.put
        self.refused = MagicMock()
        self.desk = OfferDesk(
            peer=self.peer,
            connection=self.connection,
            ice_servers=lambda: ICE_SERVERS,
            on_refused=self.refused,
        )

    async def next_sent(self) -> SdpAnswer | IceCandidate:
        async with asyncio.timeout(5):
            return await self.sent.get()

    async def settle(self) -> None:
        """Let every task that can go on go on."""
        for _ in range(10):
            await asyncio.sleep(0)


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    desk = Desk()
    yield desk
    await desk.desk.shutdown()


def offer(sender: str | None = "echo-1", *, bare: bool = False) -> SdpOffer:
    return SdpOffer(sdp="offer", sender_client_id=sender, bare=bare)


def after(future: asyncio.Future[str]) -> Callable[..., Awaitable[str]]:
    """Return an answer method that waits for a future."""

    async def answer(*_: object) -> str:
        return await future

    return answer


def gathered(viewer_id: str = "echo-1") -> CandidateGathered:
    return CandidateGathered(
        viewer_id=viewer_id, candidate="candidate:1", sdp_mid="0", sdp_m_line_index=0
    )


@pytest.mark.parametrize("bare", [False, True])
async def test_answers_the_sender_in_the_form_of_its_offer(
    desk: Desk, bare: bool
) -> None:
    desk.desk.take(offer(bare=bare))

    assert await desk.next_sent() == SdpAnswer(
        sdp="answer", recipient_client_id="echo-1", bare=bare
    )
    assert desk.peer.answer.mock_calls == [call("echo-1", "offer", ICE_SERVERS)]


async def test_a_slow_answer_holds_up_no_other_viewer(desk: Desk) -> None:
    slow = asyncio.get_running_loop().create_future()

    async def answer(viewer_id: str, *_: object) -> str:
        return await slow if viewer_id == "slow" else "answer"

    desk.peer.answer.side_effect = answer
    desk.desk.take(offer("slow"))
    desk.desk.take(offer("quick"))

    assert (await desk.next_sent()).recipient_client_id == "quick"
    slow.set_result("answer")
    assert (await desk.next_sent()).recipient_client_id == "slow"


async def test_a_candidate_never_overtakes_the_answer(desk: Desk) -> None:
    answer = asyncio.get_running_loop().create_future()
    desk.peer.answer.side_effect = after(answer)
    desk.desk.take(offer())
    await desk.settle()
    desk.desk.send_candidate(gathered())
    desk.desk.send_candidate(EndOfCandidates(viewer_id="echo-1"))
    await desk.settle()
    assert desk.sent.empty()

    answer.set_result("answer")

    assert isinstance(await desk.next_sent(), SdpAnswer)
    assert await desk.next_sent() == IceCandidate(
        client_id="echo-1", candidate="candidate:1", sdp_mid="0", sdp_m_line_index=0
    )


async def test_a_candidate_that_cannot_be_sent_costs_only_itself(desk: Desk) -> None:
    desk.desk.take(offer())
    await desk.next_sent()
    desk.connection.send.side_effect = [NotConnectedError(), None]
    desk.desk.send_candidate(gathered())
    desk.desk.send_candidate(gathered())
    await desk.settle()

    assert desk.connection.send.call_count == 3


async def test_a_candidate_of_no_known_viewer_is_dropped(desk: Desk) -> None:
    desk.desk.send_candidate(gathered("stranger"))
    await desk.settle()

    assert desk.sent.empty()


async def test_hands_a_viewers_candidate_to_the_peer(desk: Desk) -> None:
    desk.desk.take_candidate(
        IceCandidate(
            client_id="viewer-1", candidate="c", sdp_mid="0", sdp_m_line_index=0
        )
    )
    desk.desk.take_candidate(IceCandidate(client_id=None, candidate="c"))
    await desk.settle()

    assert desk.peer.add_candidate.mock_calls == [call("viewer-1", "c", "0", 0)]


async def test_a_refused_offer_is_told_and_not_answered(desk: Desk) -> None:
    desk.peer.answer.side_effect = OfferRefused(RefusalReason.NO_H264)
    desk.desk.take(offer())
    await desk.settle()

    assert desk.refused.mock_calls == [call("echo-1", RefusalReason.NO_H264)]
    assert desk.sent.empty()


async def test_an_answer_that_comes_too_late_is_not_sent(desk: Desk) -> None:
    desk.peer.answer.side_effect = after(asyncio.get_running_loop().create_future())
    closed = asyncio.Event()
    desk.peer.close.side_effect = lambda *_: closed.set()
    with patch.object(offer_desk, "ANSWER_WITHIN", 0.01):
        desk.desk.take(offer())
        async with asyncio.timeout(5):
            await closed.wait()

    assert desk.peer.close.mock_calls == [call("echo-1", EndReason.NOT_DELIVERED)]
    assert desk.sent.empty()


async def test_an_answer_that_cannot_be_sent_ends_the_session(desk: Desk) -> None:
    desk.connection.send.side_effect = NotConnectedError()
    desk.desk.take(offer())
    await desk.settle()

    assert desk.peer.close.mock_calls == [call("echo-1", EndReason.NOT_DELIVERED)]


async def test_a_newer_offer_of_the_same_sender_replaces_the_older(
    desk: Desk,
) -> None:
    first = asyncio.get_running_loop().create_future()

    async def answer(_: str, sdp: str, __: object) -> str:
        return await first if sdp == "first" else "second"

    desk.peer.answer.side_effect = answer
    desk.desk.take(SdpOffer(sdp="first", sender_client_id="echo-1"))
    await desk.settle()
    desk.desk.take(SdpOffer(sdp="second", sender_client_id="echo-1"))

    assert (await desk.next_sent()).sdp == "second"
    assert first.cancelled()
    await desk.settle()
    assert desk.sent.empty()


async def test_an_offer_without_a_sender_is_ignored(desk: Desk) -> None:
    desk.desk.take(offer(None))
    await desk.settle()

    assert not desk.peer.answer.called


async def test_a_flood_of_offers_is_refused_beyond_the_bound(desk: Desk) -> None:
    never = asyncio.get_running_loop().create_future()
    desk.peer.answer.side_effect = after(never)
    for number in range(MAX_PENDING_OFFERS + 1):
        desk.desk.take(offer(f"viewer-{number}"))
        await desk.settle()

    assert desk.refused.mock_calls == [
        call(f"viewer-{MAX_PENDING_OFFERS}", RefusalReason.VIEWER_LIMIT)
    ]


async def test_forgetting_a_viewer_from_its_own_task_lets_the_task_finish(
    desk: Desk,
) -> None:
    desk.connection.send.side_effect = NotConnectedError()
    finished = asyncio.Event()

    async def close(viewer_id: str, _: EndReason) -> None:
        desk.desk.forget(viewer_id)
        await asyncio.sleep(0)
        finished.set()

    desk.peer.close.side_effect = close
    desk.desk.take(offer())

    async with asyncio.timeout(5):
        await finished.wait()


async def test_shutting_down_leaves_no_task(desk: Desk) -> None:
    never = asyncio.get_running_loop().create_future()
    desk.peer.answer.side_effect = after(never)
    before = asyncio.all_tasks()
    desk.desk.take(offer())
    await desk.settle()

    await desk.desk.shutdown()

    assert asyncio.all_tasks() == before
