"""Tests of the boto3 clients that the skill's parts are given."""

from datetime import datetime, timedelta
from email.utils import format_datetime
from functools import partial
from http import HTTPStatus
import re
from typing import Any
from unittest.mock import MagicMock

from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from homeassistant.core import HomeAssistant
from homeassistant.util import dt as dt_util
import pytest

from custom_components.kinesis_webrtc import aws_clients
from custom_components.kinesis_webrtc.aws_clients import AwsClients
from custom_components.kinesis_webrtc.signaling.clock import ServiceClock

KEYS = {
    "access_key_id": "AKIDEXAMPLE",
    "secret_access_key": "secret-example",
    "session_token": "a-token",
}


@pytest.fixture(autouse=True)
def _other_keys_and_a_new_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have others' keys in the environment, where boto3 would look for some."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDOTHER")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "other")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "other")
    monkeypatch.setattr(aws_clients, "_CLOCK", ServiceClock())


class Aws:
    """AWS in the network's place, whose clock is so many seconds ahead of this one."""

    def __init__(self, client: Any, ahead: float = 0.0) -> None:
        self._ahead = timedelta(seconds=ahead)
        self.headers: list[dict[str, str]] = []
        self.statuses: list[int] = []
        client.meta.events.register("before-send", self._answer)

    def _answer(self, request: AWSPreparedRequest, **_: object) -> AWSResponse:
        sent = {
            key: value.decode() if isinstance(value, bytes) else value
            for key, value in request.headers.items()
        }
        now = dt_util.utcnow() + self._ahead
        signed = datetime.strptime(sent["X-Amz-Date"], "%Y%m%dT%H%M%S%z")
        body, status = b'{"Parameters": []}', HTTPStatus.OK
        if abs(now - signed) > timedelta(minutes=5):
            body, status = b'{"__type": "InvalidSignatureException"}', HTTPStatus(400)
        self.headers.append(sent)
        self.statuses.append(status)
        raw = MagicMock()
        raw.stream.return_value = [body]
        date = {"Date": format_datetime(now, usegmt=True)}
        return AWSResponse(request.url, status, date, raw)


async def make(hass: HomeAssistant, clients: AwsClients, *where: str) -> Any:
    """Make a client where blocking is allowed."""
    return await hass.async_add_executor_job(clients, *where)


async def ask(hass: HomeAssistant, client: Any) -> None:
    """Have a client call AWS."""
    call = partial(client.get_parameters_by_path, Path="/here")
    await hass.async_add_executor_job(call)


async def test_a_client_has_the_account_s_keys(hass: HomeAssistant) -> None:
    client = await make(hass, AwsClients(KEYS), "ssm", "us-west-2")
    aws = Aws(client)

    await ask(hass, client)

    (sent,) = aws.headers
    signed = re.search(
        r"Credential=(\w+)/\d{8}/(\S+)/aws4_request", sent["Authorization"]
    )
    assert signed
    assert signed.groups() == ("AKIDEXAMPLE", "us-west-2/ssm")
    assert sent["X-Amz-Security-Token"] == "a-token"


@pytest.mark.parametrize("token", [{}, {"session_token": ""}])
async def test_keys_without_a_token_have_none(
    hass: HomeAssistant, token: dict[str, str]
) -> None:
    keys = {name: KEYS[name] for name in ("access_key_id", "secret_access_key")}
    client = await make(hass, AwsClients({**keys, **token}), "ssm", "eu-west-1")
    aws = Aws(client)

    await ask(hass, client)

    assert "X-Amz-Security-Token" not in aws.headers[0]


async def test_each_client_is_made_once(hass: HomeAssistant) -> None:
    clients = AwsClients(KEYS)

    first = await make(hass, clients, "ssm", "eu-west-1")

    assert await make(hass, clients, "ssm", "eu-west-1") is first
    assert await make(hass, clients, "ssm", "us-east-1") is not first


@pytest.mark.parametrize("ahead", [-3600, 0, 3600])
async def test_a_wrong_clock_is_no_wrong_key(hass: HomeAssistant, ahead: float) -> None:
    client = await make(hass, AwsClients(KEYS), "ssm", "eu-west-1")
    aws = Aws(client, ahead)

    for _ in range(2):
        await ask(hass, client)

    # AWS does not like the first date only.
    assert aws.statuses == ([400, 200, 200] if ahead else [200, 200])


async def test_a_profile_of_the_machine_is_none_of_ours(
    hass: HomeAssistant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_PROFILE", "that-is-not-there")

    assert await make(hass, AwsClients(KEYS), "ssm", "eu-west-1")


async def test_a_call_ends_before_a_person_gives_up(hass: HomeAssistant) -> None:
    client = await make(hass, AwsClients(KEYS), "ssm", "eu-west-1")

    config = client.meta.config
    assert config.connect_timeout <= 10
    assert config.read_timeout <= 30
    assert config.retries["total_max_attempts"] <= 5
