"""ConnectAsMaster and ConnectAsViewer."""

import asyncio
import re
from typing import cast

from aiohttp import WSMsgType, web

from .channels import Channel
from .connection import Connection
from .errors import (
    AccessDeniedError,
    ApiError,
    invalid_argument,
    limit_exceeded,
    not_found,
)
from .hub import Hub
from .iam import User
from .models import is_arn
from .sigv4 import HttpRequest
from .state import Caller, Endpoint, Role, State

_CLIENT_ID = re.compile(r"[a-zA-Z0-9_.-]{1,256}")
# What API Gateway takes; larger frames end the connection with 1009.
_MAX_FRAME = 128 * 1024


class WebsocketApi:
    """The WSS endpoints of all channels."""

    def __init__(self, state: State, hub: Hub) -> None:
        """Serve the upgrades."""
        self._state = state
        self._hub = hub
        self._used: set[str] = set()

    async def connect(
        self, request: web.Request, signed: HttpRequest, endpoint: Endpoint, user: User
    ) -> web.StreamResponse:
        """Upgrade a request whose signature is verified, and stay to the end."""
        if self._state.behaviour.single_use_urls and signed.target in self._used:
            raise ApiError("InvalidSignatureException", "The URL was used before.", 403)
        channel, client_id = self._admit(request, signed, endpoint, user)
        socket = web.WebSocketResponse(
            autoping=False, autoclose=False, compress=False, max_msg_size=_MAX_FRAME
        )
        if not socket.can_prepare(request).ok:
            raise invalid_argument("An upgrade to a websocket is needed.")
        self._used.add(signed.target)
        await socket.prepare(request)
        connection = Connection(
            transport=cast("asyncio.Transport", request.transport),
            channel=channel,
            role=endpoint.role,
            client_id=client_id,
            limits=self._state.limits,
            behaviour=self._state.behaviour,
        )
        self._hub.join(connection)
        try:
            await self._serve(socket, connection)
        finally:
            self._hub.leave(connection)
        return socket

    def _admit(
        self, request: web.Request, signed: HttpRequest, endpoint: Endpoint, user: User
    ) -> tuple[Channel, str | None]:
        query = dict(signed.query)
        arn = query.get("X-Amz-ChannelARN", "")
        if not is_arn(arn):
            raise invalid_argument("X-Amz-ChannelARN is missing or not an ARN.")
        client_id = self._client_id(endpoint.role, query.get("X-Amz-ClientId"))
        caller = Caller(user, request.host, endpoint)
        channel = self._state.channels.find(caller.account, arn=arn)
        operation = f"ConnectAs{endpoint.role.title()}"
        try:
            self._state.authorise(caller, operation, arn, channel=channel)
        except AccessDeniedError as denied:
            raise ApiError("AccessDeniedException", denied.message, 403) from None
        if channel is None or not channel.usable:
            raise not_found(f"The requested channel {arn} is not found.")
        if endpoint.channel_arn != arn:
            raise invalid_argument("The endpoint belongs to another channel.")
        self._state.throttle(caller, operation, arn)
        if client_id is not None and not self._hub.has_place(channel, client_id):
            raise limit_exceeded("The channel has as many viewers as it may have.")
        return channel, client_id

    def _client_id(self, role: Role, client_id: str | None) -> str | None:
        if role is Role.MASTER:
            return None
        if client_id is None or not _CLIENT_ID.fullmatch(client_id):
            raise invalid_argument("X-Amz-ClientId must match [a-zA-Z0-9_.-]{1,256}.")
        if client_id.upper().startswith("AWS_"):
            raise invalid_argument("X-Amz-ClientId must not begin with AWS_.")
        return client_id

    async def _serve(
        self, socket: web.WebSocketResponse, connection: Connection
    ) -> None:
        while True:
            message = await socket.receive()
            match message.type:
                case WSMsgType.TEXT:
                    connection.saw_traffic()
                    self._hub.receive(connection, message.data)
                case WSMsgType.PING:
                    connection.pong(message.data)
                case WSMsgType.PONG:
                    connection.saw_traffic()
                case WSMsgType.BINARY:
                    self._hub.receive(connection, "binary")
                case WSMsgType.CLOSE:
                    connection.close(message.data or 1000)
                    connection.finish()
                    return
                case _:
                    return
