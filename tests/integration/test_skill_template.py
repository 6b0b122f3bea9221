"""Tests of the template that a user uploads to AWS by hand."""

from datetime import timedelta
from html import unescape
from http import HTTPStatus
import json
import re

from freezegun.api import FrozenDateTimeFactory
from homeassistant.core import HomeAssistant
from homeassistant.setup import async_setup_component
import pytest
from pytest_homeassistant_custom_component.typing import ClientSessionGenerator

from custom_components.kinesis_webrtc.const import DOMAIN
from custom_components.kinesis_webrtc.skill_backend import stack_settings
from custom_components.kinesis_webrtc.skill_template import async_template_link

from .conftest import make_entry
from .skill_aws import PATH, REGION, SKILL_ID


@pytest.fixture
async def path(hass: HomeAssistant) -> str:
    """Return the path in the link of a form."""
    assert await async_setup_component(hass, DOMAIN, {})
    link = async_template_link(hass, stack_settings(make_entry(), SKILL_ID))
    found = re.fullmatch(r'<a href="([^"]+)" target="_blank">[\w.-]+</a>', link)
    assert found
    return unescape(found[1])


async def test_the_link_gives_the_template_with_the_skill_s_parameters(
    hass_client_no_auth: ClientSessionGenerator, path: str
) -> None:
    client = await hass_client_no_auth()

    response = await client.get(path)

    assert response.status == HTTPStatus.OK
    assert "attachment" in response.headers["Content-Disposition"]
    body = await response.read()
    assert len(body) <= 51_200
    template = json.loads(body)
    defaults = {
        name: parameter["Default"] for name, parameter in template["Parameters"].items()
    }
    assert defaults == {
        "SkillId": SKILL_ID,
        "ChannelRegion": REGION,
        "NamePrefix": "ha-",
        "SsmPath": PATH,
    }
    function = template["Resources"]["Function"]["Properties"]
    assert "def lambda_handler" in function["Code"]["ZipFile"]


async def test_the_link_expires(
    hass_client_no_auth: ClientSessionGenerator,
    path: str,
    freezer: FrozenDateTimeFactory,
) -> None:
    client = await hass_client_no_auth()
    freezer.tick(timedelta(minutes=31))

    assert (await client.get(path)).status == HTTPStatus.UNAUTHORIZED


async def test_without_the_signature_there_is_nothing(
    hass_client_no_auth: ClientSessionGenerator, path: str
) -> None:
    client = await hass_client_no_auth()

    assert (await client.get(path.partition("?")[0])).status == HTTPStatus.UNAUTHORIZED
    other = path.replace(SKILL_ID, "amzn1.ask.skill.other")
    assert (await client.get(other)).status == HTTPStatus.UNAUTHORIZED


async def test_a_request_without_settings_is_none(
    hass_client: ClientSessionGenerator, path: str
) -> None:
    client = await hass_client()

    response = await client.get(path.partition("?")[0])

    assert response.status == HTTPStatus.BAD_REQUEST
