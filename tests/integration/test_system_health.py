"""System health tells whether AWS is reached, region by region."""

import asyncio
from unittest.mock import AsyncMock

import aiohttp
from homeassistant.core import HomeAssistant
from homeassistant.helpers import entity_registry as er
from homeassistant.setup import async_setup_component
import pytest
from pytest_homeassistant_custom_component.common import (
    MockConfigEntry,
    get_system_health_info,
)
from pytest_homeassistant_custom_component.test_util.aiohttp import AiohttpClientMocker

from custom_components.kinesis_webrtc.const import DOMAIN

from .conftest import REGION, TRANSLATIONS, async_share, channel_arn
from .masters import Masters

URL = f"https://kinesisvideo.{REGION}.amazonaws.com/"


@pytest.fixture
async def entry(
    hass: HomeAssistant,
    aioclient_mock: AiohttpClientMocker,
    mock_client: AsyncMock,
    masters: Masters,
    camera: er.RegistryEntry,
) -> MockConfigEntry:
    mock_client.dns_suffix = "amazonaws.com"
    assert await async_setup_component(hass, "system_health", {})
    return await async_share(hass, camera)


async def info(hass: HomeAssistant) -> dict[str, object]:
    found = await get_system_health_info(hass, DOMAIN)
    return {
        key: await value if asyncio.iscoroutine(value) else value
        for key, value in found.items()
    }


async def test_says_who_is_connected_and_that_aws_is_reached(
    hass: HomeAssistant,
    entry: MockConfigEntry,
    masters: Masters,
    aioclient_mock: AiohttpClientMocker,
) -> None:
    # Without a signature the service refuses, which is an answer as well.
    aioclient_mock.get(URL, status=403)
    found = await info(hass)
    assert found[REGION] == "ok"
    assert found["masters_connected"] == "0/1"
    assert found.keys() - {REGION} == TRANSLATIONS["system_health"]["info"].keys()

    masters[channel_arn("ha-front-door")].connect()
    assert (await info(hass))["masters_connected"] == "1/1"


async def test_says_that_aws_is_not_reached(
    hass: HomeAssistant, entry: MockConfigEntry, aioclient_mock: AiohttpClientMocker
) -> None:
    aioclient_mock.get(URL, exc=aiohttp.ClientError)
    assert (await info(hass))[REGION] == {"type": "failed", "error": "unreachable"}


async def test_a_camera_that_is_not_shared_is_not_counted(
    hass: HomeAssistant, entry: MockConfigEntry, aioclient_mock: AiohttpClientMocker
) -> None:
    aioclient_mock.get(URL)
    await hass.services.async_call(
        "switch",
        "turn_off",
        {"entity_id": "switch.front_door_sharing"},
        blocking=True,
    )
    await hass.async_block_till_done()
    assert (await info(hass))["masters_connected"] == "0/0"
