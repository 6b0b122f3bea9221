"""Who may look, and how Home Assistant comes to decide about it."""

from collections.abc import Callable
import json
from typing import Any

import pytest

from custom_components.kinesis_webrtc.alexa.lambda_function import Limits
from tests.emulator import Channel, KvsEmulator

from .conftest import PATH, PATIENT, Master, Skill, allow, directive, discover, rtc
from .fakes import ANN, BOB, LoginWithAmazon, ParameterStore

INITIATE = "InitiateSessionWithOffer"
DIRECTIVES = [
    rtc(INITIATE),
    rtc("SessionConnected"),
    rtc("SessionDisconnected"),
    directive("Alexa", "ReportState"),
]


def stored(store: ParameterStore, folder: str) -> list[dict[str, Any]]:
    """Return what the function has left for Home Assistant."""
    return [
        json.loads(value)
        for name, value in store.values.items()
        if name.startswith(f"{PATH}/{folder}/")
    ]


def accept_grant(code: str = "code-1", token: str = "ann-token") -> dict[str, Any]:
    return directive(
        "Alexa.Authorization",
        "AcceptGrant",
        {
            "grant": {"type": "OAuth2.AuthorizationCode", "code": code},
            "grantee": {"type": "BearerToken", "token": token},
        },
        token=None,
        endpoint_id=None,
    )


@pytest.mark.parametrize("event", DIRECTIVES)
async def test_without_a_token_nothing_is_asked(
    skill: Skill,
    emulator: KvsEmulator,
    store: ParameterStore,
    event: dict[str, Any],
) -> None:
    event = json.loads(json.dumps(event))
    for scope in (None, {"type": "BearerToken"}, {"type": "Other", "token": "x"}):
        event["directive"]["endpoint"]["scope"] = scope
        assert await skill.error(event) == "INVALID_AUTHORIZATION_CREDENTIAL"
    assert not emulator.journal.calls
    assert not store.calls


@pytest.mark.parametrize("event", [*DIRECTIVES, discover()])
async def test_a_token_that_is_not_known_is_refused(
    skill: Skill, emulator: KvsEmulator, lwa: LoginWithAmazon, event: dict[str, Any]
) -> None:
    lwa.tokens.clear()

    assert await skill.error(event) == "INVALID_AUTHORIZATION_CREDENTIAL"
    assert not emulator.journal.calls


@pytest.mark.parametrize("event", [*DIRECTIVES, discover()])
async def test_a_token_of_another_application_is_refused(
    skill: Skill,
    emulator: KvsEmulator,
    lwa: LoginWithAmazon,
    store: ParameterStore,
    event: dict[str, Any],
) -> None:
    lwa.issue("ann-token", ANN, audience="amzn1.application-oa2-client.other")

    assert await skill.error(event) == "INVALID_AUTHORIZATION_CREDENTIAL"
    assert not emulator.journal.calls
    assert not stored(store, "pending")


async def test_the_client_of_account_linking_may_be_another_one(
    skill: Skill, lwa: LoginWithAmazon, store: ParameterStore
) -> None:
    store.values[f"{PATH}/linking_client_id"] = "amzn1.linking"
    assert await skill.error(discover()) == "INVALID_AUTHORIZATION_CREDENTIAL"

    lwa.issue("ann-token", ANN, audience="amzn1.linking")

    assert "endpoints" in (await skill(discover()))["event"]["payload"]


async def test_an_owner_who_is_new_waits_for_home_assistant(
    skill: Skill,
    emulator: KvsEmulator,
    channel: Channel,
    lwa: LoginWithAmazon,
    store: ParameterStore,
) -> None:
    lwa.issue("bob-token", BOB)

    response = await skill(discover(token="bob-token"))
    assert response["event"]["payload"] == {"endpoints": []}
    event = rtc(INITIATE, token="bob-token")
    assert await skill.error(event) == "INVALID_AUTHORIZATION_CREDENTIAL"

    assert not emulator.journal.calls
    (pending,) = stored(store, "pending")
    assert pending.pop("asked_ms") > 1_700_000_000_000
    assert pending == {
        "user_id": BOB.user_id,
        "name": BOB.name,
        "email": BOB.email,
    }
    assert store.calls["PutParameter"] == 1


