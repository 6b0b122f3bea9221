"""Cameras that do not deliver H.264 are seen all the same."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import numpy as np
import pytest_asyncio

from .harness.camera import RtspCamera
from .harness.client import HomeAssistantClient
from .harness.frontend_viewer import FrontendViewer, frontend_view
from .harness.home_assistant import HomeAssistant
from .harness.pattern import read
from .harness.pictures import assert_moving
from .harness.scenario import SharedCamera, add_camera, share_camera
from .harness.stills import Stills

NUMBER = 5


@pytest_asyncio.fixture(autouse=True, loop_scope="session")
async def quiet(home: HomeAssistant) -> AsyncIterator[None]:
    """Fail every test after which Home Assistant's log has something against us."""
    yield
    home.log.assert_clean()


@asynccontextmanager
async def watched(
    client: HomeAssistantClient, *, entry_id: str, camera: str
) -> AsyncIterator[FrontendViewer]:
    """Share a camera for as long as somebody watches it."""
    added = await share_camera(client, entry_id=entry_id, camera=camera)
    try:
        async with frontend_view(client, added.live_view) as viewer:
            yield viewer
    finally:
        await client.command(
            "config_entries/subentries/delete",
            entry_id=entry_id,
            subentry_id=added.subentry_id,
        )


async def test_an_h265_camera_is_transcoded(
    home: HomeAssistant, shared: SharedCamera
) -> None:
    async with RtspCamera(number=NUMBER, codec="h265", size=(960, 540)) as camera:
        entity_id = await add_camera(home.client, name="Attic", stream_url=camera.url)
        async with watched(
            home.client, entry_id=shared.entry_id, camera=entity_id
        ) as viewer:
            await viewer.wait_frames(15, timeout=30)
            readings = viewer.readings
            frames = list(viewer.frames)
    assert {(frame.width, frame.height) for frame in frames} == {(960, 540)}
    assert {reading.camera for reading in readings if reading} == {NUMBER}
    # A busy machine leaves pictures out before it comes late.
    assert_moving(
        [reading.number if reading else None for reading in readings], longest_step=50
    )


async def test_a_camera_of_stills_is_seen(
    home: HomeAssistant, shared: SharedCamera
) -> None:
    async with Stills(number=NUMBER) as stills:
        entity_id = await add_camera(home.client, name="Meter", still_url=stills.url)
        async with watched(
            home.client, entry_id=shared.entry_id, camera=entity_id
        ) as viewer:
            await viewer.wait_frames(1, timeout=30)
            readings = viewer.readings
    assert readings[0] == stills.reading


async def test_a_camera_is_turned_as_home_assistant_is_told_to(
    home: HomeAssistant, shared: SharedCamera
) -> None:
    client = home.client
    async with RtspCamera(number=NUMBER) as camera:
        entity_id = await add_camera(client, name="Porch", stream_url=camera.url)
        async with watched(
            client, entry_id=shared.entry_id, camera=entity_id
        ) as viewer:
            await viewer.wait_frames(5, timeout=30)
            assert viewer.readings[-1] is not None
            # To the left, while somebody watches.
            await client.command(
                "camera/update_prefs", entity_id=entity_id, orientation=6
            )
            async with asyncio.timeout(30):
                while viewer.frames[-1].height < viewer.frames[-1].width:
                    await viewer.wait_frames(len(viewer.frames) + 1)
            begin = len(viewer.frames) - 1
            await viewer.wait_frames(begin + 15, timeout=30)
            frames = list(viewer.frames)[begin:]
            await client.wait_for_state("sensor.porch_video", "transcoded")
    assert {(frame.width, frame.height) for frame in frames} == {(720, 1280)}
    pictures = [frame.to_ndarray(format="rgb24") for frame in frames]
    assert read(pictures[-1]) is None
    readings = [read(np.rot90(picture, -1)) for picture in pictures]
    assert {reading.camera for reading in readings if reading} == {NUMBER}
    assert_moving(
        [reading.number if reading else None for reading in readings], longest_step=50
    )
