"""A full run needs each right of README's policy, and none besides."""

from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

from .harness.camera import RtspCamera
from .harness.coturn import Coturn
from .harness.emulator import Emulator, readme_statements
from .harness.flows import SUBENTRIES, Flow
from .harness.frontend_viewer import frontend_view
from .harness.home_assistant import HomeAssistant
from .harness.remote_master import DEVICE, DEVICE_POLICY, RemoteMaster
from .harness.scenario import (
    Account,
    add_account,
    add_camera,
    entities_of,
    share_camera,
    subentries_of,
)

READER = Account(
    region="eu-west-1",
    access_key_id="AKIAREADER0000000000",
    secret_access_key="reader-secret-0123456789-abcdefghijklmno",
)
# The policies' resources, and the channels that the run leads to each of them.
OWN, BY_ARN, VIEWED = "ha-*", "garden", "cabin"


async def share_on(
    home: HomeAssistant, *, entry_id: str, camera: str, arn: str
) -> dict[str, str]:
    """Share a camera on a channel that keeps messages for too long, and change that."""
    before = await subentries_of(home.client, entry_id)
    flow = await Flow.start(home.client, SUBENTRIES, [entry_id, "shared_camera"])
    answer = await flow.submit({"camera": camera, "channel": arn, "keep_warm": "never"})
    assert answer["step_id"].startswith("existing_channel"), answer
    await flow.finish({"set_message_ttl": True})
    (subentry_id,) = await subentries_of(home.client, entry_id) - before
    entities = await entities_of(home.client, subentry_id)
    await home.client.wait_for_state(entities["binary_sensor.connected"], "on")
    return entities


async def self_test(home: HomeAssistant, button: str) -> None:
    """Have a camera viewed as Alexa does."""
    entity = await home.client.command("config/entity_registry/get", entity_id=button)
    found = await home.client.call_action(
        "kinesis_webrtc.self_test", device_id=entity["device_id"]
    )
    assert {stage["verdict"] for stage in found["stages"]} == {"passed"}, found


@pytest.mark.timeout(240)
async def test_the_policy_is_what_a_full_run_uses(
    camera: RtspCamera,
    coturn: Coturn,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with Emulator(coturn=coturn, tls=False) as aws:
        arns: dict[str, str] = {}
        for name, ttl in (("ha-old", 60), (BY_ARN, 60), (VIEWED, 5)):
            made = await aws.act("create_channel", name=name, message_ttl=ttl)
            arns[name] = made["ChannelARN"]
        statements: dict[str, Any] = {
            statement["Sid"]: statement for statement in readme_statements()
        }
        # As README asks for.
        statements["ChannelsByArn"]["Resource"] = arns[BY_ARN]
        statements["RemoteChannels"]["Resource"] = arns[VIEWED]
        for account, name, policy in (
            (READER, "reader", {"Statement": list(statements.values())}),
            (DEVICE, "device", DEVICE_POLICY),
        ):
            await aws.add_user(name, account, {"Version": "2012-10-17"} | policy)
        for variable, value in aws.environment.items():
            monkeypatch.setenv(variable, value)

        async with HomeAssistant(tmp_path, environment=aws.environment) as home:
            await run(home, aws, camera, coturn, arns)
        home.log.assert_clean()
        state = await aws.state()

    used: dict[str, set[str]] = defaultdict(set)
    for key, action, resource in state["rights"]:
        if key == READER.access_key_id and action.startswith("kinesisvideo:"):
            name = "*" if resource == "*" else resource.split("/")[1]
            used[OWN if name.startswith("ha-") else name].add(action)
    assert not [error for error in state["errors"] if "AccessDenied" in error]
    assert used == {
        "*": {statements["ListChannels"]["Action"]},
        OWN: set(statements["OwnChannels"]["Action"]),
        BY_ARN: set(statements["ChannelsByArn"]["Action"]),
        VIEWED: set(statements["RemoteChannels"]["Action"]),
    }


async def run(
    home: HomeAssistant,
    aws: Emulator,
    camera: RtspCamera,
    coturn: Coturn,
    arns: dict[str, str],
) -> None:
    """Share on a channel that is made, on one of that name, on another's; view one."""
    client = home.client
    entry_id = await add_account(client, READER, stun_url=coturn.stun_url)
    first, second, third = [
        await add_camera(client, name=name, stream_url=camera.url)
        for name in ("Front door", "Barn", "Gate")
    ]
    shared = await share_camera(client, entry_id=entry_id, camera=first)
    await self_test(home, shared.self_test)
    await client.command(
        "config_entries/subentries/delete",
        entry_id=entry_id,
        subentry_id=shared.subentry_id,
    )
    await share_on(home, entry_id=entry_id, camera=second, arn=arns["ha-old"])
    entities = await share_on(home, entry_id=entry_id, camera=third, arn=arns[BY_ARN])
    await self_test(home, entities["button.self_test"])

    flow = await Flow.start(client, SUBENTRIES, [entry_id, "remote_channel"])
    await flow.finish({"channel": arns[VIEWED]})
    await client.wait_for_state("camera.cabin", "idle")
    async with (
        RemoteMaster(account=DEVICE, channel_arn=arns[VIEWED], stream_url=camera.url),
        frontend_view(client, "camera.cabin") as viewer,
    ):
        await viewer.wait_frames(5, timeout=30)
