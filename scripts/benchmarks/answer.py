"""How long an offer waits for its answer, and an Echo for its first frame.

Measured at the caller: from plain boto3's SendAlexaOfferToMaster to its return, through
the emulator, a signaling connection and the peer, all real and on loopback. They run
without Home Assistant, so that the ICE servers can be changed from case to case:

- host_only: no ICE server at all;
- stun_turn: coturn as STUN and TURN server;
- silent_servers: a STUN and a TURN server that never answer.

first_frame_ms is until an Echo (in a process of its own) has decoded its first frame,
with coturn, and with a camera whose RTSP session is opened anew for each view.
"""

import argparse
import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
import json
import os
import socket
import time
from typing import Any
from uuid import uuid4

import aiohttp

from custom_components.kinesis_webrtc.offer_desk import OfferDesk
from custom_components.kinesis_webrtc.peer import (
    CandidateGathered,
    Ended,
    EndOfCandidates,
    Limits,
    MasterPeer,
    RefusalReason,
    SessionEvent,
    StreamUrl,
)
from custom_components.kinesis_webrtc.signaling import (
    ConnectionState,
    Credentials,
    IceServer,
    Message,
    Role,
    SdpOffer,
    SignalingClient,
    SignalingConnection,
)
from scripts.lib.program import run
from tests.e2e.harness.alexa_lambda import AlexaLambda
from tests.e2e.harness.camera import RtspCamera
from tests.e2e.harness.coturn import Coturn
from tests.e2e.harness.echo import Echo
from tests.e2e.harness.emulator import Emulator

from .statistics import summary

# The service allows five Alexa offers a second on one channel.
PAUSE = 0.25


class Camera:
    """The camera as the peer's source."""

    def __init__(self, url: str) -> None:
        self._url = url

    async def resolve(self) -> StreamUrl:
        """Return its stream."""
        return StreamUrl(url=self._url, options={})


class Master:
    """A master with the ICE servers of the moment, and nothing kept after a viewer."""

    def __init__(self, camera: RtspCamera) -> None:
        self.ice_servers: Sequence[IceServer] = ()
        self.connected = asyncio.Event()
        self.idle = asyncio.Event()
        # Without lingering, every view opens the camera.
        self.peer = MasterPeer(
            source=Camera(camera.url),
            on_event=self._on_event,
            limits=Limits(linger=0),
        )
        self.coturns: Sequence[IceServer] = ()
        self._desk: OfferDesk

    @asynccontextmanager
    async def run(self, emulator: Emulator) -> AsyncIterator[AlexaLambda]:
        """Be the master of a new channel; give the function that sends it offers."""
        channel = await emulator.act("create_channel", name="ha-bench", message_ttl=5)
        arn = channel["ChannelARN"]
        account = emulator.home_assistant
        client = SignalingClient(
            region=account.region,
            credentials=Credentials(
                access_key_id=account.access_key_id,
                secret_access_key=account.secret_access_key,
            ),
            execute=asyncio.to_thread,
        )
        await self.peer.prepare()
        async with aiohttp.ClientSession() as session:
            connection = SignalingConnection(
                client=client,
                session=session,
                channel_arn=arn,
                role=Role.MASTER,
                on_message=self._on_message,
                on_state=self._on_state,
            )
            self._desk = OfferDesk(
                peer=self.peer,
                connection=connection,
                ice_servers=lambda: self.ice_servers,
                on_refused=self._on_refused,
                now=lambda: datetime.now(UTC),
            )
            running = asyncio.create_task(connection.run())
            try:
                await self.connected.wait()
                alexa = AlexaLambda.of(emulator, arn)
                await alexa.prepare()
                self.coturns = (await client.get_ice_server_config(arn)).servers
                yield alexa
            finally:
                await self._desk.shutdown()
                await self.peer.shutdown()
                running.cancel()
                await asyncio.wait([running])

    def _on_message(self, message: Message) -> None:
        if isinstance(message, SdpOffer):
            self.idle.clear()
            self._desk.take(message)

    def _on_state(self, state: ConnectionState) -> None:
        if state.connected:
            self.connected.set()

    def _on_refused(self, viewer_id: str, reason: RefusalReason) -> None:
        print(f"refused {viewer_id}: {reason}", flush=True)

    def _on_event(self, event: SessionEvent) -> None:
        match event:
            case CandidateGathered() | EndOfCandidates():
                self._desk.send_candidate(event)
            case Ended():
                self._desk.forget(event.viewer_id)
                self.idle.set()


