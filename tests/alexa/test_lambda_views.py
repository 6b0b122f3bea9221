"""From an offer of Alexa's to the answer of the master in Home Assistant, and its end."""

import asyncio
import base64
from collections.abc import Callable
import json
from pathlib import Path
import re
import time
from typing import Any

import pytest

from custom_components.kinesis_webrtc.alexa import (
    End,
    Ping,
    Refusal,
    encode,
    is_sender_of,
    lambda_function,
    notice,
    parse,
    parse_terms,
)
from custom_components.kinesis_webrtc.alexa.lambda_function import Limits
from custom_components.kinesis_webrtc.const import TAG_CAMERA_NAME, TAG_CREATED_BY
from custom_components.kinesis_webrtc.peer import RefusalReason
from custom_components.kinesis_webrtc.signaling import Notice, SdpOffer
from tests.emulator import ALLOW_ALL, Channel, FaultKind, KvsEmulator, User

from .conftest import (
    ANSWER,
    OFFER,
    PATIENT,
    QUICK,
    TAGS,
    Master,
    Skill,
    Way,
    directive,
    discover,
    rtc,
)
from .fakes import ANN, LoginWithAmazon, ParameterStore

INITIATE = "InitiateSessionWithOffer"
OFFERS = "SendAlexaOfferToMaster"


def sender_ids(emulator: KvsEmulator) -> list[str]:
    return [
        params["SenderClientId"]
        for operation, params in emulator.journal.requests
        if operation == OFFERS
    ]


def deny(monkeypatch: pytest.MonkeyPatch, emulator: KvsEmulator, action: str) -> None:
    """Let the function's role lack a permission."""
    user = emulator.add_user(
        User(
            name="lambda",
            access_key_id="AKIALAMBDA",
            secret_access_key="lambda-secret",
            policies=(
                ALLOW_ALL,
                {
                    "Version": "2012-10-17",
                    "Statement": {
                        "Effect": "Deny",
                        "Action": f"kinesisvideo:{action}",
                        "Resource": "*",
                    },
                },
            ),
        )
    )
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", user.access_key_id)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", user.secret_access_key)


def test_the_function_speaks_as_home_assistant_hears() -> None:
    for name in ("NOTICE_TYPE", "VERSION", "KIND_END", "KIND_PING", "SENDER_PREFIX"):
        assert getattr(lambda_function, name) == getattr(notice, name)
    prefix = "kinesis_webrtc:"
    assert prefix + lambda_function.TAG_CREATED_BY == TAG_CREATED_BY
    assert prefix + lambda_function.TAG_CAMERA_NAME == TAG_CAMERA_NAME


def test_every_refusal_is_something_to_alexa() -> None:
    assert set(lambda_function.REFUSALS) == {reason.value for reason in RefusalReason}


def test_the_function_fits_into_a_template() -> None:
    assert Path(lambda_function.__file__).stat().st_size < 40_000


async def test_an_offer_is_answered_by_the_master(
    skill: Skill, master: Master, channel: Channel
) -> None:
    before = time.time()
    response = await skill(rtc(INITIATE))

    event = response["event"]
    assert event["header"]["name"] == "AnswerGeneratedForSession"
    assert event["header"]["correlationToken"] == "correlation=="
    assert event["payload"] == {"answer": {"format": "SDP", "value": ANSWER}}
    assert event["endpoint"] == {"endpointId": "ha-front-door"}
    (offer,) = master.received
    assert isinstance(offer, SdpOffer)
    assert offer.sdp == OFFER
    assert not offer.bare
    terms = parse_terms(offer.extra)
    assert terms is not None
    assert before - 0.01 < terms.deadline - PATIENT.master < time.time() + 0.01
    assert is_sender_of(str(offer.sender_client_id), terms.session)


