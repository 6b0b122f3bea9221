"""Home Assistant's own viewers get the answer first, and always a reason."""

import asyncio
from collections.abc import AsyncIterator
from unittest.mock import AsyncMock, MagicMock, call, create_autospec, patch

from homeassistant.components.camera import (
    WebRTCAnswer,
    WebRTCCandidate,
    WebRTCError,
    WebRTCMessage,
)
from homeassistant.core import HomeAssistant
from homeassistant.helpers.translation import async_load_integrations
import pytest
from webrtc_models import RTCIceCandidateInit

from custom_components.kinesis_webrtc import home_viewers
from custom_components.kinesis_webrtc.const import DOMAIN
from custom_components.kinesis_webrtc.home_viewers import HomeViewers, is_home_viewer
from custom_components.kinesis_webrtc.peer import (
    AddressRules,
    CandidateGathered,
    Ended,
    EndOfCandidates,
    EndReason,
    MasterPeer,
    OfferRefused,
    RefusalReason,
    Timings,
)
from custom_components.kinesis_webrtc.signaling import IceServer

from .conftest import TRANSLATIONS, async_speak_german

# Browsers at home hide their addresses behind names.
RULES = AddressRules(names=True)
ICE_SERVERS = (IceServer(urls=("stun:127.0.0.1:3478",)),)
TRICKLE = "a=ice-options:trickle\r\n"
COMPLETE = "a=candidate:1 1 udp 1 192.0.2.1 9 typ host\r\n"
END = WebRTCCandidate(RTCIceCandidateInit(""))


class Home:
    """The viewers of a camera whose peer the test decides about."""

    def __init__(self, hass: HomeAssistant) -> None:
        self.peer = create_autospec(MasterPeer, instance=True)
        self.peer.answer.return_value = TRICKLE
        self.ready = AsyncMock()
        self.refused = MagicMock()
        self.sent: list[WebRTCMessage] = []
        self.viewers = HomeViewers(
            hass=hass,
            peer=self.peer,
            ready=self.ready,
            ice_servers=lambda: ICE_SERVERS,
            on_refused=self.refused,
        )

    async def answer(self, session_id: str = "1", offer: str = "offer") -> None:
        await self.viewers.async_answer(session_id, offer, self.sent.append)

    def answering(self, session_id: str = "1") -> asyncio.Task[None]:
        """Have an answer under way, which the future gives."""
        self.future: asyncio.Future[str] = asyncio.get_running_loop().create_future()

        async def answer(*_: object, **__: object) -> str:
            return await self.future

        self.peer.answer.side_effect = answer
        return asyncio.create_task(self.answer(session_id))


@pytest.fixture
async def home(hass: HomeAssistant) -> AsyncIterator[Home]:
    hass.config.components.add(DOMAIN)
    await async_load_integrations(hass, {DOMAIN})
    home = Home(hass)
    yield home
    await home.viewers.async_stop()


async def settle() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


def gathered(viewer_id: str = "home:1") -> CandidateGathered:
    return CandidateGathered(
        viewer_id=viewer_id, candidate="candidate:1", sdp_mid="0", sdp_m_line_index=0
    )


def ended(reason: EndReason, viewer_id: str = "home:1") -> Ended:
    return Ended(viewer_id=viewer_id, reason=reason, timings=Timings())


OURS = WebRTCCandidate(
    RTCIceCandidateInit("candidate:1", sdp_mid="0", sdp_m_line_index=0)
)


async def test_answers_under_a_name_that_no_client_of_a_channel_has(home: Home) -> None:
    await home.answer("01ABC")

    assert home.peer.answer.mock_calls == [
        call("home:01ABC", "offer", ICE_SERVERS, rules=RULES)
    ]
    assert home.sent == [WebRTCAnswer(TRICKLE)]
    assert is_home_viewer("home:01ABC")
    assert not is_home_viewer("01ABC")


