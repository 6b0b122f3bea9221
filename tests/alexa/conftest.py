"""The skill's backend between Alexa, Login with Amazon and a signaling service."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
import json
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

import aiohttp
import pytest

from custom_components.kinesis_webrtc.alexa.lambda_function import Backend, Limits
from custom_components.kinesis_webrtc.signaling import (
    ConnectionState,
    Credentials,
    Message,
    Notice,
    OutgoingMessage,
    Role,
    SdpAnswer,
    SdpOffer,
    SignalingClient,
    SignalingConnection,
)
from tests.emulator import DEFAULT_USER, Channel, KvsEmulator, User

from .fakes import ANN, AmazonUser, LoginWithAmazon, ParameterStore
from .role import role_policy
from .schemas import RTC, check_schema

REGION = "eu-west-1"
PATH = "/kinesis-webrtc/amzn1.ask.skill.1"
FIXTURES = Path(__file__).parent.parent / "fixtures"
OFFER = (FIXTURES / "alexa-offers" / "offer-2023-current.sdp").read_text()
ANSWER = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\na=ice-pwd:answers-password\r\n"
TAGS = {
    "kinesis_webrtc:created_by": "home",
    "kinesis_webrtc:camera_name": "Front door",
}
# However busy the machine.
PATIENT = Limits(answer=40, master=30, notice=20)
# Long enough for a busy machine, and short where something has to run out.
QUICK = Limits(answer=1.5, master=1.2, tags=1.0, notice=0.4)


def directive(
    namespace: str,
    name: str,
    payload: dict[str, Any] | None = None,
    *,
    token: str | None = "ann-token",
    endpoint_id: str | None = "ha-front-door",
    cookie: dict[str, str] | None = None,
) -> dict[str, Any]:
    """Return a directive as Alexa sends it."""
    scope = {} if token is None else {"scope": {"type": "BearerToken", "token": token}}
    payload = dict(payload or {})
    body: dict[str, Any] = {
        "header": {
            "namespace": namespace,
            "name": name,
            "messageId": "0a1b2c3d-message",
            "payloadVersion": "3",
        },
        "payload": payload,
    }
    if endpoint_id is None:
        payload.update(scope)
    else:
        body["header"]["correlationToken"] = "correlation=="
        body["endpoint"] = {
            **scope,
            "endpointId": endpoint_id,
            "cookie": cookie or {},
        }
    return {"directive": body}


def rtc(name: str, *, session: str = "session-1", **options: Any) -> dict[str, Any]:
    """Return a directive about a view."""
    payload: dict[str, Any] = {"sessionId": session}
    if name == "InitiateSessionWithOffer":
        payload["offer"] = {"format": "SDP", "value": options.pop("sdp", OFFER)}
    message = directive("Alexa.RTCSessionController", name, payload, **options)
    if options.get("token", "") is not None and payload.get("offer", {}).get(
        "value", OFFER
    ).startswith("v=0"):
        RTC.validate(message)
    return message


def discover(**options: Any) -> dict[str, Any]:
    return directive("Alexa.Discovery", "Discover", endpoint_id=None, **options)


class Skill:
    """The backend, called as AWS Lambda calls it; all it says keeps to the schemas."""

    def __init__(self, backend: Backend) -> None:
        self.backend = backend

    async def __call__(self, event: Any) -> dict[str, Any]:
        response = await asyncio.to_thread(self.backend.handle, event)
        check_schema(response)
        return response

    async def error(self, event: Any) -> str:
        """Return the type of the error that a directive is answered with."""
        event = (await self(event))["event"]
        assert event["header"]["name"] == "ErrorResponse"
        kind: str = event["payload"]["type"]
        return kind


class Master:
    """A channel's master that answers as it is told."""

    def __init__(self) -> None:
        self.received: list[SdpOffer | Notice] = []
        self.answer: Callable[[SdpOffer], OutgoingMessage | None] = lambda offer: (
            SdpAnswer(sdp=ANSWER, recipient_client_id=offer.sender_client_id)
        )
        self.echoes = True
        self.connection: SignalingConnection
        self._connected = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        await self.connection.run()

    async def ready(self) -> None:
        async with asyncio.timeout(5):
            await self._connected.wait()

    def on_state(self, state: ConnectionState) -> None:
        if state.connected:
            self._connected.set()

    def on_message(self, message: Message) -> None:
        answer: OutgoingMessage | None = None
        if isinstance(message, SdpOffer):
            self.received.append(message)
            answer = self.answer(message)
        elif isinstance(message, Notice):
            self.received.append(message)
            answer = message if self.echoes else None
        if answer is not None:
            task = asyncio.ensure_future(self.connection.send(answer))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)


