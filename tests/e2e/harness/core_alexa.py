"""Home Assistant's own Alexa skill, asked as Amazon asks it."""

from collections.abc import Mapping
from typing import Any
from uuid import uuid4

from .home_assistant import HomeAssistant

_SCOPE = {"type": "BearerToken", "token": "token"}


async def discover(home: HomeAssistant) -> dict[str, set[str]]:
    """Return the interfaces of everything that Alexa finds, by entity id."""
    event = await _send(home, "Alexa.Discovery", "Discover", {"scope": _SCOPE})
    return {
        endpoint["endpointId"].replace("#", "."): {
            capability["interface"] for capability in endpoint["capabilities"]
        }
        for endpoint in event["payload"]["endpoints"]
    }


async def view(
    home: HomeAssistant, entity_id: str, *, session_id: str, offer: str
) -> str:
    """Have a camera answer an Echo's offer and return the answer."""
    event = await _send(
        home,
        "Alexa.RTCSessionController",
        "InitiateSessionWithOffer",
        {"sessionId": session_id, "offer": {"format": "SDP", "value": offer}},
        entity_id=entity_id,
    )
    assert event["header"]["name"] == "AnswerGeneratedForSession", event
    answer: str = event["payload"]["answer"]["value"]
    return answer


async def leave(home: HomeAssistant, entity_id: str, *, session_id: str) -> None:
    """End a session."""
    await _send(
        home,
        "Alexa.RTCSessionController",
        "SessionDisconnected",
        {"sessionId": session_id},
        entity_id=entity_id,
    )


async def _send(
    home: HomeAssistant,
    namespace: str,
    name: str,
    payload: Mapping[str, object],
    *,
    entity_id: str | None = None,
) -> Any:
    """Send a directive and return the event that answers it."""
    directive: dict[str, object] = {
        "header": {
            "namespace": namespace,
            "name": name,
            "payloadVersion": "3",
            "messageId": uuid4().hex,
            "correlationToken": "token",
        },
        "payload": payload,
    }
    if entity_id:
        directive["endpoint"] = {
            "endpointId": entity_id.replace(".", "#"),
            "scope": _SCOPE,
        }
    answer = await home.client.post("/api/alexa/smart_home", {"directive": directive})
    return answer["event"]
