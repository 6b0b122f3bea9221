"""The emulator as a process of its own, with its switches over HTTP."""

import asyncio
import base64
from collections.abc import AsyncIterator
import json
from pathlib import Path
import sys
import time
from typing import Any

import aiohttp
import pytest

from tests.system import ROOT

from . import AdminServer, KvsEmulator, User
from .__main__ import build
from .conftest import Aws, allow, call, encoded, failure, policy


class Admin:
    """Somebody at the switches."""

    def __init__(self, server: AdminServer, session: aiohttp.ClientSession) -> None:
        self._url = server.url
        self._session = session

    async def post(self, action: str, /, **params: object) -> Any:
        """Do something; return the answer."""
        url = f"{self._url}/_emulator/{action}"
        async with self._session.post(url, json=params) as response:
            answer = await response.json()
            assert response.ok, answer
            return answer

    async def refused(self, action: str, /, **params: object) -> int:
        """Do something that cannot be done; return the status."""
        url = f"{self._url}/_emulator/{action}"
        async with self._session.post(url, json=params) as response:
            assert "error" in await response.json()
            return response.status

    async def state(self) -> dict[str, Any]:
        """Return the state."""
        async with self._session.get(f"{self._url}/_emulator/state") as response:
            state: dict[str, Any] = await response.json()
            return state


@pytest.fixture
async def admin(emulator: KvsEmulator, aws: Aws) -> AsyncIterator[Admin]:
    server = AdminServer(emulator)
    await server.start()
    yield Admin(server, aws.session)
    await server.stop()


async def test_the_state_tells_when_masters_tried_and_came(
    admin: Admin, aws: Aws, emulator: KvsEmulator, arn: str
) -> None:
    before = time.monotonic()
    emulator.add_fault("error", "ConnectAsMaster", count=1)
    assert (await aws.refused(await aws.url(arn)))[0] == 500
    await aws.connect(arn)
    await emulator.wait_for(lambda: emulator.master(arn))
    state = await admin.state()

    (refused, _), (tried, operation) = state["attempts"]
    ((came, channel),) = state["joins"]
    assert (operation, channel) == ("ConnectAsMaster", emulator.channel(arn).name)
    assert before <= refused <= tried <= came <= time.monotonic()


async def test_the_state_tells_who_is_there(
    admin: Admin, aws: Aws, arn: str, emulator: KvsEmulator
) -> None:
    await aws.connect(arn)
    await aws.connect(arn, "viewer")
    await emulator.wait_for(lambda: emulator.viewers(arn))
    state = await admin.state()
    channel = state["channels"]["front-door"]
    assert channel["ChannelARN"] == arn
    assert channel["master"] is True
    assert channel["viewers"] == ["viewer"]
    assert channel["connections"] == 2
    assert state["calls"]["ConnectAsMaster"] == 1
    assert state["limits"]["viewers"] == 10
    assert state["behaviour"]["displaced_master"] == "deaf"
    await failure(aws.control.describe_signaling_channel, ChannelName="none")
    state = await admin.state()
    assert state["errors"] == {"DescribeSignalingChannel ResourceNotFoundException": 1}


async def test_faults_limits_and_behaviour_are_switched(
    admin: Admin, aws: Aws, arn: str, emulator: KvsEmulator
) -> None:
    await admin.post("faults", kind="throttle", operation="Describe*")
    described = aws.control.describe_signaling_channel
    assert (await failure(described, ChannelARN=arn))[0] == 400
    await admin.post("clear_faults")
    await call(described, ChannelARN=arn)
    await admin.post("limits", viewers=0)
    assert (await aws.refused(await aws.url(arn, "viewer")))[0] == 400
    await admin.post("behaviour", displaced_master="close")
    old = await aws.connect(arn)
    await aws.connect(arn)
    assert await old.closed() == 1001

    assert await admin.refused("limits", typo=1) == 400
    assert await admin.refused("behaviour", typo=1) == 400
    assert await admin.refused("faults", kind="earthquake") == 400
    assert await admin.refused("nothing") == 404
    assert emulator.limits.viewers == 0


async def test_channels_streams_and_users_are_made(admin: Admin, aws: Aws) -> None:
    made = await admin.post("create_channel", name="new", tags={"a": "b"})
    assert made["ChannelStatus"] == "ACTIVE"
    stream = await admin.post("create_stream", name="stream", retention_hours=1)
    await call(
        aws.control.update_media_storage_configuration,
        ChannelARN=made["ChannelARN"],
        MediaStorageConfiguration={"Status": "ENABLED"} | stream,
    )
    await admin.post("delete_channel", channel="new")
    assert (await admin.state())["channels"] == {}

    await admin.post(
        "add_user",
        access_key_id="AKIANEW",
        secret_access_key="secret",
        policies=[policy(allow("DescribeSignalingChannel"))],
    )
    user = aws.as_user(User(access_key_id="AKIANEW", secret_access_key="secret"))
    assert (await failure(user.control.list_signaling_channels))[0] == 401
    await admin.post("remove_user", access_key_id="AKIANEW")
    assert (await failure(user.control.list_signaling_channels))[0] == 403
    assert await admin.refused("delete_channel", channel="new") == 400


