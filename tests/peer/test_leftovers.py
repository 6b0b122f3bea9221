"""What sessions leave behind once they are over: nothing, however they end."""

import asyncio
from collections.abc import AsyncIterator, Callable
import gc
import weakref

import pytest

from custom_components.kinesis_webrtc.peer import (
    Ended,
    EndReason,
    KeyFrameSent,
    MasterPeer,
)
from tests.helpers.crowd import Crowd
from tests.helpers.servers import Coturn
from tests.helpers.sessions import Sessions, alive, settled
from tests.helpers.viewers import EchoPeer

from .conftest import Recorder


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
    make_master: Callable[..., MasterPeer], crowd: Crowd, coturn: Coturn
) -> None:
    sessions: Sessions

    def note(event: object) -> None:
        sessions.note(event)

    master = make_master(
        on_event=note, viewer_limit=60, limits={"connect_timeout": 8.0}
    )
    await master.prepare()
    sessions = Sessions(master, crowd, [coturn.stun, coturn.turn()])
    await sessions.run(14)
    before, present = await settled(master), alive()

    await sessions.run(49)

    after = await settled(master)
    assert after["fds"] == before["fds"]
    assert after["threads"] == before["threads"]
    assert alive() == present == {}
    assert set(sessions.ends) == {
        EndReason.VIEWER_CLOSED,
        EndReason.REQUESTED,
        EndReason.REPLACED,
        EndReason.NEVER_CONNECTED,
        EndReason.VIEWER_LOST,
    }
    assert sessions.ends[EndReason.NEVER_CONNECTED] == 9
    assert sessions.ends[EndReason.VIEWER_LOST] == 9


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
