"""What Home Assistant and the function keep for each other in Parameter Store."""

import asyncio
from collections.abc import Callable
import json
from typing import Any

import pytest

from custom_components.kinesis_webrtc.alexa.errors import (
    AccessRefusedError,
    AlexaServiceError,
    TooManyOwnersError,
)
from custom_components.kinesis_webrtc.alexa.lambda_function import _digest
from custom_components.kinesis_webrtc.alexa.parameters import (
    Grant,
    Owner,
    Owners,
    SkillParameters,
    SkillSecrets,
    ssm_path,
)
from tests.helpers.moto import Moto, StrictClients, _moto, aws_error, moto
from tests.helpers.policies import RUNNING, policy

from .role import role_policy

__all__ = ["_moto", "moto"]

REGION = "eu-central-1"
PATH = ssm_path("amzn1.ask.skill.1")
SECRETS = SkillSecrets(client_id="amzn1.client", client_secret="top-secret")
ANN, BOB = "amzn1.account.ANN", "amzn1.account.BOB"
# As many as fit, and one more.
USERS = [f"amzn1.account.{number:030}" for number in range(86)]
ANOTHER = f"amzn1.account.{'9' * 30}"


async def execute(target: Callable[..., Any], *args: Any) -> Any:
    return await asyncio.to_thread(target, *args)


@pytest.fixture
def clients(moto: Moto) -> StrictClients:
    clients = StrictClients(moto)
    clients.policies = [policy(*RUNNING)]
    return clients


@pytest.fixture
def parameters(clients: StrictClients) -> SkillParameters:
    """Return the parameters, under the documents' policy for every day."""
    return SkillParameters(
        create_client=clients, execute=execute, region=REGION, path=PATH
    )


@pytest.fixture
def put(moto: Moto) -> Callable[[str, object], None]:
    """Return what leaves something as the function does, under its role."""
    function = StrictClients(moto)
    function.policies = [role_policy(channel_region=REGION, ssm_path=PATH)]

    def put(name: str, content: object) -> None:
        function("ssm", REGION).put_parameter(
            Name=f"{PATH}/{name}",
            Value=content if isinstance(content, str) else json.dumps(content),
            Type="SecureString",
            Overwrite=True,
        )

    return put


def pending(user_id: str, *, asked_ms: int = 1) -> dict[str, object]:
    return {
        "user_id": user_id,
        "name": "Name",
        "email": "name@example.org",
        "asked_ms": asked_ms,
    }


def grant(user_id: str) -> dict[str, object]:
    return {"user_id": user_id, "refresh_token": f"Atzr|{user_id}", "granted_ms": 7}


def stored(moto: Moto) -> dict[str, tuple[str, str]]:
    """Return types and values by name."""
    found: dict[str, tuple[str, str]] = {}
    pages = moto.client("ssm", REGION).get_paginator("get_parameters_by_path")
    for page in pages.paginate(Path="/", Recursive=True, WithDecryption=True):
        for parameter in page["Parameters"]:
            found[parameter["Name"]] = (parameter["Type"], parameter["Value"])
    return found


async def test_secrets_are_kept_where_the_function_reads_them(
    parameters: SkillParameters, moto: Moto
) -> None:
    assert await parameters.read_secrets() is None

    await parameters.write_secrets(SECRETS)

    assert await parameters.read_secrets() == SECRETS
    assert stored(moto) == {
        f"{PATH}/client_id": ("SecureString", "amzn1.client"),
        f"{PATH}/client_secret": ("SecureString", "top-secret"),
    }


async def test_the_client_of_account_linking_comes_and_goes(
    parameters: SkillParameters,
) -> None:
    linking = SkillSecrets(
        client_id="amzn1.client", client_secret="new", linking_client_id="amzn1.other"
    )
    await parameters.write_secrets(linking)
    assert await parameters.read_secrets() == linking

    await parameters.write_secrets(SECRETS)
    assert await parameters.read_secrets() == SECRETS


def test_secrets_are_not_shown() -> None:
    assert "top-secret" not in repr(SECRETS)
    assert "Atzr" not in repr(Grant(user_id=ANN, refresh_token="Atzr", granted_ms=1))


async def test_whoever_asks_is_pending_until_somebody_decides(
    parameters: SkillParameters, put: Callable[[str, object], None], moto: Moto
) -> None:
    put(f"pending/{_digest(BOB)}", pending(BOB, asked_ms=2))
    put(f"pending/{_digest(ANN)}", pending(ANN, asked_ms=1))
    asking = await parameters.read_owners()

    await parameters.allow(ANN)
    await parameters.refuse(BOB)

    ann, bob = asking.pending
    assert (ann.user_id, bob.user_id) == (ANN, BOB)
    assert ann == Owner(user_id=ANN, name="Name", email="name@example.org", asked_ms=1)
    assert await parameters.read_owners() == Owners(allowed=(ANN,), refused=(BOB,))
    assert set(stored(moto)) == {f"{PATH}/owners"}
    assert json.loads(stored(moto)[f"{PATH}/owners"][1]) == {
        "allowed": [ANN],
        "refused": [BOB],
    }


async def test_whoever_is_decided_about_is_not_pending(
    parameters: SkillParameters, put: Callable[[str, object], None]
) -> None:
    await parameters.allow(ANN)
    await parameters.refuse(BOB)
    for user_id in (ANN, BOB):
        put(f"pending/{_digest(user_id)}", pending(user_id))

    assert (await parameters.read_owners()).pending == ()


