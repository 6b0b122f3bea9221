"""The flows clicked through in Home Assistant's frontend, with a mistake in each."""

from collections.abc import AsyncIterator

from playwright.async_api import Locator
import pytest
import pytest_asyncio

from tests.system import browser

from .harness import core_alexa
from .harness.browser import chromium_browser
from .harness.camera import RtspCamera
from .harness.coturn import Coturn
from .harness.emulator import Emulator
from .harness.frontend import FlowDialog, Frontend, frontend
from .harness.home_assistant import INTEGRATION, HomeAssistant
from .harness.mistakes import (
    ELSEWHERE,
    refuse_cameras,
    refuse_channels,
    refuse_fields_for_alexa,
    refuse_unloaded,
    refuse_users,
    rotate_keys,
    view_by_rest,
)
from .harness.refusals import CODES, TRANSLATIONS, Refusals, store_media
from .harness.scenario import (
    add_account as add_account_by_rest,
    add_camera,
    share_camera,
)
from .harness.stills import Stills

INTEGRATION_PAGE = "/config/integrations/integration/kinesis_webrtc"
# It stands for a defect, of which none is known.
DEFECTS = {"unknown"}
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


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def person(house: HomeAssistant) -> AsyncIterator[Frontend]:
    """Have somebody logged in, for all tests: that takes as long as a dozen mistakes."""
    async with (
        chromium_browser(browser()) as chromium,
        frontend(chromium, house.url) as person,
    ):
        yield person


async def test_a_person_sets_all_of_it_up(
    house: HomeAssistant, aws: Emulator, person: Frontend
) -> None:
    async with person.shown_if_it_fails():
        await add_account(person, aws)
        await share_a_camera(person)
        await view_a_channel(person)

    await house.client.wait_for_state("camera.cabin", "idle")
    await house.client.wait_for_state("camera.front_door_live_view", "idle")
    found = await core_alexa.discover(house)
    for camera in ("camera.cabin", "camera.front_door_live_view"):
        assert "Alexa.RTCSessionController" in found[camera]
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
    dialog = FlowDialog(person.page)
    await open_account_dialog(person)
    await dialog.choose("Region", aws.home_assistant.region)
    await dialog.type("access_key_id", aws.home_assistant.access_key_id)
    await dialog.type("secret_access_key", "wrong")
    await person.screenshot("flow-account")
    await dialog.submit()
    await dialog.says("AWS does not know this access key ID").wait_for()
    await person.screenshot("flow-account-wrong-secret")
    await dialog.type("secret_access_key", aws.home_assistant.secret_access_key)
    await dialog.submit()
    await dialog.finish()


async def open_account_dialog(person: Frontend) -> None:
    page = person.page
    await person.open("/config/integrations/dashboard")
    await page.get_by_role("button", name="Add integration").click()
    await page.locator("dialog-add-integration input").first.fill("Kinesis")
    await page.get_by_text("Kinesis WebRTC").last.click()


