"""The first picture: of cameras that are open beforehand, and of those that are not."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import uuid4

from playwright.async_api import Page
import pytest_asyncio

from tests.system import browser, require

from .harness.browser import take_pictures, viewer_page
from .harness.camera import RtspCamera
from .harness.client import HomeAssistantClient
from .harness.clip import FRAMES
from .harness.emulator import Emulator
from .harness.frontend_viewer import frontend_view
from .harness.home_assistant import HomeAssistant
from .harness.pattern import read
from .harness.pictures import assert_moving
from .harness.scenario import SharedCamera, add_camera, share_camera
from .harness.sdk import sdk_options
from .harness.stills import Stills

NUMBER = 6
MOTION = "binary_sensor.yard_motion"


@pytest_asyncio.fixture(autouse=True, loop_scope="session")
async def quiet(home: HomeAssistant) -> AsyncIterator[None]:
    """Fail every test after which Home Assistant's log has something against us."""
    yield
    home.log.assert_clean()


@pytest_asyncio.fixture(loop_scope="session")
async def yard(system: None) -> AsyncIterator[RtspCamera]:
    async with RtspCamera(number=NUMBER) as camera:
        yield camera


@asynccontextmanager
async def sharing(
    client: HomeAssistantClient, entry_id: str, camera: str, **choices: str
) -> AsyncIterator[SharedCamera]:
    """Share a camera for a while."""
    added = await share_camera(client, entry_id=entry_id, camera=camera, **choices)
    try:
        yield added
    finally:
        await client.command(
            "config_entries/subentries/delete",
            entry_id=entry_id,
            subentry_id=added.subentry_id,
        )


async def set_motion(client: HomeAssistantClient, state: str) -> None:
    """Have the motion sensor see something, or nothing."""
    await client.post(f"/api/states/{MOTION}", {"state": state})


async def test_a_motion_opens_the_camera_for_who_asks_then(
    home: HomeAssistant, shared: SharedCamera, yard: RtspCamera
) -> None:
    client = home.client
    camera = await add_camera(client, name="Yard", stream_url=yard.url)
    await set_motion(client, "off")
    async with sharing(client, shared.entry_id, camera, motion=MOTION) as added:
        await yard.wait_until_idle()
        looked_at = len(yard.lines)
        await set_motion(client, "on")
        await yard.wait_for_line('"play", "playing": 1', start=looked_at)
        assert (await client.state(added.viewers))["state"] == "0"
        async with frontend_view(client, added.live_view) as viewer:
            await viewer.wait_frames(5)
            assert viewer.readings[-1] is not None
        played = [line for line in yard.lines[looked_at:] if '"play"' in line]
        assert len(played) == 1
    await yard.wait_until_idle()


async def test_a_camera_that_is_always_open_is_so_again_when_it_comes_back(
    home: HomeAssistant, shared: SharedCamera, yard: RtspCamera
) -> None:
    client = home.client
    camera = await add_camera(client, name="Shed", stream_url=yard.url)
    entities = await client.command("config/entity_registry/list")
    (entry_id,) = (
        one["config_entry_id"] for one in entities if one["entity_id"] == camera
    )
    await yard.wait_until_idle()
    async with sharing(client, shared.entry_id, camera, keep_warm="always") as added:
        looked_at = len(yard.lines)
        if not yard.playing:
            await yard.wait_for_line('"play", "playing": 1', start=looked_at)
        for user in ("user", None):
            looked_at = len(yard.lines)
            await client.command(
                "config_entries/disable", entry_id=entry_id, disabled_by=user
            )
            event = "teardown" if user else "play"
            await yard.wait_for_line(f'"{event}"', start=looked_at)
        assert (await client.state(added.viewers))["state"] == "0"
    await yard.wait_until_idle()


@pytest_asyncio.fixture(loop_scope="session")
async def page() -> AsyncIterator[Page]:
    require("node:amazon-kinesis-video-streams-webrtc", "node:esbuild")
    async with viewer_page(browser()) as page:
        yield page


async def seen_in(
    page: Page, emulator: Emulator, channel: str, count: int
) -> list[int | None]:
    """View a channel in Chromium and return the numbers of the first pictures shown."""
    channels = (await emulator.state())["channels"]
    (arn,) = (
        one["ChannelARN"]
        for one in channels.values()
        if one["ChannelName"].startswith(channel)
    )
    options = await sdk_options(emulator, emulator.viewer, arn, "VIEWER")
    async with asyncio.timeout(60):
        taking = asyncio.create_task(take_pictures(page, count))
        await page.evaluate(
            "options => startViewer(options)", {**options, "clientId": uuid4().hex}
        )
        pictures = await taking
    report = await page.evaluate("viewerReport()")
    await page.evaluate("stopViewer()")
    assert report["errors"] == []
    times = [time for time, _ in pictures]
    assert times == sorted(times)
    readings = [read(picture) for _, picture in pictures]
    assert {reading.camera for reading in readings if reading} == {NUMBER}
    numbers = [reading.number if reading else None for reading in readings]
    assert report["freezes"] == 0, list(zip(times, numbers, strict=True))
    return numbers


async def test_a_browser_sees_the_latest_picture_while_the_camera_opens(
    home: HomeAssistant, shared: SharedCamera, emulator: Emulator, page: Page
) -> None:
    client = home.client
    async with (
        RtspCamera(number=NUMBER, opens_in=3) as slow,
        # Not a number of the stream.
        Stills(number=NUMBER, frame=FRAMES + 500) as still,
    ):
        camera = await add_camera(
            client, name="Gate", stream_url=slow.url, still_url=still.url
        )
        async with sharing(client, shared.entry_id, camera) as added:
            await slow.wait_until_idle()
            numbers = await seen_in(page, emulator, "ha-gate", 40)
            live = numbers.index(next(one for one in numbers if one != FRAMES + 500))
            assert 0 < live < 10
            assert_moving(numbers[live:], longest_step=25)

            # The next time it is the stream's own picture, and a still only if that
            # were old.
            await client.wait_for_state(added.viewers, "0")
            await slow.wait_until_idle()
            numbers = await seen_in(page, emulator, "ha-gate", 40)
            assert numbers[0] is not None
            assert numbers[0] < FRAMES
            assert numbers[0] == numbers[1]
            assert_moving(numbers[10:], longest_step=25)