async def test_the_answer_waits_until_the_peer_is_prepared(home: Home) -> None:
    prepared = asyncio.Event()
    home.ready.side_effect = prepared.wait
    task = asyncio.create_task(home.answer())
    await settle()
    assert not home.peer.answer.called

    prepared.set()
    await task
    assert home.sent == [WebRTCAnswer(TRICKLE)]


async def test_a_candidate_never_overtakes_the_answer(home: Home) -> None:
    task = home.answering()
    await settle()
    home.viewers.async_send_candidate(gathered())
    assert home.sent == []

    home.future.set_result(TRICKLE)
    await task
    home.viewers.async_send_candidate(EndOfCandidates(viewer_id="home:1"))

    assert home.sent == [WebRTCAnswer(TRICKLE), OURS, END]


async def test_a_complete_answer_says_that_no_candidate_follows(home: Home) -> None:
    home.peer.answer.return_value = COMPLETE
    await home.answer()

    assert home.sent == [WebRTCAnswer(COMPLETE), END]


async def test_a_candidate_of_no_known_viewer_goes_nowhere(home: Home) -> None:
    home.viewers.async_send_candidate(gathered("home:2"))
    await home.viewers.async_add_candidate("2", RTCIceCandidateInit("theirs"))

    assert home.sent == []
    assert not home.peer.add_candidate.called


async def test_a_viewers_candidate_reaches_its_session_before_the_answer(
    home: Home,
) -> None:
    task = home.answering()
    await settle()
    await home.viewers.async_add_candidate(
        "1", RTCIceCandidateInit("theirs", sdp_mid="0", sdp_m_line_index=0)
    )
    assert home.peer.add_candidate.mock_calls == [call("home:1", "theirs", "0", 0)]
    home.future.set_result(TRICKLE)
    await task


async def test_a_refused_offer_gets_the_reason(home: Home) -> None:
    home.peer.answer.side_effect = OfferRefused(RefusalReason.NO_H264)
    await home.answer()

    (error,) = home.sent
    assert isinstance(error, WebRTCError)
    assert error.code == "no_h264"
    assert error.message == TRANSLATIONS["exceptions"]["no_h264"]["message"]
    assert home.refused.mock_calls == [call("home:1", RefusalReason.NO_H264)]


@pytest.mark.parametrize("reason", [*RefusalReason, *EndReason])
def test_every_reason_has_a_text(reason: RefusalReason | EndReason) -> None:
    assert TRANSLATIONS["exceptions"][str(reason)]["message"]


async def test_an_answer_that_takes_too_long_is_an_error(home: Home) -> None:
    with patch.object(home_viewers, "_ANSWER_WITHIN", 0.01):
        await home.answering()

    (error,) = home.sent
    assert isinstance(error, WebRTCError)
    assert error.code == "not_delivered"
    assert home.peer.close.mock_calls == [call("home:1", EndReason.NOT_DELIVERED)]


async def test_a_viewer_that_leaves_ends_its_session(home: Home) -> None:
    await home.answer()
    home.viewers.async_close("1")
    home.viewers.async_close("1")
    await home.viewers.async_stop()

    assert home.peer.close.mock_calls == [call("home:1", EndReason.VIEWER_CLOSED)]
    home.viewers.async_ended(ended(EndReason.VIEWER_CLOSED))
    assert home.sent == [WebRTCAnswer(TRICKLE)]


@pytest.mark.parametrize("refused", [False, True])
async def test_a_viewer_that_leaves_before_the_answer_hears_no_more(
    home: Home, refused: bool
) -> None:
    task = home.answering()
    await settle()
    home.viewers.async_close("1")
    if refused:
        home.future.set_exception(OfferRefused(RefusalReason.SUPERSEDED))
    else:
        home.future.set_result(TRICKLE)
    await task

    assert home.sent == []
    assert not home.refused.called


