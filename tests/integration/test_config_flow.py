"""Tests of the flows of an account: adding it, new keys, options."""

from datetime import timedelta
from typing import Any
from unittest.mock import AsyncMock

from homeassistant.config_entries import SOURCE_USER, ConfigEntryState
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType, InvalidData
from homeassistant.helpers.issue_registry import IssueRegistry
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.kinesis_webrtc.const import (
    CONF_ACCESS_KEY_ID,
    CONF_PRIVATE_ADDRESSES,
    CONF_REGION,
    CONF_SECRET_ACCESS_KEY,
    CONF_SESSION_TOKEN,
    CONF_STUN_SERVER,
    DOMAIN,
)
from custom_components.kinesis_webrtc.regions import REGIONS
from custom_components.kinesis_webrtc.signaling import (
    CannotConnectError,
    ClientLimitExceededError,
    ClockSkewError,
    ExpiredTokenError,
    InvalidCredentialsError,
    NotAuthorizedError,
    ServiceError,
    SessionExpiredError,
    UnsupportedRegionError,
)

from .conftest import ACCOUNT, KEYS, REGION

INPUT = {CONF_REGION: REGION, **KEYS}
NEW_KEYS = {CONF_ACCESS_KEY_ID: "AKIDOTHER", CONF_SECRET_ACCESS_KEY: "other-secret"}

ERRORS = [
    (InvalidCredentialsError(), "invalid_credentials", {}),
    (ExpiredTokenError(), "expired_token", {}),
    (ClockSkewError(offset=612.4), "clock_skew", {"offset": "612"}),
    (
        NotAuthorizedError(action="kinesisvideo:ListSignalingChannels"),
        "not_authorized",
        {"action": "kinesisvideo:ListSignalingChannels"},
    ),
    (UnsupportedRegionError(), "unsupported_region", {}),
    (CannotConnectError(), "cannot_connect", {}),
    (ClientLimitExceededError(), "client_limit_exceeded", {}),
    (
        ServiceError(operation="GetCallerIdentity", code="InternalFailure"),
        "service_error",
        {"operation": "GetCallerIdentity", "code": "InternalFailure"},
    ),
    # AWS never says this here, and the form has no text for it.
    (SessionExpiredError(), "service_error", {"code": "session_expired"}),
    (RuntimeError("a defect"), "unknown", {}),
]


@pytest.fixture(autouse=True)
def _setup(mock_setup_entry: AsyncMock) -> None:
    """Let entries be set up without anything running."""


async def start(hass: HomeAssistant) -> str:
    """Start to add an account and return the flow."""
    result = await hass.config_entries.flow.async_init(
        DOMAIN, context={"source": SOURCE_USER}
    )
    assert result["type"] is FlowResultType.FORM
    assert result["step_id"] == "user"
    assert not result["errors"]
    return result["flow_id"]


async def submit(
    hass: HomeAssistant, flow_id: str, user_input: dict[str, Any]
) -> dict[str, Any]:
    """Submit the form of a flow."""
    return await hass.config_entries.flow.async_configure(flow_id, user_input)


async def test_an_account_is_added(
    hass: HomeAssistant, mock_client: AsyncMock, mock_setup_entry: AsyncMock
) -> None:
    result = await submit(hass, await start(hass), INPUT)

    assert result["type"] is FlowResultType.CREATE_ENTRY
    assert result["title"] == f"AWS {ACCOUNT} ({REGION})"
    assert result["data"] == INPUT
    assert result["result"].unique_id == f"{ACCOUNT}_{REGION}"
    assert (result["result"].version, result["result"].minor_version) == (1, 1)
    mock_client.get_caller_account.assert_awaited_once_with()
    mock_client.list_channels.assert_awaited_once_with(name_prefix="ha-")
    mock_setup_entry.assert_called_once()


async def test_what_is_pasted_with_blanks_is_taken_without(hass: HomeAssistant) -> None:
    result = await submit(
        hass,
        await start(hass),
        {
            CONF_REGION: " EU-West-9 ",
            CONF_ACCESS_KEY_ID: " AKIDEXAMPLE\n",
            CONF_SECRET_ACCESS_KEY: "\tsecret-example ",
            CONF_SESSION_TOKEN: " token ",
        },
    )

    assert result["data"] == {
        CONF_REGION: "eu-west-9",
        **KEYS,
        CONF_SESSION_TOKEN: "token",
    }


