"""Which cameras Alexa is told of."""

from collections.abc import Callable
import time
from typing import Any

import pytest

from custom_components.kinesis_webrtc.alexa.lambda_function import Limits
from tests.emulator import FaultKind, KvsEmulator

from .conftest import PATIENT, TAGS, Skill, discover
from .test_lambda_views import deny

CAMERA_NAME = "kinesis_webrtc:camera_name"


def add(emulator: KvsEmulator, name: str, **tags: str) -> None:
    own = {f"kinesis_webrtc:{key}": value for key, value in tags.items()}
    emulator.create_channel(name, message_ttl=5, tags={**TAGS, **own})


async def found(skill: Skill) -> dict[str, dict[str, Any]]:
    response = await skill(discover())
    endpoints = response["event"]["payload"]["endpoints"]
    return {endpoint["endpointId"]: endpoint for endpoint in endpoints}


def interfaces(endpoint: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {item["interface"]: item for item in endpoint["capabilities"]}


async def test_three_cameras_are_three_endpoints(
    skill: Skill, emulator: KvsEmulator
) -> None:
    for name in ("ha-front-door", "ha-garden", "ha-garage"):
        add(emulator, name, camera_name=name.title())

    endpoints = await found(skill)

    assert list(endpoints) == ["ha-front-door", "ha-garage", "ha-garden"]
    door = endpoints["ha-front-door"]
    assert door["friendlyName"] == "Ha-Front-Door"
    assert door["displayCategories"] == ["CAMERA"]
    arn = emulator.channel("ha-front-door").arn
    assert door["cookie"] == {"arn": arn, "tagged": "true"}
    assert set(interfaces(door)) == {
        "Alexa",
        "Alexa.RTCSessionController",
        "Alexa.EndpointHealth",
    }


async def test_no_camera_is_no_endpoint_and_no_error(skill: Skill) -> None:
    assert await found(skill) == {}


async def test_other_channels_are_passed_over(
    skill: Skill, emulator: KvsEmulator
) -> None:
    add(emulator, "ha-front-door")
    add(emulator, "other-camera")
    add(emulator, "ha-with.dot")
    emulator.create_channel("ha-untagged")
    emulator.create_channel("ha-relay", tags={"kinesis_webrtc:created_by": "home"})
    emulator.create_channel("ha-named", tags={CAMERA_NAME: "Named"})

    assert set(await found(skill)) == {"ha-front-door"}


async def test_a_doorbell_is_a_camera_first(
    skill: Skill, emulator: KvsEmulator
) -> None:
    add(emulator, "ha-front-door", kind="doorbell")
    add(emulator, "ha-garden", kind="camera")

    endpoints = await found(skill)

    assert endpoints["ha-front-door"]["displayCategories"] == ["CAMERA", "DOORBELL"]
    bell = interfaces(endpoints["ha-front-door"])
    assert "Alexa.RTCSessionController" in bell
    assert bell["Alexa.DoorbellEventSource"]["proactivelyReported"]
    assert endpoints["ha-garden"]["displayCategories"] == ["CAMERA"]
    assert "Alexa.DoorbellEventSource" not in interfaces(endpoints["ha-garden"])


async def test_a_speaker_and_a_motion_sensor_are_declared(
    skill: Skill, emulator: KvsEmulator
) -> None:
    add(emulator, "ha-front-door", duplex="true", motion="true")
    add(emulator, "ha-garden")

    endpoints = await found(skill)

    for name, is_duplex in (("ha-front-door", True), ("ha-garden", False)):
        declared = interfaces(endpoints[name])
        assert declared["Alexa.RTCSessionController"]["configuration"] == {
            "isFullDuplexAudioSupported": is_duplex
        }
        assert ("Alexa.MotionSensor" in declared) is is_duplex


async def test_what_changes_is_reported_without_asking(
    skill: Skill, emulator: KvsEmulator
) -> None:
    add(emulator, "ha-front-door", kind="doorbell", motion="true")

    door = interfaces((await found(skill))["ha-front-door"])

    for interface in ("Alexa.EndpointHealth", "Alexa.MotionSensor"):
        assert door[interface]["properties"]["proactivelyReported"]
    assert door["Alexa.DoorbellEventSource"]["proactivelyReported"]


async def test_tags_come_in_pages(skill: Skill, emulator: KvsEmulator) -> None:
    emulator.limits.tags_page = 1
    add(emulator, "ha-front-door", kind="doorbell", duplex="true")

    door = (await found(skill))["ha-front-door"]

    assert door["friendlyName"] == "Front door"
    assert "Alexa.DoorbellEventSource" in interfaces(door)


async def test_a_channel_that_is_being_deleted_is_passed_over(
    skill: Skill, emulator: KvsEmulator
) -> None:
    add(emulator, "ha-front-door")
    emulator.state.channels.delete(emulator.channel("ha-front-door"), None, delay=60)

    assert await found(skill) == {}


async def test_a_changed_name_is_told_at_once(
    skill: Skill, emulator: KvsEmulator
) -> None:
    add(emulator, "ha-front-door")
    await found(skill)
    emulator.channel("ha-front-door").tags[CAMERA_NAME] = "Gate"

    assert (await found(skill))["ha-front-door"]["friendlyName"] == "Gate"


@pytest.mark.slow
async def test_450_cameras_are_found_in_time(
    skill: Skill,
    emulator: KvsEmulator,
    caplog: pytest.LogCaptureFixture,
) -> None:
    for number in range(450):
        add(emulator, f"ha-camera-{number}", camera_name=f"Number {number}")
    emulator.create_channel("ha-relay", tags={"kinesis_webrtc:created_by": "home"})
    named: list[int] = []
    times = []
    # A slow machine takes more of them.
    while len(named) < 4 or (named[-1] < 450 and len(named) < 20):
        started = time.monotonic()
        endpoints = await found(skill)
        times.append(time.monotonic() - started)
        assert len(endpoints) == 450
        named.append(
            sum(
                endpoint["friendlyName"].startswith("Number")
                for endpoint in endpoints.values()
            )
        )

    # Alexa waits no longer.
    assert max(times) < 8
    # 250 channels are a page.
    assert emulator.journal.calls["ListSignalingChannels"] == 2 * len(named)
    # Names of channels stand in for what could not be read in time.
    assert 0 < named[0] < named[1] <= named[2]
    assert named[-1] == 450
    assert "could not be read in time" in caplog.text


@pytest.mark.parametrize(
    ("kind", "details"),
    [
        (FaultKind.THROTTLE, {}),
        (FaultKind.DROP, {}),
        (FaultKind.ERROR, {"status": 500, "code": "InternalFailure"}),
    ],
)
async def test_tags_that_cannot_be_read_at_once_are_read_again(
    skill: Skill, emulator: KvsEmulator, kind: FaultKind, details: dict[str, Any]
) -> None:
    add(emulator, "ha-front-door")
    emulator.add_fault(kind, "ListTagsForResource", count=2, **details)

    assert (await found(skill))["ha-front-door"]["friendlyName"] == "Front door"


async def test_tags_that_never_come_leave_the_channels_name(
    quick_skill: Skill, emulator: KvsEmulator
) -> None:
    add(emulator, "ha-front-door")
    emulator.add_fault(FaultKind.HANG, "ListTagsForResource")

    door = (await found(quick_skill))["ha-front-door"]

    assert door["friendlyName"] == "front door"
    assert "tagged" not in door["cookie"]


async def test_a_channel_that_goes_meanwhile_is_passed_over(
    skill: Skill, emulator: KvsEmulator
) -> None:
    add(emulator, "ha-front-door")
    emulator.add_fault(
        FaultKind.ERROR,
        "ListTagsForResource",
        status=404,
        code="ResourceNotFoundException",
    )

    assert await found(skill) == {}


@pytest.mark.parametrize("action", ["ListSignalingChannels", "ListTagsForResource"])
async def test_a_missing_permission_is_named(
    make_skill: Callable[[Limits], Skill],
    emulator: KvsEmulator,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    action: str,
) -> None:
    add(emulator, "ha-front-door")
    deny(monkeypatch, emulator, action)

    assert await make_skill(PATIENT).error(discover()) == "INTERNAL_ERROR"
    assert f"kinesisvideo:{action}" in caplog.text


async def test_an_outage_is_an_error_and_not_an_empty_home(
    skill: Skill, emulator: KvsEmulator
) -> None:
    add(emulator, "ha-front-door")
    emulator.add_fault(FaultKind.ERROR, "ListSignalingChannels")

    assert await skill.error(discover()) == "INTERNAL_ERROR"
