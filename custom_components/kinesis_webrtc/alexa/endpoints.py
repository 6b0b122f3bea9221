"""The endpoint that Alexa knows a camera by, without asking the skill's backend.

The backend travels alone and makes the same endpoints in its discovery; a report that
tells Alexa of a changed camera has to say what the next discovery will say.
"""

from collections.abc import Mapping
import string
from typing import Any, Final

NAME_PREFIX: Final = "ha-"
TAG_PREFIX: Final = "kinesis_webrtc:"

_ENDPOINT_ID: Final = frozenset(string.ascii_letters + string.digits + "_-")
_MAX_NAME: Final = 128
_MAX_SERIAL: Final = 256


def endpoint(
    *,
    channel_name: str,
    channel_arn: str,
    tags: Mapping[str, str],
    name_prefix: str = NAME_PREFIX,
) -> dict[str, Any] | None:
    """Return the endpoint of a channel by its tags, or None if Alexa is not told of it.

    https://developer.amazon.com/docs/device-apis/alexa-discovery.html
    """
    own = {key.removeprefix(TAG_PREFIX): value for key, value in tags.items()}
    if not channel_name.startswith(name_prefix):
        return None
    if not set(channel_name) <= _ENDPOINT_ID:
        return None
    if not {f"{TAG_PREFIX}created_by", f"{TAG_PREFIX}camera_name"} <= set(tags):
        return None
    plain = channel_name.removeprefix(name_prefix).replace("_", " ").replace("-", " ")
    friendly = own["camera_name"] or " ".join(plain.split()) or channel_name
    friendly = friendly[:_MAX_NAME]
    is_doorbell = own.get("kind") == "doorbell"
    return {
        "endpointId": channel_name,
        "manufacturerName": "Home Assistant",
        "description": f"{friendly} in Home Assistant"[:_MAX_NAME],
        "friendlyName": friendly,
        # The order matters: a doorbell opens its view only if it is a camera first.
        "displayCategories": ["CAMERA", "DOORBELL"] if is_doorbell else ["CAMERA"],
        "cookie": {"arn": channel_arn, "tagged": "true"},
        "additionalAttributes": {
            "manufacturer": "Home Assistant",
            "model": "Doorbell" if is_doorbell else "Camera",
            "serialNumber": channel_name[:_MAX_SERIAL],
        },
        "capabilities": [
            {"type": "AlexaInterface", "version": "3", **capability}
            for capability in _capabilities(
                is_doorbell=is_doorbell,
                is_duplex=own.get("duplex") == "true",
                has_motion=own.get("motion") == "true",
            )
        ],
    }


def _capabilities(
    *, is_doorbell: bool, is_duplex: bool, has_motion: bool
) -> list[dict[str, Any]]:
    capabilities: list[dict[str, Any]] = [
        {"interface": "Alexa"},
        {
            "interface": "Alexa.RTCSessionController",
            "configuration": {"isFullDuplexAudioSupported": is_duplex},
        },
        _sensor("Alexa.EndpointHealth", "connectivity", retrievable=True),
    ]
    if is_doorbell:
        capabilities.append(
            {"interface": "Alexa.DoorbellEventSource", "proactivelyReported": True}
        )
    if has_motion:
        capabilities.append(
            _sensor("Alexa.MotionSensor", "detectionState", retrievable=False)
        )
    return capabilities


def _sensor(interface: str, name: str, *, retrievable: bool) -> dict[str, Any]:
    return {
        "interface": interface,
        "properties": {
            "supported": [{"name": name}],
            "proactivelyReported": True,
            "retrievable": retrievable,
        },
    }
