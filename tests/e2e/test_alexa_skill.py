"""The Alexa skill set up by clicks, and then asked by Alexa for the cameras."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from typing import Any

import pytest
import pytest_asyncio

from tests.alexa.conftest import directive, discover
from tests.alexa.fakes import ANN, AlexaEventGateway, LoginWithAmazon
from tests.helpers.moto import Moto
from tests.helpers.secrets import MARKS, find_secrets
from tests.system import browser

from .harness.browser import chromium_browser
from .harness.camera import RtspCamera
from .harness.coturn import Coturn
from .harness.emulator import Emulator
from .harness.frontend import FlowDialog, Frontend, frontend
from .harness.home_assistant import HomeAssistant
from .harness.left_behind import left_behind
from .harness.rerouting import rerouted
from .harness.scenario import SharedCamera, share_a_camera
from .harness.skill import REGION, DeployedSkill
from .harness.stills import Stills

pytestmark = pytest.mark.asyncio(loop_scope="session")

SKILL_ID = "amzn1.ask.skill.12345678-90ab-cdef-1234-567890abcdef"
STACK = "kinesis-webrtc-12345678-90ab-cdef-1234-567890abcdef"
LINKING_ID = "amzn1.application-oa2-client.fedcba9876543210fedcba9876543210"
PERSON = "Ann Example (ann@example.org)"


ANN_IN_AMERICA = replace(ANN, region="NA")


@pytest.fixture(scope="module")
def lwa() -> Iterator[LoginWithAmazon]:
    """Let Ann log in to Amazon, and let the skill send events to her."""
    with LoginWithAmazon(client_id="amzn1.application-oa2-client.0123456789") as lwa:
        lwa.issue("ann-token", ANN_IN_AMERICA, LINKING_ID)
        lwa.grants["ann-refresh"] = ANN_IN_AMERICA
        lwa.codes["ann-code"] = "ann-refresh"
        yield lwa


@pytest.fixture(scope="module")
def gateway(lwa: LoginWithAmazon) -> Iterator[AlexaEventGateway]:
    with AlexaEventGateway(lwa=lwa, region="NA") as gateway:
        yield gateway


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
    aws: Emulator,
    moto: Moto,
    lwa: LoginWithAmazon,
    gateway: AlexaEventGateway,
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[HomeAssistant]:
    """Start a Home Assistant whose AWS is both: channels here, all the rest there."""
    others = {
        name: url
        for name, url in moto.environment.items()
        # Whose keys these are, the emulator knows.
        if not name.endswith("_STS")
    }
    amazon = {
        "https://api.amazon.com": lwa.url,
        "https://api.amazonalexa.com": gateway.url,
    }
    async with HomeAssistant(
        tmp_path_factory.mktemp("house"),
        environment={**aws.environment, **others, **rerouted(amazon)},
    ) as house:
        yield house


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def shared_here(
    house: HomeAssistant, aws: Emulator, camera: RtspCamera, stills: Stills
) -> SharedCamera:
    return await share_a_camera(
        house.client, aws.home_assistant, stream_url=camera.url, still_url=stills.url
    )


# A walk of many clicks, which a busy machine takes its time for.
@pytest.mark.timeout(300)
async def test_a_person_sets_the_skill_up_lets_ann_look_and_takes_it_away(
    house: HomeAssistant,
    shared_here: SharedCamera,
    aws: Emulator,
    moto: Moto,
    lwa: LoginWithAmazon,
    gateway: AlexaEventGateway,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
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

        accepted = await alexa(accept_grant())
        assert accepted["event"]["header"]["name"] == "AcceptGrant.Response"
        await look(house, shared_here)
        await allow(person)

        moto.client("cloudformation", REGION).delete_stack(StackName=STACK)
        await look(house, shared_here)
        await make_the_backend_anew(person)
        assert stacks(moto) == [STACK]

    found = await alexa(discover())
    (endpoint,) = found["event"]["payload"]["endpoints"]
    assert endpoint["friendlyName"] == "Front door"
    assert endpoint["endpointId"] == "ha-front-door"

    # She is told of what happens to the cameras.
    await look(house, shared_here)
    await remove(house, shared_here.entry_id, "shared_camera")
    messages = await asyncio.to_thread(gateway.wait, 1)
    names = [message["event"]["header"]["name"] for message in messages]
    assert names[-1] == "DeleteReport"

    texts = await left_behind(house, shared_here.entry_id)
    assert "AcceptGrant" in caplog.text
    assert lwa.access
    secrets = {
        lwa.client_secret,
        aws.home_assistant.access_key_id,
        aws.home_assistant.secret_access_key,
        "ann-code",
        *lwa.tokens,
        *lwa.grants,
        *lwa.access,
    }
    assert not find_secrets(texts | {"function": caplog.text}, secrets | MARKS)

    # With the skill goes what was made for it.
    await remove(house, shared_here.entry_id, "alexa_skill")
    await house.wait_for_line("Parameter Store .* was deleted", timeout=60)
    assert not stacks(moto)
    assert not moto.client("ssm", REGION).describe_parameters()["Parameters"]
    house.log.assert_clean()
    house.log.assert_without(secrets)


def accept_grant() -> dict[str, Any]:
    """Return the directive by which Alexa hands over Ann's leave to send events."""
    grantee = {"type": "BearerToken", "token": "ann-token"}
    grant = {"type": "OAuth2.AuthorizationCode", "code": "ann-code"}
    return directive(
        "Alexa.Authorization",
        "AcceptGrant",
        {"grant": grant, "grantee": grantee},
        endpoint_id=None,
        token=None,
    )


