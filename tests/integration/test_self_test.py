"""The self-test takes an Echo's way, and says what failed on it and what to do."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Generator
import re
import time
from types import SimpleNamespace
from typing import Any
from unittest.mock import AsyncMock, create_autospec, patch

from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError, ServiceValidationError
from homeassistant.helpers import device_registry as dr, entity_registry as er
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.kinesis_webrtc import self_test
from custom_components.kinesis_webrtc.alexa import Ping, Refusal, encode, parse
from custom_components.kinesis_webrtc.const import DOMAIN
from custom_components.kinesis_webrtc.peer import (
    Picture,
    ProbeStep,
    ProbeViewer,
    RefusalReason,
    StillError,
)
from custom_components.kinesis_webrtc.self_test import SelfTest
from custom_components.kinesis_webrtc.self_test_report import (
    ADVICE,
    AlexaRule,
    SelfTestReport,
    Stage,
    Verdict,
)
from custom_components.kinesis_webrtc.signaling import (
    CannotConnectError,
    ClientLimitExceededError,
    IceServer,
    InvalidArgumentError,
    NotAuthorizedError,
    decode_payload,
    encode_payload,
)

from .conftest import TRANSLATIONS, Aws, async_share, channel_arn, make_channel
from .masters import patched_masters

NAME = "ha-front-door"
ARN = channel_arn(NAME)
ANSWER = (
    "v=0\r\n"
    "a=candidate:1 1 udp 1 203.0.113.5 5000 typ srflx raddr 10.0.0.2 rport 1\r\n"
    "a=candidate:2 1 udp 1 203.0.113.6 5000 typ relay raddr 10.0.0.2 rport 1\r\n"
)


class Service:
    """What AWS and the master on its channel answer."""

    def __init__(self, aws: Aws) -> None:
        self.client = aws.client
        self.echoes = True
        self.answer: Any = {"type": "answer", "sdp": ANSWER}
        self.error: Exception | None = None
        self.throttled = 0
        self.senders: list[str] = []
        self.offers: list[dict[str, Any]] = []
        aws.client.send_alexa_offer.side_effect = self._send
        aws.add(make_channel(NAME))

    async def _send(
        self, arn: str, *, sender_client_id: str, message_payload: str
    ) -> str | None:
        assert arn == ARN
        content = decode_payload(message_payload)
        if self.throttled:
            self.throttled -= 1
            raise ClientLimitExceededError
        if isinstance(parse(content), Ping):
            return message_payload if self.echoes else None
        self.senders.append(sender_client_id)
        self.offers.append(content)
        if self.error is not None:
            raise self.error
        return None if self.answer is None else encode_payload(self.answer)


class Viewer:
    """The built-in viewer, played."""

    def __init__(self) -> None:
        self.mock = create_autospec(ProbeViewer, instance=True)
        self.mock.offer.return_value = "v=0\r\noffer"
        self.mock.profile = "42e01f"
        self.mock.selected_types = ("host", "host")
        self.mock.reached.side_effect = self._reached
        self.mock.picture.side_effect = self._picture
        self.missed: set[ProbeStep] = set()
        self.waits_for: set[ProbeStep] = set()
        self.waiting = asyncio.Event()
        self.size = (1280, 720)

    async def _reached(self, step: ProbeStep) -> float | None:
        if step in self.waits_for:
            self.waiting.set()
            await asyncio.get_running_loop().create_future()
        return None if step in self.missed else time.monotonic()

    async def _picture(self) -> Picture:
        if ProbeStep.KEY_FRAME in self.missed:
            raise StillError
        return Picture(SimpleNamespace(width=self.size[0], height=self.size[1]))


@pytest.fixture
def service(aws: Aws) -> Service:
    return Service(aws)


@pytest.fixture
def viewer() -> Generator[Viewer]:
    viewer = Viewer()
    with patch(
        "custom_components.kinesis_webrtc.self_test.ProbeViewer",
        return_value=viewer.mock,
    ):
        yield viewer


@pytest.fixture
def camera() -> SimpleNamespace:
    server = IceServer(urls=("stun:stun.example:443",))
    return SimpleNamespace(channel_arn=ARN, sharing=True, ice_servers=(server,))


@pytest.fixture
def changes() -> list[None]:
    return []


@pytest.fixture
async def test(
    service: Service, viewer: Viewer, camera: SimpleNamespace, changes: list[None]
) -> AsyncGenerator[SelfTest]:
    test = SelfTest(
        camera=camera,
        client=service.client,
        on_changed=lambda: changes.append(None),
    )
    yield test
    await test.async_stop()
    assert viewer.mock.offer.called <= viewer.mock.close.called


def verdicts(report: SelfTestReport) -> dict[Stage, Verdict]:
    return {result.stage: result.verdict for result in report.stages}


def rules(report: SelfTestReport) -> dict[AlexaRule, Verdict]:
    return {result.rule: result.verdict for result in report.rules}


async def test_all_passes(
    test: SelfTest, service: Service, viewer: Viewer, changes: list[None]
) -> None:
    report = await test.async_run()

    assert report.verdict == "passed"
    assert report.advice is None
    assert report.connection == "direct"
    assert list(verdicts(report)) == list(Stage)
    assert set(verdicts(report).values()) == {Verdict.PASSED}
    assert set(rules(report).values()) == {Verdict.PASSED}
    assert all(result.ms is not None and result.ms >= 0 for result in report.stages)
    assert test.report is report
    assert changes == [None]
    viewer.mock.accept.assert_awaited_once_with(ANSWER)
    (sender,) = service.senders
    assert sender.startswith("self-test-")
    (offer,) = service.offers
    assert offer["sdp"] == "v=0\r\noffer"
    # A refusal is told to those alone who say until when they wait.
    assert offer["kinesis_webrtc"]["deadline_ms"] > 0


def _no_channel(service: Service, *_: object) -> None:
    service.client.describe_channel.side_effect = CannotConnectError()


def _channel_goes(service: Service, *_: object) -> None:
    service.client.describe_channel.side_effect = None
    service.client.describe_channel.return_value = make_channel(NAME, status="DELETING")


def _not_shared(_: Service, __: Viewer, camera: SimpleNamespace) -> None:
    camera.sharing = False


def _no_echo(service: Service, *_: object) -> None:
    service.echoes = False


def _no_right(service: Service, *_: object) -> None:
    service.client.send_alexa_offer.side_effect = NotAuthorizedError(
        action="kinesisvideo:SendAlexaOfferToMaster"
    )


def _no_offer(_: Service, viewer: Viewer, *__: object) -> None:
    viewer.mock.offer.side_effect = StillError


def _nobody_answers(service: Service, *_: object) -> None:
    service.error = InvalidArgumentError()


def _refused(service: Service, *_: object) -> None:
    service.answer = encode(Refusal(reason=RefusalReason.VIEWER_LIMIT.value))


def _refused_strangely(service: Service, *_: object) -> None:
    service.answer = encode(Refusal(reason="new"))


def _answer(answer: Any) -> Callable[..., None]:
    def play(service: Service, *_: object) -> None:
        service.answer = answer

    return play


def _unusable_answer(_: Service, viewer: Viewer, *__: object) -> None:
    viewer.mock.accept.side_effect = StillError


def _missed(step: ProbeStep) -> Callable[..., None]:
    def play(_: Service, viewer: Viewer, *__: object) -> None:
        viewer.missed.add(step)

    return play


@pytest.mark.parametrize(
    ("play", "stage", "key"),
    [
        (_no_channel, Stage.CHANNEL, "cannot_connect"),
        (_channel_goes, Stage.CHANNEL, "self_test_channel"),
        (_not_shared, Stage.MASTER, "self_test_not_shared"),
        (_no_echo, Stage.MASTER, "self_test_master"),
        (_no_right, Stage.MASTER, "not_authorized"),
        (_no_offer, Stage.OFFER, "self_test_offer"),
        (_nobody_answers, Stage.ANSWER, "self_test_answer"),
        (_refused, Stage.ANSWER, "viewer_limit"),
        (_refused_strangely, Stage.ANSWER, "self_test_answer"),
        (_answer(None), Stage.ANSWER, "self_test_answer"),
        (_answer({"type": "answer"}), Stage.ANSWER, "self_test_answer"),
        (_unusable_answer, Stage.ANSWER, "self_test_answer"),
        (_missed(ProbeStep.ICE), Stage.ICE, "self_test_ice"),
        (_missed(ProbeStep.DTLS), Stage.DTLS, "self_test_dtls"),
        (_missed(ProbeStep.KEY_FRAME), Stage.KEY_FRAME, "self_test_key_frame"),
    ],
)
async def test_what_fails_ends_the_way_there(
    test: SelfTest,
    service: Service,
    viewer: Viewer,
    camera: SimpleNamespace,
    play: Callable[..., None],
    stage: Stage,
    key: str,
) -> None:
    play(service, viewer, camera)

    report = await test.async_run()

    assert report.verdict == stage
    assert report.advice.key == key
    found = verdicts(report)
    assert found[stage] is Verdict.FAILED
    beside = {Stage.STUN, Stage.RELAY}
    order = [each for each in Stage if each not in beside]
    at = order.index(stage)
    assert {found[each] for each in order[:at]} <= {Verdict.PASSED}
    assert {found[each] for each in order[at + 1 :]} <= {Verdict.NOT_REACHED}
    was_offered = at > order.index(Stage.OFFER)
    expected = Verdict.PASSED if was_offered else Verdict.NOT_REACHED
    assert {found[each] for each in beside} == {expected}


async def test_a_rate_that_others_have_used_up_is_waited_for(
    test: SelfTest, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(self_test, "LIMIT_PASSES", 0)
    service.throttled = 1

    assert (await test.async_run()).verdict == "passed"

    service.throttled = 2
    report = await test.async_run()
    assert report.verdict == Stage.MASTER
    assert report.advice.key == "client_limit_exceeded"


async def test_an_answer_of_bare_sdp_is_one(
    test: SelfTest, service: Service, viewer: Viewer
) -> None:
    service.answer = ANSWER
    assert (await test.async_run()).verdict == "passed"


@pytest.mark.parametrize(
    ("step", "stage"),
    [(ProbeStep.STUN, Stage.STUN), (ProbeStep.RELAY, Stage.RELAY)],
)
async def test_a_server_that_gives_nothing_is_told_though_there_is_a_picture(
    test: SelfTest, viewer: Viewer, step: ProbeStep, stage: Stage
) -> None:
    viewer.missed.add(step)
    report = await test.async_run()

    assert report.verdict == stage
    found = verdicts(report)
    assert found.pop(stage) is Verdict.FAILED
    assert set(found.values()) == {Verdict.PASSED}


@pytest.mark.parametrize(
    ("step", "stage", "limit"),
    [
        (ProbeStep.RELAY, Stage.RELAY, "GATHER_WITHIN"),
        (ProbeStep.ICE, Stage.ICE, "CONNECT_WITHIN"),
    ],
)
async def test_nothing_is_waited_for_without_end(
    test: SelfTest,
    viewer: Viewer,
    monkeypatch: pytest.MonkeyPatch,
    step: ProbeStep,
    stage: Stage,
    limit: str,
) -> None:
    monkeypatch.setattr(self_test, limit, 0.05)
    viewer.waits_for.add(step)
    assert (await test.async_run()).verdict == stage


@pytest.mark.parametrize(
    ("rule", "change"),
    [
        (AlexaRule.PROFILE, {"profile": "640028"}),
        (AlexaRule.SIZE, {"size": (1920, 1080)}),
        (
            AlexaRule.CANDIDATES,
            {"sdp": "v=0\r\na=candidate:1 1 udp 1 10.0.0.2 5000 typ host\r\n"},
        ),
        (AlexaRule.DEADLINE, {"deadline": 0.0}),
    ],
)
async def test_what_an_echo_does_not_take_is_told(
    test: SelfTest,
    service: Service,
    viewer: Viewer,
    monkeypatch: pytest.MonkeyPatch,
    rule: AlexaRule,
    change: dict[str, Any],
) -> None:
    viewer.mock.profile = change.get("profile", "42e01f")
    viewer.size = change.get("size", (1280, 720))
    service.answer["sdp"] = change.get("sdp", ANSWER)
    monkeypatch.setattr(self_test, "ALEXA_DEADLINE", change.get("deadline", 5.0))

    report = await test.async_run()

    assert report.failed_stage is None
    assert report.verdict == rule
    assert report.advice.key == ADVICE[rule]
    assert report.advice.placeholders["value"] == report.failed_rule.value
    found = rules(report)
    assert found.pop(rule) is Verdict.FAILED
    assert set(found.values()) == {Verdict.PASSED}


async def test_two_at_once_are_one(test: SelfTest, service: Service) -> None:
    first, second = await asyncio.gather(test.async_run(), test.async_run())
    assert first is second
    assert len(service.offers) == 1
    assert await test.async_run() is not first


async def test_a_run_can_be_given_up(
    test: SelfTest, viewer: Viewer, changes: list[None]
) -> None:
    viewer.waits_for.add(ProbeStep.ICE)
    running = asyncio.create_task(test.async_run())
    await viewer.waiting.wait()

    await test.async_stop()

    with pytest.raises(HomeAssistantError) as stopped:
        await running
    assert stopped.value.translation_key == "shutdown"
    assert viewer.mock.close.called
    assert changes == []


async def test_who_waits_for_a_run_may_leave_it(test: SelfTest, viewer: Viewer) -> None:
    viewer.waits_for.add(ProbeStep.ICE)
    leaving = asyncio.create_task(test.async_run())
    staying = asyncio.create_task(test.async_run())
    await viewer.waiting.wait()

    leaving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await leaving

    assert not staying.done()
    await test.async_stop()
    with pytest.raises(HomeAssistantError):
        await staying


@pytest.fixture
async def entry(
    hass: HomeAssistant,
    mock_client: AsyncMock,
    service: Service,
    viewer: Viewer,
    entity_registry: er.EntityRegistry,
) -> AsyncGenerator[MockConfigEntry]:
    """Return an account that shares a camera."""
    shared = entity_registry.async_get_or_create(
        "camera", "demo", "front_door", suggested_object_id="front_door"
    )
    hass.states.async_set(shared.entity_id, "idle", {"friendly_name": "Front door"})
    with patched_masters():
        yield await async_share(hass, shared)


@pytest.fixture
def device_id(entry: MockConfigEntry, device_registry: dr.DeviceRegistry) -> str:
    (device,) = dr.async_entries_for_config_entry(device_registry, entry.entry_id)
    return device.id


async def press(hass: HomeAssistant) -> None:
    await hass.services.async_call(
        "button", "press", {"entity_id": "button.front_door_self_test"}, blocking=True
    )


async def run(hass: HomeAssistant, device_id: str) -> Any:
    return await hass.services.async_call(
        DOMAIN,
        "self_test",
        {"device_id": device_id},
        blocking=True,
        return_response=True,
    )


def verdict(hass: HomeAssistant) -> str:
    return hass.states.get("sensor.front_door_self_test").state


async def test_the_button_leaves_the_verdict_in_a_sensor(
    hass: HomeAssistant, entry: MockConfigEntry, viewer: Viewer
) -> None:
    assert verdict(hass) == "unknown"
    await press(hass)
    assert verdict(hass) == "passed"

    viewer.mock.profile = "640028"
    await press(hass)
    assert verdict(hass) == "alexa_profile"


async def test_the_button_says_what_to_do(
    hass: HomeAssistant, entry: MockConfigEntry, viewer: Viewer
) -> None:
    viewer.missed.add(ProbeStep.RELAY)
    with pytest.raises(HomeAssistantError) as raised:
        await press(hass)
    assert raised.value.translation_key == "self_test_relay"
    assert verdict(hass) == "relay"


async def test_the_action_returns_all_of_it(
    hass: HomeAssistant, entry: MockConfigEntry, viewer: Viewer, device_id: str
) -> None:
    viewer.size = (1920, 1080)
    found = await run(hass, device_id)

    assert found["passed"]
    assert not found["alexa_ready"]
    assert found["verdict"] == "alexa_size"
    assert "1920x1080" in found["advice"]
    assert found["connection"] == "direct"
    assert [each["stage"] for each in found["stages"]] == list(Stage)
    assert found["stages"][-1]["name"] == "First picture"
    assert {each["verdict"] for each in found["stages"]} == {"passed"}
    assert all(isinstance(each["ms"], int) for each in found["stages"])
    assert [each["rule"] for each in found["alexa"]] == list(AlexaRule)


async def test_the_action_names_the_right_that_lacks(
    hass: HomeAssistant, entry: MockConfigEntry, service: Service, device_id: str
) -> None:
    _no_right(service)
    found = await run(hass, device_id)
    assert not found["passed"]
    assert "kinesisvideo:SendAlexaOfferToMaster" in found["advice"]
    assert found["stages"][-1]["ms"] is None


async def test_the_action_wants_a_shared_camera(
    hass: HomeAssistant, entry: MockConfigEntry
) -> None:
    with pytest.raises(ServiceValidationError) as raised:
        await run(hass, "unknown")
    assert raised.value.translation_key == "not_a_shared_camera"


@pytest.mark.parametrize("kind", [Stage, AlexaRule])
def test_each_stage_has_a_name_and_words_for_its_failure(
    kind: type[Stage | AlexaRule],
) -> None:
    for each in kind:
        assert each in TRANSLATIONS["selector"]["self_test"]["options"]
        assert each in TRANSLATIONS["entity"]["sensor"]["self_test"]["state"]
        text = TRANSLATIONS["exceptions"][ADVICE[each]]["message"]
        allowed = {"value"} if kind is AlexaRule else set()
        assert set(re.findall(r"{(\w+)}", text)) <= allowed