@pytest.mark.parametrize(
    ("time_zone", "region"),
    [
        ("Europe/Vienna", "eu-west-1"),
        ("Asia/Tokyo", "ap-northeast-1"),
        ("America/Chicago", "us-east-1"),
        ("UTC", "us-east-1"),
    ],
)
async def test_the_nearest_region_is_suggested(
    hass: HomeAssistant, time_zone: str, region: str
) -> None:
    hass.config.time_zone = time_zone
    result = await hass.config_entries.flow.async_init(
        DOMAIN, context={"source": SOURCE_USER}
    )
    (field,) = (key for key in result["data_schema"].schema if key == CONF_REGION)
    assert field.description == {"suggested_value": region}
    assert region in REGIONS


@pytest.mark.parametrize(
    ("offset", "shown"),
    [(timedelta(minutes=10), "600"), (timedelta(minutes=-10), "600")],
)
async def test_a_wrong_clock_is_measured_and_has_to_be_put_right(
    hass: HomeAssistant, mock_client: AsyncMock, offset: timedelta, shown: str
) -> None:
    flow_id = await start(hass)
    mock_client.clock.offset = offset
    result = await submit(hass, flow_id, INPUT)

    assert result["errors"] == {"base": "clock_skew"}
    assert result["description_placeholders"]["offset"] == shown

    mock_client.clock.offset = timedelta(minutes=4)
    result = await submit(hass, flow_id, INPUT)

    assert result["type"] is FlowResultType.CREATE_ENTRY


async def test_an_empty_session_token_is_none(hass: HomeAssistant) -> None:
    result = await submit(hass, await start(hass), {**INPUT, CONF_SESSION_TOKEN: " "})

    assert result["data"] == INPUT


@pytest.mark.parametrize(
    "refusing", ["get_caller_account", "list_channels"], ids=["sts", "channels"]
)
@pytest.mark.parametrize(
    ("error", "key", "placeholders"), ERRORS, ids=[type(e[0]).__name__ for e in ERRORS]
)
async def test_a_refusal_is_explained_and_can_be_mended(
    hass: HomeAssistant,
    mock_client: AsyncMock,
    refusing: str,
    error: Exception,
    key: str,
    placeholders: dict[str, str],
) -> None:
    flow_id = await start(hass)
    method = getattr(mock_client, refusing)
    working = method.side_effect
    method.side_effect = error

    result = await submit(hass, flow_id, INPUT)

    assert result["type"] is FlowResultType.FORM
    assert result["errors"] == {"base": key}
    assert placeholders.items() <= result["description_placeholders"].items()

    method.side_effect = working
    result = await submit(hass, flow_id, INPUT)
    assert result["type"] is FlowResultType.CREATE_ENTRY


@pytest.mark.parametrize("region", ["", "Ireland", "eu-west", "x.example.com/-1"])
async def test_a_region_that_cannot_be_one_is_not_asked_for(
    hass: HomeAssistant, mock_client: AsyncMock, region: str
) -> None:
    flow_id = await start(hass)

    result = await submit(hass, flow_id, {**INPUT, CONF_REGION: region})

    assert result["errors"] == {CONF_REGION: "invalid_region"}
    mock_client.get_caller_account.assert_not_awaited()
    result = await submit(hass, flow_id, INPUT)
    assert result["type"] is FlowResultType.CREATE_ENTRY


@pytest.mark.parametrize("field", [CONF_ACCESS_KEY_ID, CONF_SECRET_ACCESS_KEY])
async def test_empty_keys_are_not_replaced_by_the_machines_own(
    hass: HomeAssistant, mock_client: AsyncMock, field: str
) -> None:
    flow_id = await start(hass)

    result = await submit(hass, flow_id, {**INPUT, field: " "})

    assert result["errors"] == {"base": "invalid_credentials"}
    mock_client.get_caller_account.assert_not_awaited()
    result = await submit(hass, flow_id, INPUT)
    assert result["type"] is FlowResultType.CREATE_ENTRY


