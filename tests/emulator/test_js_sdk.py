"""AWS's own JS SDK, which takes nothing but wss://."""

import asyncio
import json
import os
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests import system

from . import KvsEmulator, Limits, User
from .conftest import Aws, server_context

SCRIPT = Path(__file__).with_name("js_sdk.cjs")


async def run_sdk(certificate: Path, arguments: dict[str, Any]) -> dict[str, Any]:
    """Run the script; return what it saw."""
    process = await asyncio.create_subprocess_exec(
        system.program("node"),
        str(SCRIPT),
        json.dumps(arguments),
        env=os.environ
        | {
            "NODE_PATH": str(system.NODE_MODULES),
            "NODE_EXTRA_CA_CERTS": str(certificate),
        },
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(30):
            output, errors = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert output, errors.decode()
    seen: dict[str, Any] = json.loads(output)
    return seen


@pytest.mark.parametrize("token", [None, "a/token+with=odd characters"])
async def test_master_and_viewer_of_the_js_sdk_talk(
    certificate: Path, trust: None, token: str | None
) -> None:
    system.require("node", "node:amazon-kinesis-video-streams-webrtc", "node:ws")
    user = User(
        access_key_id="AKIDJS", secret_access_key="a/secret+", session_token=token
    )
    async with (
        KvsEmulator(
            users=[user],
            ssl_context=server_context(certificate),
            limits=Limits().without_rates(),
        ) as emulator,
        aiohttp.ClientSession() as session,
    ):
        arn = emulator.create_channel("js").arn
        aws = Aws(emulator, session).as_user(user)
        wss = {
            role: (await aws.endpoints(arn, role))["WSS"]
            for role in ("MASTER", "VIEWER")
        }
        assert wss["MASTER"].startswith("wss://127.0.0.1:")
        credentials = {
            "accessKeyId": user.access_key_id,
            "secretAccessKey": user.secret_access_key,
            "sessionToken": token,
        }
        arguments = {"region": emulator.region, "arn": arn, "wss": wss}
        seen = await run_sdk(certificate, arguments | {"credentials": credentials})
        assert seen == {
            "offer": {"type": "offer", "sdp": "v=0 offer", "clientId": "js-viewer"},
            "answer": {"type": "answer", "sdp": "v=0 answer"},
            "candidate": "candidate:1",
            "status": seen["status"],
        }
        assert seen["status"]["correlationId"] == "too-big"
        assert seen["status"]["errorType"] == "InvalidArgumentException"

        credentials["secretAccessKey"] = "wrong"
        seen = await run_sdk(certificate, arguments | {"credentials": credentials})
        assert "403" in seen["error"]
