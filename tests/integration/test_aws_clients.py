"""Tests of the boto3 clients that the skill's parts are given."""

from typing import Any

from homeassistant.core import HomeAssistant
import pytest

from custom_components.kinesis_webrtc.aws_clients import AwsClients

KEYS = {
    "access_key_id": "AKIDEXAMPLE",
    "secret_access_key": "secret-example",
    "session_token": "a-token",
}


@pytest.fixture(autouse=True)
def _no_other_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have others' keys in the environment, where boto3 would look for some."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDOTHER")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "other")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "other")


async def make(hass: HomeAssistant, clients: AwsClients, *where: str) -> Any:
    """Make a client where blocking is allowed."""
    return await hass.async_add_executor_job(clients, *where)


async def test_a_client_has_the_account_s_keys(hass: HomeAssistant) -> None:
    client = await make(hass, AwsClients(KEYS), "cloudformation", "us-west-2")

    credentials = client._request_signer._credentials.get_frozen_credentials()
    assert credentials.access_key == "AKIDEXAMPLE"
    assert credentials.secret_key == "secret-example"
    assert credentials.token == "a-token"
    assert client.meta.region_name == "us-west-2"


@pytest.mark.parametrize("token", [{}, {"session_token": ""}])
async def test_keys_without_a_token_have_none(
    hass: HomeAssistant, token: dict[str, str]
) -> None:
    keys = {name: KEYS[name] for name in ("access_key_id", "secret_access_key")}

    client = await make(hass, AwsClients({**keys, **token}), "ssm", "eu-west-1")

    assert client._request_signer._credentials.get_frozen_credentials().token is None


async def test_each_client_is_made_once(hass: HomeAssistant) -> None:
    clients = AwsClients(KEYS)

    first = await make(hass, clients, "ssm", "eu-west-1")

    assert await make(hass, clients, "ssm", "eu-west-1") is first
    assert await make(hass, clients, "ssm", "us-east-1") is not first


async def test_a_call_ends_before_a_person_gives_up(hass: HomeAssistant) -> None:
    client = await make(hass, AwsClients(KEYS), "ssm", "eu-west-1")

    config = client.meta.config
    assert config.connect_timeout <= 10
    assert config.read_timeout <= 30
    assert config.retries["total_max_attempts"] <= 5