async def share_a_camera(person: Frontend) -> None:
    """Share the camera, with a channel first that cannot be one."""
    page, dialog = person.page, FlowDialog(person.page)
    await person.open(INTEGRATION_PAGE)
    await page.get_by_role("button", name="Share a camera").click()
    await dialog.choose("Select an entity", "Front door")
    await person.screenshot("flow-share")
    await dialog.choose("Signaling channel", "not a channel")
    await dialog.submit()
    await dialog.says("This is neither the name nor the ARN").wait_for()
    await person.screenshot("flow-share-wrong-channel")
    await dialog.clear("Signaling channel")
    await dialog.submit()
    await dialog.says("Front door and Alexa").wait_for()
    await person.screenshot("flow-share-for-alexa")
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
    await page.get_by_role("button", name="View a remote channel").click()
    await dialog.choose("Signaling channel", "cabin")
    await person.screenshot("flow-remote")
    await dialog.choose("Signaling channel", ELSEWHERE)
    await dialog.submit()
    await dialog.says("This channel is in another region").wait_for()
    await person.screenshot("flow-remote-wrong-region")
    await dialog.choose("Signaling channel", "cabin")
    await dialog.submit()
    await dialog.finish()
    await page.get_by_text("Remote channel").first.wait_for()
    await person.screenshot("integration")


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def entry_id(house: HomeAssistant, aws: Emulator, coturn: Coturn) -> str:
    """Have the account, a shared camera and a remote channel, which may be there."""
    entries = await house.client.command("config_entries/get", domain=INTEGRATION)
    if entries:
        return str(entries[0]["entry_id"])
    entry_id = await add_account_by_rest(
        house.client, aws.home_assistant, stun_url=coturn.stun_url
    )
    await share_camera(house.client, entry_id=entry_id, camera="camera.front_door")
    await view_by_rest(house.client, entry_id, "cabin")
    return entry_id


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def channels(aws: Emulator) -> None:
    """Have channels to choose: one that can be used, and one with media storage."""
    await aws.act("create_channel", name="orchard", message_ttl=5)
    stored = await aws.act("create_channel", name="stored", message_ttl=60)
    await store_media(aws, stored["ChannelARN"])


async def test_every_refusal_of_an_account_is_told(
    house: HomeAssistant, aws: Emulator, person: Frontend, entry_id: str
) -> None:
    """AWS says `unsupported_region` here where it does for an account: in an answer.

    A region that does not exist has no endpoint; here there is one for all regions.
    """
    account = aws.home_assistant
    async with person.shown_if_it_fails():
        dialog = FlowDialog(person.page)
        refusals = Refusals(TRANSLATIONS["config"], dialog=dialog)
        await open_account_dialog(person)
        await dialog.choose("Region", "nowhere")
        await dialog.type("access_key_id", account.access_key_id)
        await dialog.type("secret_access_key", "wrong")
        await refusals.submit("invalid_region")
        await dialog.choose("Region", account.region)
        await refusals.submit("invalid_credentials")
        await refuse_users(dialog, refusals, aws)

        await dialog.type("access_key_id", account.access_key_id)
        await dialog.type("secret_access_key", account.secret_access_key)
        await aws.act("behaviour", clock_offset=-7200)
        await refusals.submit("clock_skew")
        await aws.act("behaviour", clock_offset=0)
        await refusals.submit_unheard(aws, operation="ListSignalingChannels")
        for key in sorted(refusals.unseen() & set(CODES)):
            await refusals.submit_with(aws, key, operation="ListSignalingChannels")
        await refusals.submit("already_configured", "abort")
        await dialog.close()

        await aws.act(
            "add_user",
            name="stranger",
            access_key_id="AKIASTRANGER00000000",
            secret_access_key="stranger-secret",
            account="999999999999",
        )
        await open_reconfiguration(person)
        await dialog.type("access_key_id", "AKIASTRANGER00000000")
        await dialog.type("secret_access_key", "wrong")
        await refusals.submit("invalid_credentials")
        await dialog.type("secret_access_key", "stranger-secret")
        await refusals.submit("unique_id_mismatch", "abort")
        await dialog.close()
        assert refusals.unseen() == DEFECTS


async def open_reconfiguration(person: Frontend) -> None:
    """Ask for other keys of the account, by its menu."""
    page = person.page
    await person.open(INTEGRATION_PAGE)
    row = page.locator("ha-config-entry-row").first
    await row.get_by_role("button", name="Menu").first.click()
    await page.get_by_text("Reconfigure").first.click()


