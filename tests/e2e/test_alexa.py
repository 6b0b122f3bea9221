"""An Echo asks for a camera, as Alexa's Lambda would for it, and gets its pictures."""

import asyncio
from collections.abc import AsyncIterator
import re

import pytest
import pytest_asyncio

from .harness.alexa_lambda import AlexaLambda
from .harness.camera import RtspCamera
from .harness.echo import Echo
from .harness.echo_offer import Era
from .harness.emulator import Emulator
from .harness.home_assistant import HomeAssistant
from .harness.pictures import assert_pictures
from .harness.scenario import SharedCamera

# Amazon documents 6 s for the answer; a sample's author saw patience end after 3 s.
PATIENCE = 3


@pytest_asyncio.fixture(autouse=True, loop_scope="session")
async def quiet(home: HomeAssistant) -> AsyncIterator[None]:
    """Fail every test after which Home Assistant's log has something against us."""
    yield
    home.log.assert_clean()


async def wait_for_event(home: HomeAssistant, shared: SharedCamera, kind: str) -> None:
    """Wait for the session event to be of a kind."""
    await home.client.wait_for_state(
        shared.session, lambda state: state["attributes"].get("event_type") == kind
    )


async def test_an_echo_sees_the_camera(
    home: HomeAssistant, shared: SharedCamera, alexa: AlexaLambda, camera: RtspCamera
) -> None:
    viewers = await home.client.state(shared.viewers)
    assert viewers["state"] == "0"

    async with Echo(frames=75) as echo:
        async with asyncio.timeout(PATIENCE):
            answer = await alexa.answer(echo.offer)
        assert answer is not None
        assert "a=group:BUNDLE audio0 video0" in answer
        await echo.apply(answer)
        await echo.connected()
        await home.client.wait_for_state(shared.viewers, "1")
        await wait_for_event(home, shared, "connected")
        frames = await echo.frames()
        await echo.hang_up()

    assert_pictures(frames, camera=camera.number)
    await home.client.wait_for_state(shared.viewers, "0")
    await wait_for_event(home, shared, "ended")
    ended = await home.client.state(shared.session)
    assert ended["attributes"]["reason"] == "viewer_closed"
    await camera.wait_until_idle()


@pytest.mark.parametrize("era", [Era.Y2018, Era.Y2019, Era.Y2023_WITHOUT_AUDIO])
async def test_offers_of_other_years_give_a_picture_in_time(
    alexa: AlexaLambda, camera: RtspCamera, era: Era
) -> None:
    async with Echo(era=era, frames=10) as echo:
        answer = await alexa.answer(echo.offer)
        assert answer is not None
        await echo.apply(answer)
        assert await echo.first_frame_ms() < PATIENCE * 1000
        frames = await echo.frames()
        await echo.hang_up()
    assert_pictures(frames, camera=camera.number)


async def test_two_echos_share_one_pull_of_the_camera(
    home: HomeAssistant, shared: SharedCamera, alexa: AlexaLambda, camera: RtspCamera
) -> None:
    async with Echo(frames=25) as first, Echo(frames=25) as second:
        for echo in (first, second):
            answer = await alexa.answer(echo.offer)
            assert answer is not None
            await echo.apply(answer)
        for echo in (first, second):
            assert_pictures(await echo.frames(), camera=camera.number)
        await home.client.wait_for_state(shared.viewers, "2")
        assert camera.playing == 1
        await first.hang_up()
        await second.hang_up()
    await home.client.wait_for_state(shared.viewers, "0")
    await camera.wait_until_idle()


async def test_the_answer_offers_ways_through_a_home_router(
    alexa: AlexaLambda,
) -> None:
    """Echo devices do not trickle: what is not in the answer does not exist."""
    async with Echo() as echo:
        answer = await alexa.answer(echo.offer)
    assert answer is not None
    assert "relay" in re.findall(r"a=candidate:.* typ (\w+)", answer)
    assert "trickle" not in answer


async def test_an_offer_that_is_none_gets_no_answer_and_harms_nothing(
    home: HomeAssistant,
    shared: SharedCamera,
    emulator: Emulator,
    alexa: AlexaLambda,
    camera: RtspCamera,
) -> None:
    assert await alexa.answer("v=0\nno offer\n") is None
    async with Echo(frames=5) as echo:
        answer = await alexa.answer(echo.offer)
        assert answer is not None
        await echo.apply(answer)
        assert_pictures(await echo.frames(), camera=camera.number)
        await echo.hang_up()


async def test_no_secret_is_in_the_log_even_at_debug_level(
    home: HomeAssistant, emulator: Emulator, alexa: AlexaLambda
) -> None:
    async with Echo(frames=2) as echo:
        answer = await alexa.answer(echo.offer)
        assert answer is not None
        await echo.apply(answer)
        await echo.frames()
        await echo.hang_up()
    passwords = re.findall(r"a=ice-pwd:(\S+)", echo.offer + answer)
    assert len(passwords) >= 2
    ours = "custom_components.kinesis_webrtc"
    assert [
        record
        for record in home.log.records
        if record.level == "DEBUG" and record.logger.startswith(ours)
    ]
    home.log.assert_without(
        [emulator.home_assistant.secret_access_key, "X-Amz-Signature=", *passwords]
    )
