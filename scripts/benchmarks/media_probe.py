"""A Home Assistant with a component that measures how late its event loop is.

The component also lets a camera be watched by more viewers than it takes otherwise.
"""

from collections.abc import Mapping
import json
from pathlib import Path
from typing import override

from tests.e2e.harness.client import HomeAssistantClient
from tests.e2e.harness.home_assistant import (
    INTEGRATION,
    REPOSITORY,
    HomeAssistant,
    lay_configuration,
)
from tests.e2e.harness.process import Process

_DOMAIN = "loop_probe"
_COMPONENT = '''\
"""Measures how late callbacks of the event loop come."""

import asyncio

from homeassistant.core import SupportsResponse

from custom_components.kinesis_webrtc.peer import MasterPeer

STEP = 0.005


async def async_setup(hass, config):
    # More than a channel of the service takes.
    MasterPeer.__init__.__kwdefaults__["viewer_limit"] = 1000
    lags = []

    async def measure():
        while True:
            due = hass.loop.time() + STEP
            await asyncio.sleep(STEP)
            lags.append(hass.loop.time() - due)

    async def read(call):
        found = sorted(lags)
        lags.clear()
        at = max(0, -(-len(found) * 99 // 100) - 1)
        return {"p99_ms": found[at] * 1000 if found else 0.0}

    hass.async_create_background_task(measure(), "loop probe")
    hass.services.async_register(
        "loop_probe", "read", read, supports_response=SupportsResponse.ONLY
    )
    return True
'''


class ProbedHomeAssistant(HomeAssistant):
    """A Home Assistant that measures its event loop's lag."""

    def __init__(self, directory: Path, *, environment: Mapping[str, str]) -> None:
        # Else the repository's custom components would be all that there are.
        safe = {"PYTHONSAFEPATH": "1"}
        super().__init__(directory, environment={**environment, **safe})

    @override
    async def start(self) -> None:
        integration = REPOSITORY / "custom_components" / INTEGRATION
        lay_configuration(self.directory, port=self.port, integration=integration)
        with (self.directory / "configuration.yaml").open("a") as configuration:
            configuration.write(f"{_DOMAIN}:\n")
        folder = self.directory / "custom_components" / _DOMAIN
        folder.mkdir(exist_ok=True)
        (folder / "__init__.py").write_text(_COMPONENT)
        manifest = {"domain": _DOMAIN, "name": "Loop probe", "version": "1.0.0"}
        (folder / "manifest.json").write_text(json.dumps(manifest))
        await Process.start(self)


async def loop_lag(client: HomeAssistantClient) -> float:
    """Return the 99th percentile (ms) since the last call."""
    response = await client.call_action(f"{_DOMAIN}.read")
    return float(response["p99_ms"])