async def test_every_refusal_of_a_shared_camera_is_told(
    house: HomeAssistant,
    aws: Emulator,
    person: Frontend,
    entry_id: str,
    channels: None,
    camera: RtspCamera,
    stills: Stills,
) -> None:
    for name in ("Shed", "Garden"):
        await add_camera(
            house.client, name=name, stream_url=camera.url, still_url=stills.url
        )
    async with person.shown_if_it_fails():
        dialog = FlowDialog(person.page)
        refusals = Refusals(
            TRANSLATIONS["config_subentries"]["shared_camera"], dialog=dialog
        )
        await open_subentry_dialog(person, "Share a camera")
        await refuse_cameras(house.client, aws, entry_id, refusals)
        await dialog.choose_first("Garden")
        await refuse_channels(aws, refusals, in_use="cabin")

        await dialog.submit()
        await dialog.says("Not for Alexa").first.wait_for()
        await share_camera(house.client, entry_id=entry_id, camera="camera.garden")
        await refusals.submit("already_configured", "abort")
        await dialog.close()
        await change(person, "Change shared camera", "Front door")
        await dialog.submit()
        await dialog.says("Front door and Alexa").wait_for()
        await refuse_fields_for_alexa(
            house.client, refusals, camera="Front door", taken="Garden"
        )
        await refuse_unloaded(house.client, entry_id, refusals)
        assert refusals.unseen() == DEFECTS


async def change(person: Frontend, label: str, title: str) -> None:
    """Ask for other settings of something that is set up, by its cog wheel."""
    await person.open(INTEGRATION_PAGE)
    await row_of(person, title).get_by_role("button", name=label).click()
    await FlowDialog(person.page).says("Signaling channel").first.wait_for()


def row_of(person: Frontend, title: str) -> Locator:
    """Return the place on the integration's page of something that is set up."""
    return person.page.locator("ha-config-sub-entry-row").filter(has_text=title).first


async def open_subentry_dialog(person: Frontend, button: str) -> None:
    await person.open(INTEGRATION_PAGE)
    await person.page.get_by_role("button", name=button).click()
    await FlowDialog(person.page).says("Signaling channel").first.wait_for()


async def test_every_refusal_of_a_remote_channel_is_told(
    house: HomeAssistant,
    aws: Emulator,
    person: Frontend,
    entry_id: str,
    channels: None,
) -> None:
    async with person.shown_if_it_fails():
        dialog = FlowDialog(person.page)
        refusals = Refusals(
            TRANSLATIONS["config_subentries"]["remote_channel"], dialog=dialog
        )
        await open_subentry_dialog(person, "View a remote channel")
        await refuse_channels(aws, refusals, in_use="ha-front-door")
        await refuse_unloaded(house.client, entry_id, refusals)
        await dialog.close()
        await change(person, "Change remote channel", "cabin")
        await dialog.choose("Signaling channel", "orchard")
        await dialog.submit()
        await dialog.says("successful").wait_for()
        await dialog.close()
        await row_of(person, "orchard").wait_for()
        # A channel that is viewed already is refused as one that is in use, unless two
        # forms are sent at the same moment.
        assert refusals.unseen() == DEFECTS | {"already_configured"}


async def test_new_keys_are_asked_for_and_taken(
    house: HomeAssistant, aws: Emulator, person: Frontend, entry_id: str
) -> None:
    keys = await rotate_keys(aws)
    await aws.act(
        "faults",
        kind="error",
        operation="GetCallerIdentity",
        count=1,
        status=403,
        code="InvalidClientTokenId",
        message="The security token included in the request is invalid.",
    )
    await house.client.post(f"/api/config/config_entries/entry/{entry_id}/reload")
    async with person.shown_if_it_fails():
        dialog = FlowDialog(person.page)
        await person.open("/config/integrations/dashboard")
        card = person.page.locator("ha-config-flow-card").first
        await card.get_by_role("button", name="Reconfigure").click()
        await dialog.says("AWS does not accept the stored keys any more").wait_for()
        await dialog.type("access_key_id", keys.access_key_id)
        await dialog.type("secret_access_key", "wrong")
        await dialog.submit()
        await dialog.says("AWS does not know this access key ID").wait_for()
        await person.screenshot("flow-reauth-wrong-secret")
        await dialog.type("secret_access_key", keys.secret_access_key)
        await dialog.submit()
        await dialog.says("successful").wait_for()
        await dialog.close()
        await card.wait_for(state="detached")
    await house.client.wait_for_entry(entry_id)
    house.log.assert_without([keys.secret_access_key])
