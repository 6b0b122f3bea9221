"""The JSON text frames of the websocket API.

https://docs.aws.amazon.com/kinesisvideostreams-webrtc-dg/latest/devguide/kvswebrtc-websocket-apis.html
"""

from dataclasses import dataclass, field
import json
import re
from typing import Any

from .errors import ApiError, invalid_argument

SDP_TYPES = ("SDP_OFFER", "SDP_ANSWER")
ACTIONS = (*SDP_TYPES, "ICE_CANDIDATE")

_ID = re.compile(r"[a-zA-Z0-9_.-]{1,256}")
_BASE64 = re.compile(r"[a-zA-Z0-9+/=]+")
# Both spellings are in use: the documentation and the JS SDK write the first letter
# small, the C SDK writes it large.
_MEMBERS = ("action", "messagePayload", "recipientClientId", "correlationId")


class NotAnEnvelopeError(Exception):
    """The frame is nothing that could be answered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """What a client sends; problem says why it is refused."""

    action: str
    payload: str = field(repr=False)
    recipient: str | None
    correlation_id: str | None
    problem: ApiError | None


def parse(text: str, *, from_master: bool, max_payload: int) -> Envelope:
    """Read a client's frame; raise NotAnEnvelopeError if it is not a JSON object."""
    try:
        members = json.loads(text)
    except ValueError:
        raise NotAnEnvelopeError("not JSON") from None
    if not isinstance(members, dict):
        raise NotAnEnvelopeError("not a JSON object")
    action, payload, recipient, correlation_id = (
        members.get(name, members.get(name[0].upper() + name[1:])) for name in _MEMBERS
    )
    problem = (
        _problem_of_correlation_id(correlation_id)
        or _problem_of_action(action)
        or _problem_of_payload(payload, max_payload)
        or (_problem_of_recipient(recipient) if from_master else None)
    )
    return Envelope(
        action=str(action),
        payload=str(payload or ""),
        recipient=recipient if from_master else None,
        correlation_id=correlation_id if _is_id(correlation_id) else None,
        problem=problem,
    )


def delivery(message_type: str, payload: str, sender: str | None) -> str:
    """Return the frame that takes a message to its recipient."""
    members = {"messagePayload": payload, "messageType": message_type}
    if sender is not None:
        members["senderClientId"] = sender
    return json.dumps(members)


def control(message_type: str) -> str:
    """Return the frame of GO_AWAY or RECONNECT_ICE_SERVER."""
    return json.dumps({"messageType": message_type})


def status_response(correlation_id: str, refusal: ApiError) -> str:
    """Return the frame that tells a sender of its error."""
    return json.dumps(
        {
            "messageType": "STATUS_RESPONSE",
            "statusResponse": {
                "correlationId": correlation_id,
                "errorType": refusal.code,
                "statusCode": str(refusal.status),
                "description": refusal.message[:1024],
                "success": False,
            },
        }
    )


def _is_id(value: Any) -> bool:
    return isinstance(value, str) and _ID.fullmatch(value) is not None


def _problem_of_correlation_id(value: Any) -> ApiError | None:
    if value is None or _is_id(value):
        return None
    return invalid_argument("correlationId must match [a-zA-Z0-9_.-]{1,256}")


def _problem_of_action(value: Any) -> ApiError | None:
    if value in ACTIONS:
        return None
    return invalid_argument(f"action must be one of {', '.join(ACTIONS)}")


def _problem_of_payload(value: Any, limit: int) -> ApiError | None:
    if not isinstance(value, str) or not value:
        return invalid_argument("messagePayload is missing")
    if len(value) > limit:
        return invalid_argument(f"messagePayload is longer than {limit} characters")
    if not _BASE64.fullmatch(value):
        return invalid_argument("messagePayload is not base64")
    return None


def _problem_of_recipient(value: Any) -> ApiError | None:
    if isinstance(value, str) and 1 <= len(value) <= 256:
        return None
    return invalid_argument("recipientClientId is missing")
