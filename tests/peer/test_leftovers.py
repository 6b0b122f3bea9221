"""What sessions leave behind once they are over: nothing, however they end."""

import asyncio
from collections.abc import AsyncIterator, Callable
import gc
from pathlib import Path
import weakref

import pytest

from custom_components.kinesis_webrtc.peer import (
    Ended,
    EndReason,
    KeyFrameSent,
    MasterPeer,
    SourceError,
    StreamUrl,
)
from tests.helpers.clip import make_clip
from tests.helpers.crowd import Crowd
from tests.helpers.servers import Coturn
from tests.helpers.sessions import Sessions, alive, settled
from tests.helpers.viewers import EchoPeer

from .conftest import FileSource, Recorder


@pytest.fixture
async def crowd() -> AsyncIterator[Crowd]:
    async with Crowd() as crowd:
        yield crowd


@pytest.fixture
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Notice sooner than in life who is gone; far above what a busy machine takes."""
    monkeypatch.setattr("aioice.ice.CONSENT_INTERVAL", 0.5)
    monkeypatch.setattr("aioice.ice.CONSENT_FAILURES", 4)


@pytest.mark.usefixtures("_impatient")
async def test_sessions_that_end_in_all_ways_leave_nothing(
    make_master: Callable[..., MasterPeer],
    crowd: Crowd,
    coturn: Coturn,
    tmp_path: Path,
) -> None:
    sessions: Sessions

    def note(event: object) -> None:
        sessions.note(event)

    class NoCamera:
        async def resolve(self) -> StreamUrl:
            raise SourceError("gone")

    # Too large for Echos, so that for them it is encoded.
    clip = make_clip(tmp_path / "large.mp4", size=(1296, 736), fps=5, gop=5)
    master = make_master(
        source=FileSource(clip),
        on_event=note,
        viewer_limit=60,
        limits={"connect_timeout": 8.0},
    )
    without_camera = make_master(
        source=NoCamera(), on_event=note, limits={"source_patience": 1.0}
    )
    await master.prepare()
    await without_camera.prepare()
    servers = [coturn.stun, coturn.turn()]
    sessions = Sessions(master, crowd, servers, without_camera=without_camera)
    await sessions.run(20)
    before, present = await settled(master, without_camera), alive()

    await sessions.run(50)

    after = await settled(master, without_camera)
    assert after["fds"] == before["fds"]
    assert after["threads"] == before["threads"]
    assert alive() == present == {}
    assert set(sessions.ends) == {
        EndReason.VIEWER_CLOSED,
        EndReason.REQUESTED,
        EndReason.REPLACED,
        EndReason.NEVER_CONNECTED,
        EndReason.VIEWER_LOST,
        EndReason.SOURCE_FAILED,
    }
    assert sessions.ends[EndReason.NEVER_CONNECTED] == 7
    assert sessions.ends[EndReason.VIEWER_LOST] == 7


@pytest.mark.usefixtures("_impatient")
async def test_vanished_viewer_takes_the_camera_and_the_memory_with_it(
    make_master: Callable[..., MasterPeer], recorder: Recorder
) -> None:
    master = make_master(limits={"linger": 60.0})
    await master.prepare()
    async with EchoPeer() as echo:
        await echo.accept(await master.answer("echo", await echo.offer(), []))
        await recorder.wait(KeyFrameSent)
        await echo.wait_frames(3)
        session = weakref.ref(master._sessions["echo"])
        connection = weakref.ref(session()._pc)
        stream = weakref.ref(session()._streams[-1])
        assert master.feed.is_open
        await echo.vanish()
        ended = await recorder.wait(Ended)
    # It has been gone for long: nobody waits for it any more.
    async with asyncio.timeout(20):
        await settled(master)
    gc.collect()

    assert ended.reason is EndReason.VIEWER_LOST
    assert not master.feed.is_open
    assert master.feed.ring.get(master.feed.ring.end - 1) is None
    assert session() is None
    assert connection() is None
    assert stream() is None
