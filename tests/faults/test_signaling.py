"""What the way to a channel's master may suffer, and what is kept all the same.

One viewer watches through all of this module: no fault of signaling costs it a picture.
"""

import asyncio
import base64
from collections.abc import AsyncIterator
import json
from statistics import median
import time
from typing import Any
from uuid import uuid4

import pytest
import pytest_asyncio

from tests.e2e.harness.alexa_lambda import AlexaLambda
from tests.e2e.harness.camera import RtspCamera
from tests.e2e.harness.echo import Echo
from tests.e2e.harness.emulator import Emulator
from tests.e2e.harness.home_assistant import HomeAssistant
from tests.e2e.harness.inside import Inside
from tests.e2e.harness.line import CUT, FAULTS, Fault, Line, most_in_a_second, suffer
from tests.e2e.harness.other_master import OtherMaster
from tests.e2e.harness.scenario import SharedCamera, add_camera, share_camera
from tests.e2e.harness.watcher import Watcher

# In scripts/bench faults they last as long as they say.
SHORTENED = 4.0
USUALLY = 15.0


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def line(shared: SharedCamera, emulator: Emulator, inside: Inside) -> Line:
    channel = await emulator.only_channel()
    return Line(emulator, channel["ChannelARN"], inside=inside)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def function(line: Line, emulator: Emulator) -> AlexaLambda:
    """Give a function that knows the channel's endpoint, which is asked for no more."""
    function = AlexaLambda.of(emulator, line.arn)
    await function.prepare()
    return function


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def watcher(function: AlexaLambda) -> AsyncIterator[Watcher]:
    async with Watcher() as watcher:
        answer = await function.answer(watcher.offer)
        assert answer is not None
        await watcher.apply(answer)
        await watcher.see(50)
        yield watcher
        await watcher.hang_up()


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def offer(shared: SharedCamera) -> AsyncIterator[str]:
    """Give the offer of an Echo that takes no answer."""
    async with Echo() as echo:
        yield echo.offer
        await echo.hang_up()


@pytest.fixture(scope="module")
def times() -> list[float]:
    """Collect how long the master took to be back, in ms."""
    return []


@pytest_asyncio.fixture(autouse=True, loop_scope="session")
async def undisturbed(
    home: HomeAssistant, shared: SharedCamera, emulator: Emulator, watcher: Watcher
) -> AsyncIterator[None]:
    """Hold that a fault costs a running view no picture, and the log no error."""
    since = watcher.mark()
    yield
    await emulator.act("clear_faults")
    await home.client.wait_for_state(shared.connected, "on", timeout=40)
    await watcher.see(25)
    missed = watcher.missed(since)
    assert not missed.disturbed, missed
    home.excuse(r"^Signaling channel .* is not connected, trying on: ")
    home.excuse(r"^The local clock differs from the service's by ")
    home.log.assert_clean()


async def diagnostics(home: HomeAssistant, shared: SharedCamera) -> dict[str, Any]:
    """Return what is known of the shared camera."""
    answer = await home.client.get(f"/api/diagnostics/config_entry/{shared.entry_id}")
    (camera,) = (
        one
        for one in answer["data"]["shared_cameras"]
        if one["subentry_id"] == shared.subentry_id
    )
    found: dict[str, Any] = camera
    return found


def told(home: HomeAssistant, since: int) -> list[str]:
    """Return the levels of what was logged of the line since so many records."""
    return [
        record.level
        for record in home.log.records[since:]
        if record.text.startswith("Signaling channel ")
    ]


async def test_an_outage_is_told_once_and_its_end_too(
    home: HomeAssistant, shared: SharedCamera, line: Line
) -> None:
    since = len(home.log.records)
    before = time.monotonic()
    await line.emulator.act(
        "faults", kind="error", operation="ConnectAsMaster", status=503, count=3
    )
    await line.do("cut")
    await line.joined(after=before)
    assert len(await line.attempts(after=before)) == 4
    await home.client.wait_for_state(shared.connected, "on")

    assert told(home, since) == ["WARNING", "INFO"]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
async def test_the_master_is_back_and_answers_what_is_still_awaited(
    fault: Fault,
    home: HomeAssistant,
    shared: SharedCamera,
    line: Line,
    function: AlexaLambda,
    offer: str,
    times: list[float],
) -> None:
    seconds = min(fault.seconds, SHORTENED)
    outcome = await suffer(fault, line, function, offer, seconds=seconds)

    assert outcome.reconnect_ms < fault.within * 1000, outcome
    assert not outcome.lost, outcome
    # As many as a channel may have.
    assert outcome.attempts <= 3, outcome
    if fault.within <= USUALLY:
        times.append(outcome.reconnect_ms)


@pytest.mark.timeout(120)
async def test_a_line_that_is_cut_again_and_again_is_taken_up_each_time(
    line: Line, function: AlexaLambda, offer: str, times: list[float]
) -> None:
    started = time.monotonic()
    for _ in range(6):
        outcome = await suffer(CUT, line, function, offer, seconds=0)
        assert outcome.answered, outcome
        times.append(outcome.reconnect_ms)

    assert most_in_a_second(await line.attempts(after=started)) <= 3


