"""A camera that is elsewhere, on a signaling channel that Home Assistant views."""

import asyncio
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any, Self

import aiohttp

from custom_components.kinesis_webrtc.peer import (
    CandidateGathered,
    Connected,
    Ended,
    EndOfCandidates,
    MasterPeer,
    OfferRefused,
    SessionEvent,
    StreamUrl,
)
from custom_components.kinesis_webrtc.signaling import (
    ConnectionState,
    Credentials,
    IceCandidate,
    Message,
    Role,
    SdpOffer,
    SignalingClient,
    SignalingConnection,
)

from .scenario import Account

# Who the camera is to AWS, and what it may do there.
DEVICE = Account(
    region="eu-west-1",
    access_key_id="AKIADEVICE0000000000",
    secret_access_key="device-secret-0123456789-abcdefghijklmno",
)
DEVICE_POLICY = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Action": [
                "kinesisvideo:DescribeSignalingChannel",
                "kinesisvideo:GetSignalingChannelEndpoint",
                "kinesisvideo:ConnectAsMaster",
            ],
            "Resource": "*",
        }
    ],
}


class _Source:
    def __init__(self, url: str) -> None:
        self._url = url

    async def resolve(self) -> StreamUrl:
        return StreamUrl(url=self._url, options={"rtsp_transport": "tcp"})


class RemoteMaster:
    """The project's own peer as master, in the process of the test.

    The service's address comes from the environment, as boto3 has it.
    """

    def __init__(self, *, account: Account, channel_arn: str, stream_url: str) -> None:
        self.offers: list[SdpOffer] = []
        self.connected_viewers = 0
        self._arn = channel_arn
        self._client = SignalingClient(
            region=account.region,
            credentials=Credentials(
                access_key_id=account.access_key_id,
                secret_access_key=account.secret_access_key,
            ),
            execute=asyncio.to_thread,
        )
        self._peer = MasterPeer(source=_Source(stream_url), on_event=self._on_event)
        self._session: aiohttp.ClientSession
        self._connection: SignalingConnection
        self._running: asyncio.Task[None]
        self._tasks: set[asyncio.Task[None]] = set()
        self._changed = asyncio.Event()

    async def __aenter__(self) -> Self:
        await self._peer.prepare()
        self._session = aiohttp.ClientSession()
        await self.connect()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.disconnect()
        await self._peer.shutdown()
        await self._session.close()

    async def connect(self) -> None:
        """Go on the channel."""
        online = asyncio.Event()

        def on_state(state: ConnectionState) -> None:
            if state.connected:
                online.set()

        self._connection = SignalingConnection(
            client=self._client,
            session=self._session,
            channel_arn=self._arn,
            role=Role.MASTER,
            on_message=self._on_message,
            on_state=on_state,
        )
        self._running = asyncio.create_task(self._connection.run())
        async with asyncio.timeout(10):
            await online.wait()

    async def disconnect(self) -> None:
        """Leave the channel; the views go on."""
        tasks = [self._running, *self._tasks]
        for task in tasks:
            task.cancel()
        # A candidate for a viewer who has just left cannot be sent any more.
        await asyncio.gather(*tasks, return_exceptions=True)

    async def wait_viewers(self, count: int) -> None:
        """Wait until so many viewers are connected."""
        async with asyncio.timeout(15):
            while self.connected_viewers != count:
                self._changed.clear()
                await self._changed.wait()

    def _on_message(self, message: Message) -> None:
        match message:
            case SdpOffer(sender_client_id=str(viewer)):
                self.offers.append(message)
                self._start(self._answer(viewer, message))
            case IceCandidate(client_id=str(viewer)):
                self._start(
                    self._peer.add_candidate(
                        viewer,
                        message.candidate,
                        message.sdp_mid,
                        message.sdp_m_line_index,
                    )
                )

    async def _answer(self, viewer: str, offer: SdpOffer) -> None:
        with suppress(OfferRefused):
            answer = await self._peer.answer(viewer, offer.sdp, [])
            await self._connection.send(offer.answer(answer))

    def _on_event(self, event: SessionEvent) -> None:
        match event:
            case CandidateGathered():
                self._send(event.viewer_id, event.candidate, event.sdp_mid)
            case EndOfCandidates():
                self._send(event.viewer_id, "", "0")
            case Connected():
                self.connected_viewers += 1
                self._changed.set()
            case Ended(timings=timings) if timings.connected_ms is not None:
                self.connected_viewers -= 1
                self._changed.set()

    def _send(self, viewer: str, candidate: str, mid: str) -> None:
        self._start(
            self._connection.send(
                IceCandidate(client_id=viewer, candidate=candidate, sdp_mid=mid)
            )
        )

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
