"""What an Echo says comes out of the media player that was chosen for the camera."""

import asyncio
from collections.abc import AsyncIterator
from http import HTTPStatus
from pathlib import Path

import aiohttp
import numpy as np
import pytest
import pytest_asyncio

from tests.helpers.microphone import RATE, decoded, make_wave
from tests.helpers.sound import loudness, pitch_of
from tests.system import browser

from .harness.alexa_lambda import AlexaLambda
from .harness.browser import chromium_browser
from .harness.camera import RtspCamera
from .harness.echo import Echo
from .harness.emulator import Emulator
from .harness.frontend import frontend
from .harness.home_assistant import HomeAssistant
from .harness.scenario import SharedCamera, add_camera, share_camera

NUMBER = 2
# Bytes: two seconds.
ENOUGH = 80_000


@pytest_asyncio.fixture(autouse=True, loop_scope="session")
async def quiet(home: HomeAssistant) -> AsyncIterator[None]:
    """Fail every test after which Home Assistant's log has something against us."""
    yield
    home.log.assert_clean()


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def gate(
    home: HomeAssistant, shared: SharedCamera
) -> AsyncIterator[SharedCamera]:
    """Share a camera beside the other one, with a loudspeaker."""
    # Home Assistant is within reach of this machine only.
    await home.client.command("config/core/update", internal_url=home.url)
    async with RtspCamera(number=NUMBER) as camera:
        entity_id = await add_camera(
            home.client, name="Intercom", stream_url=camera.url
        )
        gate = await share_camera(
            home.client,
            entry_id=shared.entry_id,
            camera=entity_id,
            speaker="media_player.kitchen",
        )
        yield gate
        await home.client.command(
            "config_entries/subentries/delete",
            entry_id=gate.entry_id,
            subentry_id=gate.subentry_id,
        )


async def test_an_echo_is_not_heard_where_no_loudspeaker_was_chosen(
    home: HomeAssistant, alexa: AlexaLambda
) -> None:
    async with (
        Echo(frames=25, microphone=True) as echo,
        home.client.subscribe("subscribe_events", event_type="loudspeaker") as events,
    ):
        answer = await alexa.answer(echo.offer)
        assert answer is not None
        assert "sendrecv" not in answer
        await echo.say(440)
        await echo.apply(answer)
        await echo.frames()
        await echo.hang_up()
        assert events.empty()


async def test_an_echo_is_heard_from_the_first_voice_to_the_end_of_its_view(
    home: HomeAssistant, gate: SharedCamera, emulator: Emulator
) -> None:
    channels = (await emulator.state())["channels"].values()
    [channel] = (one for one in channels if one["ChannelName"] == "ha-intercom")
    assert channel["tags"]["kinesis_webrtc:duplex"] == "true"
    alexa = AlexaLambda.of(emulator, channel["ChannelARN"])
    await alexa.prepare()
    async with (
        Echo(frames=50, microphone=True) as echo,
        home.client.subscribe("subscribe_events", event_type="loudspeaker") as events,
        aiohttp.ClientSession() as session,
    ):
        answer = await alexa.answer(echo.offer)
        assert answer is not None
        assert "a=sendrecv" in answer.split("m=video")[0]
        await echo.apply(answer)
        await echo.frames()
        # Two seconds in which it sent silence.
        assert events.empty()

        await echo.say(440)
        async with asyncio.timeout(20):
            url = (await events.get())["data"]["url"]
            async with session.get(url) as response:
                assert response.content_type == "audio/mpeg"
                said = await response.content.readexactly(ENOUGH)
                await echo.hang_up()
                await response.read()
        assert (await session.get(url)).status == HTTPStatus.NOT_FOUND
    voice = decoded(said)[-RATE:]
    assert pitch_of(voice, RATE) == pytest.approx(440, abs=2)
    assert loudness(voice) > 0.1
    assert events.empty()


async def test_who_talks_in_home_assistant_is_heard(
    home: HomeAssistant, gate: SharedCamera, tmp_path: Path
) -> None:
    tone = make_wave(tmp_path / "tone.wav", pitch=440)

    async def preview(*, enabled: bool) -> None:
        await home.client.command(
            "labs/update",
            domain="camera",
            preview_feature="two_way_audio",
            enabled=enabled,
        )

    await preview(enabled=True)
    try:
        async with (
            chromium_browser(browser(), microphone=tone) as chromium,
            frontend(chromium, home.url) as viewer,
            home.client.subscribe(
                "subscribe_events", event_type="loudspeaker"
            ) as events,
            aiohttp.ClientSession() as session,
        ):
            await viewer.open_more_info(gate.live_view)
            assert await viewer.readings(3)
            assert events.empty()
            await viewer.page.get_by_role("button", name="Start talking").click()
            async with asyncio.timeout(30):
                url = (await events.get())["data"]["url"]
                async with session.get(url) as response:
                    said = await response.content.readexactly(ENOUGH)
            assert await viewer.readings(3)
    finally:
        await preview(enabled=False)
    samples = decoded(said)
    step = RATE // 50
    blocks = [samples[at : at + step] for at in range(0, len(samples) - step, step)]
    voice = np.concatenate([block for block in blocks if loudness(block) > 0.02])
    assert pitch_of(voice, RATE) == pytest.approx(440, abs=5)
