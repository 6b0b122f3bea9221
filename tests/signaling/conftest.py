"""A signaling service to talk to, and what talks to it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
import selectors
from typing import Any, override

import aiohttp
import pytest

from custom_components.kinesis_webrtc.signaling import Credentials, SignalingClient
from tests.emulator import DEFAULT_USER, Behaviour, Channel, KvsEmulator

from .recorder import Connections

REGION = "eu-west-1"
CREDENTIALS = Credentials(
    access_key_id=DEFAULT_USER.access_key_id,
    secret_access_key=DEFAULT_USER.secret_access_key,
)

type MakeClient = Callable[..., SignalingClient]


class _JumpingSelector(selectors.DefaultSelector):
    """Says how long the loop would have slept instead of sleeping."""

    slept = 0.0

    @override
    def select(self, timeout: float | None = None) -> list[Any]:
        ready = super().select(0)
        if not ready and timeout is None:
            raise RuntimeError("nothing will ever happen")
        if not ready and timeout:
            self.slept += timeout
        return ready


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """An event loop in which waiting takes no time; for code without I/O."""

    def __init__(self) -> None:
        self._jumping = _JumpingSelector()
        super().__init__(self._jumping)

    @override
    def time(self) -> float:
        return 1000.0 + self._jumping.slept


@pytest.fixture
def in_virtual_time() -> Callable[[Callable[[], Awaitable[None]]], None]:
    """Run a coroutine function in a loop whose time only passes by waiting."""

    def run(main: Callable[[], Awaitable[None]]) -> None:
        async def awaited() -> None:
            await main()

        with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
            runner.run(awaited())

    return run


@pytest.fixture
async def execute() -> AsyncIterator[Callable[[Callable[[], Any]], Awaitable[Any]]]:
    loop = asyncio.get_running_loop()
    pool = ThreadPoolExecutor(8, thread_name_prefix="blocking")
    yield lambda target: loop.run_in_executor(pool, target)
    # The service answers in this loop, so a call under way must not hold it up.
    await asyncio.to_thread(pool.shutdown)


@pytest.fixture
async def emulator(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[KvsEmulator]:
    async with KvsEmulator(
        region=REGION, behaviour=Behaviour(create_delay=0.05)
    ) as service:
        monkeypatch.setenv("AWS_ENDPOINT_URL", service.url)
        yield service


@pytest.fixture
def channel(emulator: KvsEmulator) -> Channel:
    return emulator.create_channel("camera")


@pytest.fixture
def make_client(
    emulator: KvsEmulator, execute: Callable[[Callable[[], Any]], Awaitable[Any]]
) -> MakeClient:
    def make(**options: Any) -> SignalingClient:
        return SignalingClient(
            **{
                "region": REGION,
                "credentials": CREDENTIALS,
                "execute": execute,
                "poll_interval": 0.04,
                **options,
            }
        )

    return make


@pytest.fixture
def client(make_client: MakeClient) -> SignalingClient:
    return make_client()


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as client_session:
        yield client_session


@pytest.fixture
async def connections(
    client: SignalingClient, session: aiohttp.ClientSession, channel: Channel
) -> AsyncIterator[Connections]:
    before = asyncio.all_tasks()
    async with Connections(client, session, channel.arn) as opened:
        yield opened
    leaked = asyncio.all_tasks() - before
    ours = [task for task in leaked if task.get_name().startswith("kinesis")]
    assert not ours
