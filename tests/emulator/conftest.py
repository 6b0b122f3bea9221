"""Clients that share no code with the integration: boto3, aiohttp, AWS's own signer."""

import asyncio
import base64
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
import json
from pathlib import Path
import ssl
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

import aiohttp
from aiohttp import ClientWebSocketResponse, WSMsgType
import boto3
from botocore.auth import SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.exceptions import ClientError
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
import pytest
from yarl import URL

from . import DEFAULT_USER, Behaviour, KvsEmulator, Limits, User

if TYPE_CHECKING:
    from types_boto3_kinesis_video_signaling import KinesisVideoSignalingChannelsClient
    from types_boto3_kinesisvideo import KinesisVideoClient
    from types_boto3_sts import STSClient

_ONCE = Config(retries={"total_max_attempts": 1}, parameter_validation=False)


def encoded(text: str = "hello") -> str:
    """Return a payload."""
    return base64.b64encode(text.encode()).decode()


@dataclass
class Socket:
    """A signed websocket of a test."""

    socket: ClientWebSocketResponse

    async def send(self, **members: object) -> None:
        await self.socket.send_json(members)

    async def receive(self) -> dict[str, Any]:
        """Return the next envelope, empty frames left out."""
        while True:
            message = await self.socket.receive(timeout=5)
            assert message.type is WSMsgType.TEXT, message
            if message.data:
                envelope: dict[str, Any] = json.loads(message.data)
                return envelope

    async def closed(self) -> int | None:
        """Wait for the end; return the close code."""
        message = await self.socket.receive(timeout=5)
        assert message.type in {
            WSMsgType.CLOSE,
            WSMsgType.CLOSED,
            WSMsgType.ERROR,
        }, message
        return self.socket.close_code


class Aws:
    """What an application of AWS does, as one of its users."""

    def __init__(self, emulator: KvsEmulator, session: aiohttp.ClientSession) -> None:
        self.emulator = emulator
        self.session = session
        self.user = DEFAULT_USER
        self.config = _ONCE
        self.base = emulator.url
        self.sockets: list[ClientWebSocketResponse] = []

    def as_user(self, user: User) -> Aws:
        """Return the same for another user."""
        other = Aws(self.emulator, self.session)
        other.user, other.sockets = user, self.sockets
        return other

    @property
    def control(self) -> KinesisVideoClient:
        client: KinesisVideoClient = self._client("kinesisvideo", self.base)
        return client

    @property
    def sts(self) -> STSClient:
        client: STSClient = self._client("sts", self.base)
        return client

    def signaling(self, url: str) -> KinesisVideoSignalingChannelsClient:
        client: KinesisVideoSignalingChannelsClient = self._client(
            "kinesis-video-signaling", url
        )
        return client

    def _client(self, name: Any, url: str) -> Any:
        return boto3.client(
            name,
            endpoint_url=url,
            region_name=self.emulator.region,
            aws_access_key_id=self.user.access_key_id,
            aws_secret_access_key=self.user.secret_access_key,
            aws_session_token=self.user.session_token,
            config=self.config,
        )

    async def endpoints(self, arn: str, role: str = "VIEWER") -> dict[str, str]:
        """Return a channel's endpoints by protocol."""
        answer = await call(
            self.control.get_signaling_channel_endpoint,
            ChannelARN=arn,
            SingleMasterChannelEndpointConfiguration={
                "Protocols": ["WSS", "HTTPS"],
                "Role": role,
            },
        )
        return {
            item["Protocol"]: item["ResourceEndpoint"]
            for item in answer["ResourceEndpointList"]
        }

    def sign(
        self, url: str, arn: str, client_id: str | None = None, *, expires: int = 299
    ) -> URL:
        """Presign a websocket's URL with botocore."""
        query = {"X-Amz-ChannelARN": arn}
        if client_id is not None:
            query["X-Amz-ClientId"] = client_id
        request = AWSRequest(
            method="GET", url=f"{url}/?{urlencode(query, quote_via=quote)}"
        )
        credentials = Credentials(
            self.user.access_key_id,
            self.user.secret_access_key,
            self.user.session_token,
        )
        SigV4QueryAuth(
            credentials, "kinesisvideo", self.emulator.region, expires=expires
        ).add_auth(request)
        return URL(str(request.url), encoded=True)

    async def url(self, arn: str, client_id: str | None = None) -> URL:
        """Return a signed URL to connect as a viewer, or as the master."""
        role = "MASTER" if client_id is None else "VIEWER"
        endpoints = await self.endpoints(arn, role)
        return self.sign(endpoints["WSS"], arn, client_id)

    async def open(self, url: URL) -> Socket:
        """Open a websocket; raise WSServerHandshakeError."""
        socket = await self.session.ws_connect(url, autoping=True, max_msg_size=0)
        self.sockets.append(socket)
        return Socket(socket)

    async def connect(self, arn: str, client_id: str | None = None) -> Socket:
        """Connect as a viewer, or as the master."""
        return await self.open(await self.url(arn, client_id))

    async def refused(self, url: URL) -> tuple[int, str, str]:
        """Return the status, the code and the text of a refused upgrade."""
        headers = {
            "Connection": "Upgrade",
            "Upgrade": "websocket",
            "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
        }
        async with self.session.get(url, headers=headers) as response:
            assert response.status != 101
            body = await response.json()
            return (
                response.status,
                response.headers["x-amzn-ErrorType"],
                body["message"],
            )

    async def offer(
        self, arn: str, sender: str = "echo", payload: str = ""
    ) -> str | None:
        """Send an offer as Alexa's Lambda does; return the answer."""
        endpoints = await self.endpoints(arn)
        answer = await call(
            self.signaling(endpoints["HTTPS"]).send_alexa_offer_to_master,
            ChannelARN=arn,
            SenderClientId=sender,
            MessagePayload=payload or encoded("offer"),
        )
        text: str | None = answer.get("Answer")
        return text