async def test_validation_errors_do_not_repeat_the_secret(hass: HomeAssistant) -> None:
    flow_id = await start(hass)

    with pytest.raises(InvalidData) as err:
        await submit(hass, flow_id, {**INPUT, CONF_SECRET_ACCESS_KEY: ["hush"]})

    assert "hush" not in f"{err.value!r} {err.value} {err.value.schema_errors}"


async def test_an_account_is_added_once_for_a_region(
    hass: HomeAssistant, loaded_entry: MockConfigEntry
) -> None:
    result = await submit(hass, await start(hass), INPUT)
    assert result["type"] is FlowResultType.ABORT
    assert result["reason"] == "already_configured"

    result = await submit(hass, await start(hass), {**INPUT, CONF_REGION: "us-east-1"})
    assert result["type"] is FlowResultType.CREATE_ENTRY


async def start_keys_flow(
    hass: HomeAssistant, entry: MockConfigEntry, source: str
) -> dict[str, Any]:
    """Start a flow that asks for other keys."""
    if source == "reauth":
        return await entry.start_reauth_flow(hass)
    return await entry.start_reconfigure_flow(hass)


@pytest.mark.parametrize("source", ["reauth", "reconfigure"])
async def test_keys_are_replaced(
    hass: HomeAssistant, loaded_entry: MockConfigEntry, source: str
) -> None:
    updated = AsyncMock()
    loaded_entry.add_update_listener(updated)
    hass.config_entries.async_update_entry(
        loaded_entry, data={**loaded_entry.data, CONF_SESSION_TOKEN: "old"}
    )
    updated.reset_mock()
    result = await start_keys_flow(hass, loaded_entry, source)
    assert result["type"] is FlowResultType.FORM
    assert CONF_REGION not in result["data_schema"].schema

    result = await submit(hass, result["flow_id"], NEW_KEYS)
    await hass.async_block_till_done()

    assert result["type"] is FlowResultType.ABORT
    assert result["reason"] == f"{source}_successful"
    assert loaded_entry.data == {CONF_REGION: REGION, **NEW_KEYS}
    updated.assert_awaited_once()


async def test_nobody_is_asked_for_keys_any_more_that_were_given_unasked(
    hass: HomeAssistant,
    loaded_entry: MockConfigEntry,
    issue_registry: IssueRegistry,
) -> None:
    loaded_entry.async_start_reauth(hass)
    await hass.async_block_till_done()
    assert issue_registry.issues
    result = await start_keys_flow(hass, loaded_entry, "reconfigure")

    await submit(hass, result["flow_id"], NEW_KEYS)

    assert not hass.config_entries.flow.async_progress()
    assert not issue_registry.issues


@pytest.mark.parametrize("source", ["reauth", "reconfigure"])
async def test_keys_of_another_account_are_refused(
    hass: HomeAssistant,
    loaded_entry: MockConfigEntry,
    mock_client: AsyncMock,
    source: str,
) -> None:
    mock_client.get_caller_account.return_value = "999999999999"
    result = await start_keys_flow(hass, loaded_entry, source)

    result = await submit(hass, result["flow_id"], NEW_KEYS)

    assert result["type"] is FlowResultType.ABORT
    assert result["reason"] == "unique_id_mismatch"
    assert loaded_entry.data == INPUT


@pytest.mark.parametrize("source", ["reauth", "reconfigure"])
@pytest.mark.parametrize(
    ("error", "key", "placeholders"), ERRORS, ids=[type(e[0]).__name__ for e in ERRORS]
)
async def test_refused_keys_can_be_mended(
    hass: HomeAssistant,
    loaded_entry: MockConfigEntry,
    mock_client: AsyncMock,
    source: str,
    error: Exception,
    key: str,
    placeholders: dict[str, str],
) -> None:
    result = await start_keys_flow(hass, loaded_entry, source)
    mock_client.get_caller_account.side_effect = error

    result = await submit(hass, result["flow_id"], NEW_KEYS)
    assert result["type"] is FlowResultType.FORM
    assert result["errors"] == {"base": key}
    assert placeholders.items() <= result["description_placeholders"].items()

    mock_client.get_caller_account.side_effect = None
    result = await submit(hass, result["flow_id"], NEW_KEYS)
    assert result["reason"] == f"{source}_successful"


