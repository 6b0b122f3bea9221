"""Networks that lose, delay and forget: a picture is back within a second."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
import contextlib
from pathlib import Path
import time

import pytest

from custom_components.kinesis_webrtc.peer import Ended, MasterPeer
from tests.helpers.cameras import Camera
from tests.helpers.clip import make_clip
from tests.helpers.middlebox import Middlebox
from tests.helpers.watcher import Watcher
from tests.peer.conftest import Recorder

# The clip's key frame interval is a second as well.
RECOVERY = 1.0
# For what a busy machine adds.
SLACK = 0.5
# More than any pause of a picture that nobody disturbs.
UNDISTURBED = 0.6
# A router's 30 s, and the 5 s between two checks, in a fifteenth.
HELD, CHECKS = 2.0, 0.33
# The first byte of an answer to a check (RFC 8489 section 5).
STUN_RESPONSE = 1
# First bytes from here on are not those of STUN (RFC 7983).
DTLS = 20


@pytest.mark.parametrize(
    ("loss", "delay"),
    [(0.05, 0.0), (0.2, 0.0), (0.0, 0.3), (0.05, 0.15)],
    ids=["5%", "20%", "300 ms", "5% and 150 ms"],
)
async def test_picture_recovers_from_loss_within_a_second(
    master: MasterPeer, recorder: Recorder, loss: float, delay: float
) -> None:
    async with Watcher() as other, Middlebox() as way, Watcher() as watcher:
        await other.watch(master, "other")
        await watcher.watch(master, "far", way)
        way.loss, way.delay = loss, delay
        began = time.monotonic()
        await other.wait_shown(6 * 25)
        # All that is on its way at first.
        assert watcher.longest_pause(began) < RECOVERY + delay + SLACK
        assert other.longest_pause(began) < UNDISTURBED
        assert other.lost == 0
        assert not recorder.all(Ended)
        way.loss = way.delay = 0


@pytest.fixture
async def quiet(
    make_master: Callable[..., MasterPeer],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[Callable[[float], Awaitable[tuple[Middlebox, int]]]]:
    """Let nothing but answers to checks through, for twice as long as a router holds.

    The camera is gone meanwhile, and there is no sound.
    """
    clip = make_clip(tmp_path / "short.mp4", seconds=2.0)
    async with contextlib.AsyncExitStack() as stack:

        async def view(interval: float) -> tuple[Middlebox, int]:
            monkeypatch.setattr("aioice.ice.CONSENT_INTERVAL", interval)
            camera = Camera(clip, loops=0)
            master = make_master(source=camera)
            await master.prepare()
            way = await stack.enter_async_context(Middlebox(mapping=HELD))
            watcher = await stack.enter_async_context(Watcher(audio=False))
            await watcher.watch(master, "far", way)
            # It neither checks nor reports nor asks.
            assert watcher.connection._query_consent_task is not None
            watcher.connection._query_consent_task.cancel()
            way.keep = lambda packet: packet[0] == STUN_RESPONSE
            # Reports alone would hold the mapping.
            way.keep_outwards = lambda packet: packet[0] < DTLS
            camera.leave()
            await camera.wait_gone()
            await asyncio.sleep(2 * HELD)
            seen = len(watcher.shown())
            way.keep_outwards = lambda _: True
            camera.come_back()
            with contextlib.suppress(TimeoutError):
                await watcher.wait_shown(25, timeout=6)
            return way, len(watcher.shown()) - seen

        yield view


async def test_router_that_forgets_does_not_part_a_quiet_viewer(quiet) -> None:
    way, pictures = await quiet(CHECKS)
    assert pictures >= 25
    assert way.mappings == 1
    assert way.unmapped == 0


async def test_router_of_these_tests_does_forget(quiet) -> None:
    way, _ = await quiet(8.0)
    assert way.mappings > 1


async def test_router_that_forgets_does_not_part_a_usual_viewer(
    master: MasterPeer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("aioice.ice.CONSENT_INTERVAL", CHECKS)
    async with Middlebox(mapping=HELD) as way, Watcher() as watcher:
        await watcher.watch(master, "far", way)
        began = time.monotonic()
        await watcher.wait_shown(4 * 25)
        assert watcher.longest_pause(began) < UNDISTURBED
        assert way.mappings == 1
        assert way.unmapped == 0