class Way:
    """The way to a service, which may forget all connections without a word."""

    def __init__(self, url: str) -> None:
        self._far = urlsplit(url)
        self._writers: list[asyncio.StreamWriter] = []
        self._pumps: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._open, "127.0.0.1", 0)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        self.forget()
        for writer in self._writers:
            writer.close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    def forget(self) -> None:
        """Carry nothing more on the connections that there are."""
        while self._pumps:
            self._pumps.pop().cancel()

    async def _open(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        far = await asyncio.open_connection(self._far.hostname, self._far.port)
        self._writers += [writer, far[1]]
        self._pumps.append(asyncio.ensure_future(self._pump(reader, far[1])))
        self._pumps.append(asyncio.ensure_future(self._pump(far[0], writer)))

    async def _pump(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        while data := await reader.read(65_536):
            writer.write(data)
        writer.close()


@pytest.fixture
def lwa() -> Iterator[LoginWithAmazon]:
    with LoginWithAmazon() as lwa:
        lwa.issue("ann-token", ANN)
        yield lwa


@pytest.fixture
def store(lwa: LoginWithAmazon) -> Iterator[ParameterStore]:
    with ParameterStore(region=REGION) as store:
        store.values = {
            f"{PATH}/client_id": lwa.client_id,
            f"{PATH}/client_secret": lwa.client_secret,
        }
        allow(store, ANN)
        yield store


def allow(
    store: ParameterStore, *users: AmazonUser, refused: tuple[str, ...] = ()
) -> None:
    """Let users look, and nobody else."""
    store.values[f"{PATH}/owners"] = json.dumps(
        {"allowed": [user.user_id for user in users], "refused": list(refused)}
    )


@pytest.fixture
async def emulator() -> AsyncIterator[KvsEmulator]:
    async with KvsEmulator(region=REGION) as service:
        yield service


@pytest.fixture
def channel(emulator: KvsEmulator) -> Channel:
    return emulator.create_channel("ha-front-door", message_ttl=5, tags=TAGS)


@pytest.fixture
def environment(
    emulator: KvsEmulator,
    lwa: LoginWithAmazon,
    store: ParameterStore,
    monkeypatch: pytest.MonkeyPatch,
) -> dict[str, str]:
    monkeypatch.setenv("AWS_ENDPOINT_URL", emulator.url)
    monkeypatch.setenv("AWS_ENDPOINT_URL_SSM", store.url)
    # The function may what its role in the template allows, and no more.
    role = User(
        name="role",
        access_key_id="AKIAROLE000000000000",
        secret_access_key="secret-of-the-role",
        policies=[role_policy(channel_region=REGION, ssm_path=PATH)],
    )
    emulator.add_user(role)
    store.may = role.may
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", role.access_key_id)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", role.secret_access_key)
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    return {
        "CHANNEL_REGION": REGION,
        "SKILL_ID": "amzn1.ask.skill.1",
        "LWA_URL": lwa.url,
    }


@pytest.fixture
def make_skill(environment: dict[str, str]) -> Callable[[Limits], Skill]:
    return lambda limits: Skill(Backend(environment, limits))


@pytest.fixture
def skill(make_skill: Callable[[Limits], Skill]) -> Skill:
    """Return a backend whose clients are made, for tests that are not about time."""
    skill = make_skill(PATIENT)
    skill.backend.warm()
    return skill


@pytest.fixture
def quick_skill(make_skill: Callable[[Limits], Skill]) -> Skill:
    skill = make_skill(QUICK)
    skill.backend.warm()
    return skill


@pytest.fixture
async def master(
    emulator: KvsEmulator, channel: Channel, environment: dict[str, str]
) -> AsyncIterator[Master]:
    loop = asyncio.get_running_loop()
    pool = ThreadPoolExecutor(4)
    client = SignalingClient(
        region=REGION,
        credentials=Credentials(
            access_key_id=DEFAULT_USER.access_key_id,
            secret_access_key=DEFAULT_USER.secret_access_key,
        ),
        execute=lambda target: loop.run_in_executor(pool, target),
    )
    master = Master()
    async with aiohttp.ClientSession() as session:
        master.connection = SignalingConnection(
            client=client,
            session=session,
            channel_arn=channel.arn,
            role=Role.MASTER,
            on_message=master.on_message,
            on_state=master.on_state,
        )
        task = asyncio.ensure_future(master.run())
        await master.ready()
        yield master
        task.cancel()
        await asyncio.wait([task])
    await asyncio.to_thread(pool.shutdown)
