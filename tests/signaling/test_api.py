import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
import logging
import threading
from typing import Any

import boto3
from botocore.httpsession import URLLib3Session
import pytest

from custom_components.kinesis_webrtc.signaling import (
    CannotConnectError,
    ClientLimitExceededError,
    ClockSkewError,
    Credentials,
    ExpiredTokenError,
    InvalidArgumentError,
    InvalidCredentialsError,
    NotAuthorizedError,
    ServiceError,
    SignalingClient,
    UnsupportedRegionError,
)
from tests.emulator import DEFAULT_USER, Channel, KvsEmulator, User

from .conftest import CREDENTIALS, MakeClient

TEN_MINUTES = timedelta(minutes=10)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let botocore repeat at once what did not connect."""
    backoff = "botocore.retries.standard.ExponentialBackoff.delay_amount"
    monkeypatch.setattr(backoff, lambda *_: 0)


async def test_every_call_runs_in_the_executor(
    client: SignalingClient, channel: Channel, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads: set[str] = set()
    send = URLLib3Session.send

    def record(session: URLLib3Session, request: Any) -> Any:
        threads.add(threading.current_thread().name)
        return send(session, request)

    monkeypatch.setattr(URLLib3Session, "send", record)

    await client.list_channels()
    await client.get_ice_server_config(channel.arn)

    assert threads
    assert all(name.startswith("blocking") for name in threads)


async def test_profile_of_the_environment_is_not_looked_for(
    client: SignalingClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_PROFILE", "nobody-has-made-this-one")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDOTHER")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "other")

    assert await client.list_channels() == []


async def test_session_token_is_sent(
    emulator: KvsEmulator, make_client: MakeClient
) -> None:
    emulator.add_user(
        User(access_key_id="ASIAX", secret_access_key="s", session_token="token")
    )
    credentials = Credentials(
        access_key_id="ASIAX", secret_access_key="s", session_token="token"
    )

    assert await make_client(credentials=credentials).list_channels() == []


@pytest.mark.parametrize(
    "credentials",
    [
        Credentials(access_key_id="AKIDUNKNOWN", secret_access_key="s"),
        Credentials(
            access_key_id=DEFAULT_USER.access_key_id, secret_access_key="wrong"
        ),
    ],
)
async def test_wrong_keys_are_told(
    make_client: MakeClient, credentials: Credentials
) -> None:
    client = make_client(credentials=credentials)

    with pytest.raises(InvalidCredentialsError):
        await client.list_channels()
    with pytest.raises(InvalidCredentialsError):
        await client.get_caller_account()


async def test_call_is_repeated_with_keys_that_were_exchanged_meanwhile(
    make_client: MakeClient, execute: Callable[..., Awaitable[Any]]
) -> None:
    async def execute_and_exchange(target: Callable[[], Any]) -> Any:
        try:
            return await execute(target)
        finally:
            client.exchange_credentials(CREDENTIALS)

    client = make_client(
        credentials=Credentials(access_key_id="AKIDUNKNOWN", secret_access_key="s"),
        execute=execute_and_exchange,
    )

    assert await client.list_channels() == []


async def test_exchanged_keys_sign_what_comes_next(
    emulator: KvsEmulator, client: SignalingClient
) -> None:
    assert await client.list_channels() == []
    emulator.remove_user(CREDENTIALS.access_key_id)
    with pytest.raises(InvalidCredentialsError):
        await client.list_channels()
    emulator.add_user(User(access_key_id="AKIDNEW", secret_access_key="s"))

    client.exchange_credentials(
        Credentials(access_key_id="AKIDNEW", secret_access_key="s")
    )

    assert await client.list_channels() == []


async def test_expired_token_is_told(
    emulator: KvsEmulator, client: SignalingClient
) -> None:
    emulator.add_fault("expired_token", "ListSignalingChannels")

    with pytest.raises(ExpiredTokenError):
        await client.list_channels()


async def test_missing_right_is_named(
    emulator: KvsEmulator, client: SignalingClient
) -> None:
    policy = {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Action": "kinesisvideo:Describe*", "Resource": "*"}
        ],
    }
    emulator.add_user(
        User(
            access_key_id=CREDENTIALS.access_key_id,
            secret_access_key=CREDENTIALS.secret_access_key,
            policies=[policy],
        )
    )

    with pytest.raises(NotAuthorizedError) as caught:
        await client.list_channels()

    assert caught.value.action == "kinesisvideo:ListSignalingChannels"
    assert emulator.journal.calls["ListSignalingChannels"] == 1


async def test_throttled_call_is_repeated(
    emulator: KvsEmulator, client: SignalingClient
) -> None:
    emulator.add_fault("throttle", "ListSignalingChannels", count=2)

    assert await client.list_channels() == []
    assert emulator.journal.calls["ListSignalingChannels"] == 3


async def test_throttling_without_end_is_told(
    emulator: KvsEmulator, client: SignalingClient
) -> None:
    emulator.add_fault("throttle", "ListSignalingChannels")

    with pytest.raises(ClientLimitExceededError):
        await client.list_channels()

    assert emulator.journal.calls["ListSignalingChannels"] == 3


async def test_invalid_argument_is_not_repeated(
    emulator: KvsEmulator, client: SignalingClient
) -> None:
    with pytest.raises(InvalidArgumentError):
        await client.describe_channel(name="not a name")

    assert emulator.journal.calls["DescribeSignalingChannel"] == 1


async def test_parameter_of_the_wrong_length_is_told(client: SignalingClient) -> None:
    with pytest.raises(InvalidArgumentError):
        await client.create_channel(name="", message_ttl=60, tags={})


async def test_failing_service_is_told_with_its_code(
    emulator: KvsEmulator, client: SignalingClient, channel: Channel
) -> None:
    emulator.add_fault("error", "GetIceServerConfig", status=500, code="Oops")

    with pytest.raises(ServiceError) as caught:
        await client.get_ice_server_config(channel.arn)

    assert caught.value.code == "Oops"


async def test_unreachable_service_is_told(
    emulator: KvsEmulator, client: SignalingClient, impatient: None
) -> None:
    await emulator.go_offline()

    with pytest.raises(CannotConnectError):
        await client.list_channels()


@pytest.mark.parametrize("region", ["eu-north-7", "not a region!"])
async def test_region_without_the_service_is_told(
    region: str, emulator: KvsEmulator, make_client: MakeClient, impatient: None
) -> None:
    # There is no host of this region's name.
    await emulator.go_offline()

    with pytest.raises(UnsupportedRegionError):
        await make_client(region=region).list_channels()


@pytest.mark.parametrize("offset", [TEN_MINUTES, -TEN_MINUTES])
async def test_wrong_clock_is_corrected(
    offset: timedelta, emulator: KvsEmulator, make_client: MakeClient
) -> None:
    client = make_client(utcnow=lambda: datetime.now(UTC) - offset)

    assert await client.list_channels() == []
    assert abs(client.clock.offset - offset) < timedelta(seconds=5)
    assert emulator.journal.calls["ListSignalingChannels"] == 2

    assert await client.list_channels() == []
    assert emulator.journal.calls["ListSignalingChannels"] == 3


async def test_many_calls_at_once_are_nothing_to_warn_of(
    emulator: KvsEmulator, make_client: MakeClient, caplog: pytest.LogCaptureFixture
) -> None:
    emulator.add_fault("delay", "ListSignalingChannels", delay=0.3)
    loop = asyncio.get_running_loop()
    threads = ThreadPoolExecutor(30)
    client = make_client(execute=lambda target: loop.run_in_executor(threads, target))

    await asyncio.gather(*(client.list_channels() for _ in range(30)))

    await asyncio.to_thread(threads.shutdown)
    assert not [one for one in caplog.records if one.levelno >= logging.WARNING]


async def test_wrong_clock_spoils_no_call_of_many_at_once(
    client: SignalingClient, emulator: KvsEmulator
) -> None:
    emulator.behaviour.clock_offset = 3600

    results = await asyncio.gather(*(client.list_channels() for _ in range(5)))

    assert results == [[]] * 5


async def test_clock_that_cannot_be_corrected_is_told(
    emulator: KvsEmulator, make_client: MakeClient
) -> None:
    now = datetime.now(UTC)

    def unsteady() -> datetime:
        nonlocal now
        now += timedelta(hours=1)
        return now

    with pytest.raises(ClockSkewError):
        await make_client(utcnow=unsteady).list_channels()

    assert emulator.journal.calls["ListSignalingChannels"] == 2


async def test_clients_are_made_once(
    client: SignalingClient, channel: Channel, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[str] = []
    original: Any = boto3.session.Session.client

    def record(self: Any, service: str, **options: Any) -> Any:
        made.append(service)
        return original(self, service, **options)

    monkeypatch.setattr(boto3.session.Session, "client", record)
    for _ in range(3):
        await client.list_channels()
        await client.get_ice_server_config(channel.arn)

    assert made == ["kinesisvideo", "kinesis-video-signaling"]


async def test_nothing_is_logged_of_the_secrets(
    client: SignalingClient, channel: Channel, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG, "custom_components.kinesis_webrtc"):
        config = await client.get_ice_server_config(channel.arn)

    ours = [r.getMessage() for r in caplog.records if "kinesis_webrtc" in r.name]
    assert config.servers[0].credential
    assert not any(config.servers[0].credential in line for line in ours)


def test_an_executor_like_home_assistants_fits() -> None:
    """Checked by mypy: the target is the first argument of several."""

    def async_add_executor_job[*Ts, T](
        target: Callable[[*Ts], T], *args: *Ts
    ) -> asyncio.Future[T]:
        raise NotImplementedError

    client = SignalingClient(
        region="eu-west-1", credentials=CREDENTIALS, execute=async_add_executor_job
    )
    assert client.region == "eu-west-1"


async def test_unexpected_error_is_translated(make_client: MakeClient) -> None:
    async def execute(target: Callable[[], Any]) -> Any:
        raise RuntimeError("the executor is shut down")

    with pytest.raises(ServiceError) as caught:
        await make_client(execute=execute).list_channels()

    assert caught.value.code == "RuntimeError"
