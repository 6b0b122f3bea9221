"""The actions pass on what the signaling API takes and returns, to administrators."""

from typing import Any
from unittest.mock import AsyncMock, call

from homeassistant.auth.models import User
from homeassistant.core import Context, HomeAssistant
from homeassistant.exceptions import (
    HomeAssistantError,
    ServiceValidationError,
    Unauthorized,
)
from homeassistant.helpers.translation import async_get_exception_message
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry
import voluptuous as vol

from custom_components.kinesis_webrtc.const import DOMAIN
from custom_components.kinesis_webrtc.signaling import (
    ClientLimitExceededError,
    IceServer,
    IceServerConfig,
    InvalidArgumentError,
    InvalidClientError,
    NotAuthorizedError,
    ResourceNotFoundError,
    SessionExpiredError,
    SignalingError,
)

from .conftest import channel_arn

ARN = channel_arn("ha-front-door")
GET_ICE_SERVERS: dict[str, Any] = {"channel_arn": ARN}
SEND_ALEXA_OFFER: dict[str, Any] = {
    "channel_arn": ARN,
    "sender_client_id": "echo-1",
    "message_payload": "b2ZmZXI=",
}


@pytest.fixture(autouse=True)
def entry(loaded_entry: MockConfigEntry) -> MockConfigEntry:
    return loaded_entry


async def run(
    hass: HomeAssistant, action: str, data: dict[str, Any], user: User | None = None
) -> Any:
    return await hass.services.async_call(
        DOMAIN,
        action,
        data,
        blocking=True,
        return_response=True,
        context=Context(user_id=user.id if user else None),
    )


async def test_returns_the_ice_servers(
    hass: HomeAssistant, mock_client: AsyncMock
) -> None:
    mock_client.get_ice_server_config.return_value = IceServerConfig(
        servers=(IceServer(urls=("turn:a", "turns:a"), username="u", credential="p"),),
        ttl=300,
    )

    response = await run(
        hass,
        "get_ice_servers",
        {**GET_ICE_SERVERS, "client_id": "viewer-1", "username": "me"},
    )

    assert response == {
        "ice_servers": [
            {
                "uris": ["turn:a", "turns:a"],
                "username": "u",
                "password": "p",
                "ttl": 300,
            }
        ]
    }
    assert mock_client.get_ice_server_config.mock_calls == [
        call(ARN, client_id="viewer-1", service="TURN", username="me")
    ]


@pytest.mark.parametrize("answer", ["YW5zd2Vy", None])
async def test_returns_the_masters_answer(
    hass: HomeAssistant, mock_client: AsyncMock, answer: str | None
) -> None:
    mock_client.send_alexa_offer.return_value = answer

    assert await run(hass, "send_alexa_offer", SEND_ALEXA_OFFER) == {"answer": answer}
    assert mock_client.send_alexa_offer.mock_calls == [
        call(ARN, sender_client_id="echo-1", message_payload="b2ZmZXI=")
    ]


@pytest.mark.parametrize(
    ("action", "method", "data"),
    [
        ("get_ice_servers", "get_ice_server_config", GET_ICE_SERVERS),
        ("send_alexa_offer", "send_alexa_offer", SEND_ALEXA_OFFER),
    ],
)
@pytest.mark.parametrize(
    "error",
    [
        InvalidArgumentError("bad", operation="Op"),
        ClientLimitExceededError(operation="Op"),
        ResourceNotFoundError(operation="Op"),
        NotAuthorizedError(operation="Op", action="kinesisvideo:Op"),
        InvalidClientError(operation="Op"),
        SessionExpiredError(operation="Op"),
    ],
    ids=lambda error: error.key,
)
async def test_each_error_of_the_api_has_its_own_text(
    hass: HomeAssistant,
    mock_client: AsyncMock,
    action: str,
    method: str,
    data: dict[str, Any],
    error: SignalingError,
) -> None:
    getattr(mock_client, method).side_effect = error

    with pytest.raises(HomeAssistantError) as raised:
        await run(hass, action, data)

    assert raised.value.translation_key == error.key
    text = async_get_exception_message(
        DOMAIN, error.key, raised.value.translation_placeholders
    )
    assert text
    assert "{" not in text


@pytest.mark.parametrize(
    ("action", "data"),
    [
        ("get_ice_servers", {}),
        ("get_ice_servers", {**GET_ICE_SERVERS, "service": "STUN"}),
        ("get_ice_servers", {**GET_ICE_SERVERS, "client_id": "not allowed"}),
        ("get_ice_servers", {**GET_ICE_SERVERS, "username": ""}),
        ("send_alexa_offer", {**SEND_ALEXA_OFFER, "sender_client_id": ""}),
        ("send_alexa_offer", {**SEND_ALEXA_OFFER, "message_payload": "{}"}),
        ("send_alexa_offer", {**SEND_ALEXA_OFFER, "message_payload": "A" * 10_001}),
    ],
)
async def test_refuses_what_the_api_would_refuse(
    hass: HomeAssistant, action: str, data: dict[str, Any]
) -> None:
    with pytest.raises(vol.Invalid):
        await run(hass, action, data)


@pytest.mark.parametrize(
    ("action", "data"),
    [("get_ice_servers", GET_ICE_SERVERS), ("send_alexa_offer", SEND_ALEXA_OFFER)],
)
async def test_is_for_administrators_only(
    hass: HomeAssistant,
    hass_read_only_user: User,
    mock_client: AsyncMock,
    action: str,
    data: dict[str, Any],
) -> None:
    with pytest.raises(Unauthorized):
        await run(hass, action, data, hass_read_only_user)

    assert not mock_client.get_ice_server_config.called
    assert not mock_client.send_alexa_offer.called


async def test_an_account_can_be_named(
    hass: HomeAssistant, mock_client: AsyncMock, entry: MockConfigEntry
) -> None:
    mock_client.send_alexa_offer.return_value = "YW5zd2Vy"
    data = {**SEND_ALEXA_OFFER, "config_entry_id": entry.entry_id}
    assert await run(hass, "send_alexa_offer", data) == {"answer": "YW5zd2Vy"}

    with pytest.raises(ServiceValidationError):
        await run(
            hass, "send_alexa_offer", {**SEND_ALEXA_OFFER, "config_entry_id": "none"}
        )
