"""The first picture: cameras that are open before anybody asks for them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest_asyncio

from .harness.camera import RtspCamera
from .harness.client import HomeAssistantClient
from .harness.frontend_viewer import frontend_view
from .harness.home_assistant import HomeAssistant
from .harness.scenario import SharedCamera, add_camera, share_camera

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
        assert len(yard.events) == len(yard.events[:looked_at]) + 1
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