async def answer_times(master: Master, alexa: AlexaLambda, count: int) -> list[float]:
    """Return the times of so many answers, after one that does not count."""
    times = []
    async with Echo() as echo:
        for _ in range(count + 1):
            sender = uuid4().hex
            started = time.perf_counter()
            answer = await alexa.answer(echo.offer, sender=sender)
            times.append((time.perf_counter() - started) * 1000)
            assert answer is not None
            await master.peer.close(sender)
            await asyncio.sleep(PAUSE)
    return times[1:]


async def first_frame_times(
    master: Master, alexa: AlexaLambda, camera: RtspCamera, count: int
) -> list[float]:
    """Return the times until so many Echos had their first frames, one by one."""
    times = []
    for _ in range(count + 1):
        async with Echo(frames=5) as echo:
            answer = await alexa.answer(echo.offer)
            assert answer is not None
            await echo.apply(answer)
            times.append(await echo.first_frame_ms())
            await echo.frames()
            await echo.hang_up()
        await master.idle.wait()
        await camera.wait_until_idle()
    return times[1:]


def silent_servers(stack: list[socket.socket]) -> list[IceServer]:
    """Return servers whose sockets are open and that never answer."""
    addresses = []
    for _ in range(2):
        silent = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        silent.bind(("127.0.0.1", 0))
        stack.append(silent)
        addresses.append(f"127.0.0.1:{silent.getsockname()[1]}")
    return [
        IceServer(urls=(f"stun:{addresses[0]}",)),
        IceServer(
            urls=(f"turn:{addresses[1]}?transport=udp",),
            username="nobody",
            credential="listens",
        ),
    ]


async def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Run all cases."""
    sockets: list[socket.socket] = []
    async with (
        Coturn(secret=uuid4().hex) as coturn,
        Emulator(coturn=coturn, tls=False) as emulator,
        RtspCamera() as camera,
    ):
        # This process is a client too.
        os.environ.update(emulator.environment)
        master = Master(camera)
        async with master.run(emulator) as alexa:
            cases: dict[str, tuple[Sequence[IceServer], int]] = {
                "host_only": ((), options.answers),
                "stun_turn": (
                    [IceServer(urls=(coturn.stun_url,)), *master.coturns],
                    options.answers,
                ),
                "silent_servers": (silent_servers(sockets), options.silent_answers),
            }
            answers = {}
            for name, (servers, count) in cases.items():
                master.ice_servers = servers
                answers[name] = summary(await answer_times(master, alexa, count))
                print(f"{name}: {count} answers", flush=True)
            master.ice_servers = cases["stun_turn"][0]
            frames = await first_frame_times(master, alexa, camera, options.views)
            print(f"first frame: {options.views} views of a closed camera", flush=True)
    for one in sockets:
        one.close()
    return {"answer_ms": answers, "first_frame_ms": summary(frames)}


def main() -> None:
    """Print the results, the last line being JSON."""
    parser = argparse.ArgumentParser(prog="scripts/bench answer")
    parser.add_argument("--answers", type=int, default=40)
    parser.add_argument("--silent-answers", type=int, default=10)
    parser.add_argument("--views", type=int, default=20)
    options = parser.parse_args()
    print("A signaling connection and a peer in one process, without Home Assistant.")
    print(json.dumps(run(measure(options))))


if __name__ == "__main__":
    main()
