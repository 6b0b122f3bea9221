"""Offers are answered apart from each other, in time, and before their candidates."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from unittest.mock import MagicMock, call, create_autospec, patch

import pytest

from custom_components.kinesis_webrtc import offer_desk
from custom_components.kinesis_webrtc.alexa import (
    End,
    OfferTerms,
    Ping,
    Refusal,
    encode,
    encode_terms,
)
from custom_components.kinesis_webrtc.offer_desk import MAX_PENDING_OFFERS, OfferDesk
from custom_components.kinesis_webrtc.offer_rate import OFFERS
from custom_components.kinesis_webrtc.peer import (
    AddressRules,
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
    Notice,
    SdpAnswer,
    SdpOffer,
    SignalingConnection,
)

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
SESSION = "0123456789abcdef"
SENDER = f"alexa-{SESSION}-1"
ICE_SERVERS = (IceServer(urls=("stun:127.0.0.1:3478",)),)


class Desk:
    """A desk between a peer and a connection that the test decides about."""

    def __init__(self) -> None:
        self.peer = create_autospec(MasterPeer, instance=True)
        self.peer.answer.return_value = "answer"
        self.connection = create_autospec(SignalingConnection, instance=True)
        self.sent: asyncio.Queue[SdpAnswer | IceCandidate | Notice] = asyncio.Queue()
        self.connection.send.side_effect = self.sent.put
        self.refused = MagicMock()
        self.desk = OfferDesk(
            peer=self.peer,
            connection=self.connection,
            ice_servers=lambda: ICE_SERVERS,
            on_refused=self.refused,
            now=lambda: NOW,
        )

    async def next_sent(self) -> SdpAnswer | IceCandidate | Notice:
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


def skill_offer(*, left: float = 4.5, sender: str = SENDER) -> SdpOffer:
    """Return an offer of the Alexa skill, whose deadline is so many seconds away."""
    terms = OfferTerms(deadline=NOW.timestamp() + left, session=SESSION)
    return SdpOffer(sdp="offer", sender_client_id=sender, extra=encode_terms(terms))


def refusal(reason: RefusalReason, sender: str = SENDER) -> Notice:
    return Notice(content=encode(Refusal(reason=reason.value)), client_id=sender)


def after(future: asyncio.Future[str]) -> Callable[..., Awaitable[str]]:
    """Return an answer method that waits for a future."""

    async def answer(*_: object, **__: object) -> str:
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
    assert desk.peer.answer.mock_calls == [
        call("echo-1", "offer", ICE_SERVERS, rules=AddressRules())
    ]


async def test_a_slow_answer_holds_up_no_other_viewer(desk: Desk) -> None:
    slow = asyncio.get_running_loop().create_future()

    async def answer(viewer_id: str, *_: object, **__: object) -> str:
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
    told = asyncio.Event()
    desk.refused.side_effect = lambda *_: told.set()
    with patch.object(offer_desk, "ANSWER_WITHIN", 0.01):
        desk.desk.take(offer())
        async with asyncio.timeout(5):
            await told.wait()

    assert desk.refused.mock_calls == [call("echo-1", RefusalReason.STALE)]
    assert desk.sent.empty()


async def test_an_answer_that_is_not_sent_in_time_ends_the_session(desk: Desk) -> None:
    desk.connection.send.side_effect = after(asyncio.get_running_loop().create_future())
    closed = asyncio.Event()
    desk.peer.close.side_effect = lambda *_: closed.set()
    with patch.object(offer_desk, "ANSWER_WITHIN", 0.01):
        desk.desk.take(offer())
        async with asyncio.timeout(5):
            await closed.wait()

    assert desk.peer.close.mock_calls == [call("echo-1", EndReason.NOT_DELIVERED)]
    assert not desk.refused.called


async def test_an_answer_that_cannot_be_sent_ends_the_session(desk: Desk) -> None:
    desk.connection.send.side_effect = NotConnectedError()
    desk.desk.take(offer())
    await desk.settle()

    assert desk.peer.close.mock_calls == [call("echo-1", EndReason.NOT_DELIVERED)]


async def test_a_newer_offer_of_the_same_sender_replaces_the_older(
    desk: Desk,
) -> None:
    first = asyncio.get_running_loop().create_future()

    async def answer(_: str, sdp: str, *__: object, **___: object) -> str:
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


async def test_a_flooding_viewer_costs_itself(desk: Desk) -> None:
    for _ in range(300):
        desk.desk.take(offer("flood"))
        await desk.settle()
    desk.desk.take(offer("quiet"))
    await desk.settle()

    answered = [sent.args[0] for sent in desk.peer.answer.mock_calls]
    assert answered == ["flood"] * OFFERS + ["quiet"]
    # Whoever looks into the log or at the event is told once.
    assert desk.refused.mock_calls == [call("flood", RefusalReason.TOO_MANY_OFFERS)]


async def test_a_flood_does_not_end_what_is_under_way_for_its_sender(
    desk: Desk,
) -> None:
    answer = asyncio.get_running_loop().create_future()
    desk.peer.answer.side_effect = after(answer)
    for _ in range(300):
        desk.desk.take(offer("flood"))
    await desk.settle()
    answer.set_result("answer")

    assert (await desk.next_sent()).recipient_client_id == "flood"


async def test_the_skill_is_told_of_too_many_offers_once(desk: Desk) -> None:
    desk.peer.answer.side_effect = OfferRefused(RefusalReason.NO_H264)
    for _ in range(300):
        desk.desk.take(skill_offer())
    await desk.settle()

    told = [desk.sent.get_nowait() for _ in range(desk.sent.qsize())]
    assert told.count(refusal(RefusalReason.TOO_MANY_OFFERS)) == 1
    assert len(told) <= 1 + OFFERS


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


async def test_the_skills_offer_is_answered_before_its_deadline(desk: Desk) -> None:
    desk.desk.take(skill_offer())

    assert await desk.next_sent() == SdpAnswer(sdp="answer", recipient_client_id=SENDER)


@pytest.mark.parametrize("late", [0, 0.001, 3600])
async def test_the_skills_offer_is_stale_after_its_deadline(
    desk: Desk, late: float
) -> None:
    desk.desk.take(skill_offer(left=-late))

    assert await desk.next_sent() == refusal(RefusalReason.STALE)
    assert desk.refused.mock_calls == [call(SENDER, RefusalReason.STALE)]
    assert not desk.peer.answer.called


async def test_an_answer_of_the_skill_gets_no_longer_than_what_is_left(
    desk: Desk,
) -> None:
    desk.peer.answer.side_effect = after(asyncio.get_running_loop().create_future())

    desk.desk.take(skill_offer(left=0.05))

    assert await desk.next_sent() == refusal(RefusalReason.STALE)
    assert desk.refused.mock_calls == [call(SENDER, RefusalReason.STALE)]


async def test_a_deadline_far_away_gives_no_more_time_than_others_have(
    desk: Desk,
) -> None:
    desk.peer.answer.side_effect = after(asyncio.get_running_loop().create_future())
    with patch.object(offer_desk, "ANSWER_WITHIN", 0.01):
        desk.desk.take(skill_offer(left=3600))
        assert await desk.next_sent() == refusal(RefusalReason.STALE)


async def test_the_skill_is_told_why_its_offer_is_refused(desk: Desk) -> None:
    desk.peer.answer.side_effect = OfferRefused(RefusalReason.CAMERA_OFF)
    desk.desk.take(skill_offer())

    assert await desk.next_sent() == refusal(RefusalReason.CAMERA_OFF)
    assert desk.refused.mock_calls == [call(SENDER, RefusalReason.CAMERA_OFF)]


async def test_a_refusal_that_cannot_be_sent_harms_nothing(desk: Desk) -> None:
    desk.connection.send.side_effect = NotConnectedError()
    desk.peer.answer.side_effect = OfferRefused(RefusalReason.NO_H264)
    desk.desk.take(skill_offer())
    await desk.settle()

    assert desk.refused.mock_calls == [call(SENDER, RefusalReason.NO_H264)]


async def test_the_skill_is_told_of_a_flood(desk: Desk) -> None:
    desk.peer.answer.side_effect = after(asyncio.get_running_loop().create_future())
    for number in range(MAX_PENDING_OFFERS):
        desk.desk.take(offer(f"viewer-{number}"))
        await desk.settle()
    desk.desk.take(skill_offer())

    assert await desk.next_sent() == refusal(RefusalReason.VIEWER_LIMIT)


async def test_the_end_of_a_session_closes_its_view_alone(desk: Desk) -> None:
    desk.desk.take(skill_offer())
    desk.desk.take(offer("alexa-another-1"))
    await desk.next_sent()
    await desk.next_sent()

    end = Notice(content=encode(End(session=SESSION)), client_id="alexa-end")
    desk.desk.take_notice(end)

    assert await desk.next_sent() == end
    assert desk.peer.close.mock_calls == [call(SENDER, EndReason.VIEWER_CLOSED)]


async def test_the_end_of_a_session_under_way_leaves_no_answer(desk: Desk) -> None:
    answer = asyncio.get_running_loop().create_future()
    desk.peer.answer.side_effect = after(answer)
    desk.desk.take(skill_offer())
    await desk.settle()

    desk.desk.take_notice(Notice(content=encode(End(session=SESSION)), client_id="e"))
    await desk.settle()

    assert answer.cancelled()
    assert isinstance(await desk.next_sent(), Notice)
    assert desk.sent.empty()


async def test_the_end_of_an_unknown_session_is_harmless(desk: Desk) -> None:
    desk.desk.take(skill_offer())
    await desk.next_sent()
    desk.desk.take_notice(Notice(content=encode(End(session="other")), client_id="e"))
    await desk.next_sent()

    assert not desk.peer.close.called


async def test_another_offer_of_a_session_replaces_its_view(desk: Desk) -> None:
    desk.desk.take(skill_offer())
    await desk.next_sent()
    second = f"alexa-{SESSION}-2"
    desk.desk.take(skill_offer(sender=second))

    answer = await desk.next_sent()
    assert isinstance(answer, SdpAnswer)
    assert answer.recipient_client_id == second
    assert desk.peer.close.mock_calls == [call(SENDER, EndReason.REPLACED)]


async def test_an_offer_delivered_twice_does_not_end_itself(desk: Desk) -> None:
    desk.desk.take(skill_offer())
    desk.desk.take(skill_offer())
    await desk.next_sent()
    await desk.settle()

    assert not desk.peer.close.called


async def test_a_ping_is_echoed_to_its_sender(desk: Desk) -> None:
    ping = Notice(content=encode(Ping(session=SESSION)), client_id="alexa-ping")
    desk.desk.take_notice(ping)

    assert await desk.next_sent() == ping


@pytest.mark.parametrize(
    "notice",
    [
        Notice(content={"type": "hello"}, client_id="stranger"),
        Notice(content=encode(Refusal(reason="stale")), client_id="stranger"),
        Notice(content=encode(Ping(session=SESSION))),
        Notice(content={**encode(Ping(session=SESSION)), "v": 2}, client_id="later"),
    ],
)
async def test_other_notices_are_ignored(desk: Desk, notice: Notice) -> None:
    desk.desk.take_notice(notice)
    await desk.settle()

    assert desk.sent.empty()


async def test_a_flood_of_pings_is_echoed_up_to_the_bound(desk: Desk) -> None:
    blocked = asyncio.Event()

    async def send(_: object) -> None:
        await blocked.wait()

    desk.connection.send.side_effect = send
    for number in range(MAX_PENDING_OFFERS + 5):
        desk.desk.take_notice(
            Notice(content=encode(Ping(session="s")), client_id=f"ping-{number}")
        )
        await desk.settle()

    assert desk.connection.send.call_count == MAX_PENDING_OFFERS
