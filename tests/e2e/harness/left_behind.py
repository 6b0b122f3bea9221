"""All that can be read of a run afterwards, but for what has to hold secrets."""

import json
from pathlib import Path

from .home_assistant import INTEGRATION, HomeAssistant

# Home Assistant's own, only its user reads it: the account's keys are an entry's data.
HOLDS_SECRETS = {"core.config_entries"}


async def left_behind(
    home: HomeAssistant, entry_id: str, *, automation: str | None = None
) -> dict[str, str]:
    """Return what an account's use has left, and an automation's traces, by its place."""
    client = home.client
    devices = [
        device["id"]
        for device in await client.command("config/device_registry/list")
        if entry_id in device["config_entries"]
    ]
    diagnostics = f"/api/diagnostics/config_entry/{entry_id}"
    found = {
        "states": await client.get("/api/states"),
        "diagnostics": await client.get(diagnostics),
        "repairs": await client.command("repairs/list_issues"),
        "entries": await client.command("config_entries/get"),
        "subentries": await client.command(
            "config_entries/subentries/list", entry_id=entry_id
        ),
        "log": await client.command("system_log/list"),
    }
    for number, device in enumerate(devices):
        found[f"device {number}"] = await client.get(f"{diagnostics}/device/{device}")
    if automation:
        traces = await client.command(
            "trace/list", domain="automation", item_id=automation
        )
        assert traces
        for number, trace in enumerate(traces):
            found[f"trace {number}"] = await client.command(
                "trace/get",
                domain="automation",
                item_id=automation,
                run_id=trace["run_id"],
            )
    return {
        **{place: json.dumps(content) for place, content in found.items()},
        **_stored(home.directory),
        "log file": "\n".join(home.lines),
    }


def _stored(directory: Path) -> dict[str, str]:
    found = {
        f"stored {path.name}": path.read_text(errors="replace")
        for path in (directory / ".storage").iterdir()
        if path.is_file() and path.name not in HOLDS_SECRETS
    }
    assert any(INTEGRATION in name for name in found)
    return found