async def test_the_sender_of_an_offer_is_new_and_says_nothing_of_the_user(
    skill: Skill, master: Master, emulator: KvsEmulator
) -> None:
    for session in ("session-1", "session-1", "ann@example.org with blanks"):
        await skill(rtc(INITIATE, session=session))

    senders = sender_ids(emulator)
    assert len(set(senders)) == 3
    for sender in senders:
        assert re.fullmatch(r"alexa-[0-9a-f]{32}-[0-9a-f]{12}", sender)
    sessions = [sender.split("-")[1] for sender in senders]
    assert sessions[0] == sessions[1] != sessions[2]


async def test_a_channels_arn_comes_with_the_directive(
    skill: Skill, master: Master, emulator: KvsEmulator, channel: Channel
) -> None:
    for _ in range(2):
        await skill(rtc(INITIATE, cookie={"arn": channel.arn, "tagged": "true"}))

    calls = emulator.journal.calls
    assert calls[OFFERS] == 2
    assert calls["GetSignalingChannelEndpoint"] == 2  # one of them the master's
    assert not calls["ListTagsForResource"]


@pytest.mark.parametrize(
    "arn",
    [
        "arn:aws:kinesisvideo:eu-west-1:123456789012:channel/ha-garden/1",
        "arn:aws:kinesisvideo:us-east-1:123456789012:channel/ha-front-door/1",
        "nonsense",
    ],
)
async def test_a_cookie_of_another_channel_is_not_believed(
    skill: Skill, master: Master, arn: str
) -> None:
    response = await skill(rtc(INITIATE, cookie={"arn": arn}))

    assert response["event"]["header"]["name"] == "AnswerGeneratedForSession"


async def test_a_channel_that_was_made_anew_is_found(
    skill: Skill, master: Master, channel: Channel
) -> None:
    old = channel.arn.rpartition("/")[0] + "/1600000000000"

    response = await skill(rtc(INITIATE, cookie={"arn": old, "tagged": "true"}))

    assert response["event"]["header"]["name"] == "AnswerGeneratedForSession"


async def test_a_channel_that_changes_while_the_function_is_warm_is_found(
    skill: Skill, emulator: KvsEmulator, channel: Channel, master: Master
) -> None:
    await skill(rtc(INITIATE))
    emulator.delete_channel("ha-front-door")
    emulator.create_channel("ha-front-door", message_ttl=5, tags=TAGS)
    emulator.limits.message_ttl_scale = 0.01

    kind = await skill.error(rtc(INITIATE, cookie={"arn": channel.arn}))

    # The new channel has no master yet.
    assert kind == "ENDPOINT_UNREACHABLE"
    assert emulator.journal.calls[OFFERS] == 3


async def test_a_channel_that_is_missing_is_no_endpoint(
    skill: Skill, emulator: KvsEmulator
) -> None:
    assert await skill.error(rtc(INITIATE)) == "NO_SUCH_ENDPOINT"
    gone = "arn:aws:kinesisvideo:eu-west-1:123456789012:channel/ha-front-door/1"
    cookie = {"arn": gone, "tagged": "true"}
    assert await skill.error(rtc(INITIATE, cookie=cookie)) == "NO_SUCH_ENDPOINT"


@pytest.mark.parametrize("endpoint_id", ["other-door", "ha-front.door", "ha-a b", ""])
async def test_a_name_that_none_of_our_channels_has_is_no_endpoint(
    skill: Skill, emulator: KvsEmulator, endpoint_id: str
) -> None:
    event = rtc("SessionDisconnected")
    event["directive"]["header"]["name"] = INITIATE
    event["directive"]["payload"]["offer"] = {"format": "SDP", "value": OFFER}
    event["directive"]["endpoint"]["endpointId"] = endpoint_id

    assert await skill.error(event) == "NO_SUCH_ENDPOINT"
    assert not emulator.journal.calls