async def test_a_decision_can_be_changed(parameters: SkillParameters) -> None:
    await parameters.allow(ANN)
    await parameters.allow(ANN)
    await parameters.refuse(ANN)
    assert await parameters.read_owners() == Owners(refused=(ANN,))

    await parameters.allow(ANN)
    assert await parameters.read_owners() == Owners(allowed=(ANN,))

    await parameters.withdraw(ANN)
    assert await parameters.read_owners() == Owners()


async def test_decisions_at_the_same_time_are_all_kept(
    parameters: SkillParameters,
) -> None:
    users = [f"amzn1.account.{number}" for number in range(5)]

    await asyncio.gather(*map(parameters.allow, users))

    assert set((await parameters.read_owners()).allowed) == set(users)


async def test_events_go_only_to_those_who_may_look(
    parameters: SkillParameters, put: Callable[[str, object], None]
) -> None:
    for user_id in (ANN, BOB):
        put(f"grants/{_digest(user_id)}", grant(user_id))
    assert await parameters.read_grants() == ()

    await parameters.allow(ANN)

    anns = Grant(user_id=ANN, refresh_token=f"Atzr|{ANN}", granted_ms=7)
    assert await parameters.read_grants() == (anns,)
    await parameters.withdraw(ANN)
    assert await parameters.read_grants() == ()
    await parameters.allow(ANN)
    assert await parameters.read_grants() == (anns,)


async def test_a_refused_users_grant_is_forgotten(
    parameters: SkillParameters, put: Callable[[str, object], None], moto: Moto
) -> None:
    put(f"grants/{_digest(BOB)}", grant(BOB))

    await parameters.refuse(BOB)

    assert set(stored(moto)) == {f"{PATH}/owners"}


async def test_more_than_a_page_is_read(
    parameters: SkillParameters, put: Callable[[str, object], None]
) -> None:
    for number in range(23):
        put(f"pending/{number:032}", pending(f"user-{number:02}", asked_ms=number))

    asking = (await parameters.read_owners()).pending

    assert [owner.user_id for owner in asking] == [f"user-{n:02}" for n in range(23)]


def fill(moto: Moto, *, allowed: int) -> None:
    """Store a list that is full."""
    lists = {"allowed": USERS[:allowed], "refused": USERS[allowed:]}
    value = json.dumps(lists, separators=(",", ":"))
    assert 4096 - len(ANOTHER) < len(value) <= 4096
    moto.client("ssm", REGION).put_parameter(
        Name=f"{PATH}/owners", Value=value, Type="SecureString"
    )


async def test_a_list_that_is_full_forgets_the_earliest_refusal(
    parameters: SkillParameters, moto: Moto
) -> None:
    fill(moto, allowed=40)

    await parameters.allow(ANOTHER)

    owners = await parameters.read_owners()
    assert owners.allowed == (*USERS[:40], ANOTHER)
    assert owners.refused == tuple(USERS[41:])


async def test_a_list_that_is_full_of_owners_takes_no_more(
    parameters: SkillParameters, moto: Moto
) -> None:
    fill(moto, allowed=len(USERS))

    with pytest.raises(TooManyOwnersError):
        await parameters.allow(ANOTHER)

    assert (await parameters.read_owners()).allowed == tuple(USERS)


async def test_what_cannot_be_read_is_passed_over(
    parameters: SkillParameters,
    put: Callable[[str, object], None],
    moto: Moto,
    caplog: pytest.LogCaptureFixture,
) -> None:
    put("pending/1", "not json with a secret")
    put("pending/2", {"user_id": ANN})
    put("grants/1", [1])
    moto.client("ssm", REGION).put_parameter(
        Name=f"{PATH}/owners", Value="[secret]", Type="SecureString"
    )

    assert await parameters.read_owners() == Owners()
    assert await parameters.read_grants() == ()
    assert "secret" not in caplog.text
    assert "pending/2" in caplog.text


async def test_all_goes_and_nothing_else(
    parameters: SkillParameters, put: Callable[[str, object], None], moto: Moto
) -> None:
    await parameters.write_secrets(SECRETS)
    await parameters.allow(ANN)
    for number in range(15):
        put(f"grants/{number}", grant(ANN))
    moto.client("ssm", REGION).put_parameter(
        Name=f"{PATH}2/client_id", Value="another skill's", Type="String"
    )

    await parameters.delete_all()
    await parameters.delete_all()

    assert set(stored(moto)) == {f"{PATH}2/client_id"}


async def test_a_missing_right_is_named(
    parameters: SkillParameters, clients: StrictClients
) -> None:
    clients.policies = [
        policy(
            *RUNNING, {"Effect": "Deny", "Action": "ssm:PutParameter", "Resource": "*"}
        )
    ]

    with pytest.raises(AccessRefusedError) as refused:
        await parameters.allow(ANN)

    assert refused.value.action == "ssm:PutParameter"


async def test_a_refusal_that_quotes_the_secret_is_not_repeated(
    parameters: SkillParameters, clients: StrictClients
) -> None:
    def refuse(call: Any) -> None:
        if call.operation == "PutParameter":
            raise aws_error(
                "PutParameter",
                "ValidationException",
                f"Value '{call.params['Value']}' failed to satisfy constraint",
            )

    clients.on_call = refuse

    with pytest.raises(AlexaServiceError) as refused:
        await parameters.write_secrets(SECRETS)

    assert str(refused.value) == "ValidationException"
