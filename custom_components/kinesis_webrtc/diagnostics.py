"""Diagnostics of an account and of each of its channels, without anything secret."""

from collections.abc import Iterable
from dataclasses import asdict
import re
from typing import Any, Final

from homeassistant.components.diagnostics import REDACTED, async_redact_data
from homeassistant.core import HomeAssistant
from homeassistant.helpers.device_registry import DeviceEntry

from .alexa.regions import lambda_region
from .alexa_skill import AlexaSkill
from .const import (
    CONF_ACCESS_KEY_ID,
    CONF_CLIENT_ID,
    CONF_CLIENT_SECRET,
    CONF_LANGUAGES,
    CONF_LINKING_CLIENT_ID,
    CONF_OWNERS,
    CONF_REGION,
    CONF_SECRET_ACCESS_KEY,
    CONF_SESSION_TOKEN,
    CONF_SKILL_ID,
    CONF_STACKS,
    DOMAIN,
)
from .coordinator import KinesisWebRTCConfigEntry
from .peer import CameraFeed
from .remote_channel import RemoteChannel
from .self_test_report import SelfTestReport
from .session_log import SessionRecord
from .shared_camera import SharedCamera
from .signaling import IceServerCache, SignalingError
from .skill_state import mismatches
from .versions import async_get_versions

TO_REDACT: Final = frozenset(
    {
        CONF_ACCESS_KEY_ID,
        CONF_SECRET_ACCESS_KEY,
        CONF_SESSION_TOKEN,
        CONF_CLIENT_ID,
        CONF_CLIENT_SECRET,
        CONF_LINKING_CLIENT_ID,
        # People, by name and address.
        CONF_OWNERS,
        CONF_SKILL_ID,
    }
)
# The number of an AWS account is in ARNs, titles and unique ids.
_ACCOUNT: Final = re.compile(r"(?<!\d)\d{12}(?!\d)")


async def async_get_config_entry_diagnostics(
    hass: HomeAssistant, entry: KinesisWebRTCConfigEntry
) -> dict[str, Any]:
    """Return what is known of an account and of all that runs for it."""
    runtime = entry.runtime_data
    return _redact(
        {
            "entry": entry.as_dict(),
            "versions": await async_get_versions(hass),
            "clock_offset_seconds": runtime.client.clock.offset.total_seconds(),
            "relay": _ice(runtime.relay.ice_cache) if runtime.relay else None,
            "shared_cameras": [
                _shared_camera(camera) for camera in runtime.shared_cameras.values()
            ],
            "remote_channels": [
                _remote_channel(channel) for channel in runtime.remote_channels.values()
            ],
            "alexa_skills": [
                _alexa_skill(skill) for skill in runtime.alexa_skills.values()
            ],
        }
    )


async def async_get_device_diagnostics(
    hass: HomeAssistant, entry: KinesisWebRTCConfigEntry, device: DeviceEntry
) -> dict[str, Any]:
    """Return what is known of one channel."""
    runtime = entry.runtime_data
    found: dict[str, Any] = {"versions": await async_get_versions(hass)}
    for domain, subentry_id in device.identifiers:
        if domain != DOMAIN:
            continue
        if subentry := entry.subentries.get(subentry_id):
            found["subentry"] = subentry.as_dict()
        if camera := runtime.shared_cameras.get(subentry_id):
            found["shared_camera"] = _shared_camera(camera)
        if channel := runtime.remote_channels.get(subentry_id):
            found["remote_channel"] = _remote_channel(channel)
    return _redact(found)


def _shared_camera(camera: SharedCamera) -> dict[str, Any]:
    channel = camera.channel
    return {
        "subentry_id": camera.subentry.subentry_id,
        "title": camera.subentry.title,
        "sharing": camera.sharing,
        "connected": camera.connected,
        "error": _error(channel.error if channel else None),
        "ice": _ice(channel.ice_cache) if channel else None,
        "viewers": camera.viewers,
        "bytes_sent": camera.bytes_sent,
        "feed": _feed(camera.feed),
        "alexa_feed": (
            None if camera.alexa_feed is camera.feed else _feed(camera.alexa_feed)
        ),
        "self_test": _self_test(camera.self_test.report),
        "offers_expired": camera.sessions.offers_expired,
        "sessions": _sessions(camera.sessions.records),
    }


def _feed(feed: CameraFeed) -> dict[str, Any]:
    return {
        "open": feed.is_open,
        "held": feed.is_held,
        "opened": feed.opened,
        "is_fallback": feed.is_fallback,
        "format": asdict(feed.format) if feed.format else None,
        "shrunk_for_alexa_from": feed.small.shrunk_from,
        "encoding_cpu_percent": round(feed.cpu_percent, 1),
    }


def _self_test(report: SelfTestReport | None) -> dict[str, Any] | None:
    """Tell what came out, without AWS's own words."""
    if report is None:
        return None
    return {
        "verdict": report.verdict,
        "advice": report.advice.key if report.advice else None,
        "connection": report.connection,
        "stages": [
            {
                "stage": each.stage,
                "verdict": each.verdict,
                "ms": None if each.ms is None else round(each.ms),
            }
            for each in report.stages
        ],
        "alexa": [asdict(each) for each in report.rules],
    }


def _remote_channel(channel: RemoteChannel) -> dict[str, Any]:
    return {
        "subentry_id": channel.subentry.subentry_id,
        "title": channel.subentry.title,
        "available": channel.available,
        "ice": _ice(channel.ice_cache),
        "views": channel.views,
    }


def _alexa_skill(skill: AlexaSkill) -> dict[str, Any]:
    subentry, state = skill.subentry, skill.state
    return {
        "subentry_id": subentry.subentry_id,
        "title": subentry.title,
        "function_regions": [
            known[CONF_REGION] for known in subentry.data[CONF_STACKS]
        ],
        "regions_of_languages": {
            language: lambda_region(language)
            for language in subentry.data[CONF_LANGUAGES]
        },
        **asdict(state),
        "mismatches": mismatches(subentry.data, state),
    }


def _ice(cache: IceServerCache) -> dict[str, Any]:
    """Describe TURN servers: by how many there are, and for how long they are good."""
    return {
        "servers": len(cache.servers),
        "usable_for_seconds": round(cache.usable_for),
        "error": _error(cache.error),
    }


def _error(error: SignalingError | None) -> str | None:
    """Name an error; AWS's own words may hold an ARN or a key id."""
    return error.key if error else None


def _sessions(records: Iterable[SessionRecord]) -> list[dict[str, Any]]:
    return [
        {**asdict(record), "ended_at": record.ended_at.isoformat()}
        for record in records
    ]


def _redact(data: dict[str, Any]) -> dict[str, Any]:
    redacted: dict[str, Any] = _without_accounts(async_redact_data(data, TO_REDACT))
    return redacted


def _without_accounts(value: Any) -> Any:
    """Return a structure without the numbers of AWS accounts, wherever in a text."""
    if isinstance(value, str):
        return _ACCOUNT.sub(REDACTED, value)
    if isinstance(value, dict):
        return {key: _without_accounts(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_without_accounts(item) for item in value]
    return value