async def test_without_a_master_alexa_is_told_before_its_patience_ends(
    make_skill: Callable[[Limits], Skill],
    emulator: KvsEmulator,
    channel: Channel,
    caplog: Any,
) -> None:
    skill = make_skill(Limits())
    skill.backend.warm()
    emulator.add_fault(FaultKind.HANG, OFFERS)
    started = time.monotonic()

    assert await skill.error(rtc(INITIATE)) == "ENDPOINT_UNREACHABLE"

    assert 4 < time.monotonic() - started < 5.5
    assert emulator.journal.calls[OFFERS] == 1
    (client,) = (
        client
        for (service, endpoint), client in skill.backend._clients.items()
        if service == "kinesis-video-signaling" and endpoint
    )
    assert client.meta.config.retries["total_max_attempts"] == 1
    assert client.meta.config.read_timeout < 5
    assert "failed at the stage offer" in caplog.text


async def test_connections_that_died_while_lambda_slept_are_not_used(
    make_skill: Callable[[Limits], Skill],
    emulator: KvsEmulator,
    channel: Channel,
    master: Master,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with Way(emulator.url) as control:
        monkeypatch.setenv("AWS_ENDPOINT_URL", control.url)
        skill = make_skill(QUICK)
        skill.backend.warm()
        endpoint = await asyncio.to_thread(skill.backend._locate, channel.arn)
        async with Way(endpoint) as data:
            skill.backend._endpoints[channel.arn] = data.url
            await skill(discover())
            await skill(rtc(INITIATE))

            # AWS takes idle connections away, and tells nobody who sleeps.
            control.forget()
            data.forget()

            answered = await skill(rtc(INITIATE))
            found = await skill(discover())
    assert answered["event"]["payload"]["answer"]["value"] == ANSWER
    assert len(found["event"]["payload"]["endpoints"]) == 1


async def test_no_answer_before_the_offer_expires_is_unreachable(
    skill: Skill, emulator: KvsEmulator, channel: Channel
) -> None:
    emulator.limits.message_ttl_scale = 0.01

    assert await skill.error(rtc(INITIATE)) == "ENDPOINT_UNREACHABLE"


@pytest.mark.parametrize(
    ("sent", "kind"),
    [
        (None, "ENDPOINT_UNREACHABLE"),
        ("", "ENDPOINT_UNREACHABLE"),
        ("!", "INTERNAL_ERROR"),
        ("äöü", "INTERNAL_ERROR"),
        (base64.b64encode(b"v=0").decode(), "INTERNAL_ERROR"),
        (base64.b64encode(b"[1]").decode(), "INTERNAL_ERROR"),
        (base64.b64encode(b"{}").decode(), "INTERNAL_ERROR"),
        (base64.b64encode(b'{"type": "answer"}').decode(), "INTERNAL_ERROR"),
        (base64.b64encode(b'{"sdp": 7}').decode(), "INTERNAL_ERROR"),
        (base64.b64encode(b'{"sdp": "hello"}').decode(), "INTERNAL_ERROR"),
        (base64.b64encode(b"\xff\xff").decode(), "INTERNAL_ERROR"),
    ],
)
async def test_an_answer_that_is_none_is_named_by_its_stage(
    skill: Skill,
    channel: Channel,
    sent: str | None,
    kind: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(skill.backend, "_ask", lambda *_, **__: sent)

    assert await skill.error(rtc(INITIATE)) == kind
    assert "failed at the stage answer" in caplog.text


async def test_a_garbled_answer_is_an_internal_error(
    skill: Skill, emulator: KvsEmulator, master: Master
) -> None:
    emulator.add_fault(FaultKind.GARBLE, "SDP_ANSWER")

    assert await skill.error(rtc(INITIATE)) == "INTERNAL_ERROR"


@pytest.mark.parametrize(
    "action", [OFFERS, "GetSignalingChannelEndpoint", "DescribeSignalingChannel"]
)
async def test_a_missing_permission_is_named(
    make_skill: Callable[[Limits], Skill],
    emulator: KvsEmulator,
    channel: Channel,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    action: str,
) -> None:
    deny(monkeypatch, emulator, action)

    assert await make_skill(PATIENT).error(rtc(INITIATE)) == "INTERNAL_ERROR"
    assert f"kinesisvideo:{action}" in caplog.text


@pytest.mark.parametrize("operation", [OFFERS, "GetSignalingChannelEndpoint"])
async def test_throttling_is_told_and_not_retried(
    skill: Skill, emulator: KvsEmulator, channel: Channel, operation: str
) -> None:
    emulator.add_fault(FaultKind.THROTTLE, operation)

    assert await skill.error(rtc(INITIATE)) == "RATE_LIMIT_EXCEEDED"
    assert emulator.journal.calls[operation] == 1


@pytest.mark.parametrize("kind", [FaultKind.DROP, FaultKind.ERROR])
async def test_an_outage_of_the_service_is_an_internal_error(
    skill: Skill, emulator: KvsEmulator, channel: Channel, kind: FaultKind
) -> None:
    emulator.add_fault(kind, OFFERS)

    assert await skill.error(rtc(INITIATE)) == "INTERNAL_ERROR"


@pytest.mark.parametrize(
    "offer",
    [
        None,
        {},
        {"format": "SDP"},
        {"format": "SDP", "value": ""},
        {"format": "SDP", "value": 7},
        {"format": "SDP", "value": "hello"},
        {"format": "JSON", "value": OFFER},
        "v=0",
    ],
)
async def test_an_offer_that_is_none_reaches_no_channel(
    skill: Skill, emulator: KvsEmulator, channel: Channel, offer: object
) -> None:
    event = rtc(INITIATE)
    event["directive"]["payload"]["offer"] = offer

    assert await skill.error(event) == "INVALID_DIRECTIVE"
    assert not emulator.journal.calls


async def test_an_offer_that_no_channel_carries_is_refused(
    skill: Skill, emulator: KvsEmulator, channel: Channel
) -> None:
    large = OFFER + "a=candidate:1 1 udp 1 1.2.3.4 5 typ host\r\n" * 200

    assert await skill.error(rtc(INITIATE, sdp=large)) == "INVALID_DIRECTIVE"
    assert not emulator.journal.calls[OFFERS]


@pytest.mark.parametrize(
    ("reason", "kind"),
    [
        ("viewer_limit", "ENDPOINT_BUSY"),
        ("camera_off", "ENDPOINT_UNREACHABLE"),
        ("stale", "ENDPOINT_UNREACHABLE"),
        ("no_h264", "INVALID_DIRECTIVE"),
        ("unexpected", "INTERNAL_ERROR"),
        ("from_the_future", "INTERNAL_ERROR"),
    ],
)
async def test_a_refusal_of_the_master_becomes_alexas_error(
    skill: Skill,
    master: Master,
    reason: str,
    kind: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    master.answer = lambda offer: Notice(
        content=encode(Refusal(reason=reason)), client_id=offer.sender_client_id
    )

    assert await skill.error(rtc(INITIATE)) == kind
    assert f"refused the offer: {reason}" in caplog.text


async def test_a_channel_that_is_not_ours_gets_no_notice(
    skill: Skill, master: Master, channel: Channel
) -> None:
    channel.tags.clear()

    await skill(rtc(INITIATE))
    await skill(rtc("SessionDisconnected"))
    state = await skill(directive("Alexa", "ReportState"))

    (offer,) = master.received
    assert isinstance(offer, SdpOffer)
    assert offer.extra == {}
    assert state["context"]["properties"][0]["value"] == {"value": "OK"}


@pytest.mark.parametrize("name", ["SessionConnected", "SessionDisconnected"])
async def test_what_becomes_of_a_session_is_echoed(
    skill: Skill, master: Master, name: str
) -> None:
    response = await skill(rtc(name, session="never heard of"))

    event = response["event"]
    assert event["header"]["name"] == name
    assert event["header"]["correlationToken"] == "correlation=="
    assert event["payload"] == {"sessionId": "never heard of"}


async def test_the_end_of_a_session_is_told_to_its_master(
    skill: Skill, master: Master
) -> None:
    await skill(rtc(INITIATE))
    await skill(rtc("SessionDisconnected"))

    offer, end = master.received
    assert isinstance(offer, SdpOffer)
    assert isinstance(end, Notice)
    content = parse(end.content)
    assert isinstance(content, End)
    assert is_sender_of(str(offer.sender_client_id), content.session)


async def test_the_end_of_a_session_is_echoed_though_nobody_hears_it(
    quick_skill: Skill,
    channel: Channel,
    emulator: KvsEmulator,
    caplog: pytest.LogCaptureFixture,
) -> None:
    response = await quick_skill(rtc("SessionDisconnected"))
    assert response["event"]["header"]["name"] == "SessionDisconnected"
    assert "Home Assistant was not told: no answer" in caplog.text

    emulator.delete_channel("ha-front-door")
    response = await quick_skill(rtc("SessionDisconnected"))
    assert response["event"]["header"]["name"] == "SessionDisconnected"
    assert "the channel is not there any more" in caplog.text


@pytest.mark.parametrize("name", [INITIATE, "SessionConnected", "SessionDisconnected"])
async def test_a_session_without_an_id_is_refused(
    skill: Skill, emulator: KvsEmulator, name: str
) -> None:
    event = rtc(name)
    del event["directive"]["payload"]["sessionId"]

    assert await skill.error(event) == "INVALID_DIRECTIVE"
    assert not emulator.journal.calls


async def test_a_master_that_is_there_is_reported(skill: Skill, master: Master) -> None:
    response = await skill(directive("Alexa", "ReportState"))

    (prop,) = response["context"]["properties"]
    assert prop["value"] == {"value": "OK"}
    assert response["event"]["header"]["name"] == "StateReport"
    (ping,) = master.received
    assert isinstance(ping, Notice)
    assert isinstance(parse(ping.content), Ping)


async def test_a_master_that_does_not_answer_is_reported(
    quick_skill: Skill, master: Master
) -> None:
    master.echoes = False
    started = time.monotonic()

    response = await quick_skill(directive("Alexa", "ReportState"))

    assert response["context"]["properties"][0]["value"] == {"value": "UNREACHABLE"}
    assert time.monotonic() - started < QUICK.answer


async def test_an_echo_of_something_else_is_no_echo(
    skill: Skill, monkeypatch: pytest.MonkeyPatch, channel: Channel
) -> None:
    other = base64.b64encode(b'{"type": "kinesis_webrtc"}').decode()
    for answer in (None, "!", other):
        monkeypatch.setattr(skill.backend, "_ask", lambda *_, a=answer, **__: a)
        response = await skill(directive("Alexa", "ReportState"))
        assert response["context"]["properties"][0]["value"]["value"] == "UNREACHABLE"


async def test_a_state_that_cannot_be_asked_is_unreachable(
    skill: Skill, emulator: KvsEmulator, channel: Channel
) -> None:
    emulator.add_fault(FaultKind.THROTTLE, OFFERS)
    response = await skill(directive("Alexa", "ReportState"))
    assert response["context"]["properties"][0]["value"] == {"value": "UNREACHABLE"}


async def test_the_state_of_a_channel_that_is_gone_is_no_state(
    skill: Skill, emulator: KvsEmulator
) -> None:
    assert await skill.error(directive("Alexa", "ReportState")) == "NO_SUCH_ENDPOINT"


@pytest.mark.parametrize(
    ("namespace", "name"),
    [
        ("Alexa.PowerController", "TurnOn"),
        ("Alexa.RTCSessionController", "Dance"),
        ("", ""),
    ],
)
async def test_a_directive_that_is_not_known_is_refused(
    skill: Skill, emulator: KvsEmulator, namespace: str, name: str
) -> None:
    assert await skill.error(directive(namespace, name)) == "INVALID_DIRECTIVE"
    assert not emulator.journal.calls


@pytest.mark.parametrize("version", ["2", "4", None])
async def test_another_payload_version_is_refused(
    skill: Skill, emulator: KvsEmulator, version: str | None
) -> None:
    event = rtc(INITIATE)
    event["directive"]["header"]["payloadVersion"] = version

    assert await skill.error(event) == "INVALID_DIRECTIVE"
    assert not emulator.journal.calls


@pytest.mark.parametrize(
    "event", [None, [], {}, {"directive": None}, {"directive": {"header": 7}}]
)
async def test_what_is_no_directive_is_refused(skill: Skill, event: object) -> None:
    assert await skill.error(event) == "INVALID_DIRECTIVE"


async def test_a_defect_is_an_internal_error_without_its_words(
    skill: Skill,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("a secret")

    monkeypatch.setattr(skill.backend, "_target", fail)

    assert await skill.error(rtc(INITIATE)) == "INTERNAL_ERROR"
    assert "unexpected RuntimeError in fail:" in caplog.text
    assert "a secret" not in caplog.text


async def test_the_first_answer_keeps_to_its_budget_where_every_call_is_slow(
    make_skill: Callable[[Limits], Skill],
    emulator: KvsEmulator,
    master: Master,
    channel: Channel,
    lwa: LoginWithAmazon,
    store: ParameterStore,
) -> None:
    lwa.delay = store.delay = 0.3
    for operation in ("*Endpoint", "*Channel", "*Resource", OFFERS):
        emulator.add_fault(FaultKind.DELAY, operation, delay=0.3)
    cookie = {"arn": channel.arn, "tagged": "true"}
    times = []
    skill = make_skill(Limits())
    for _ in range(2):
        started = time.monotonic()
        response = await skill(rtc(INITIATE, cookie=cookie))
        times.append(time.monotonic() - started)
        assert response["event"]["header"]["name"] == "AnswerGeneratedForSession"

    cold, warm = times
    assert cold < 3
    assert warm < 1
    assert emulator.journal.calls["GetSignalingChannelEndpoint"] == 2


@pytest.mark.parametrize("failure", [None, "refusal", "garbled", "token"])
async def test_no_secret_is_in_the_log(
    skill: Skill,
    emulator: KvsEmulator,
    master: Master,
    lwa: LoginWithAmazon,
    store: ParameterStore,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
    failure: str | None,
) -> None:
    caplog.set_level("DEBUG", logger="kinesis_webrtc")
    if failure == "refusal":
        master.answer = lambda offer: Notice(
            content=encode(Refusal(reason="no_h264")), client_id=offer.sender_client_id
        )
    elif failure == "garbled":
        emulator.add_fault(FaultKind.GARBLE, "SDP_ANSWER")
    elif failure == "token":
        lwa.tokens.clear()
    await skill(rtc(INITIATE))

    assert caplog.text
    output = "".join(capfd.readouterr())
    log = "".join(r.getMessage() for r in caplog.records if r.name == "kinesis_webrtc")
    assert log
    secrets = [
        "ann-token",
        ANN.user_id,
        lwa.client_secret,
        "answers-password",
        "v=0",
        "session-1",
        *emulator.users,
        *(user.secret_access_key for user in emulator.users.values()),
        *re.findall(r"a=(?:ice-pwd|fingerprint):(\S+)", OFFER),
    ]
    for secret in secrets:
        assert secret not in log + output


def test_the_entry_point_makes_one_backend(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str]
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(lambda_function, "_backend", None)

    for _ in range(2):
        response = lambda_function.lambda_handler({}, None)
        assert response["event"]["payload"]["type"] == "INVALID_DIRECTIVE"
    json.dumps(response)
