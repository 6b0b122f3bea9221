"""The live view in Home Assistant: by its frontend's commands, its Alexa, a browser."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
import io
import re
from typing import Any
from uuid import uuid4

import numpy as np
from PIL import Image
import pytest_asyncio

from tests.system import browser

from .harness import core_alexa
from .harness.browser import chromium_browser
from .harness.camera import RtspCamera
from .harness.coturn import Coturn
from .harness.echo import Echo
from .harness.emulator import Emulator
from .harness.flows import OPTIONS, Flow
from .harness.frontend import Frontend, frontend
from .harness.frontend_viewer import frontend_view
from .harness.home_assistant import HomeAssistant
from .harness.pattern import read
from .harness.pictures import assert_pictures
from .harness.scenario import SharedCamera
from .harness.stills import Stills

FRAMES = 15


@pytest_asyncio.fixture(autouse=True, loop_scope="session")
async def quiet(home: HomeAssistant) -> AsyncIterator[None]:
    """Fail every test after which Home Assistant's log has something against us."""
    yield
    home.log.assert_clean()


async def ice_servers(home: HomeAssistant, entity_id: str) -> list[dict[str, Any]]:
    """Return what a browser is told before it makes its offer."""
    config = await home.client.command(
        "camera/webrtc/get_client_config", entity_id=entity_id
    )
    servers: list[dict[str, Any]] = config["configuration"]["iceServers"]
    return servers


async def relays_of(home: HomeAssistant, entity_id: str) -> list[dict[str, Any]]:
    """Return the servers with credentials that a browser is told of."""
    return [one for one in await ice_servers(home, entity_id) if "username" in one]


async def test_the_frontends_commands_give_the_cameras_pictures(
    home: HomeAssistant, shared: SharedCamera, camera: RtspCamera
) -> None:
    async with frontend_view(home.client, shared.live_view) as viewer:
        kinds = [event["type"] for event in viewer.events]
        assert kinds[:2] == ["session", "answer"]
        assert set(kinds[2:]) <= {"candidate"}
        await viewer.assert_sees(camera.number)
        await home.client.wait_for_state(shared.viewers, "1")
        await home.client.wait_for_state(shared.live_view, "streaming")
    await home.client.wait_for_state(shared.viewers, "0")
    await home.client.wait_for_state(shared.live_view, "idle")
    await camera.wait_until_idle()


async def test_a_browser_is_told_of_the_channels_relays(
    home: HomeAssistant, shared: SharedCamera, coturn: Coturn
) -> None:
    relays = await first_of(relays_of, home, shared.live_view)
    servers = await ice_servers(home, shared.live_view)
    assert servers[0] == {"urls": [coturn.stun_url]}
    assert [server["urls"] for server in relays] == [[coturn.turn_url]]
    assert relays[0]["credential"]


async def test_an_offer_that_is_none_gets_a_reason(
    home: HomeAssistant, shared: SharedCamera
) -> None:
    async with home.client.subscribe(
        "camera/webrtc/offer", entity_id=shared.live_view, offer="no offer"
    ) as events:
        assert (await events.get())["type"] == "session"
        error = await events.get()
    assert error == {
        "type": "error",
        "code": "not_sdp",
        "message": "The viewer's offer is not SDP",
    }


async def test_one_pull_of_the_camera_serves_all_doors(
    home: HomeAssistant, shared: SharedCamera, alexa: Any, camera: RtspCamera
) -> None:
    await camera.wait_until_idle()
    async with (
        Echo(frames=25) as echo,
        frontend_view(home.client, shared.live_view) as viewer,
    ):
        answer = await alexa.answer(echo.offer)
        assert answer is not None
        await echo.apply(answer)
        await viewer.assert_sees(camera.number)
        assert_pictures(await echo.frames(), camera=camera.number)
        await home.client.wait_for_state(shared.viewers, "2")
        assert camera.playing == 1
        await echo.hang_up()
    await home.client.wait_for_state(shared.viewers, "0")


