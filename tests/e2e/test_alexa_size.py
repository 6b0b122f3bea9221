"""An Echo is shown a camera of 1080p in a size that it takes, and all others as it is."""

from collections.abc import AsyncIterator
from typing import Any

import pytest_asyncio

from .harness.alexa_lambda import AlexaLambda
from .harness.camera import RtspCamera
from .harness.client import HomeAssistantClient
from .harness.echo import Echo, Frames
from .harness.emulator import Emulator
from .harness.flows import SUBENTRIES, Flow
from .harness.frontend_viewer import frontend_view
from .harness.home_assistant import HomeAssistant
from .harness.pictures import assert_moving, assert_pictures
from .harness.scenario import SharedCamera, add_camera, share_camera

LARGE, SUB_STREAM = 8, 7


@pytest_asyncio.fixture(autouse=True, loop_scope="session")
async def quiet(home: HomeAssistant) -> AsyncIterator[None]:
    """Fail every test after which Home Assistant's log has something against us."""
    yield
    home.log.assert_clean()


async def complaints(client: HomeAssistantClient) -> list[dict[str, Any]]:
    """Return the repairs that tell of a camera for Alexa."""
    found = await client.command("repairs/list_issues")
    return [
        issue
        for issue in found["issues"]
        if issue["translation_key"] in ("camera_too_large", "alexa_stream_failed")
    ]


async def show(alexa: AlexaLambda, echo: Echo) -> Frames:
    """Have Alexa show the camera, and return what an Echo has decoded of it."""
    answer = await alexa.answer(echo.offer)
    assert answer is not None
    await echo.apply(answer)
    return await echo.frames()


async def name_sub_stream(
    client: HomeAssistantClient, shared: SharedCamera, entity_id: str
) -> None:
    """Name a camera's sub-stream in its form."""
    flow = await Flow.start(
        client,
        SUBENTRIES,
        [shared.entry_id, "shared_camera"],
        subentry_id=shared.subentry_id,
    )
    await flow.submit(flow.suggested)
    answer = await flow.submit(flow.suggested | {"alexa_stream": entity_id})
    assert answer["reason"] == "reconfigure_successful", answer
    await client.wait_for_state(shared.connected, "on")


@pytest_asyncio.fixture(loop_scope="session")
async def large(system: None) -> AsyncIterator[RtspCamera]:
    async with RtspCamera(number=LARGE, size=(1920, 1080)) as camera:
        yield camera


@pytest_asyncio.fixture(loop_scope="session")
async def gate(
    home: HomeAssistant, shared: SharedCamera, large: RtspCamera
) -> AsyncIterator[SharedCamera]:
    """Share a camera of 1080p, for as long as a test lasts."""
    camera = await add_camera(home.client, name="Gate", stream_url=large.url)
    gate = await share_camera(home.client, entry_id=shared.entry_id, camera=camera)
    yield gate
    await home.client.command(
        "config_entries/subentries/delete",
        entry_id=gate.entry_id,
        subentry_id=gate.subentry_id,
    )
    await home.client.delete(
        f"/api/config/config_entries/entry/{await entry_of(home.client, camera)}"
    )


async def entry_of(client: HomeAssistantClient, entity_id: str) -> str:
    """Return the id of the config entry that an entity is of."""
    entity = await client.command("config/entity_registry/get", entity_id=entity_id)
    return str(entity["config_entry_id"])


@pytest_asyncio.fixture(loop_scope="session")
async def alexa(emulator: Emulator, gate: SharedCamera) -> AlexaLambda:
    """Return the function of the skill, on that camera's channel."""
    channels = (await emulator.state())["channels"].values()
    (arn,) = (
        channel["ChannelARN"]
        for channel in channels
        if channel["ChannelName"] == "ha-gate"
    )
    alexa = AlexaLambda.of(emulator, arn)
    await alexa.prepare()
    return alexa


async def test_one_pull_serves_an_echo_and_a_browser_in_their_own_sizes(
    home: HomeAssistant, gate: SharedCamera, alexa: AlexaLambda, large: RtspCamera
) -> None:
    video = gate.viewers.replace("_viewers", "_video")
    async with (
        Echo(frames=40) as echo,
        frontend_view(home.client, gate.live_view) as viewer,
    ):
        frames = await show(alexa, echo)
        await viewer.wait_frames(15, timeout=30)
        await home.client.wait_for_state(video, "transcoded_for_alexa")
        assert large.playing == 1
        await echo.hang_up()
        await home.client.wait_for_state(gate.viewers, "1")
        await home.client.wait_for_state(video, "passed_through")
        readings = viewer.readings
    # A busy machine leaves pictures out before it comes late.
    assert_pictures(frames, camera=LARGE, size=(1280, 720), longest_step=75)
    assert {(frame.width, frame.height) for frame in viewer.frames} == {(1920, 1080)}
    assert {reading.camera for reading in readings if reading} == {LARGE}
    assert_moving(
        [reading.number if reading else None for reading in readings], longest_step=25
    )
    (complaint,) = await complaints(home.client)
    assert complaint["translation_key"] == "camera_too_large"
    assert complaint["translation_placeholders"]["size"] == "1920x1080"
    await large.wait_until_idle()


async def test_a_sub_stream_that_is_named_is_what_alexa_shows(
    home: HomeAssistant, gate: SharedCamera, alexa: AlexaLambda, large: RtspCamera
) -> None:
    async with RtspCamera(number=SUB_STREAM, size=(640, 360)) as low:
        entity_id = await add_camera(home.client, name="Gate sub", stream_url=low.url)
        await name_sub_stream(home.client, gate, entity_id)
        async with (
            Echo(frames=20) as echo,
            frontend_view(home.client, gate.live_view) as viewer,
        ):
            frames = await show(alexa, echo)
            await viewer.wait_frames(5, timeout=30)
            assert (low.playing, large.playing) == (1, 1)
            readings = viewer.readings
            await echo.hang_up()
        assert_pictures(frames, camera=SUB_STREAM, size=(640, 360))
        assert {reading.camera for reading in readings if reading} == {LARGE}
        assert not await complaints(home.client)
        await low.wait_until_idle()
        await home.client.delete(
            f"/api/config/config_entries/entry/{await entry_of(home.client, entity_id)}"
        )
