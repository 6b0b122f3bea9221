"""What happens around views: more cameras, a switch, a lost connection, a restart."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from .harness.alexa_lambda import AlexaLambda
from .harness.camera import RtspCamera
from .harness.echo import Echo
from .harness.emulator import Emulator
from .harness.home_assistant import HomeAssistant
from .harness.pictures import assert_goes_on, assert_pictures
from .harness.scenario import SharedCamera, add_camera, share_a_camera, share_camera


@pytest_asyncio.fixture(autouse=True, loop_scope="session")
async def quiet(home: HomeAssistant) -> AsyncIterator[None]:
    """Fail every test after which Home Assistant's log has something against us."""
    yield
    home.log.assert_clean()


async def view(alexa: AlexaLambda, camera: RtspCamera) -> None:
    """Have an Echo see the camera."""
    async with Echo(frames=5) as echo:
        answer = await alexa.answer(echo.offer)
        assert answer is not None
        await echo.apply(answer)
        assert_pictures(await echo.frames(), camera=camera.number)
        await echo.hang_up()


async def test_a_new_channel_is_fit_for_alexa(
    emulator: Emulator, shared: SharedCamera
) -> None:
    channel = await emulator.only_channel()
    assert channel["ChannelName"].startswith("ha-")
    assert "." not in channel["ChannelName"]
    # Alexa waits for six seconds: an offer that is older must not be delivered.
    assert channel["SingleMasterConfiguration"]["MessageTtlSeconds"] == 5
    assert channel["tags"]["kinesis_webrtc:camera_name"] == "Front door"


async def test_another_camera_comes_and_goes_without_disturbing_the_first(
    home: HomeAssistant,
    shared: SharedCamera,
    emulator: Emulator,
    alexa: AlexaLambda,
    camera: RtspCamera,
) -> None:
    connects = (await emulator.state())["calls"]["ConnectAsMaster"]
    async with RtspCamera(number=3) as other, Echo(frames=200) as echo:
        answer = await alexa.answer(echo.offer)
        assert answer is not None
        await echo.apply(answer)
        await echo.first_frame_ms()

        entity_id = await add_camera(home.client, name="Garage", stream_url=other.url)
        added = await share_camera(
            home.client, entry_id=shared.entry_id, camera=entity_id
        )
        assert set((await emulator.state())["channels"]) >= {"ha-garage"}
        await home.client.command(
            "config_entries/subentries/delete",
            entry_id=shared.entry_id,
            subentry_id=added.subentry_id,
        )
        frames = await echo.frames()
        await echo.hang_up()

    assert_goes_on(frames, camera=camera.number)
    left = await emulator.only_channel()
    state = await emulator.state()
    assert state["calls"]["ConnectAsMaster"] == connects + 1
    assert left["tags"]["kinesis_webrtc:camera_name"] == "Front door"
    await home.client.wait_for_state(shared.viewers, "0")


@pytest.mark.timeout(120)
async def test_a_camera_whose_sharing_is_off_answers_nobody(
    home: HomeAssistant, shared: SharedCamera, alexa: AlexaLambda, camera: RtspCamera
) -> None:
    await home.client.call_service("switch.turn_off", entity_id=shared.sharing)
    await home.client.wait_for_state(
        shared.connected, lambda state: state["state"] != "on"
    )
    async with Echo() as echo:
        assert await alexa.answer(echo.offer) is None

    await home.client.call_service("switch.turn_on", entity_id=shared.sharing)
    await home.client.wait_for_state(shared.connected, "on")
    await view(alexa, camera)


async def test_a_lost_connection_costs_no_picture(
    home: HomeAssistant,
    shared: SharedCamera,
    emulator: Emulator,
    alexa: AlexaLambda,
    camera: RtspCamera,
) -> None:
    channel = await emulator.only_channel()
    async with Echo(frames=120) as echo:
        answer = await alexa.answer(echo.offer)
        assert answer is not None
        await echo.apply(answer)
        await echo.first_frame_ms()

        before = await home.client.state(shared.connected)
        await emulator.act("connections", channel=channel["ChannelARN"], action="cut")
        # It may be back before anybody has seen it gone.
        await home.client.wait_for_state(
            shared.connected,
            lambda state: (
                state["state"] == "on"
                and state["last_changed"] > before["last_changed"]
            ),
        )
        await view(alexa, camera)
        frames = await echo.frames()
        await echo.hang_up()
    assert_goes_on(frames, camera=camera.number)
    await home.client.wait_for_state(shared.viewers, "0")


@pytest.mark.timeout(180)
async def test_sharing_goes_on_after_a_restart_and_ends_with_the_account(
    camera: RtspCamera, tmp_path: Path
) -> None:
    async with Emulator() as emulator:
        async with HomeAssistant(tmp_path, environment=emulator.environment) as first:
            shared = await share_a_camera(
                first.client,
                emulator.home_assistant,
                stream_url=camera.url,
                # Nothing of the service's own STUN server may be asked.
                stun_url="stun:127.0.0.1:9",
            )
        first.log.assert_clean()
        channel = await emulator.only_channel()
        assert not channel["master"]

        async with HomeAssistant(tmp_path, environment=emulator.environment) as again:
            await again.client.wait_for_state(shared.connected, "on")
            await view(AlexaLambda.of(emulator, channel["ChannelARN"]), camera)
            await again.client.delete(
                f"/api/config/config_entries/entry/{shared.entry_id}"
            )
        again.log.assert_clean()
        assert (await emulator.state())["channels"] == {}
