"""What Alexa is told without asking."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import jsonschema
import pytest

from custom_components.kinesis_webrtc.alexa.endpoints import endpoint
from custom_components.kinesis_webrtc.alexa.events import (
    AddOrUpdate,
    Delete,
    DoorbellPress,
    Event,
    HealthChange,
    MotionChange,
    timestamp,
)

from .conftest import TAGS
from .schemas import EVENTS

AT = datetime(2026, 11, 23, 1, 2, 3, 999_999, UTC)
DOOR = "ha-front-door"
ENDPOINT = endpoint(
    channel_name=DOOR,
    channel_arn=f"arn:aws:kinesisvideo:eu-west-1:123456789012:channel/{DOOR}/1",
    tags={**TAGS, "kinesis_webrtc:kind": "doorbell", "kinesis_webrtc:motion": "true"},
)
assert ENDPOINT is not None
PRESS = DoorbellPress(endpoint_id=DOOR, at=AT)
ALL: list[Event] = [
    PRESS,
    MotionChange(endpoint_id=DOOR, at=AT, detected=True),
    MotionChange(endpoint_id=DOOR, at=AT, detected=False),
    HealthChange(endpoint_id=DOOR, at=AT, reachable=True),
    HealthChange(endpoint_id=DOOR, at=AT, reachable=False),
    AddOrUpdate(endpoint=ENDPOINT, at=AT),
    Delete(endpoint_id=DOOR, at=AT),
]


def message(event: Event) -> dict[str, Any]:
    """Return an event's message, which keeps to the schema."""
    built = event.message("Atza|token", "message-1")
    EVENTS.validate(built)
    return built


@pytest.mark.parametrize("event", ALL, ids=lambda event: type(event).__name__)
def test_every_message_keeps_to_the_schema(event: Event) -> None:
    header = message(event)["event"]["header"]

    assert header["messageId"] == "message-1"
    assert header["payloadVersion"] == "3"
    assert event.endpoint_id == DOOR
    assert event.lifetime > 0


@pytest.mark.parametrize("event", ALL, ids=lambda event: type(event).__name__)
def test_the_schema_takes_no_other_message(event: Event) -> None:
    """The check itself must be strict."""
    for path in (("event", "header"), ("event", "payload"), ("event",), ()):
        changed = message(event)
        member = changed
        for key in path:
            member = member[key]
        member["more"] = 1
        with pytest.raises(jsonschema.ValidationError):
            EVENTS.validate(changed)


def test_a_press_is_told_with_its_time_and_cause() -> None:
    assert message(PRESS) == {
        "event": {
            "header": {
                "namespace": "Alexa.DoorbellEventSource",
                "name": "DoorbellPress",
                "messageId": "message-1",
                "payloadVersion": "3",
            },
            "endpoint": {
                "scope": {"type": "BearerToken", "token": "Atza|token"},
                "endpointId": DOOR,
            },
            "payload": {
                "cause": {"type": "PHYSICAL_INTERACTION"},
                "timestamp": "2026-11-23T01:02:03Z",
            },
        }
    }


@pytest.mark.parametrize(
    ("detected", "value"), [(True, "DETECTED"), (False, "NOT_DETECTED")]
)
def test_motion_is_a_change_of_its_sensor(detected: bool, value: str) -> None:
    change = message(MotionChange(endpoint_id=DOOR, at=AT, detected=detected))

    assert change["event"]["payload"]["change"] == {
        "cause": {"type": "PHYSICAL_INTERACTION"},
        "properties": [
            {
                "namespace": "Alexa.MotionSensor",
                "name": "detectionState",
                "value": value,
                "timeOfSample": "2026-11-23T01:02:03Z",
                "uncertaintyInMilliseconds": 1000,
            }
        ],
    }


@pytest.mark.parametrize(("reachable", "value"), [(True, "OK"), (False, "UNREACHABLE")])
def test_health_is_a_change_of_connectivity(reachable: bool, value: str) -> None:
    change = message(HealthChange(endpoint_id=DOOR, at=AT, reachable=reachable))

    (prop,) = change["event"]["payload"]["change"]["properties"]
    assert (prop["namespace"], prop["name"]) == ("Alexa.EndpointHealth", "connectivity")
    assert prop["value"] == {"value": value}


def test_a_changed_camera_is_told_as_discovery_tells_it() -> None:
    payload = message(AddOrUpdate(endpoint=ENDPOINT, at=AT))["event"]["payload"]

    assert payload == {
        "endpoints": [ENDPOINT],
        "scope": {"type": "BearerToken", "token": "Atza|token"},
    }


def test_a_camera_that_is_gone_is_told_by_its_id() -> None:
    event = message(Delete(endpoint_id=DOOR, at=AT))["event"]

    assert event["header"]["name"] == "DeleteReport"
    assert event["payload"]["endpoints"] == [{"endpointId": DOOR}]


@pytest.mark.parametrize(
    "at",
    [
        AT,
        AT.replace(microsecond=0),
        AT.astimezone(timezone(timedelta(hours=-9, minutes=-30))),
    ],
)
def test_times_are_whole_seconds_of_utc(at: datetime) -> None:
    assert timestamp(at) == "2026-11-23T01:02:03Z"


def test_a_time_without_its_zone_is_no_time() -> None:
    with pytest.raises(ValueError, match="zone"):
        timestamp(AT.replace(tzinfo=None))


def test_what_is_late_is_not_told() -> None:
    """A press lasts as long as somebody waits at the door, a state until the next."""
    assert PRESS.lifetime == 30
    began, ended = (
        MotionChange(endpoint_id=DOOR, at=AT, detected=detected).lifetime
        for detected in (True, False)
    )
    assert began < ended
