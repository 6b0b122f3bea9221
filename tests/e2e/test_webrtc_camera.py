"""A camera that only speaks WebRTC is seen by everybody, for one view of it."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest_asyncio

from tests.system import browser

from .harness.alexa_lambda import AlexaLambda
from .harness.browser import chromium_browser
from .harness.echo import Echo
from .harness.emulator import Emulator
from .harness.frontend import frontend
from .harness.frontend_viewer import frontend_view
from .harness.home_assistant import HomeAssistant
from .harness.pictures import assert_moving, assert_pictures
from .harness.scenario import SharedCamera, share_camera
from .harness.webrtc_camera import WebRtcCamera

NUMBER = 9


@pytest_asyncio.fixture(autouse=True, loop_scope="session")
async def quiet(home: HomeAssistant) -> AsyncIterator[None]:
    """Fail every test after which Home Assistant's log has something against us."""
    yield
    home.log.assert_clean()


@dataclass(frozen=True, kw_only=True)
class Hall:
    """The camera, shared."""

    camera: WebRtcCamera
    shared: SharedCamera
    channel_arn: str


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def hall(
    home: HomeAssistant, shared: SharedCamera, emulator: Emulator
) -> AsyncIterator[Hall]:
    before = set((await emulator.state())["channels"])
    async with WebRtcCamera(number=NUMBER) as camera:
        entity_id = await camera.add_to(home.client, name="Hall")
        added = await share_camera(
            home.client, entry_id=shared.entry_id, camera=entity_id
        )
        channels = (await emulator.state())["channels"]
        (channel,) = (channels[key] for key in channels if key not in before)
        yield Hall(camera=camera, shared=added, channel_arn=channel["ChannelARN"])
        await home.client.command(
            "config_entries/subentries/delete",
            entry_id=shared.entry_id,
            subentry_id=added.subentry_id,
        )


async def test_an_echo_and_a_browser_share_one_view(
    home: HomeAssistant, hall: Hall, emulator: Emulator
) -> None:
    alexa = AlexaLambda.of(emulator, hall.channel_arn)
    async with Echo(frames=25) as echo:
        answer = await alexa.answer(echo.offer)
        assert answer is not None
        await echo.apply(answer)
        # What was lost on a busy machine's loopback costs the rest of its group.
        assert_pictures(await echo.frames(), camera=NUMBER, longest_step=50)

        async with (
            chromium_browser(browser()) as chromium,
            frontend(chromium, home.url) as page,
        ):
            await page.open_more_info(hall.shared.live_view)
            # The frontend may begin anew before it settles on a player.
            await page.playing_video(seconds=3)
            readings = await page.readings(12)
            await home.client.wait_for_state(hall.shared.viewers, "2")
        await echo.hang_up()
    assert {reading.camera for reading in readings} == {NUMBER}
    assert len({reading.number for reading in readings}) > 6

    await hall.camera.wait_until_idle()
    assert hall.camera.open_views == [1, 0]


async def test_the_view_goes_on_when_the_camera_has_ended_it(
    home: HomeAssistant, hall: Hall
) -> None:
    begun = len(hall.camera.open_views)
    async with frontend_view(home.client, hall.shared.live_view) as viewer:
        await viewer.wait_frames(10, timeout=30)
        await hall.camera.end_views()
        seen = len(viewer.frames)
        await viewer.wait_frames(seen + 60, timeout=30)
        readings = viewer.readings[-15:]
    numbers = [reading.number if reading else None for reading in readings]
    assert_moving(numbers, longest_step=50)
    await hall.camera.wait_until_idle()
    assert hall.camera.open_views[begun:] == [1, 0, 1, 0]
