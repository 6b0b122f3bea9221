"""An Echo that can reach the home in no other way than through the relay."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
import subprocess

import pytest

from tests.system import require

from .harness.alexa_lambda import AlexaLambda
from .harness.camera import RtspCamera
from .harness.coturn import Coturn
from .harness.echo import Echo, Frames, Pair
from .harness.emulator import Emulator
from .harness.home_assistant import HomeAssistant
from .harness.log import HomeAssistantLog
from .harness.network import (
    ECHO,
    ECHO_ADDRESS,
    HOME,
    HOME_ADDRESS,
    RELAY,
    RELAY_ECHO_ADDRESS,
    RELAY_HOME_ADDRESS,
    in_namespace,
    relay_network,
    run_inside,
)
from .harness.pictures import assert_pictures
from .harness.scenario import share_a_camera


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a view through the relay left behind."""

    answer: str
    pair: Pair
    frames: Frames
    relayed_from_peer: int
    relayed_to_peer: int
    log: HomeAssistantLog


@pytest.fixture
def network() -> Iterator[None]:
    """Make the home, the relay's host and the Echo's, which know only the relay."""
    require("root", "ip", "turnserver", "gi:GstRtspServer", "gst:rtph264pay")
    with relay_network():
        yield


def reaches(namespace: str, address: str) -> bool:
    """Tell whether a TCP connection attempt gets an answer at all: a refusal is one."""
    probe = (
        "import socket, sys\n"
        "try: socket.create_connection((sys.argv[1], 9), timeout=1)\n"
        "except ConnectionRefusedError: sys.exit(0)\n"
        "except OSError: sys.exit(1)"
    )
    command = in_namespace(namespace, "/usr/bin/python3", "-c", probe, address)
    return subprocess.run(command, check=False).returncode == 0


async def view_through_relay(directory: Path) -> Outcome:
    """Show the camera to the Echo; runs in the home's namespace."""
    relay = Coturn(
        secret="of the relay and the service",
        host=RELAY_HOME_ADDRESS,
        relay_host=RELAY_ECHO_ADDRESS,
        port=3478,
        prefix=in_namespace(RELAY),
    )
    async with (
        relay,
        Emulator(coturn=relay) as emulator,
        RtspCamera(number=2) as camera,
        HomeAssistant(directory, environment=emulator.environment) as home,
    ):
        shared = await share_a_camera(
            home.client,
            emulator.home_assistant,
            stream_url=camera.url,
            stun_url=relay.stun_url,
        )
        channel = await emulator.only_channel()
        alexa = AlexaLambda.of(emulator, channel["ChannelARN"])
        async with Echo(frames=75, prefix=in_namespace(ECHO)) as echo:
            answer = await alexa.answer(echo.offer)
            assert answer is not None
            await echo.apply(answer)
            pair = await echo.connected()
            frames = await echo.frames()
            await echo.hang_up()
        await home.client.wait_for_state(shared.viewers, "0")
        await relay.wait_for_usage()
        return Outcome(answer, pair, frames, *relay.relayed_bytes, home.log)


@pytest.mark.timeout(180)
async def test_an_echo_behind_a_relay_sees_the_camera(
    network: None, tmp_path: Path
) -> None:
    assert reaches(ECHO, RELAY_ECHO_ADDRESS)
    assert not reaches(ECHO, HOME_ADDRESS)
    assert not reaches(HOME, ECHO_ADDRESS)

    # Off the loop, which goes on serving what the tests share.
    outcome = await asyncio.to_thread(
        run_inside, HOME, partial(view_through_relay, tmp_path)
    )

    assert f" {HOME_ADDRESS} " in outcome.answer
    assert outcome.pair.remote_type == "relay"
    assert outcome.pair.remote_address == RELAY_ECHO_ADDRESS
    assert outcome.pair.local_address == ECHO_ADDRESS
    assert_pictures(outcome.frames, camera=2)
    # 75 frames at 3 Mbit/s are more than a megabyte; the Echo's way is checks and RTCP.
    assert outcome.relayed_to_peer > 500_000
    assert outcome.relayed_from_peer > 500
    outcome.log.assert_clean()