async def look(house: HomeAssistant, shared: SharedCamera) -> None:
    """Let Home Assistant look now; else it does so each minute, or more rarely."""
    await house.client.post(
        f"/api/config/config_entries/entry/{shared.entry_id}/reload"
    )


async def remove(house: HomeAssistant, entry_id: str, subentry_type: str) -> None:
    """Delete the one subentry of a type."""
    subentries = await house.client.command(
        "config_entries/subentries/list", entry_id=entry_id
    )
    (subentry,) = (one for one in subentries if one["subentry_type"] == subentry_type)
    await house.client.command(
        "config_entries/subentries/delete",
        entry_id=entry_id,
        subentry_id=subentry["subentry_id"],
    )


def stacks(moto: Moto) -> list[str]:
    """Return the names of the stacks in AWS."""
    found = moto.client("cloudformation", REGION).describe_stacks()["Stacks"]
    return [stack["StackName"] for stack in found]


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
    await download_the_template(person, dialog)
    await page.get_by_role("button", name="Add the Alexa skill").click()
    await dialog.type("skill_id", SKILL_ID)
    await dialog.submit()
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


async def download_the_template(person: Frontend, dialog: FlowDialog) -> None:
    """Begin to make the stack by hand, and give that up."""
    page = person.page
    await dialog.pick("By hand, in the AWS console")
    await dialog.submit()
    link = dialog.says("alexa-skill.json")
    await link.wait_for()
    await person.screenshot("skill-by-hand")
    # Neither the frontend nor a log-in stands between the link and the file.
    assert await link.get_attribute("target") == "_blank"
    address = await link.evaluate("(link) => link.href")
    file = await page.context.request.get(address)
    assert "attachment" in file.headers["content-disposition"]
    template = await file.json()
    assert template["Parameters"]["SkillId"]["Default"] == SKILL_ID
    await dialog.close()


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


async def make_the_backend_anew(person: Frontend) -> None:
    """Fix that somebody has deleted the stack."""
    page = person.page
    await person.open("/config/repairs")
    await page.get_by_text("The backend of Alexa is gone").first.click()
    dialog = FlowDialog(page)
    await dialog.says("Who makes it?").wait_for()
    await person.screenshot("skill-backend-gone")
    await dialog.pick("With the keys of the AWS account that are stored here")
    await dialog.says("Success").wait_for(timeout=60_000)