async def test_an_owner_is_let_in_as_soon_as_allowed(
    skill: Skill,
    channel: Channel,
    lwa: LoginWithAmazon,
    store: ParameterStore,
) -> None:
    lwa.issue("bob-token", BOB)
    await skill(discover(token="bob-token"))
    allow(store, ANN, BOB)
    # What was read this very moment is not read again.
    settings = skill.backend._settings
    assert settings is not None
    skill.backend._settings = (settings[0] - 10, settings[1])

    response = await skill(discover(token="bob-token"))

    assert len(response["event"]["payload"]["endpoints"]) == 1


async def test_an_owner_who_was_refused_is_not_asked_about_again(
    skill: Skill, lwa: LoginWithAmazon, store: ParameterStore
) -> None:
    lwa.issue("bob-token", BOB)
    allow(store, ANN, refused=(BOB.user_id,))

    response = await skill(discover(token="bob-token"))

    assert response["event"]["payload"] == {"endpoints": []}
    assert not stored(store, "pending")


async def test_an_owner_who_was_withdrawn_is_refused(
    make_skill: Callable[[Limits], Skill],
    emulator: KvsEmulator,
    channel: Channel,
    store: ParameterStore,
) -> None:
    skill = make_skill(Limits(settings=0.0))
    assert (await skill(discover()))["event"]["payload"]["endpoints"]
    calls = emulator.journal.calls.total()
    allow(store)

    assert await skill.error(rtc(INITIATE)) == "INVALID_AUTHORIZATION_CREDENTIAL"
    assert emulator.journal.calls.total() == calls


async def test_a_profile_of_somebody_else_is_not_believed(
    skill: Skill, lwa: LoginWithAmazon, store: ParameterStore
) -> None:
    lwa.issue("bob-token", BOB)
    lwa.profiles["bob-token"] = ANN

    event = rtc(INITIATE, token="bob-token")
    assert await skill.error(event) == "INVALID_AUTHORIZATION_CREDENTIAL"
    assert not stored(store, "pending")


async def test_a_token_is_asked_about_once_until_it_expires(
    skill: Skill, master: Master, lwa: LoginWithAmazon, store: ParameterStore
) -> None:
    for _ in range(3):
        await skill(rtc("SessionConnected"))
    assert lwa.calls == {"/auth/o2/tokeninfo": 1}
    assert store.calls["GetParametersByPath"] == 2  # pages

    skill.backend._owners.clear()
    lwa.lifetime = 0
    for _ in range(2):
        await skill(rtc("SessionConnected"))
    assert lwa.calls == {"/auth/o2/tokeninfo": 3}
    assert b"ann-token" not in repr(skill.backend._owners).encode()


@pytest.mark.parametrize("outage", [500, 503, 429])
async def test_an_outage_of_login_with_amazon_is_not_the_users_fault(
    skill: Skill, emulator: KvsEmulator, lwa: LoginWithAmazon, outage: int
) -> None:
    lwa.outage = outage

    assert await skill.error(rtc(INITIATE)) == "INTERNAL_ERROR"
    assert not emulator.journal.calls


async def test_login_with_amazon_that_is_silent_is_named(
    quick_skill: Skill, lwa: LoginWithAmazon, caplog: pytest.LogCaptureFixture
) -> None:
    lwa.delay = 2

    assert await quick_skill.error(rtc(INITIATE)) == "INTERNAL_ERROR"
    assert "failed at the stage token" in caplog.text


async def test_login_with_amazon_that_is_away_is_named(
    environment: dict[str, str],
    make_skill: Callable[[Limits], Skill],
    caplog: pytest.LogCaptureFixture,
) -> None:
    environment["LWA_URL"] = "http://127.0.0.1:9"

    assert await make_skill(PATIENT).error(rtc(INITIATE)) == "INTERNAL_ERROR"
    assert "Login with Amazon could not be asked" in caplog.text


async def test_an_expired_token_is_told_as_such(
    skill: Skill, lwa: LoginWithAmazon, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lwa, "answer", lambda *_: (400, {"error": "expired_token"}))

    assert await skill.error(rtc(INITIATE)) == "EXPIRED_AUTHORIZATION_CREDENTIAL"