def test_the_master_is_usually_back_within_two_seconds(
    times: list[float], undisturbed: None
) -> None:
    assert times, "runs with the faults alone"
    assert median(times) < 2000, times


# What comes on the line


async def test_an_offer_in_pieces_is_answered_beside_much_garbage(
    emulator: Emulator, line: Line, function: AlexaLambda, offer: str
) -> None:
    before = time.monotonic()
    await emulator.act("behaviour", frame_size=512)
    for text in (
        "",
        "{" * 16_000,
        json.dumps({"messageType": "X", "pad": "x" * 16_000}),
    ):
        await line.do("send", text=text)
    assert await function.answer(offer) is not None
    await emulator.act("behaviour", frame_size=None)

    assert await line.attempts(after=before) == []


async def test_an_offer_that_comes_twice_is_answered_once(
    home: HomeAssistant,
    shared: SharedCamera,
    emulator: Emulator,
    function: AlexaLambda,
    offer: str,
) -> None:
    session = uuid4().hex
    sender = f"alexa-{session}-1"
    await emulator.act("faults", kind="duplicate", operation="SDP_OFFER", count=1)
    assert await function.answer(offer, sender=sender) is not None
    await function.end(session)

    await home.client.wait_for_state(
        shared.session,
        lambda state: state["attributes"].get("reason") == "viewer_closed",
    )
    messages = await emulator.act("messages")
    mine = [message for message in messages if message["recipient"] == sender]
    assert [message["type"] for message in mine].count("SDP_ANSWER") == 1
    assert (await home.client.state(shared.viewers))["state"] == "1"


async def test_an_offer_whose_sender_has_given_up_is_dropped_and_counted(
    home: HomeAssistant,
    shared: SharedCamera,
    line: Line,
    function: AlexaLambda,
    offer: str,
) -> None:
    expired = (await diagnostics(home, shared))["offers_expired"]

    async def ask(patience: float) -> dict[str, Any]:
        session = uuid4().hex
        terms = {
            "v": 1,
            "deadline_ms": round((time.time() + patience) * 1000),
            "session": session,
        }
        payload = {"type": "offer", "sdp": offer, "kinesis_webrtc": terms}
        answer = await function.send(payload, sender=f"alexa-{session}-1")
        assert answer is not None
        await function.end(session)
        found: dict[str, Any] = json.loads(base64.b64decode(answer))
        return found

    # Two wait while the master is away: one for as long as it takes, one does not.
    before = time.monotonic()
    await line.do("cut")
    late, early = await asyncio.gather(ask(0.5), ask(4.5))
    assert await line.joined(after=before) > before + 0.5

    assert late == {"type": "kinesis_webrtc", "v": 1, "error": "stale"}
    assert early["type"] == "answer"
    assert (await diagnostics(home, shared))["offers_expired"] == expired + 1


# Others


async def test_a_master_that_is_displaced_again_and_again_says_so_and_does_not_fight(
    home: HomeAssistant,
    emulator: Emulator,
    shared: SharedCamera,
    line: Line,
) -> None:
    await emulator.act("behaviour", displaced_master="close")
    async with OtherMaster(emulator, line.arn) as other:
        # Two masters that want the channel must not fight for it, and the user is told.
        before = time.monotonic()
        errors: list[str | None] = []
        while errors[-1:] != ["displaced"] and len(errors) < 3:
            await other.take_over()
            await home.client.wait_for_state(shared.connected, "off")
            errors.append((await diagnostics(home, shared))["error"])
            async with asyncio.timeout(40):
                await other.wait_displaced()
        tried = await line.attempts(after=before)
    await emulator.act("behaviour", displaced_master="deaf")

    assert errors[-1] == "displaced"
    assert len(tried) == 2 * len(errors)


@pytest.mark.timeout(120)
async def test_a_channel_that_was_deleted_is_told_and_its_views_go_on(
    home: HomeAssistant, shared: SharedCamera, emulator: Emulator, camera: RtspCamera
) -> None:
    entity_id = await add_camera(home.client, name="Garage", stream_url=camera.url)
    garage = await share_camera(home.client, entry_id=shared.entry_id, camera=entity_id)
    arn = (await emulator.state())["channels"]["ha-garage"]["ChannelARN"]
    async with Watcher() as viewer:
        answer = await AlexaLambda.of(emulator, arn).answer(viewer.offer)
        assert answer is not None
        await viewer.apply(answer)
        await viewer.see(25)
        since, before = viewer.mark(), time.monotonic()

        await emulator.act("delete_channel", channel=arn)

        await home.client.wait_for_state(garage.connected, "off")
        async with asyncio.timeout(20):
            while (await diagnostics(home, garage))["error"] != "resource_not_found":
                await viewer.see(5)
        await viewer.see(50)
        assert not viewer.missed(since).disturbed, viewer.missed(since)
        attempts = (await emulator.state())["attempts"]
        assert most_in_a_second([at for at, _ in attempts if at > before]) <= 3
        await viewer.hang_up()
    await home.client.command(
        "config_entries/subentries/delete",
        entry_id=shared.entry_id,
        subentry_id=garage.subentry_id,
    )