async def test_the_view_here_goes_on_when_the_camera_leaves_its_channel(
    home: HomeAssistant, shared: SharedCamera, camera: RtspCamera
) -> None:
    async with frontend_view(home.client, shared.live_view) as viewer:
        await viewer.wait_frames(1, timeout=30)
        await switch(home, shared.sharing, on=False)
        await home.client.wait_for_state(shared.connected, "off")
        seen = len(viewer.frames)
        await viewer.wait_frames(seen + FRAMES, timeout=30)
        await home.client.wait_for_state(shared.viewers, "1")
    async with frontend_view(home.client, shared.live_view) as viewer:
        await viewer.assert_sees(camera.number)
    await switch(home, shared.sharing, on=True)
    await home.client.wait_for_state(shared.connected, "on")


async def test_the_view_here_does_without_aws(
    home: HomeAssistant, shared: SharedCamera, emulator: Emulator, camera: RtspCamera
) -> None:
    async with frontend_view(home.client, shared.live_view) as before:
        await before.wait_frames(1, timeout=30)
        await emulator.act("offline")
        try:
            await home.client.wait_for_state(shared.connected, "off")
            seen = len(before.frames)
            await before.wait_frames(seen + FRAMES, timeout=30)
            await before.close()
            async with frontend_view(home.client, shared.live_view) as viewer:
                await viewer.assert_sees(camera.number)
                await home.client.wait_for_state(shared.live_view, "streaming")
        finally:
            await emulator.act("online")
    await home.client.wait_for_state(shared.connected, "on", timeout=60)
    # It is told once, if the outage lasts until the first attempt to come back.
    home.excuse(r"^Signaling channel ha-front-door is not connected, trying on")


async def switch(home: HomeAssistant, entity_id: str, *, on: bool) -> None:
    """Turn a switch on or off."""
    service = "turn_on" if on else "turn_off"
    await home.client.post(f"/api/services/switch/{service}", {"entity_id": entity_id})


async def test_its_still_is_the_cameras(
    home: HomeAssistant, shared: SharedCamera, stills: Stills
) -> None:
    still = await home.client.get_bytes(f"/api/camera_proxy/{shared.live_view}")
    picture = Image.open(io.BytesIO(still))
    assert picture.format == "JPEG"
    assert read(np.asarray(picture)) == stills.reading


async def test_cores_alexa_shows_the_camera(
    home: HomeAssistant, shared: SharedCamera, camera: RtspCamera
) -> None:
    found = await core_alexa.discover(home)
    assert "Alexa.RTCSessionController" in found[shared.live_view]

    session_id = uuid4().hex
    async with Echo(frames=25) as echo:
        async with asyncio.timeout(3):
            answer = await core_alexa.view(
                home, shared.live_view, session_id=session_id, offer=echo.offer
            )
        assert "relay" in re.findall(r"a=candidate:.* typ (\w+)", answer)
        await echo.apply(answer)
        assert_pictures(await echo.frames(), camera=camera.number)
        await home.client.wait_for_state(shared.viewers, "1")
        await core_alexa.leave(home, shared.live_view, session_id=session_id)
        await home.client.wait_for_state(shared.viewers, "0")
        await echo.hang_up()
    await camera.wait_until_idle()


async def test_the_frontend_shows_it_in_a_browser(
    home: HomeAssistant, shared: SharedCamera, camera: RtspCamera
) -> None:
    async with (
        chromium_browser(browser()) as chromium,
        frontend(chromium, home.url) as viewer,
    ):
        await viewer.open_more_info(shared.live_view)
        video = await viewer.playing_video(seconds=2, timeout=30)
        assert await video.evaluate("v => [v.videoWidth, v.videoHeight]") == [
            1280,
            720,
        ]
        readings = await viewer.readings(20)
        assert {reading.camera for reading in readings} == {camera.number}
        numbers = [reading.number for reading in readings]
        assert len(set(numbers)) > 10, numbers
        await viewer.screenshot("live-view")
        await home.client.wait_for_state(shared.viewers, "1")
    await home.client.wait_for_state(shared.viewers, "0")
    await camera.wait_until_idle()


