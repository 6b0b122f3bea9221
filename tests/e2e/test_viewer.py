"""A browser views the channel by AWS's own JS SDK, with trickle ICE."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

from playwright.async_api import Page
import pytest_asyncio

from tests.system import browser, require

from .harness.browser import take_pictures, viewer_page
from .harness.camera import RtspCamera
from .harness.emulator import Emulator
from .harness.home_assistant import HomeAssistant
from .harness.pattern import read
from .harness.pictures import assert_moving
from .harness.scenario import SharedCamera
from .harness.sdk import sdk_options


@pytest_asyncio.fixture(loop_scope="session")
async def page() -> AsyncIterator[Page]:
    require("node:amazon-kinesis-video-streams-webrtc", "node:esbuild")
    async with viewer_page(browser()) as page:
        yield page


async def viewer_options(emulator: Emulator) -> dict[str, Any]:
    arn = (await emulator.only_channel())["ChannelARN"]
    options = await sdk_options(emulator, emulator.viewer, arn, "VIEWER")
    return {**options, "clientId": uuid4().hex}


async def test_a_browser_sees_the_camera(
    home: HomeAssistant,
    shared: SharedCamera,
    emulator: Emulator,
    camera: RtspCamera,
    page: Page,
) -> None:
    await page.evaluate(
        "options => startViewer(options)", await viewer_options(emulator)
    )
    await page.wait_for_function("video.videoWidth > 0", timeout=30_000)
    pictures = await take_pictures(page, 20)
    report = await page.evaluate("viewerReport()")

    assert report["errors"] == []
    assert (report["width"], report["height"]) == (1280, 720)
    assert report["codec"].startswith("video/H264")
    times = [time for time, _ in pictures]
    assert times == sorted(times)
    assert times[-1] > times[0]
    readings = [read(picture) for _, picture in pictures]
    assert {reading.camera for reading in readings if reading} == {camera.number}
    assert_moving(
        [reading.number if reading else None for reading in readings], longest_step=25
    )

    await home.client.wait_for_state(shared.viewers, "1")
    await page.evaluate("stopViewer()")
    await home.client.wait_for_state(shared.viewers, "0")
    home.log.assert_clean()


async def test_the_master_trickles_to_a_browser(
    home: HomeAssistant, shared: SharedCamera, emulator: Emulator, page: Page
) -> None:
    # A master that is connected gathers no further: the viewer has to be slow.
    options = {**await viewer_options(emulator), "connectAfter": "typ relay"}
    await page.evaluate("options => startViewer(options)", options)
    # Those beyond the host's come one by one, after an answer that waited for none.
    await page.wait_for_function("video.videoWidth > 0", timeout=30_000)
    report = await page.evaluate("viewerReport()")
    assert "typ relay" not in report["answer"]
    assert report["errors"] == []
    await page.evaluate("stopViewer()")
    await home.client.wait_for_state(shared.viewers, "0")
    home.log.assert_clean()
