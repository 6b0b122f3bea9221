"""What tests of the peer share: a loopback network, clips, a master, no leaks."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
import gc
from pathlib import Path
import threading

import pytest

from custom_components.kinesis_webrtc.peer import (
    Limits,
    MasterPeer,
    SessionEvent,
    StreamUrl,
)
from tests.helpers.clip import make_clip
from tests.helpers.servers import Coturn, run_coturn
from tests.system import program

FIXTURES = Path(__file__).parent.parent / "fixtures" / "alexa-offers"


class FileSource:
    """A camera that is a file, over and over."""

    def __init__(self, path: Path, **options: str) -> None:
        self.path = path
        self.options = {"stream_loop": "-1"} | options
        self.resolved = 0
        self._asked = asyncio.Condition()

    async def wait_resolved(self, count: int) -> None:
        async with asyncio.timeout(10), self._asked:
            await self._asked.wait_for(lambda: self.resolved >= count)

    async def resolve(self) -> StreamUrl:
        self.resolved += 1
        async with self._asked:
            self._asked.notify_all()
        return StreamUrl(url=str(self.path), options=self.options)


class Recorder:
    """Keeps events, and waits for them."""

    def __init__(self) -> None:
        self.events: list[SessionEvent] = []
        self._waiters: list[tuple[type, str | None, asyncio.Future[SessionEvent]]] = []

    def __call__(self, event: SessionEvent) -> None:
        self.events.append(event)
        for kind, viewer_id, waiter in self._waiters:
            wanted = isinstance(event, kind) and viewer_id in (None, event.viewer_id)
            if wanted and not waiter.done():
                waiter.set_result(event)

    def all[T](self, kind: type[T], viewer_id: str | None = None) -> list[T]:
        return [
            event
            for event in self.events
            if isinstance(event, kind) and viewer_id in (None, event.viewer_id)
        ]

    async def wait[T](
        self, kind: type[T], viewer_id: str | None = None, timeout: float = 15.0
    ) -> T:
        if found := self.all(kind, viewer_id):
            return found[0]
        waiter: asyncio.Future = asyncio.get_running_loop().create_future()
        self._waiters.append((kind, viewer_id, waiter))
        async with asyncio.timeout(timeout):
            return await waiter


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_clip(tmp_path_factory.mktemp("clips") / "clip.mp4")


@pytest.fixture(autouse=True)
def loopback(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Let this host have the loopback address alone; tests may add others."""
    addresses = ["127.0.0.1"]
    monkeypatch.setattr(
        "aioice.ice.get_host_addresses",
        lambda use_ipv4, use_ipv6: [
            a for a in addresses if (use_ipv6 if ":" in a else use_ipv4)
        ],
    )
    return addresses


@pytest.fixture(scope="session", autouse=True)
def _frozen() -> None:
    """Spare the collections between tests all that was imported."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
async def _no_leaks(caplog: pytest.LogCaptureFixture) -> AsyncIterator[None]:
    """See to it that a test leaves no task, thread or socket, nor a complaint."""
    loop = asyncio.get_running_loop()
    complaints: list[dict] = []
    loop.set_exception_handler(lambda _, context: complaints.append(context))
    tasks, threads, sockets = asyncio.all_tasks(), set(_threads()), _sockets()
    yield
    gc.collect()
    await asyncio.sleep(0)
    left = {task for task in asyncio.all_tasks() - tasks if not task.done()}
    left.discard(asyncio.current_task())
    assert not left
    assert not set(_threads()) - threads
    assert _sockets() <= sockets
    assert not complaints


@pytest.fixture
def without_threads(
    monkeypatch: pytest.MonkeyPatch,
) -> Callable[[], AbstractContextManager[None]]:
    """Give what has no thread start meanwhile, as on a machine with too many."""

    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    @contextmanager
    def refusing() -> Iterator[None]:
        with monkeypatch.context() as patched:
            patched.setattr(threading.Thread, "start", refuse)
            yield

    return refusing


def _threads() -> list[threading.Thread]:
    # The loop's own executor keeps its threads.
    return [t for t in threading.enumerate() if not t.name.startswith("asyncio_")]


def _sockets() -> int:
    count = 0
    for entry in Path("/proc/self/fd").iterdir():
        try:
            count += str(entry.readlink()).startswith("socket:")
        except OSError:
            continue
    return count


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


@pytest.fixture
def source(clip: Path) -> FileSource:
    return FileSource(clip)


@pytest.fixture
async def make_master(
    source: FileSource, recorder: Recorder
) -> AsyncIterator[Callable[..., MasterPeer]]:
    """Make masters that are shut down at the end of the test."""
    masters: list[MasterPeer] = []

    def make(**options: object) -> MasterPeer:
        limits = Limits(
            **({"linger": 0.1, "close_timeout": 0.5} | options.pop("limits", {}))
        )
        settings = {"source": source, "on_event": recorder, "limits": limits}
        masters.append(MasterPeer(**(settings | options)))
        return masters[-1]

    yield make
    for master in masters:
        await master.shutdown()


@pytest.fixture
async def master(make_master: Callable[..., MasterPeer]) -> MasterPeer:
    master = make_master()
    await master.prepare()
    return master


@pytest.fixture(params=sorted(FIXTURES.glob("offer-*.sdp")), ids=lambda p: p.stem)
def good_offer(request: pytest.FixtureRequest) -> str:
    return request.param.read_text()


@pytest.fixture
async def coturn(tmp_path: Path) -> AsyncIterator[Coturn]:
    async with run_coturn(program("turnserver"), tmp_path) as server:
        yield server
