"""A camera's sound is heard at its pitch and in time with its pictures."""

import asyncio
import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from statistics import median
from uuid import uuid4

import numpy as np
from playwright.async_api import Page
import pytest
import pytest_asyncio

from tests.helpers.sound import loudness, pitch_of
from tests.system import browser, require

from .harness.alexa_lambda import AlexaLambda
from .harness.browser import take_pictures, viewer_page
from .harness.camera import BEEP_EVERY, PITCH, RtspCamera, Sound
from .harness.clip import FRAME_RATE
from .harness.echo import Echo, Heard
from .harness.emulator import Emulator
from .harness.home_assistant import HomeAssistant
from .harness.pattern import read
from .harness.ports import free_port
from .harness.scenario import SharedCamera, add_camera, share_camera
from .harness.sdk import sdk_options

NUMBER = 2
# From how far apart on people notice: https://www.itu.int/rec/R-REC-BT.1359
IN_TIME_MS = 60


@pytest.fixture(autouse=True)
def encoders() -> None:
    require("gst:avenc_aac", "gst:opusenc", "gst:alawenc")


@pytest_asyncio.fixture(autouse=True, loop_scope="session")
async def quiet(home: HomeAssistant) -> AsyncIterator[None]:
    """Fail every test after which Home Assistant's log has something against us."""
    yield
    home.log.assert_clean()


@asynccontextmanager
async def shared_with_sound(
    home: HomeAssistant, shared: SharedCamera, camera: RtspCamera, name: str
) -> AsyncIterator[SharedCamera]:
    """Share a camera beside the one that is there."""
    entity_id = await add_camera(home.client, name=name, stream_url=camera.url)
    added = await share_camera(home.client, entry_id=shared.entry_id, camera=entity_id)
    try:
        yield added
    finally:
        await home.client.command(
            "config_entries/subentries/delete",
            entry_id=added.entry_id,
            subentry_id=added.subentry_id,
        )


async def channel_of(emulator: Emulator, camera: str) -> str:
    """Return the ARN of a camera's channel."""
    channels = (await emulator.state())["channels"].values()
    (arn,) = (
        channel["ChannelARN"]
        for channel in channels
        if channel["ChannelName"] == f"ha-{camera.lower()}"
    )
    return str(arn)


async def answered(echo: Echo, emulator: Emulator, camera: str) -> None:
    """Have an Echo's offer answered on a camera's channel."""
    alexa = AlexaLambda.of(emulator, await channel_of(emulator, camera))
    await alexa.prepare()
    answer = await alexa.answer(echo.offer)
    assert answer is not None
    await echo.apply(answer)


def is_beep(heard: Heard) -> bool:
    """Tell whether a second has the camera's beep in time."""
    return (
        heard.pitch is not None
        and abs(heard.pitch - PITCH) < 5
        and bool(heard.lags_ms)
        and max(map(abs, heard.lags_ms)) < IN_TIME_MS
    )


def is_silence(heard: Heard) -> bool:
    """Tell whether nothing was heard."""
    return heard.loudness < 0.001


@pytest.mark.parametrize("sound", ["aac", "opus", "pcma"])
async def test_an_echo_hears_the_camera_in_time(
    home: HomeAssistant, shared: SharedCamera, emulator: Emulator, sound: Sound
) -> None:
    name = sound.capitalize()
    async with (
        RtspCamera(number=NUMBER, sound=sound) as camera,
        shared_with_sound(home, shared, camera, name),
        Echo(listen=True) as echo,
    ):
        await answered(echo, emulator, name)
        for _ in range(3):
            await echo.hears(is_beep)
        await echo.hang_up()


async def test_there_is_silence_where_the_camera_has_no_sound(
    alexa: AlexaLambda,
) -> None:
    async with Echo(listen=True) as echo:
        answer = await alexa.answer(echo.offer)
        assert answer is not None
        await echo.apply(answer)
        for _ in range(2):
            await echo.hears(is_silence)
        await echo.hang_up()


async def test_sound_comes_back_to_a_viewer(
    home: HomeAssistant, shared: SharedCamera, emulator: Emulator
) -> None:
    """It is gone while the camera is muted, and while that is away."""
    port = free_port()
    async with (
        RtspCamera(number=NUMBER, sound="aac", port=port) as camera,
        shared_with_sound(home, shared, camera, "Cellar"),
        Echo(listen=True) as echo,
    ):
        await answered(echo, emulator, "Cellar")
        await echo.hears(is_beep)
        await camera.mute()
        await echo.hears(is_silence)
        await camera.mute(muted=False)
        await echo.hears(is_beep)
        await camera.stop()
        await echo.hears(is_silence)
        async with RtspCamera(number=NUMBER, sound="aac", port=port):
            await echo.hears(is_beep, timeout=60)
            await echo.hang_up()


async def test_a_browser_plays_beeps_with_their_pictures(
    home: HomeAssistant, shared: SharedCamera, emulator: Emulator
) -> None:
    require("node:amazon-kinesis-video-streams-webrtc", "node:esbuild")
    async with (
        RtspCamera(number=NUMBER, sound="opus") as camera,
        shared_with_sound(home, shared, camera, "Balcony"),
        viewer_page(browser()) as page,
    ):
        options = await sdk_options(
            emulator, emulator.viewer, await channel_of(emulator, "Balcony"), "VIEWER"
        )
        await page.evaluate(
            "options => startViewer(options)", {**options, "clientId": uuid4().hex}
        )
        await page.wait_for_function("video.currentTime > 4", timeout=30_000)
        found = []
        # It brings them together step by step, and on a busy machine again and again.
        for _ in range(8):
            found.append(await lag_of(page))
            if abs(found[-1]) < IN_TIME_MS:
                break
        await page.evaluate("stopViewer()")
    assert abs(found[-1]) < IN_TIME_MS, found


async def lag_of(page: Page) -> float:
    """Return how late a page's beeps are to its pictures, in ms at the median."""
    async with asyncio.TaskGroup() as tasks:
        listening = tasks.create_task(page.evaluate("listen(4)"))
        watching = tasks.create_task(
            take_pictures(page, 60, width=240, height=135, clock="expectedDisplayTime")
        )
    heard = listening.result()
    samples = np.frombuffer(base64.b64decode(heard["samples"]), np.float32)
    beeps = beeps_in(samples, heard["rate"], heard["times"])
    # When each beep's picture was shown, or would have been, by each picture.
    marks = [
        at - reading.number % BEEP_EVERY * 1000 / FRAME_RATE
        for at, picture in watching.result()
        if (reading := read(picture))
    ]
    return median(
        beep - mark for beep in beeps for mark in marks if abs(beep - mark) < 500
    )


def beeps_in(
    samples: np.ndarray, rate: int, times: list[tuple[int, float]]
) -> list[float]:
    """Return when (ms) the camera's beeps began to be heard."""
    step = rate // 100
    loud = [
        loudness(samples[at : at + step]) > 0.02
        for at in range(0, len(samples) - step, step)
    ]
    beeps = []
    for block in range(1, len(loud) - 35):
        if loud[block] and not loud[block - 1]:
            start = block * step
            beep = samples[start + step : start + 30 * step]
            assert pitch_of(beep, rate) == pytest.approx(PITCH, abs=5)
            length, at = min(times, key=lambda pair: abs(pair[0] - start))
            beeps.append(at + (start - length) / rate * 1000)
    return beeps
