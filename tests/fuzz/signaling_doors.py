"""What comes over a signaling channel, and what AWS's APIs answer."""

import asyncio
import base64
from collections.abc import Mapping
from datetime import UTC, datetime
import json
from types import SimpleNamespace
from typing import Any, ClassVar, override
from unittest.mock import patch

import aiohttp
from botocore.awsrequest import AWSResponse
from hypothesis import strategies as st

from custom_components.kinesis_webrtc.offer_desk import OfferDesk
from custom_components.kinesis_webrtc.peer.servers import read_servers
from custom_components.kinesis_webrtc.signaling import (
    Credentials,
    IceCandidate,
    IceServerCache,
    Notice,
    Role,
    SdpOffer,
    SignalingClient,
    SignalingError,
)
from custom_components.kinesis_webrtc.signaling.api import AwsApi
from custom_components.kinesis_webrtc.signaling.websocket import Websocket
from custom_components.kinesis_webrtc.viewer_session import (
    ViewerCallbacks,
    ViewerSession,
)

from . import broken
from .door import BrokenPromiseError, Door
from .peer_doors import CANDIDATES, FINGERPRINT, OFFERS, PASSWORD, Peer

SESSION = "0123456789abcdef"
TERMS = {"v": 1, "deadline_ms": 4_000_000_000_000, "session": SESSION}
NOTICES = [
    {"type": "kinesis_webrtc", "v": 1, "kind": "ping", "session": SESSION},
    {"type": "kinesis_webrtc", "v": 1, "kind": "end", "session": SESSION},
    {"type": "kinesis_webrtc", "v": 1, "error": "no_h264"},
    {"type": "offer", "sdp": OFFERS[0], "kinesis_webrtc": TERMS},
    {"type": "offer", "sdp": OFFERS[-1]},
    {"candidate": CANDIDATES[0], "sdpMid": "0", "sdpMLineIndex": 0},
]


def envelope(kind: str, payload: str, sender: Any = f"alexa-{SESSION}-1") -> Any:
    """Return a frame's content as the service writes it."""
    return {
        "messageType": kind,
        "messagePayload": base64.b64encode(payload.encode()).decode(),
        "senderClientId": sender,
    }


ENVELOPES = [
    *(envelope("SDP_OFFER", json.dumps(content)) for content in NOTICES[:5]),
    envelope("SDP_OFFER", OFFERS[0]),
    envelope("SDP_ANSWER", json.dumps({"type": "answer", "sdp": OFFERS[0]})),
    envelope("ICE_CANDIDATE", json.dumps(NOTICES[5])),
    {
        "messageType": "STATUS_RESPONSE",
        "messagePayload": "",
        "statusResponse": {
            "correlationId": "1",
            "errorType": "InvalidArgumentException",
            "statusCode": "400",
            "description": "no",
        },
    },
    {"messageType": "GO_AWAY", "messagePayload": ""},
    {"messageType": "RECONNECT_ICE_SERVER"},
]


class Socket:
    """A websocket that delivers what it is given."""

    closed = False
    close_code = None

    def __init__(self) -> None:
        self.frames: asyncio.Queue[Any] = asyncio.Queue()

    async def receive(self) -> Any:
        """Return the next frame."""
        return SimpleNamespace(
            type=aiohttp.WSMsgType.TEXT, data=await self.frames.get()
        )

    async def send_str(self, frame: str) -> None:
        """Take what is sent."""

    async def close(self) -> None:
        """Close."""


class Connection:
    """Takes what is sent, as the real one does: as a frame."""

    async def send(self, message: Any) -> None:
        """Send it nowhere."""


class Channel(Door):
    """A master's websocket, from its frames to its sessions."""

    secrets = (FINGERPRINT, PASSWORD)
    bound = 120

    @override
    async def open(self) -> None:
        self.peer = Peer()
        await self.peer.open()
        self.refused: list[str] = []
        self.desk = OfferDesk(
            peer=self.peer.master,
            connection=Connection(),  # type: ignore[arg-type]
            ice_servers=lambda: (),
            on_refused=lambda _, reason: self.refused.append(reason.value),
            now=lambda: datetime.now(UTC),
        )
        self.socket = Socket()
        self.websocket = Websocket(
            self.socket,  # type: ignore[arg-type]
            on_message=self._dispatch,
            on_closed=lambda _: None,
        )

    @override
    async def close(self) -> None:
        await self.websocket.close()
        await self.desk.shutdown()
        await self.peer.close()

    @override
    async def knock(self, case: Any) -> None:
        self.socket.frames.put_nowait(case)
        for _ in range(6):
            await asyncio.sleep(0)
        # An offer may be under way to its answer.
        while tasks := {
            viewer.task
            for viewer in self.desk._viewers.values()
            if self.desk._answering and viewer.task
        }:
            await asyncio.wait(tasks, timeout=0.005)
        if self.websocket._reader.done():
            raise BrokenPromiseError("nothing is read any more")
        if "unexpected" in self.refused:
            raise BrokenPromiseError("refused as unexpected")
        self.refused.clear()

    @override
    def held(self) -> int:
        return (
            len(self.desk._viewers) + len(self.desk._tasks) + len(self.websocket._sent)
        )

    def _dispatch(self, message: Any) -> None:
        match message:
            case SdpOffer():
                self.desk.take(message)
            case IceCandidate():
                self.desk.take_candidate(message)
            case Notice():
                self.desk.take_notice(message)