async def test_connections_are_disturbed(admin: Admin, aws: Aws, arn: str) -> None:
    assert await admin.refused("connections", channel=arn, action="cut") == 400
    master, viewer = await aws.connect(arn), await aws.connect(arn, "viewer")
    to_master = {"channel": "front-door"}
    await admin.post("connections", **to_master, action="reconnect_ice_server")
    assert (await master.receive())["messageType"] == "RECONNECT_ICE_SERVER"
    await admin.post("connections", **to_master, action="send", text='{"a": 1}')
    assert await master.receive() == {"a": 1}
    frame = base64.b64encode(b"\x81\x02{}").decode()
    await admin.post("connections", **to_master, action="send", base64=frame)
    assert await master.receive() == {}
    assert await admin.refused("connections", **to_master, action="dance") == 400
    await admin.post("connections", **to_master, action="go_away", grace=0.05)
    assert (await master.receive())["messageType"] == "GO_AWAY"
    assert await master.closed() == 1001

    to_viewer = to_master | {"client_id": "viewer"}
    await admin.post("connections", **to_viewer, action="close", code=4001)
    assert await viewer.closed() == 4001
    viewer = await aws.connect(arn, "viewer")
    await admin.post("connections", **to_viewer, action="half_open")
    await admin.post("connections", **to_viewer, action="send", text="lost")
    with pytest.raises(TimeoutError):
        await viewer.socket.receive(timeout=0.05)
    await admin.post("connections", **to_viewer, action="cut")
    assert await viewer.closed() == 1006


async def test_messages_are_shown(admin: Admin, aws: Aws, arn: str) -> None:
    viewer = await aws.connect(arn, "viewer")
    await viewer.send(action="SDP_OFFER", messagePayload=encoded())
    await aws.emulator.wait_for(lambda: aws.emulator.journal.messages)
    seen = {
        "channel": "front-door",
        "type": "SDP_OFFER",
        "sender": "viewer",
        "recipient": None,
        "payload": encoded(),
        "outcome": "stored",
    }
    assert await admin.post("messages", channel="front-door") == [seen]
    assert await admin.post("messages") == [seen]
    assert await admin.post("messages", channel="other") == []


async def test_an_outage_is_switched_on_and_off(
    admin: Admin, aws: Aws, arn: str
) -> None:
    url = await aws.url(arn)
    await admin.post("offline")
    with pytest.raises(aiohttp.ClientConnectionError):
        await aws.open(url)
    await admin.post("online")
    await aws.open(url)


async def test_the_process_serves_until_it_is_told_to_end(aws: Aws) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.emulator",
        "--channel=front-door",
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        assert process.stdout
        async with asyncio.timeout(20):
            ready = json.loads(await process.stdout.readline())
        async with aws.session.get(f"{ready['admin_url']}/_emulator/state") as response:
            state = await response.json()
        assert ready["channels"] == {
            "front-door": state["channels"]["front-door"]["ChannelARN"]
        }
        async with aws.session.get(ready["url"]) as response:
            assert response.status == 404
    finally:
        process.terminate()
        async with asyncio.timeout(10):
            assert await process.wait() == 0


async def test_the_command_line_sets_everything(tmp_path: Path) -> None:
    files = {
        "limits": {"viewers": 2},
        "behaviour": {"empty_frames": False},
        "policy": policy(allow("ListSignalingChannels")),
        "users": [{"access_key_id": "B", "secret_access_key": "b", "account": "2"}],
    }
    for name, content in files.items():
        (tmp_path / name).write_text(json.dumps(content))
    options = [f"--{name}={tmp_path / name}" for name in files]
    emulator, admin = build(
        [
            *options,
            "--host=127.0.0.1",
            "--host=127.0.0.2",
            "--region=us-east-1",
            "--account=42",
            "--access-key=A",
            "--secret=a",
            "--session-token=t",
            "--turn-host=127.0.0.1:3478",
            "--turn-uri=turn:127.0.0.9:3478",
            "--turn-secret=s",
            "--turn-ttl=60",
            "--message-ttl-scale=0.5",
            "--no-rates",
        ]
    )
    assert emulator.limits.viewers == 2
    assert emulator.limits.message_ttl_scale == 0.5
    assert emulator.limits.channel_rates == {}
    assert not emulator.behaviour.empty_frames
    assert emulator.users["A"].account == "42"
    assert emulator.users["A"].session_token == "t"
    assert not emulator.users["A"].may("kinesisvideo:TagResource", "*")
    assert emulator.users["B"].account == "2"
    assert emulator.turn.ttl == 60
    assert [len(entry) for entry in emulator.turn.uris] == [1, 3]
    async with emulator:
        first, second = emulator.url_at("127.0.0.1"), emulator.url_at("127.0.0.2")
        await admin.start()
        async with aiohttp.ClientSession() as session:
            for url in (first, second):
                async with session.post(f"{url}/listSignalingChannels") as response:
                    assert response.status == 403
        await admin.stop()


async def test_endpoints_are_given_under_the_name_the_client_used(aws: Aws) -> None:
    async with KvsEmulator(hosts=["127.0.0.1", "127.0.0.2", "::1"]) as emulator:
        arn = emulator.create_channel("here").arn
        for host in ("127.0.0.2", "[::1]"):
            client = Aws(emulator, aws.session)
            client.base = emulator.url_at(host.strip("[]"))
            endpoint = client.control.get_signaling_channel_endpoint
            answer = await call(endpoint, ChannelARN=arn)
            url = answer["ResourceEndpointList"][0]["ResourceEndpoint"]
            assert url.startswith(f"ws://{host}:")
            await client.open(client.sign(url, arn, "viewer"))


def test_tls_is_switched_on_with_a_certificate(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        build([f"--tls-cert={tmp_path / 'none'}", f"--tls-key={tmp_path / 'none'}"])
