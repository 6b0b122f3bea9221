"""A camera elsewhere, viewed in Home Assistant through its signaling channel."""

import asyncio
from collections.abc import AsyncIterator
import io
from uuid import uuid4

import numpy as np
from PIL import Image
import pytest
import pytest_asyncio

from .harness import core_alexa
from .harness.camera import RtspCamera
from .harness.coturn import Coturn
from .harness.echo import Echo
from .harness.emulator import Emulator
from .harness.flows import SUBENTRIES, Flow
from .harness.frontend_viewer import FrontendViewer, frontend_view
from .harness.home_assistant import HomeAssistant
from .harness.pattern import read
from .harness.pictures import assert_pictures
from .harness.remote_master import DEVICE, DEVICE_POLICY, RemoteMaster
from .harness.scenario import add_account

CAMERA = "camera.cabin"

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def aws(coturn: Coturn) -> AsyncIterator[Emulator]:
    """Start a region of its own, whose users may view channels."""
    async with Emulator(coturn=coturn, tls=False, viewing=True) as emulator:
        await emulator.add_user("device", DEVICE, DEVICE_POLICY)
        yield emulator


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def channel_arn(aws: Emulator) -> str:
    channel = await aws.act("create_channel", name="cabin", message_ttl=5)
    return str(channel["ChannelARN"])


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def house(
    aws: Emulator,
    coturn: Coturn,
    channel_arn: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[HomeAssistant]:
    """Start a Home Assistant that views the channel."""
    async with HomeAssistant(
        tmp_path_factory.mktemp("house"), environment=aws.environment
    ) as house:
        entry_id = await add_account(
            house.client, aws.home_assistant, stun_url=coturn.stun_url
        )
        flow = await Flow.start(house.client, SUBENTRIES, [entry_id, "remote_channel"])
        (option,) = flow.fields["channel"]["selector"]["select"]["options"]
        assert option == "cabin"
        await flow.finish({"channel": option})
        await house.client.wait_for_state(CAMERA, "idle")
        yield house


@pytest_asyncio.fixture(loop_scope="session")
async def master(
    aws: Emulator,
    channel_arn: str,
    camera: RtspCamera,
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[RemoteMaster]:
    """Have the camera on the channel."""
    for name, value in aws.environment.items():
        monkeypatch.setenv(name, value)
    async with RemoteMaster(
        account=DEVICE, channel_arn=channel_arn, stream_url=camera.url
    ) as master:
        yield master


@pytest_asyncio.fixture(autouse=True, loop_scope="session")
async def quiet(house: HomeAssistant) -> AsyncIterator[None]:
    """Fail every test after which Home Assistant's log has something against us."""
    yield
    house.log.assert_clean()


async def test_the_frontends_commands_give_the_cameras_pictures(
    house: HomeAssistant, master: RemoteMaster, camera: RtspCamera
) -> None:
    async with frontend_view(house.client, CAMERA) as viewer:
        await viewer.assert_sees(camera.number)
        kinds = [event["type"] for event in viewer.events]
        assert kinds[:2] == ["session", "answer"]
        assert set(kinds[2:]) == {"candidate"}
        (offer,) = master.offers
        assert "a=ice-options:trickle" in offer.sdp
        assert not str(offer.sender_client_id).startswith("AWS_")
    await master.wait_viewers(0)


async def test_ten_viewers_at_once_stay_within_the_quotas(
    house: HomeAssistant, master: RemoteMaster, aws: Emulator
) -> None:
    before = (await aws.state())["calls"]
    async with asyncio.TaskGroup() as viewers:
        for _ in range(10):
            viewers.create_task(view(house))
    state = await aws.state()
    # One that is answered late is made once more.
    assert len({offer.sender_client_id for offer in master.offers}) == 10
    assert not state["errors"]
    made = {
        name: count - before.get(name, 0)
        for name, count in state["calls"].items()
        if count != before.get(name) and name != "ConnectAsViewer"
    }
    # No offer waits for a call; one renewal may fall into the test.
    assert made in ({}, {"GetIceServerConfig": 1})


async def view(house: HomeAssistant) -> None:
    """View the camera until there is an answer."""
    async with frontend_view(house.client, CAMERA):
        pass


async def test_a_browser_is_told_of_the_channels_relays(
    house: HomeAssistant, master: RemoteMaster, coturn: Coturn
) -> None:
    config = await house.client.command(
        "camera/webrtc/get_client_config", entity_id=CAMERA
    )
    stun, turn, *_ = config["configuration"]["iceServers"]
    assert stun == {"urls": [coturn.stun_url]}
    assert turn["urls"] == [coturn.turn_url]
    assert turn["username"]
    assert turn["credential"]


async def test_its_still_is_the_cameras(
    house: HomeAssistant, master: RemoteMaster, camera: RtspCamera
) -> None:
    stills = await asyncio.gather(
        *(house.client.get_bytes(f"/api/camera_proxy/{CAMERA}") for _ in range(3))
    )
    small = await house.client.get_bytes(f"/api/camera_proxy/{CAMERA}?width=960")

    for still, size in ((stills[0], (1280, 720)), (small, (960, 540))):
        picture = Image.open(io.BytesIO(still))
        assert (picture.format, picture.size) == ("JPEG", size)
        reading = read(np.asarray(picture))
        assert reading is not None
        assert reading.camera == camera.number
    assert len(master.offers) == 1
    await master.wait_viewers(0)


async def test_cores_alexa_shows_the_camera(
    house: HomeAssistant, master: RemoteMaster, camera: RtspCamera
) -> None:
    found = await core_alexa.discover(house)
    assert "Alexa.RTCSessionController" in found[CAMERA]

    session_id = uuid4().hex
    async with Echo(frames=25) as echo:
        async with asyncio.timeout(5):
            answer = await core_alexa.view(
                house, CAMERA, session_id=session_id, offer=echo.offer
            )
        (offer,) = master.offers
        assert offer.sdp == echo.offer
        await echo.apply(answer)
        assert_pictures(await echo.frames(), camera=camera.number)
        await core_alexa.leave(house, CAMERA, session_id=session_id)
        await echo.hang_up()
    await master.wait_viewers(0)


async def test_a_camera_that_is_away_is_named_as_the_reason_and_may_come_back(
    house: HomeAssistant, master: RemoteMaster, camera: RtspCamera
) -> None:
    await master.disconnect()
    async with FrontendViewer() as viewer:
        offer = await viewer.offer()
        async with house.client.subscribe(
            "camera/webrtc/offer", entity_id=CAMERA, offer=offer
        ) as events:
            assert (await events.get())["type"] == "session"
            async with asyncio.timeout(30):
                error = await events.get()
    assert error == {
        "type": "error",
        "code": "webrtc_offer_failed",
        "message": "The camera is not connected to its channel",
    }

    await master.connect()
    async with frontend_view(house.client, CAMERA) as viewer:
        await viewer.assert_sees(camera.number)


async def test_a_browser_that_leaves_at_once_leaves_nothing_on_the_channel(
    house: HomeAssistant, master: RemoteMaster, aws: Emulator
) -> None:
    await master.disconnect()
    async with (
        FrontendViewer() as viewer,
        house.client.subscribe(
            "camera/webrtc/offer", entity_id=CAMERA, offer=await viewer.offer()
        ) as events,
    ):
        await events.get()
    async with asyncio.timeout(10):
        while (await aws.state())["channels"]["cabin"]["viewers"]:  # noqa: ASYNC110
            await asyncio.sleep(0.1)
    await master.connect()
