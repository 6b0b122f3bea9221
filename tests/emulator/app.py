"""The HTTP front: signatures, faults and dispatch for every port of the service."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from email.utils import formatdate
import json
from typing import Any
from urllib.parse import parse_qs
from uuid import uuid4

from aiohttp import web

from . import sts
from .control import ControlPlane, Handler
from .errors import AccessDeniedError, ApiError
from .faults import Fault, FaultKind
from .hub import Hub
from .iam import User
from .models import check_input, operations_by_path
from .signaling import SignalingApi
from .sigv4 import HttpRequest, SignatureRefusedError, Verifier
from .state import Caller, Endpoint, Protocol, State
from .websocket import WebsocketApi

_SERVICE = "kinesisvideo"
_CONTROL, _SIGNALING = "kinesisvideo", "kinesis-video-signaling"
_EXPIRED = "The security token included in the request is expired"

type Render = Callable[[ApiError], web.Response]
type EndpointAt = Callable[[int], Endpoint | None]


class Front:
    """Finds out what a request asks for and answers it as AWS would.

    endpoint_at: what a port of the data plane serves, None for the control plane.
    """

    def __init__(
        self, state: State, hub: Hub, control: ControlPlane, endpoint_at: EndpointAt
    ) -> None:
        """Serve the control plane, STS and all channels' endpoints."""
        self._state = state
        self._endpoint_at = endpoint_at
        self._control = control.handlers
        self._signaling = SignalingApi(state, hub).handlers
        self._websocket = WebsocketApi(state, hub)

    def application(self) -> web.Application:
        """Return the application that all ports share."""
        application = web.Application()
        application.router.add_route("*", "/{path:.*}", self._handle)
        application.on_response_prepare.append(self._set_headers)
        return application

    async def _set_headers(
        self, request: web.Request, response: web.StreamResponse
    ) -> None:
        # Clients learn from the Date header how wrong their clock is.
        response.headers["Date"] = formatdate(self._state.now(), usegmt=True)
        response.headers["x-amzn-RequestId"] = str(uuid4())

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        port = request.transport.get_extra_info("sockname")[1]
        signed = HttpRequest(
            method=request.method,
            target=request.raw_path,
            headers=[(name, value) for name, value in request.headers.items()],
            body=await request.read(),
        )
        endpoint = self._endpoint_at(port)
        if endpoint is not None and endpoint.protocol is Protocol.WSS:
            return await self._upgrade(request, signed, endpoint)
        form = request.content_type == "application/x-www-form-urlencoded"
        if endpoint is None and form:
            return await self._sts(request, signed)
        if endpoint is None:
            return await self._call(request, signed, None, _CONTROL, self._control)
        # Nothing is served for media storage.
        handlers = self._signaling if endpoint.protocol is Protocol.HTTPS else {}
        return await self._call(request, signed, endpoint, _SIGNALING, handlers)

    async def _call(
        self,
        request: web.Request,
        signed: HttpRequest,
        endpoint: Endpoint | None,
        model: str,
        handlers: Mapping[str, Handler],
    ) -> web.Response:
        operation = operations_by_path(model).get(signed.path)
        if (
            operation is None
            or operation.name not in handlers
            or request.method != "POST"
        ):
            return _json_error(
                ApiError("UnknownOperationException", "Unknown operation.", 404)
            )

        async def answer() -> web.Response:
            user = self._verify(signed, query=False)
            params = check_input(operation, _parse_body(signed.body))
            self._state.journal.requests.append((operation.name, params))
            caller = Caller(user, request.host, endpoint)
            try:
                output = await handlers[operation.name](caller, params)
            except AccessDeniedError as denied:
                declared = {shape.name for shape in operation.error_shapes}
                code = next(
                    name
                    for name in ("AccessDeniedException", "NotAuthorizedException")
                    if name in declared
                )
                raise ApiError(code, denied.message, 401) from None
            return web.json_response(output)

        return await self._answer(
            request, operation.name, endpoint, signed, answer, _json_error
        )

    async def _upgrade(
        self, request: web.Request, signed: HttpRequest, endpoint: Endpoint
    ) -> web.StreamResponse:
        async def answer() -> web.StreamResponse:
            user = self._verify(signed, query=True)
            return await self._websocket.connect(request, signed, endpoint, user)

        operation = f"ConnectAs{endpoint.role.title()}"
        return await self._answer(
            request, operation, endpoint, signed, answer, _json_error
        )

    async def _sts(self, request: web.Request, signed: HttpRequest) -> web.Response:
        form = parse_qs(signed.body.decode())

        async def answer() -> web.Response:
            user = self._verify(signed, query=False, service="sts")
            if form.get("Action") != ["GetCallerIdentity"] or (
                form.get("Version") != [sts.VERSION]
            ):
                raise ApiError("InvalidAction", "Could not find the operation.")
            return web.Response(
                text=sts.caller_identity(user, self._state.partition),
                content_type="text/xml",
            )

        return await self._answer(
            request, "GetCallerIdentity", None, signed, answer, _xml_error
        )

    async def _answer[R: web.StreamResponse](
        self,
        request: web.Request,
        operation: str,
        endpoint: Endpoint | None,
        signed: HttpRequest,
        answer: Callable[[], Awaitable[R]],
        render: Render,
    ) -> R | web.Response:
        self._state.journal.count_call(operation)
        try:
            for fault in self._state.faults.take_for_call(
                operation, self._channel_name(endpoint, signed)
            ):
                if await self._fail(request, fault):
                    return web.Response()
            return await answer()
        except ApiError as refused:
            self._state.journal.count_error(operation, refused.code)
            return render(refused)

    async def _fail(self, request: web.Request, fault: Fault) -> bool:
        """Do what a fault asks; return whether there is nobody left to answer."""
        match fault.kind:
            case FaultKind.DROP:
                assert request.transport is not None
                request.transport.abort()
                return True
            case FaultKind.DELAY:
                await asyncio.sleep(fault.delay)
            case FaultKind.HANG:
                # Ends by cancellation, when the client gives up or the service stops.
                await asyncio.Event().wait()
            case FaultKind.ERROR:
                raise ApiError(fault.code, fault.message, fault.status)
            case FaultKind.THROTTLE:
                raise ApiError("ClientLimitExceededException", "Rate exceeded")
            case FaultKind.EXPIRED_TOKEN:
                raise ApiError("ExpiredTokenException", _EXPIRED, 403)
        return False

    def _channel_name(
        self, endpoint: Endpoint | None, signed: HttpRequest
    ) -> str | None:
        try:
            if endpoint is not None:
                return self._state.channels.by_reference(endpoint.channel_arn).name
            params = json.loads(signed.body)
            reference = params.get("ChannelARN") or params.get("ResourceARN")
            if reference is None:
                name: str | None = params.get("ChannelName")
                return name
            return self._state.channels.by_reference(reference).name
        except KeyError, ValueError, AttributeError:
            return None

    def _verify(
        self, signed: HttpRequest, *, query: bool, service: str = _SERVICE
    ) -> User:
        verifier = Verifier(
            users=self._state.users, clock_skew=self._state.limits.clock_skew
        )
        # The global STS endpoint lies in us-east-1.
        regions = {self._state.region} | ({"us-east-1"} if service == "sts" else set())
        verify = verifier.verify_query if query else verifier.verify_headers
        try:
            return verify(
                signed, service=service, regions=regions, now=self._state.now()
            )
        except SignatureRefusedError as refused:
            code = (
                sts.error_code(refused.code)
                if service == "sts"
                else f"{refused.code}Exception"
            )
            raise ApiError(code, refused.message, 403) from None


def _parse_body(body: bytes) -> Any:
    try:
        return json.loads(body or b"{}")
    except ValueError:
        raise ApiError("SerializationException", "The body is not JSON.") from None


def _json_error(refused: ApiError) -> web.Response:
    return web.json_response(
        {"message": refused.message, "Message": refused.message},
        status=refused.status,
        headers={"x-amzn-ErrorType": refused.code},
    )


def _xml_error(refused: ApiError) -> web.Response:
    code = refused.code.removesuffix("Exception")
    code = "Throttling" if code == "ClientLimitExceeded" else code
    return web.Response(
        text=sts.error_response(code, refused.message, refused.status),
        status=refused.status,
        content_type="text/xml",
    )
