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
        **_files(home.directory),
        "log file": "\n".join(home.lines),
        "arguments": _arguments(home.pid),
    }


def _files(directory: Path) -> dict[str, str]:
    """Return all files of the configuration folder: what is stored, recorded, or left."""
    found = {
        f"file {path.relative_to(directory)}": path.read_text(errors="replace")
        for path in directory.rglob("*")
        if path.is_file()
        and path.name not in HOLDS_SECRETS
        and "custom_components" not in path.parts
    }
    assert any(f".storage/{INTEGRATION}" in name for name in found)
    return found


def _arguments(pid: int) -> str:
    """Return how a process, and those that it has begun, were called."""
    family = {pid}
    called = []
    # Whoever was begun has a higher number, until they begin anew.
    for process in sorted(
        Path("/proc").glob("[0-9]*"), key=lambda path: int(path.name)
    ):
        try:
            parent = int((process / "stat").read_text().rpartition(")")[2].split()[1])
            if parent not in family and int(process.name) != pid:
                continue
            family.add(int(process.name))
            called.append((process / "cmdline").read_text().replace("\0", " "))
        except OSError:
            continue
    assert any("homeassistant" in line for line in called)
    return "\n".join(called)