@pytest.mark.parametrize("answer", [(200, []), (400, []), (403, None)])
async def test_strange_words_of_login_with_amazon_let_nobody_in(
    skill: Skill, lwa: LoginWithAmazon, monkeypatch: pytest.MonkeyPatch, answer: Any
) -> None:
    monkeypatch.setattr(lwa, "answer", lambda *_: answer)

    assert await skill.error(rtc(INITIATE)) == "INVALID_AUTHORIZATION_CREDENTIAL"


@pytest.mark.parametrize("name", ["client_id", "owners"])
async def test_parameters_that_are_missing_let_nobody_in(
    skill: Skill, emulator: KvsEmulator, store: ParameterStore, name: str
) -> None:
    del store.values[f"{PATH}/{name}"]

    assert await skill.error(rtc(INITIATE)) in {
        "INTERNAL_ERROR",
        "INVALID_AUTHORIZATION_CREDENTIAL",
    }
    assert not emulator.journal.calls


async def test_a_damaged_list_of_owners_lets_nobody_in(
    skill: Skill, store: ParameterStore
) -> None:
    store.values[f"{PATH}/owners"] = "{"

    assert await skill.error(rtc(INITIATE)) == "INTERNAL_ERROR"


async def test_parameters_that_may_not_be_read_are_named(
    skill: Skill, store: ParameterStore, caplog: pytest.LogCaptureFixture
) -> None:
    store.denied.add("GetParametersByPath")

    assert await skill.error(rtc(INITIATE)) == "INTERNAL_ERROR"
    assert "ssm:GetParametersByPath" in caplog.text


async def test_a_grant_is_kept_for_home_assistant(
    environment: dict[str, str],
    make_skill: Callable[[Limits], Skill],
    emulator: KvsEmulator,
    lwa: LoginWithAmazon,
    store: ParameterStore,
) -> None:
    # Its customer's events are taken in the function's own region alone.
    environment["AWS_REGION"] = "us-west-2"
    skill = make_skill(PATIENT)
    lwa.codes["code-1"] = "Atzr|refresh"

    response = await skill(accept_grant())

    header = response["event"]["header"]
    assert (header["namespace"], header["name"]) == (
        "Alexa.Authorization",
        "AcceptGrant.Response",
    )
    (grant,) = stored(store, "grants")
    assert grant["user_id"] == ANN.user_id
    assert grant["refresh_token"] == "Atzr|refresh"
    assert grant["region"] == "us-west-2"
    assert not emulator.journal.calls
    assert not stored(store, "pending")


async def test_a_new_owners_grant_asks_for_approval(
    skill: Skill, lwa: LoginWithAmazon, store: ParameterStore
) -> None:
    lwa.issue("bob-token", BOB)
    lwa.codes["code-1"] = "Atzr|refresh"

    await skill(accept_grant(token="bob-token"))

    assert [grant["user_id"] for grant in stored(store, "grants")] == [BOB.user_id]
    assert [entry["name"] for entry in stored(store, "pending")] == [BOB.name]


@pytest.mark.parametrize(
    "failure",
    ["code", "no code", "client", "token", "audience", "refused", "outage", "store"],
)
async def test_a_grant_that_fails_is_told_as_such(
    skill: Skill,
    lwa: LoginWithAmazon,
    store: ParameterStore,
    failure: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    lwa.codes["code-1"] = "Atzr|refresh"
    event = accept_grant()
    match failure:
        case "code":
            lwa.codes.clear()
        case "no code":
            event = accept_grant(code="")
        case "client":
            store.values[f"{PATH}/client_secret"] = "old"
        case "token":
            lwa.tokens.clear()
        case "audience":
            lwa.issue("ann-token", ANN, audience="other")
        case "refused":
            allow(store, refused=(ANN.user_id,))
        case "outage":
            await skill(rtc("SessionConnected"))
            lwa.outage = 500
        case "store":
            store.denied.add("PutParameter")

    assert await skill.error(event) == "ACCEPT_GRANT_FAILED"
    assert not stored(store, "grants")
    assert "AcceptGrant -: failed at the stage" in caplog.text
    for secret in ("code-1", "Atzr", "ann-token", lwa.client_secret, "old"):
        assert secret not in caplog.text.replace("older", "")