async def test_new_keys_revive_an_account_that_did_not_load(
    hass: HomeAssistant,
    mock_setup_entry: AsyncMock,
    mock_config_entry: MockConfigEntry,
) -> None:
    works = mock_setup_entry.side_effect
    mock_setup_entry.side_effect = None
    mock_setup_entry.return_value = False
    mock_config_entry.add_to_hass(hass)
    await hass.config_entries.async_setup(mock_config_entry.entry_id)
    assert mock_config_entry.state is ConfigEntryState.SETUP_ERROR
    mock_setup_entry.side_effect = works

    result = await mock_config_entry.start_reauth_flow(hass)
    await submit(hass, result["flow_id"], NEW_KEYS)
    await hass.async_block_till_done()

    assert mock_config_entry.state is ConfigEntryState.LOADED


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("stun.example.org", "stun:stun.example.org:3478"),
        (" stun.example.org:19302 ", "stun:stun.example.org:19302"),
        ("stun:127.0.0.1:3479", "stun:127.0.0.1:3479"),
        ("STUN:host", "stun:host:3478"),
        ("[2001:db8::1]", "stun:[2001:db8::1]:3478"),
        ("stun:[::1]:443", "stun:[::1]:443"),
    ],
)
async def test_a_stun_server_is_chosen(
    hass: HomeAssistant, loaded_entry: MockConfigEntry, given: str, kept: str
) -> None:
    result = await hass.config_entries.options.async_init(loaded_entry.entry_id)
    assert result["step_id"] == "init"

    result = await hass.config_entries.options.async_configure(
        result["flow_id"], {CONF_STUN_SERVER: given}
    )

    assert result["type"] is FlowResultType.CREATE_ENTRY
    assert loaded_entry.options == {CONF_STUN_SERVER: kept}


@pytest.mark.parametrize("user_input", [{}, {CONF_STUN_SERVER: " "}])
async def test_no_stun_server_means_that_of_aws(
    hass: HomeAssistant, loaded_entry: MockConfigEntry, user_input: dict[str, str]
) -> None:
    hass.config_entries.async_update_entry(
        loaded_entry, options={CONF_STUN_SERVER: "stun:old:3478"}
    )
    result = await hass.config_entries.options.async_init(loaded_entry.entry_id)
    field = next(iter(result["data_schema"].schema))
    assert field.description == {"suggested_value": "stun:old:3478"}

    await hass.config_entries.options.async_configure(result["flow_id"], user_input)

    assert loaded_entry.options == {}


async def test_options_keep_viewers_from_private_addresses(
    hass: HomeAssistant, loaded_entry: MockConfigEntry
) -> None:
    """What is as it was by default is not stored."""
    for wanted, kept in ((False, {CONF_PRIVATE_ADDRESSES: False}), (True, {})):
        result = await hass.config_entries.options.async_init(loaded_entry.entry_id)
        await hass.config_entries.options.async_configure(
            result["flow_id"], {CONF_PRIVATE_ADDRESSES: wanted}
        )
        await hass.async_block_till_done()
        assert loaded_entry.options == kept


@pytest.mark.parametrize(
    "server",
    [
        "turn:host:3478",
        "stuns:host",
        "host:0",
        "host:65536",
        "host:port",
        "http://host/",
        "two hosts",
        "::1",
        "-host",
    ],
)
async def test_what_is_no_stun_server_is_refused(
    hass: HomeAssistant, loaded_entry: MockConfigEntry, server: str
) -> None:
    result = await hass.config_entries.options.async_init(loaded_entry.entry_id)

    result = await hass.config_entries.options.async_configure(
        result["flow_id"], {CONF_STUN_SERVER: server}
    )

    assert result["type"] is FlowResultType.FORM
    assert result["errors"] == {CONF_STUN_SERVER: "invalid_stun_server"}
    result = await hass.config_entries.options.async_configure(
        result["flow_id"], {CONF_STUN_SERVER: "host"}
    )
    assert result["type"] is FlowResultType.CREATE_ENTRY
