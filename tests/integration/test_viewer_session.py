"""A viewer's session carries its offer, its answer and the candidates of both sides."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from typing import Any
from unittest.mock import AsyncMock, Mock, create_autospec

import aiohttp
import pytest

from custom_components.kinesis_webrtc.signaling import (
    CannotConnectError,
    GoAway,
    IceCandidate,
    NotAuthorizedError,
    NotConnectedError,
    ReconnectIceServer,
    SdpAnswer,
    SdpOffer,
    SignalingClient,
)
from custom_components.kinesis_webrtc.viewer_session import (
    MasterAbsentError,
    SessionClosedError,
    ViewerCallbacks,
    ViewerSession,
    ViewerTimes,
)

from .viewers import Sockets

OFFER = (
    "v=0\r\nm=video 9 UDP/TLS/RTP/SAVPF 102\r\na=ice-options:trickle\r\na=recvonly\r\n"
)
ANSWER = "v=0\r\nm=video 9 UDP/TLS/RTP/SAVPF 102\r\na=sendonly\r\n"
TIMES = ViewerTimes(answer=5, quiet=0.05)

type Make = Callable[..., ViewerSession]


def candidate(number: int) -> IceCandidate:
    return IceCandidate(candidate=f"candidate:{number}", sdp_mid="0")


@pytest.fixture
def callbacks() -> ViewerCallbacks:
    return ViewerCallbacks(
        on_candidate=Mock(), on_ice_servers_gone=Mock(), on_ended=Mock()
    )


@pytest.fixture
async def make(sockets: Sockets, callbacks: ViewerCallbacks) -> AsyncGenerator[Make]:
    """Make sessions that are closed at the end of the test."""

    def session(**options: Any) -> ViewerSession:
        settings = {
            "client": create_autospec(SignalingClient, instance=True),
            "session": create_autospec(aiohttp.ClientSession, instance=True),
            "channel_arn": "arn",
            "offer_sdp": OFFER,
            "admit": AsyncMock(),
            "callbacks": callbacks,
            "times": TIMES,
        }
        made.append(ViewerSession(**(settings | options)))
        return made[-1]

    made: list[ViewerSession] = []
    yield session
    for each in made:
        await each.async_close()
    await asyncio.sleep(0)
    left = [task.get_name() for task in asyncio.all_tasks()]
    assert not [name for name in left if name.startswith("kinesis_webrtc")]


async def open_session(session: ViewerSession) -> asyncio.Task[str]:
    return asyncio.create_task(session.async_open())


async def test_an_offer_is_answered(make: Make, sockets: Sockets) -> None:
    opening = await open_session(make())
    socket = await sockets.wait()
    assert await socket.wait_sent(1) == [SdpOffer(sdp=OFFER)]

    socket.deliver(SdpAnswer(sdp=ANSWER))

    assert await opening == ANSWER


async def test_client_ids_differ_and_are_not_reserved(
    make: Make, sockets: Sockets
) -> None:
    make()
    make()
    ids = [socket.client_id for socket in sockets.made]
    assert len(set(ids)) == 2
    assert not any(each.upper().startswith("AWS_") for each in ids)


async def test_offer_and_answer_are_put_right(make: Make, sockets: Sockets) -> None:
    session = make(offer_sdp=f"{OFFER}a=[object RTCIceCandidate]\r\n")
    opening = await open_session(session)
    socket = await sockets.wait()
    assert await socket.wait_sent(1) == [SdpOffer(sdp=OFFER)]
    socket.deliver(SdpAnswer(sdp=ANSWER.replace("sendonly", "sendrecv")))
    assert await opening == ANSWER


async def test_candidates_follow_the_offer(make: Make, sockets: Sockets) -> None:
    session = make()
    session.add_candidate(candidate(1))
    opening = await open_session(session)
    socket = sockets.made[0]
    socket.open.clear()
    await sockets.wait()
    session.add_candidate(candidate(2))
    assert socket.sent == []

    socket.open.set()
    sent = await socket.wait_sent(3)
    socket.deliver(SdpAnswer(sdp=ANSWER))
    await opening
    session.add_candidate(candidate(3))

    assert (await socket.wait_sent(4))[0] == SdpOffer(sdp=OFFER)
    assert sent[1:] == [candidate(1), candidate(2), candidate(3)]


async def test_no_candidate_comes_before_the_answer(
    make: Make, sockets: Sockets, callbacks: ViewerCallbacks
) -> None:
    opening = await open_session(make())
    socket = await sockets.wait()
    socket.deliver(candidate(1))
    socket.deliver(SdpAnswer(sdp=ANSWER))
    socket.deliver(candidate(2))
    assert not callbacks.on_candidate.called

    await opening
    assert not callbacks.on_candidate.called
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    socket.deliver(candidate(3))

    told = [call.args[0] for call in callbacks.on_candidate.call_args_list]
    assert told == [candidate(1), candidate(2), candidate(3)]


async def test_a_second_answer_is_ignored(make: Make, sockets: Sockets) -> None:
    opening = await open_session(make())
    socket = await sockets.wait()
    socket.deliver(SdpAnswer(sdp=ANSWER))
    socket.deliver(SdpAnswer(sdp="other"))
    assert await opening == ANSWER


async def test_offers_again_once_then_tells_that_nobody_is_there(
    make: Make, sockets: Sockets, callbacks: ViewerCallbacks
) -> None:
    session = make(times=ViewerTimes(answer=0.05))
    session.add_candidate(candidate(1))
    opening = await open_session(session)

    with pytest.raises(MasterAbsentError):
        await opening

    (socket,) = sockets.made
    offers = [message for message in socket.sent if isinstance(message, SdpOffer)]
    assert offers == [SdpOffer(sdp=OFFER)] * 2
    # The master that gets the second offer has got no candidate of the first.
    assert socket.sent.count(candidate(1)) == 2
    assert not socket.running
    assert callbacks.on_ended.called


async def test_a_restart_that_is_not_answered_comes_from_another_client(
    make: Make, sockets: Sockets
) -> None:
    session = make(
        client_id="ha-1", is_restart=True, times=ViewerTimes(answer=0.05, quiet=0.05)
    )
    session.add_candidate(candidate(1))
    opening = await open_session(session)
    second = await sockets.wait(2)
    first = sockets.made[0]
    assert (
        await second.wait_sent(2) == first.sent == [SdpOffer(sdp=OFFER), candidate(1)]
    )
    second.deliver(SdpAnswer(sdp=ANSWER))

    assert await opening == ANSWER
    assert first.client_id == "ha-1" != second.client_id
    assert not first.running


async def test_the_second_offer_may_be_answered(make: Make, sockets: Sockets) -> None:
    opening = await open_session(make(times=ViewerTimes(answer=0.05, quiet=0.05)))
    socket = await sockets.wait()
    await socket.wait_sent(2)
    socket.deliver(SdpAnswer(sdp=ANSWER))
    assert await opening == ANSWER


async def test_signaling_ends_when_both_sides_are_silent(
    make: Make, sockets: Sockets, callbacks: ViewerCallbacks
) -> None:
    ended = asyncio.Event()
    callbacks.on_ended.side_effect = ended.set
    opening = await open_session(make())
    socket = await sockets.wait()
    socket.deliver(SdpAnswer(sdp=ANSWER))
    await opening
    assert socket.running

    async with asyncio.timeout(5):
        await ended.wait()
    assert not socket.running


@pytest.mark.parametrize(
    "error", [NotAuthorizedError(action="kinesisvideo:ConnectAsViewer")]
)
async def test_a_refusal_is_told_at_once(
    make: Make, sockets: Sockets, error: NotAuthorizedError
) -> None:
    opening = await open_session(make())
    socket = await sockets.wait()
    socket.fail(error)
    with pytest.raises(NotAuthorizedError):
        await opening
    assert not socket.running


async def test_an_outage_is_waited_for_and_then_named(
    make: Make, sockets: Sockets
) -> None:
    opening = await open_session(make())
    socket = sockets.made[0]
    failed = asyncio.Event()

    async def send(_: object) -> None:
        await failed.wait()
        raise NotConnectedError(operation="Send")

    socket.mock.send.side_effect = send
    await sockets.wait()
    socket.fail(CannotConnectError(operation="ConnectAsViewer"))
    await asyncio.sleep(0)
    assert not opening.done()

    failed.set()
    with pytest.raises(CannotConnectError):
        await opening


async def test_no_socket_without_a_reason_is_told_as_such(
    make: Make, sockets: Sockets
) -> None:
    session = make()
    sockets.made[0].mock.send.side_effect = NotConnectedError(operation="Send")
    with pytest.raises(NotConnectedError):
        await session.async_open()


async def test_a_candidate_that_is_not_sent_ends_nothing(
    make: Make, sockets: Sockets
) -> None:
    session = make()
    opening = await open_session(session)
    socket = await sockets.wait()
    await socket.wait_sent(1)
    tried = asyncio.Event()

    async def send(_: object) -> None:
        tried.set()
        raise NotConnectedError(operation="Send")

    socket.mock.send.side_effect = send
    session.add_candidate(candidate(1))
    async with asyncio.timeout(5):
        await tried.wait()
    socket.deliver(SdpAnswer(sdp=ANSWER))
    assert await opening == ANSWER


async def test_a_defect_reaches_the_caller(make: Make, sockets: Sockets) -> None:
    session = make()
    sockets.made[0].mock.send.side_effect = RuntimeError("a defect")
    with pytest.raises(RuntimeError):
        await session.async_open()


@pytest.mark.parametrize("stage", ["admitting", "sending", "waiting"])
async def test_a_viewer_may_leave_at_any_time(
    make: Make, sockets: Sockets, stage: str
) -> None:
    admitted = asyncio.Event()
    session = make(admit=admitted.wait)
    opening = await open_session(session)
    (socket,) = sockets.made
    if stage != "admitting":
        socket.open.clear()
        admitted.set()
        await sockets.wait()
    if stage == "waiting":
        socket.open.set()
        await socket.wait_sent(1)

    session.close()

    with pytest.raises(SessionClosedError):
        await opening
    assert not socket.running


async def test_a_caller_that_is_cancelled_leaves_nothing(
    make: Make, sockets: Sockets
) -> None:
    opening = await open_session(make())
    socket = await sockets.wait()
    opening.cancel()
    with pytest.raises(asyncio.CancelledError):
        await opening
    assert not socket.running


@pytest.mark.parametrize("is_over", [False, True])
async def test_it_is_closed_when_its_socket_is(
    make: Make, sockets: Sockets, is_over: bool
) -> None:
    session = make(times=ViewerTimes(quiet=0.01 if is_over else 20))
    opening = await open_session(session)
    socket = await sockets.wait()
    saying_goodbye, goodbye = asyncio.Event(), asyncio.Event()

    async def run() -> None:
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            saying_goodbye.set()
            await goodbye.wait()
            socket.running = False

    session._running.cancel()
    session._running = asyncio.create_task(run(), name="kinesis_webrtc socket")
    await socket.wait_sent(1)
    if is_over:
        socket.deliver(SdpAnswer(sdp=ANSWER))
        await opening
    else:
        session.close()
    await saying_goodbye.wait()

    closing = asyncio.create_task(session.async_close())
    for _ in range(10):
        await asyncio.sleep(0)
    is_early = closing.done()
    goodbye.set()
    await asyncio.gather(closing, opening, return_exceptions=True)

    assert not is_early


async def test_closing_what_never_opened_is_harmless(make: Make) -> None:
    session = make()
    session.close()
    with pytest.raises(SessionClosedError):
        await session.async_open()


async def test_tells_of_ice_servers_that_go_away(
    make: Make, sockets: Sockets, callbacks: ViewerCallbacks
) -> None:
    opening = await open_session(make())
    socket = await sockets.wait()
    socket.deliver(GoAway())
    assert not callbacks.on_ice_servers_gone.called
    socket.deliver(ReconnectIceServer())
    assert callbacks.on_ice_servers_gone.called
    socket.deliver(SdpAnswer(sdp=ANSWER))
    await opening


async def test_candidates_are_bounded(make: Make, sockets: Sockets) -> None:
    session = make()
    for number in range(500):
        session.add_candidate(candidate(number))
    opening = await open_session(session)
    socket = await sockets.wait()
    await socket.wait_sent(101)
    socket.deliver(SdpAnswer(sdp=ANSWER))
    await opening
    assert len(socket.sent) == 101
