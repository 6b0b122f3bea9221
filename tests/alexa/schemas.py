"""The schemas of all that the skill says."""

import json
from pathlib import Path
from typing import Any

import jsonschema
from referencing import Registry, Resource

SCHEMAS = Path(__file__).parent.parent / "fixtures" / "alexa-schemas"

_contents = [json.loads(path.read_text()) for path in sorted(SCHEMAS.glob("*.json"))]
_registry: Registry[Any] = Resource.from_contents(_contents[0]) @ Registry()
for _content in _contents[1:]:
    _registry = Resource.from_contents(_content) @ _registry

EVENTS, RTC, HOME = (
    jsonschema.Draft7Validator(
        {"$ref": f"urn:kinesis-webrtc:{name}"}, registry=_registry
    )
    for name in ("events", "rtc-session-controller", "smart-home")
)


def check_schema(message: dict[str, Any]) -> None:
    """Hold what the skill's backend answers to the schemas."""
    header = message["event"]["header"]
    is_view = header["namespace"] == "Alexa.RTCSessionController" or (
        header["namespace"] == "Alexa" and header["name"] == "ErrorResponse"
    )
    (RTC if is_view else HOME).validate(message)
    json.dumps(message)