async def test_a_browser_with_nothing_but_relays_sees_it_and_restarts_ice(
    home: HomeAssistant, shared: SharedCamera, camera: RtspCamera
) -> None:
    async def assert_shown(viewer: Frontend) -> None:
        readings = await viewer.readings(12)
        assert {reading.camera for reading in readings} == {camera.number}
        numbers = [reading.number for reading in readings]
        assert len(set(numbers)) > 6, numbers
        local, _ = await viewer.selected_pair()
        assert local == "relay"

    await first_of(relays_of, home, shared.live_view)
    async with (
        chromium_browser(browser()) as chromium,
        frontend(chromium, home.url, relay_only=True) as viewer,
    ):
        await viewer.open_more_info(shared.live_view)
        await assert_shown(viewer)
        await viewer.screenshot("shared-relayed")
        # The new session of the frontend takes the old one's place.
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(
                home.client.wait_for_state(
                    shared.session,
                    lambda state: state["attributes"].get("reason") == "replaced",
                )
            )
            await viewer.restart_ice()
        await home.client.wait_for_state(
            shared.session,
            lambda state: state["attributes"]["event_type"] == "connected",
        )
        await assert_shown(viewer)
        await home.client.wait_for_state(shared.viewers, "1")
    await home.client.wait_for_state(shared.viewers, "0")
    await camera.wait_until_idle()


async def test_relays_for_all_cameras_come_and_go_with_the_option(
    home: HomeAssistant, shared: SharedCamera, emulator: Emulator, coturn: Coturn
) -> None:
    async def choose(*, relays: bool) -> None:
        flow = await Flow.start(home.client, OPTIONS, shared.entry_id)
        await flow.finish({"stun_server": coturn.stun_url, "relays": relays})

    await choose(relays=True)
    try:
        await home.client.wait_for_state(shared.connected, "on")
        (relay,) = await first_of(registered_relays, home)
        assert "ha-relay" in await channel_names(emulator)
        assert await registered_relays(home) == [relay]
        assert relay["urls"] == [coturn.turn_url]
        # The account begins anew with the option.
        await home.client.wait_for_state(
            shared.live_view, lambda state: state["state"] != "unavailable"
        )
        assert await relays_of(home, shared.live_view) == [relay]
    finally:
        await choose(relays=False)
    await until_deleted(emulator, "ha-relay")
    assert await registered_relays(home) == []
    await home.client.wait_for_state(shared.connected, "on")


async def registered_relays(home: HomeAssistant) -> list[dict[str, Any]]:
    """Return the servers with credentials that every camera is offered."""
    servers = await home.client.command("web_rtc/ice_servers")
    return [server for server in servers if "username" in server]


async def first_of[**P](
    read: Callable[P, Awaitable[list[dict[str, Any]]]],
    *args: P.args,
    **kwargs: P.kwargs,
) -> list[dict[str, Any]]:
    """Return the relays as soon as there are any: nothing tells of it."""
    async with asyncio.timeout(20):
        while not (relays := await read(*args, **kwargs)):  # noqa: ASYNC110
            await asyncio.sleep(0.2)
    return relays


async def until_deleted(emulator: Emulator, channel: str) -> None:
    """Wait until a channel is gone from the service, which tells nobody."""
    async with asyncio.timeout(20):
        while channel in await channel_names(emulator):  # noqa: ASYNC110
            await asyncio.sleep(0.2)


async def channel_names(emulator: Emulator) -> set[str]:
    """Return the names of the channels that the service has."""
    channels = (await emulator.state())["channels"]
    return {channel["ChannelName"] for channel in channels.values()}
