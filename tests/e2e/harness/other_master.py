"""Another master, that takes a channel over."""

import asyncio
from datetime import UTC, datetime
import ssl
from typing import Self

import aiohttp
from yarl import URL

from custom_components.kinesis_webrtc.signaling import Credentials, presign

from .alexa_lambda import boto3_session
from .emulator import Emulator


class OtherMaster:
    """Somebody with the same keys who connects as a channel's master, and says nothing."""

    def __init__(self, emulator: Emulator, arn: str) -> None:
        self._emulator = emulator
        self._arn = arn
        self._endpoint: str | None = None
        self._session: aiohttp.ClientSession
        self._socket: aiohttp.ClientWebSocketResponse | None = None

    async def __aenter__(self) -> Self:
        assert self._emulator.certificate
        trust = ssl.create_default_context(cafile=str(self._emulator.certificate))
        self._session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=trust))
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    async def take_over(self) -> None:
        """Become the channel's master."""
        account = self._emulator.home_assistant
        if self._endpoint is None:
            self._endpoint = await asyncio.to_thread(self._ask)
        url = presign(
            self._endpoint,
            channel_arn=self._arn,
            credentials=Credentials(
                access_key_id=account.access_key_id,
                secret_access_key=account.secret_access_key,
            ),
            region=account.region,
            now=datetime.now(UTC),
        )
        self._socket = await self._session.ws_connect(URL(url, encoded=True))

    async def leave(self) -> None:
        """Be it no more, if nobody else has become it."""
        assert self._socket
        await self._socket.close()

    async def wait_displaced(self) -> None:
        """Wait until another one has become it."""
        assert self._socket
        async for _ in self._socket:
            pass

    def _ask(self) -> str:
        """Return the endpoint for masters."""
        video = boto3_session(self._emulator.home_assistant).client(
            "kinesisvideo",
            endpoint_url=self._emulator.url,
            verify=str(self._emulator.certificate),
        )
        answer = video.get_signaling_channel_endpoint(
            ChannelARN=self._arn,
            SingleMasterChannelEndpointConfiguration={
                "Protocols": ["WSS"],
                "Role": "MASTER",
            },
        )
        (endpoint,) = answer["ResourceEndpointList"]
        return str(endpoint["ResourceEndpoint"])
