"""Repairs of the Kinesis WebRTC integration that a flow can fix."""

from typing import Any

from homeassistant.components.repairs import RepairsFlow
from homeassistant.core import HomeAssistant

from .alexa_repairs import BackendFlow, LeftoversFlow, OwnerFlow
from .channel_issue import KIND_CHANNEL
from .channel_repair import ChannelGoneFlow
from .skill_issues import KIND_BACKEND, KIND_LEFTOVERS, KIND_OWNER

_FLOWS: dict[str, type[RepairsFlow]] = {
    KIND_BACKEND: BackendFlow,
    KIND_CHANNEL: ChannelGoneFlow,
    KIND_LEFTOVERS: LeftoversFlow,
    KIND_OWNER: OwnerFlow,
}


async def async_create_fix_flow(
    hass: HomeAssistant,
    issue_id: str,
    data: dict[str, Any] | None,
) -> RepairsFlow:
    """Create the flow that fixes an issue."""
    return _FLOWS[(data or {})["kind"]]()
