"""The flows clicked through in Home Assistant's frontend, with a mistake in each."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.system import browser

from .harness.browser import chromium_browser
from .harness.camera import RtspCamera
from .harness.coturn import Coturn
from .harness.emulator import Emulator
from .harness.frontend import FlowDialog, Frontend, frontend
from .harness.home_assistant import HomeAssistant
from .harness.scenario import add_camera
from .harness.stills import Stills

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def aws(coturn: Coturn) -> AsyncIterator[Emulator]:
    """Start a region of its own with a channel that another camera is on."""
    async with Emulator(coturn=coturn, viewing=True) as emulator:
        await emulator.act("create_channel", name="cabin", message_ttl=60)
        yield emulator


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def house(
    aws: Emulator,
    camera: RtspCamera,
    stills: Stills,
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[HomeAssistant]:
    """Start a Home Assistant that has a camera and knows nothing of AWS."""
    async with HomeAssistant(
        tmp_path_factory.mktemp("house"), environment=aws.environment
    ) as house:
        await add_camera(
            house.client,
            name="Front door",
            stream_url=camera.url,
            still_url=stills.url,
        )
        yield house


async def test_a_person_sets_all_of_it_up(house: HomeAssistant, aws: Emulator) -> None:
    async with (
        chromium_browser(browser()) as chromium,
        frontend(chromium, house.url) as person,
    ):
        await add_account(person, aws)
        await share_a_camera(person)
        await view_a_channel(person)

    await house.client.wait_for_state("camera.cabin", "idle")
    await house.client.wait_for_state("camera.front_door_live_view", "idle")
    channels = (await aws.state())["channels"]
    assert channels["ha-front-door"]["master"]
    tags = channels["ha-front-door"]["tags"]
    assert tags["kinesis_webrtc:camera_name"] == "Entrance"
    assert tags["kinesis_webrtc:kind"] == "camera"
    assert not channels["cabin"]["master"]
    house.log.assert_clean()
    house.log.assert_without([aws.home_assistant.secret_access_key])


async def add_account(person: Frontend, aws: Emulator) -> None:
    """Add the integration as anybody would, with a wrong secret first."""
    page, dialog = person.page, FlowDialog(person.page)
    await person.open("/config/integrations/dashboard")
    await page.get_by_role("button", name="Add integration").click()
    await page.locator("dialog-add-integration input").first.fill("Kinesis")
    await page.get_by_text("Kinesis WebRTC").last.click()
    await dialog.choose("Region", aws.home_assistant.region)
    await dialog.type("access_key_id", aws.home_assistant.access_key_id)
    await dialog.type("secret_access_key", "wrong")
    await dialog.submit()
    await dialog.says("AWS does not know this access key ID").wait_for()
    await person.screenshot("flow-account-wrong-secret")
    await dialog.type("secret_access_key", aws.home_assistant.secret_access_key)
    await dialog.submit()
    await dialog.finish()


async def share_a_camera(person: Frontend) -> None:
    """Share the camera, with a channel first that cannot be one."""
    page, dialog = person.page, FlowDialog(person.page)
    await person.open("/config/integrations/integration/kinesis_webrtc")
    await page.get_by_role("button", name="Share a camera").click()
    await dialog.choose("Select an entity", "Front door")
    await person.screenshot("flow-share")
    await dialog.choose("Signaling channel", "not a channel")
    await dialog.submit()
    await dialog.says("This is neither the name nor the ARN").wait_for()
    await person.screenshot("flow-share-wrong-channel")
    await dialog.choose("Signaling channel", "Create a new one")
    await dialog.submit()
    await dialog.says("Front door and Alexa").wait_for()
    await dialog.type("alexa_name", "Front doorbell")
    await dialog.submit()
    await dialog.says("Alexa takes this word for its own").wait_for()
    await person.screenshot("flow-share-alexa")
    await dialog.type("alexa_name", "Entrance")
    await dialog.submit()
    await dialog.finish()


async def view_a_channel(person: Frontend) -> None:
    """View the other camera's channel, with an ARN of another region first."""
    page, dialog = person.page, FlowDialog(person.page)
    elsewhere = "arn:aws:kinesisvideo:us-east-2:123456789012:channel/barn/1700000000000"
    await page.get_by_role("button", name="View a remote channel").click()
    await dialog.choose("Signaling channel", elsewhere)
    await dialog.submit()
    await dialog.says("This channel is in another region").wait_for()
    await person.screenshot("flow-remote-wrong-region")
    await dialog.choose("Signaling channel", "cabin")
    await dialog.submit()
    await dialog.finish()
    await page.get_by_text("Remote channel").first.wait_for()
    await person.screenshot("integration")