class Envelopes(Channel):
    """Frames of the websocket."""

    name = "envelopes"

    @override
    def cases(self) -> st.SearchStrategy[str]:
        return broken.payloads(ENVELOPES)


class Notices(Channel):
    """What is in a message's payload, in a frame that is as it should be."""

    name = "notices"

    @override
    def cases(self) -> st.SearchStrategy[str]:
        return st.builds(
            lambda kind, payload, sender: json.dumps(envelope(kind, payload, sender)),
            st.sampled_from(["SDP_OFFER", "ICE_CANDIDATE"]),
            broken.payloads(NOTICES).map(
                lambda text: text.encode("utf-8", "replace").decode()
            ),
            st.sampled_from([f"alexa-{SESSION}-1", f"alexa-{SESSION}-2", "x", ""]),
        )


class Masters(Door):
    """What a remote channel's master sends to a viewer in Home Assistant."""

    name = "masters"
    secrets = (FINGERPRINT, PASSWORD)
    bound = 0

    @override
    def cases(self) -> st.SearchStrategy[list[str]]:
        answers = [
            envelope("SDP_ANSWER", json.dumps({"type": "answer", "sdp": offer}), None)
            for offer in OFFERS
        ]
        frames = broken.payloads([*answers, *ENVELOPES[-4:]])
        good = st.just(json.dumps(answers[0]))
        return st.tuples(frames, good, frames).map(list)

    @override
    async def knock(self, case: Any) -> None:
        told: list[IceCandidate] = []
        session = ViewerSession(
            client=None,  # type: ignore[arg-type]
            session=None,  # type: ignore[arg-type]
            channel_arn="arn:aws:kinesisvideo:eu-west-1:123456789012:channel/x/1",
            offer_sdp=OFFERS[-1],
            admit=_admit,
            callbacks=ViewerCallbacks(
                on_candidate=told.append,
                on_ice_servers_gone=lambda: None,
                on_ended=lambda: None,
            ),
        )
        session._connection = _Silent()  # type: ignore[assignment]
        socket = Socket()
        websocket = Websocket(
            socket,  # type: ignore[arg-type]
            on_message=session._on_message,
            on_closed=lambda _: None,
        )
        opening = asyncio.ensure_future(session.async_open())
        try:
            for frame in case:
                socket.frames.put_nowait(frame)
            for _ in range(12):
                await asyncio.sleep(0)
            if not opening.done():
                raise BrokenPromiseError("a good answer was not taken")
            opening.result().encode()
            for candidate in told:
                candidate.candidate.encode()
        finally:
            opening.cancel()
            await asyncio.gather(opening, return_exceptions=True)
            await session.async_close()
            await websocket.close()


class _Silent:
    async def run(self) -> None:
        await asyncio.Event().wait()

    async def send(self, message: Any) -> None:
        """Send it nowhere."""


async def _admit() -> None:
    """Let anybody connect."""


ARN = "arn:aws:kinesisvideo:eu-west-1:123456789012:channel/ha-x/1"
INFO = {
    "ChannelName": "ha-x",
    "ChannelARN": ARN,
    "ChannelStatus": "ACTIVE",
    "ChannelType": "SINGLE_MASTER",
    "CreationTime": 1700000000,
    "Version": "1",
    "SingleMasterConfiguration": {"MessageTtlSeconds": 60},
}
SERVER = {
    "Uris": ["turn:1-2-3-4.t.kinesisvideo.eu-west-1.amazonaws.com:443?transport=udp"],
    "Username": "name",
    "Password": PASSWORD,
    "Ttl": 300,
}
ENDPOINTS = [
    {"Protocol": "HTTPS", "ResourceEndpoint": "https://r-1.kinesisvideo.example"},
    {"Protocol": "WSS", "ResourceEndpoint": "wss://m-1.kinesisvideo.example"},
]
# By the client's own methods.
RESPONSES: Mapping[str, Any] = {
    "describe": {"ChannelInfo": INFO},
    "list": {"ChannelInfoList": [INFO]},
    "create": {"ChannelARN": ARN},
    "tags": {"Tags": {"kinesis_webrtc:created_by": "home"}},
    "storage": {"MediaStorageConfiguration": {"Status": "ENABLED"}},
    "endpoints": {"ResourceEndpointList": ENDPOINTS},
    "ice": {"IceServerList": [SERVER]},
    "alexa": {"Answer": "e30="},
}
REFUSAL = {"__type": "AccessDeniedException", "message": "not authorized to perform"}