async def test_a_viewer_that_leaves_before_the_peer_is_prepared_is_not_answered(
    home: Home,
) -> None:
    prepared = asyncio.Event()
    home.ready.side_effect = prepared.wait
    task = asyncio.create_task(home.answer())
    await settle()
    home.viewers.async_close("1")
    prepared.set()
    await task

    assert not home.peer.answer.called


async def test_an_offer_that_nobody_waits_for_any_more_leaves_nothing(
    home: Home,
) -> None:
    task = home.answering()
    await settle()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    home.viewers.async_send_candidate(gathered())
    home.viewers.async_close("1")
    assert home.sent == []
    assert not home.peer.close.called


@pytest.mark.parametrize("reason", [EndReason.SOURCE_FAILED, EndReason.CAMERA_OFF])
async def test_a_view_that_ends_says_why(home: Home, reason: EndReason) -> None:
    await home.answer()
    home.viewers.async_ended(ended(reason))

    error = home.sent[-1]
    assert isinstance(error, WebRTCError)
    assert error.code == str(reason)
    assert error.message == TRANSLATIONS["exceptions"][str(reason)]["message"]


async def test_why_a_view_ends_is_said_in_home_assistants_language(
    hass: HomeAssistant, home: Home
) -> None:
    texts = await async_speak_german(hass)
    await home.answer()
    home.viewers.async_ended(ended(EndReason.SOURCE_FAILED))

    error = home.sent[-1]
    assert isinstance(error, WebRTCError)
    assert error.message == texts["exceptions"]["source_failed"]["message"]


@pytest.mark.parametrize("reason", [EndReason.VIEWER_LOST, EndReason.VIEWER_CLOSED])
async def test_a_viewer_that_is_gone_is_told_nothing(
    home: Home, reason: EndReason
) -> None:
    await home.answer()
    home.viewers.async_ended(ended(reason))

    assert home.sent == [WebRTCAnswer(TRICKLE)]


async def test_a_session_that_was_replaced_leaves_its_successor_alone(
    home: Home,
) -> None:
    await home.answer(offer="first")
    await home.answer(offer="second")
    home.viewers.async_ended(ended(EndReason.REPLACED))
    home.viewers.async_send_candidate(gathered())

    assert home.sent == [WebRTCAnswer(TRICKLE), WebRTCAnswer(TRICKLE), OURS]


OFFER = (
    "v=0\r\no=- 4611731400430051336 2 IN IP4 127.0.0.1\r\n"
    "m=video 9 UDP/TLS/RTP/SAVPF 102\r\na=ice-options:trickle\r\n"
    "a=fingerprint:sha-256 AA:BB\r\n"
)


async def test_a_restart_of_ice_replaces_what_answered_before(home: Home) -> None:
    await home.answer("1", OFFER)
    restarted = OFFER.replace(" 2 IN", " 3 IN")
    await home.answer("2", restarted)

    assert home.peer.answer.mock_calls == [
        call("home:1", OFFER, ICE_SERVERS, rules=RULES),
        call("home:1", restarted, ICE_SERVERS, rules=RULES),
    ]
    # The frontend does not know of the second session at once, and forgets the first.
    for session_id in ("1", "2"):
        await home.viewers.async_add_candidate(
            session_id, RTCIceCandidateInit("theirs", sdp_mid="0", sdp_m_line_index=0)
        )
    assert home.peer.add_candidate.mock_calls == [call("home:1", "theirs", "0", 0)] * 2
    home.viewers.async_close("1")
    assert not home.peer.close.called
    home.viewers.async_close("2")
    await home.viewers.async_stop()
    assert home.peer.close.mock_calls == [call("home:1", EndReason.VIEWER_CLOSED)]


async def test_another_connection_is_another_viewer(home: Home) -> None:
    await home.answer("1", OFFER)
    await home.answer("2", OFFER.replace("AA:BB", "AA:BC"))

    viewers = [call.args[0] for call in home.peer.answer.mock_calls]
    assert viewers == ["home:1", "home:2"]
