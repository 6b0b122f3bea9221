"""How long it takes from a press of a doorbell to Alexa's event gateway."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
import time
from typing import Any

from tests.alexa.conftest import directive
from tests.alexa.fakes import AlexaEventGateway
from tests.e2e.harness.client import HomeAssistantClient
from tests.e2e.harness.flows import SUBENTRIES, Flow
from tests.e2e.harness.scenario import SharedCamera

BUTTON = "binary_sensor.doorbell"
# The emulator's, of which the function is said to be.
ACCOUNT_ID = "123456789012"


async def add_button(client: HomeAssistantClient) -> None:
    """Let there be a button that nobody presses."""
    await _set_button(client, "off")


async def ring_with(client: HomeAssistantClient, shared: SharedCamera) -> None:
    """Make a doorbell of the shared camera."""
    flow = await Flow.start(
        client,
        SUBENTRIES,
        [shared.entry_id, "shared_camera"],
        subentry_id=shared.subentry_id,
    )
    await flow.submit(flow.suggested)
    await flow.submit(flow.suggested | {"kind": "doorbell", "doorbell": BUTTON})
    assert flow.answer["type"] == "abort", flow.answer
    assert flow.answer["reason"] == "reconfigure_successful", flow.answer


async def add_skill(
    client: HomeAssistantClient,
    entry_id: str,
    *,
    skill_id: str,
    client_id: str,
    client_secret: str,
) -> None:
    """Add the skill whose backend was made by hand."""
    flow = await Flow.start(client, SUBENTRIES, [entry_id, "alexa_skill"])
    await flow.submit({"skill_id": skill_id, "languages": ["en-US"]})
    await flow.submit({"backend": "by_hand"})
    function = f"arn:aws:lambda:us-east-1:{ACCOUNT_ID}:function:kinesis-webrtc"
    await flow.submit({"us-east-1": function})
    await flow.submit({})
    await flow.submit({"client_id": client_id, "client_secret": client_secret})
    shown = await flow.submit({"linking_client_id": client_id})
    assert shown["step_id"] == "enable", shown
    await flow.finish({})


async def let_events_through(
    function: Callable[[object], Awaitable[Mapping[str, Any]]], *, token: str, code: str
) -> None:
    """Have Alexa hand the skill its customer's leave to send events."""
    answer = await function(
        directive(
            "Alexa.Authorization",
            "AcceptGrant",
            {
                "grant": {"type": "OAuth2.AuthorizationCode", "code": code},
                "grantee": {"type": "BearerToken", "token": token},
            },
            endpoint_id=None,
            token=None,
        )
    )
    assert answer["event"]["header"]["name"] == "AcceptGrant.Response", answer


async def press_times(
    client: HomeAssistantClient, gateway: AlexaEventGateway, presses: int
) -> list[float]:
    """Return the milliseconds from presses to their arrival at the gateway."""
    times = []
    # The first one waits until Home Assistant has learnt whom to tell.
    for number in range(presses + 1):
        heard = len(gateway.received)
        started = time.perf_counter()
        await _set_button(client, "on")
        while True:
            messages = await asyncio.to_thread(gateway.wait, heard + 1, 90)
            heard += 1
            if messages[heard - 1]["event"]["header"]["name"] == "DoorbellPress":
                break
        taken = (time.perf_counter() - started) * 1000
        await _set_button(client, "off")
        if number:
            times.append(taken)
    return times


async def _set_button(client: HomeAssistantClient, state: str) -> None:
    await client.post(f"/api/states/{BUTTON}", {"state": state})