async def call(operation: Callable[..., Any], **params: object) -> Any:
    """Call boto3 without blocking the loop that the service runs in."""
    return await asyncio.to_thread(lambda: operation(**params))


async def failure(operation: Callable[..., Any], **params: object) -> tuple[int, str]:
    """Return the HTTP status and the code with which a call is refused."""
    with pytest.raises(ClientError) as caught:
        await call(operation, **params)
    answer = caught.value.response
    return answer["ResponseMetadata"]["HTTPStatusCode"], answer["Error"]["Code"]


def policy(*statements: dict[str, Any]) -> dict[str, Any]:
    """Return an IAM policy."""
    return {"Version": "2012-10-17", "Statement": list(statements)}


def allow(
    *actions: str, resource: str | Iterable[str] = "*", **more: Any
) -> dict[str, Any]:
    """Return a statement that allows some actions of kinesisvideo."""
    return {
        "Effect": "Allow",
        "Action": [f"kinesisvideo:{action}" for action in actions],
        "Resource": resource if isinstance(resource, str) else list(resource),
        **more,
    }


@pytest.fixture
async def emulator() -> AsyncIterator[KvsEmulator]:
    """Run a service without quotas of calls, where channels are made at once."""
    limits = Limits().without_rates()
    behaviour = Behaviour(create_delay=0, delete_delay=0)
    async with KvsEmulator(limits=limits, behaviour=behaviour) as service:
        yield service
    assert asyncio.all_tasks() == {asyncio.current_task()}


@pytest.fixture
async def aws(emulator: KvsEmulator) -> AsyncIterator[Aws]:
    """Make a client of the service for a user who may do everything."""
    async with aiohttp.ClientSession() as session:
        client = Aws(emulator, session)
        yield client
        for socket in client.sockets:
            await socket.close()


@pytest.fixture
def arn(emulator: KvsEmulator) -> str:
    """Make a channel."""
    return emulator.create_channel("front-door").arn


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """Make a certificate for loopback, and its key in the same file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "emulator")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]),
            critical=False,
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path / "emulator.pem"
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + made.public_bytes(serialization.Encoding.PEM)
    )
    return path


@pytest.fixture
def trust(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make boto3 trust the certificate."""
    monkeypatch.setenv("AWS_CA_BUNDLE", str(certificate))


def server_context(certificate: Path) -> ssl.SSLContext:
    """Return the service's side of TLS."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context
