"""What Home Assistant tells Alexa without being asked.

Each event makes its message for one customer's access token; its time knows its zone.
https://developer.amazon.com/docs/smarthome/send-events.html
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, ClassVar, Final

type Message = dict[str, Any]
type Event = DoorbellPress | MotionChange | HealthChange | AddOrUpdate | Delete

_HOUR: Final = 3600.0
_DAY: Final = 24 * _HOUR


@dataclass(frozen=True, slots=True, kw_only=True)
class DoorbellPress:
    """Somebody has pressed the button of a doorbell."""

    # Each press is news of its own: a later one does not stand for it.
    subject: ClassVar[str | None] = None
    # Nobody stands at the door any more.
    lifetime: ClassVar[float] = 30.0

    endpoint_id: str
    at: datetime

    def message(self, token: str, message_id: str) -> Message:
        """Return the message for a customer's access token."""
        return _message(
            "Alexa.DoorbellEventSource",
            "DoorbellPress",
            message_id,
            endpoint=_endpoint(token, self.endpoint_id),
            payload={
                "cause": {"type": "PHYSICAL_INTERACTION"},
                "timestamp": timestamp(self.at),
            },
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class MotionChange:
    """A camera's motion sensor has changed."""

    subject: ClassVar[str | None] = "motion"

    endpoint_id: str
    at: datetime
    detected: bool

    @property
    def lifetime(self) -> float:
        """Seconds: no routine is to switch on the light for one who is long gone."""
        return 60.0 if self.detected else _HOUR

    def message(self, token: str, message_id: str) -> Message:
        """Return the message for a customer's access token."""
        return _change_report(
            token,
            message_id,
            endpoint_id=self.endpoint_id,
            cause="PHYSICAL_INTERACTION",
            prop={
                "namespace": "Alexa.MotionSensor",
                "name": "detectionState",
                "value": "DETECTED" if self.detected else "NOT_DETECTED",
                "timeOfSample": timestamp(self.at),
            },
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthChange:
    """A camera has come within reach, or gone out of it."""

    subject: ClassVar[str | None] = "health"
    lifetime: ClassVar[float] = _HOUR

    endpoint_id: str
    at: datetime
    reachable: bool

    def message(self, token: str, message_id: str) -> Message:
        """Return the message for a customer's access token."""
        return _change_report(
            token,
            message_id,
            endpoint_id=self.endpoint_id,
            cause="PERIODIC_POLL",
            prop={
                "namespace": "Alexa.EndpointHealth",
                "name": "connectivity",
                "value": {"value": "OK" if self.reachable else "UNREACHABLE"},
                "timeOfSample": timestamp(self.at),
            },
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class AddOrUpdate:
    """A camera is new, or another one than it was: `endpoint` as Discover has it."""

    subject: ClassVar[str | None] = "endpoint"
    lifetime: ClassVar[float] = _DAY

    endpoint: Mapping[str, Any]
    at: datetime

    @property
    def endpoint_id(self) -> str:
        """Alexa's id of the camera."""
        return str(self.endpoint["endpointId"])

    def message(self, token: str, message_id: str) -> Message:
        """Return the message for a customer's access token."""
        return _discovery_report(
            "AddOrUpdateReport", token, message_id, dict(self.endpoint)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Delete:
    """A camera is gone."""

    subject: ClassVar[str | None] = "endpoint"
    lifetime: ClassVar[float] = _DAY

    endpoint_id: str
    at: datetime

    def message(self, token: str, message_id: str) -> Message:
        """Return the message for a customer's access token."""
        return _discovery_report(
            "DeleteReport", token, message_id, {"endpointId": self.endpoint_id}
        )


def timestamp(at: datetime) -> str:
    """Return a time as Alexa takes it: whole seconds, UTC, and Z at the end."""
    if at.tzinfo is None:
        raise ValueError("a time without its zone")
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _change_report(
    token: str, message_id: str, *, endpoint_id: str, cause: str, prop: Message
) -> Message:
    # A time in whole seconds may be a second late.
    changed = {**prop, "uncertaintyInMilliseconds": 1000}
    report = _message(
        "Alexa",
        "ChangeReport",
        message_id,
        endpoint=_endpoint(token, endpoint_id),
        payload={"change": {"cause": {"type": cause}, "properties": [changed]}},
    )
    return {**report, "context": {}}


def _discovery_report(
    name: str, token: str, message_id: str, endpoint: Message
) -> Message:
    payload = {"endpoints": [endpoint], "scope": _scope(token)}
    return _message("Alexa.Discovery", name, message_id, payload=payload)


def _message(namespace: str, name: str, message_id: str, **members: Message) -> Message:
    header = {
        "namespace": namespace,
        "name": name,
        "messageId": message_id,
        "payloadVersion": "3",
    }
    return {"event": {"header": header, **members}}


def _endpoint(token: str, endpoint_id: str) -> Message:
    return {"scope": _scope(token), "endpointId": endpoint_id}


def _scope(token: str) -> Message:
    return {"type": "BearerToken", "token": token}
