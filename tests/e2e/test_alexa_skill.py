"""The Alexa skill set up by clicks, and then asked by Alexa for the cameras."""

from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio

from tests.alexa.conftest import discover
from tests.alexa.fakes import ANN, LoginWithAmazon
from tests.helpers.moto import Moto
from tests.system import browser

from .harness.browser import chromium_browser
from .harness.camera import RtspCamera
from .harness.coturn import Coturn
from .harness.emulator import Emulator
from .harness.frontend import FlowDialog, Frontend, frontend
from .harness.home_assistant import HomeAssistant
from .harness.scenario import SharedCamera, share_a_camera
from .harness.skill import REGION, DeployedSkill
from .harness.stills import Stills

pytestmark = pytest.mark.asyncio(loop_scope="session")

SKILL_ID = "amzn1.ask.skill.12345678-90ab-cdef-1234-567890abcdef"
STACK = "kinesis-webrtc-12345678-90ab-cdef-1234-567890abcdef"
LINKING_ID = "amzn1.application-oa2-client.fedcba9876543210fedcba9876543210"
PERSON = "Ann Example (ann@example.org)"


@pytest.fixture(scope="module")
def lwa() -> Iterator[LoginWithAmazon]:
    """Let Ann log in to Amazon, as account linking does."""
    with LoginWithAmazon(client_id="amzn1.application-oa2-client.0123456789") as lwa:
        lwa.issue("ann-token", ANN, LINKING_ID)
        yield lwa


@pytest.fixture(scope="module")
def moto() -> Iterator[Moto]:
    with Moto() as moto:
        yield moto


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def aws(coturn: Coturn) -> AsyncIterator[Emulator]:
    async with Emulator(coturn=coturn) as emulator:
        yield emulator


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def house(
    aws: Emulator, moto: Moto, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[HomeAssistant]:
    """Start a Home Assistant whose AWS is both: channels here, all the rest there."""
    others = {
        name: url
        for name, url in moto.environment.items()
        # Whose keys these are, the emulator knows.
        if not name.endswith("_STS")
    }
    async with HomeAssistant(
        tmp_path_factory.mktemp("house"), environment={**aws.environment, **others}
    ) as house:
        yield house


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def shared_here(
    house: HomeAssistant, aws: Emulator, camera: RtspCamera, stills: Stills
) -> SharedCamera:
    return await share_a_camera(
        house.client, aws.home_assistant, stream_url=camera.url, still_url=stills.url
    )


async def test_a_person_sets_the_skill_up_and_lets_ann_look(
    house: HomeAssistant,
    shared_here: SharedCamera,
    aws: Emulator,
    moto: Moto,
    lwa: LoginWithAmazon,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with (
        chromium_browser(browser()) as chromium,
        frontend(chromium, house.url) as person,
    ):
        await set_the_skill_up(person, lwa)

        alexa = DeployedSkill(
            moto=moto,
            emulator=aws,
            lwa_url=lwa.url,
            stack=STACK,
            monkeypatch=monkeypatch,
        )
        found = await alexa(discover())
        assert found["event"]["payload"]["endpoints"] == []

        # Home Assistant looks each minute, and when it starts.
        await house.client.post(
            f"/api/config/config_entries/entry/{shared_here.entry_id}/reload"
        )
        await allow(person)

    found = await alexa(discover())
    (endpoint,) = found["event"]["payload"]["endpoints"]
    assert endpoint["friendlyName"] == "Front door"
    assert endpoint["endpointId"] == "ha-front-door"
    house.log.assert_clean()
    house.log.assert_without([lwa.client_secret, aws.home_assistant.secret_access_key])


async def set_the_skill_up(person: Frontend, lwa: LoginWithAmazon) -> None:
    """Walk through the six steps, with a mistake and a detour by hand."""
    page, dialog = person.page, FlowDialog(person.page)
    await person.open("/config/integrations/integration/kinesis_webrtc")
    await page.get_by_role("button", name="Add the Alexa skill").click()
    await dialog.type("skill_id", "my skill")
    await dialog.submit()
    await dialog.says("This is not the id of a skill").wait_for()
    await dialog.type("skill_id", SKILL_ID)
    await person.screenshot("skill-1")
    await dialog.submit()
    await dialog.says("want the skill's backend in: us-east-1").wait_for()
    await person.screenshot("skill-2")
    await dialog.submit()
    # The progress is seen for as long as moto takes, which is not long.
    arn = f"arn:aws:lambda:{REGION}:123456789012:function:{STACK}"
    await dialog.says(arn).first.wait_for(timeout=60_000)
    await person.screenshot("skill-3")
    await dialog.submit()
    await dialog.type("client_id", lwa.client_id)
    await dialog.type("client_secret", lwa.client_secret)
    await person.screenshot("skill-4")
    await dialog.submit()
    await dialog.type("linking_client_id", LINKING_ID)
    await person.screenshot("skill-5")
    await dialog.submit()
    await dialog.says("In the Alexa app (6 of 6)").wait_for()
    await person.screenshot("skill-6")
    await dialog.submit()
    await dialog.finish()


async def allow(person: Frontend) -> None:
    """Let Ann see the cameras."""
    page = person.page
    await person.open("/config/repairs")
    await page.get_by_text(f"{PERSON} wants to see your cameras").first.click()
    dialog = FlowDialog(page)
    await dialog.says("With this Amazon account").wait_for()
    await person.screenshot("skill-owner")
    await dialog.pick("Allow")
    await dialog.says("Success").wait_for()
