"""What a run leaves behind in Home Assistant holds none of the secrets that it used."""

from collections.abc import Iterator
import json
from pathlib import Path
import re

from .harness.alexa_lambda import AlexaLambda
from .harness.client import HomeAssistantClient
from .harness.echo import Echo
from .harness.emulator import Emulator
from .harness.home_assistant import HomeAssistant
from .harness.scenario import SharedCamera

_CREDENTIALS = re.compile(
    r"^a=(?:ice-ufrag|ice-pwd):(\S+)|^a=fingerprint:\S+ (\S+)", re.MULTILINE
)
AUTOMATION = "automation.tested"
# Home Assistant's own, only its user reads it: the account's keys are an entry's data.
HOLDS_SECRETS = {"core.config_entries"}


def credentials_of(sdp: str) -> set[str]:
    """Return an SDP's ICE credentials and fingerprints."""
    found = {one or other for one, other in _CREDENTIALS.findall(sdp)}
    assert len(found) >= 3, sdp
    return found


async def has_run(home: HomeAssistant, shared: SharedCamera) -> None:
    """Run the self-test by an automation, which leaves a trace."""
    entity = await home.client.command(
        "config/entity_registry/get", entity_id=shared.self_test
    )
    await home.client.post(
        "/api/config/automation/config/tested",
        {
            "alias": "Tested",
            "triggers": [],
            "actions": [
                {
                    "action": "kinesis_webrtc.self_test",
                    "data": {"device_id": entity["device_id"]},
                    "response_variable": "result",
                }
            ],
        },
    )
    await home.client.wait_for_state(AUTOMATION, "on")
    await home.client.call_service("automation.trigger", entity_id=AUTOMATION)
    await home.client.wait_for_state(shared.self_test_verdict, "alexa_profile")


async def left_behind(client: HomeAssistantClient, entry_id: str) -> dict[str, str]:
    """Return all that can be read of a run, by where it is read."""
    traces = await client.command("trace/list", domain="automation", item_id="tested")
    assert traces
    devices = [
        device["id"]
        for device in await client.command("config/device_registry/list")
        if entry_id in device["config_entries"]
    ]
    assert devices
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
    for number, trace in enumerate(traces):
        found[f"trace {number}"] = await client.command(
            "trace/get",
            domain="automation",
            item_id="tested",
            run_id=trace["run_id"],
        )
    return {place: json.dumps(content) for place, content in found.items()}


def stored(config: Path) -> dict[str, str]:
    """Return what Home Assistant has stored, but for what has to hold secrets."""
    found = {
        f"stored {path.name}": path.read_text(errors="replace")
        for path in (config / ".storage").iterdir()
        if path.is_file() and path.name not in HOLDS_SECRETS
    }
    assert any("kinesis_webrtc" in name for name in found)
    return found


def leaks(texts: dict[str, str], secrets: set[str]) -> Iterator[str]:
    """Yield where a secret is, and how it begins."""
    for place, text in texts.items():
        yield from (f"{place}: {secret[:4]}…" for secret in secrets if secret in text)


async def test_no_secret_is_left_behind(
    home: HomeAssistant,
    shared: SharedCamera,
    emulator: Emulator,
    alexa: AlexaLambda,
) -> None:
    channel = await emulator.only_channel()
    account = emulator.home_assistant
    secrets = {account.access_key_id, account.secret_access_key}

    async with Echo(frames=10) as echo:
        answer = await alexa.answer(echo.offer)
        assert answer is not None
        await echo.apply(answer)
        await echo.frames()
        secrets |= credentials_of(echo.offer) | credentials_of(answer)
        during = await home.client.get("/api/states")
        await echo.hang_up()
    await home.client.wait_for_state(shared.viewers, "0")
    # The two actions' own responses are secrets, which whoever calls them wants.
    (server,) = (
        await home.client.call_action(
            "kinesis_webrtc.get_ice_servers", channel_arn=channel["ChannelARN"]
        )
    )["ice_servers"]
    secrets |= {server["username"], server["password"]}
    await has_run(home, shared)

    texts = await left_behind(home.client, shared.entry_id)
    texts |= {"states during the view": json.dumps(during), "log file": home.log.text}
    texts |= stored(home.directory)
    assert all(len(text) > 2 for place, text in texts.items() if place != "log")
    # The search finds what is there, and the run was one.
    assert list(leaks({"answer": answer}, secrets))
    assert account.region in texts["diagnostics"]
    assert shared.viewers in texts["states"]
    assert "key_frame" in texts["trace 0"]
    assert not list(leaks(texts, secrets))
    home.log.assert_clean()