class Aws(Door):
    """The responses of AWS's APIs, from their bytes on."""

    name = "aws"
    secrets = (PASSWORD,)
    bound = 0
    _methods: ClassVar[Mapping[str, Any]] = {
        "describe": lambda client: client.describe_channel(arn=ARN),
        "list": lambda client: client.list_channels(name_prefix="ha-"),
        "create": lambda client: client.create_channel(
            name="ha-x", message_ttl=60, tags={}
        ),
        "tags": lambda client: client.get_tags(ARN),
        "storage": lambda client: client.is_media_storage_enabled(ARN),
        "endpoints": lambda client: client.presigned_url(ARN, Role.MASTER),
        "ice": lambda client: client.get_ice_server_config(ARN),
        "alexa": lambda client: client.send_alexa_offer(
            ARN, sender_client_id="x", message_payload="e30="
        ),
    }

    @override
    def cases(self) -> st.SearchStrategy[dict[str, Any]]:
        return st.sampled_from(sorted(RESPONSES)).flatmap(
            lambda method: st.fixed_dictionaries(
                {
                    "method": st.just(method),
                    "status": st.sampled_from([200, 200, 200, 400, 403, 404, 429, 500]),
                    "headers": st.dictionaries(
                        st.sampled_from(["date", "x-amzn-errortype", "content-type"]),
                        st.one_of(
                            st.text(max_size=20),
                            st.sampled_from(
                                ["Mon, 23 Nov 2026 04:00:00 GMT", "Mon, 99 Nov 0 x"]
                            ),
                        ),
                        max_size=2,
                    ),
                    "body": broken.payloads([RESPONSES[method], REFUSAL]),
                }
            )
        )

    @override
    async def open(self) -> None:
        self._case: Mapping[str, Any] = {}
        make = AwsApi._client
        door = self

        def client(api: AwsApi, *args: Any) -> Any:
            made = make(api, *args)
            # It is asked for with each call, and made but once.
            made.meta.events.register("before-send", door._answer, unique_id="door")
            return made

        self._patches = [
            patch.object(AwsApi, "_client", client),
            # botocore waits before it asks again.
            patch("botocore.endpoint.time.sleep"),
        ]
        for each in self._patches:
            each.start()
        # Clients are made of service models, which takes long, and once.
        for method in RESPONSES:
            await self._call(self._client(), method, {"body": "{}"}, good=False)

    @override
    async def close(self) -> None:
        for each in self._patches:
            each.stop()

    @override
    async def knock(self, case: Any) -> None:
        await self._call(self._client(), case["method"], case)

    async def _call(
        self,
        client: SignalingClient,
        method: str,
        case: Mapping[str, Any],
        *,
        good: bool = True,
    ) -> None:
        self._case, self._method, self._asked = case, method, 0
        try:
            found = await self._methods[method](client)
        except SignalingError as err:
            str(err).encode()
            return
        if method == "ice":
            await self._use(found)
        elif method == "endpoints":
            found.encode()

    async def _use(self, config: Any) -> None:
        """Do with ICE servers what is done with them."""
        read_servers(config.servers)

        class Client:
            async def get_ice_server_config(self, *_: Any, **__: Any) -> Any:
                return config

        cache = IceServerCache(client=Client(), channel_arn=ARN)  # type: ignore[arg-type]
        task = asyncio.ensure_future(cache.run())
        for _ in range(5):
            await asyncio.sleep(0)
        round(cache.usable_for)
        if task.done():
            task.result()
            raise BrokenPromiseError("servers are not renewed any more")
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    def _client(self) -> SignalingClient:
        async def execute(target: Any) -> Any:
            return target()

        if (known := getattr(self, "_made", None)) is not None:
            known.forget_endpoints(ARN)
            return known
        self._made = SignalingClient(
            region="eu-west-1",
            credentials=Credentials(access_key_id="A", secret_access_key="B"),
            execute=execute,
            poll_interval=0.0,
            active_timeout=0.05,
        )
        return self._made

    def _answer(self, request: Any, **_: Any) -> AWSResponse:
        """Answer in the network's place: the case once, and what is right elsewhere."""
        case: Mapping[str, Any] = self._case
        self._asked += 1
        operation = request.url.rpartition("/")[2]
        body = case["body"]
        if self._method in ("ice", "alexa") and "SignalingChannelEndpoint" in operation:
            case, body = {}, json.dumps(RESPONSES["endpoints"])
        elif self._asked > 8:
            # More pages without an end are no defect of ours.
            case, body = {}, "{}"
        raw = _Raw(body.encode("utf-8", "replace"))
        headers = {
            key: _header(value) for key, value in case.get("headers", {}).items()
        }
        return AWSResponse(request.url, case.get("status", 200), headers, raw)


class _Raw:
    def __init__(self, body: bytes) -> None:
        self._body = body

    def stream(self, *_: Any, **__: Any) -> Any:
        yield self._body


def _header(value: str) -> str:
    return "".join(c for c in value if c.isprintable() and ord(c) < 256)
