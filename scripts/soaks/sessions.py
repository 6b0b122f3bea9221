"""Sessions opened and closed in all the ways in which they end: nothing stays behind.

The camera is a clip, read in its own time; the viewers are aiortc's, on loopback and in
a process of their own. Of each ten sessions one each is closed by its viewer, ended
here, replaced by a second offer, never connected to, refused, given up while it is
answered, left by a viewer that vanishes, begun with candidates that trickle, carried by a
relay, and ended for want of a camera. Half of all offers are an Echo's, half a browser's;
a third gets a relay of a coturn's where there is one. In turns, the camera is too large
for Echos, and of a codec that is encoded anew for all.

Memory is what is resident after a full collection and malloc_trim, so that what is
merely kept for reuse does not count; garbage is collected every eight sessions on the way,
or what memory is left in pieces is up to chance (some 10 MB, whether 200 sessions or
1,000). Descriptors and threads are those of the process.
All three are taken while nobody watches and the camera is closed, first after a warm-up.
Viewers that have vanished are given up sooner than in life, but for the first of them,
whose loss is timed.
"""

import argparse
import asyncio
from collections.abc import AsyncIterator
import contextlib
import itertools
import json
from pathlib import Path
import shutil
import tempfile
import time
from typing import Any

from aioice import ice

from custom_components.kinesis_webrtc.peer import (
    Limits,
    MasterPeer,
    SessionEvent,
    SourceError,
    StreamUrl,
)
from scripts.lib.program import result_of, run
from tests.helpers.clip import make_clip
from tests.helpers.crowd import Crowd, stay_on_loopback
from tests.helpers.servers import Server, run_coturn
from tests.helpers.sessions import WAITING, Sessions, alive, settled

WARM_UP = 100
_VIEWER_LIMIT = 2 * WAITING
# In seconds: viewers that have vanished are given up after six times as long, and some.
_CONSENT_INTERVAL = 0.5


class Camera:
    """Files in turns, each over and over."""

    def __init__(self, *paths: Path) -> None:
        """Show the next one at each opening."""
        self._paths = itertools.cycle(paths)

    async def resolve(self) -> StreamUrl:
        """Return it."""
        return StreamUrl(url=str(next(self._paths)), options={"stream_loop": "-1"})


class NoCamera:
    """What was a camera once."""

    async def resolve(self) -> StreamUrl:
        """Raise SourceError."""
        raise SourceError("gone")


@contextlib.asynccontextmanager
async def relays(folder: Path) -> AsyncIterator[list[Server]]:
    """Run a coturn, where there is one."""
    program = shutil.which("turnserver")
    if program is None:
        yield []
        return
    async with run_coturn(program, folder) as coturn:
        yield [coturn.stun, coturn.turn()]


def make_clips(folder: Path) -> list[Path]:
    """Return a clip that is too large for Echos, and one that nobody takes as it is."""
    return [
        make_clip(folder / "camera.mp4", size=(1296, 736), fps=5, gop=5),
        make_clip(folder / "camera.avi", codec="mpeg4", fps=5),
    ]


async def soak(sessions: int) -> dict[str, Any]:
    """Make the camera, its master and the viewers."""
    stay_on_loopback()
    with tempfile.TemporaryDirectory(prefix="soak-") as scratch:
        folder = Path(scratch)
        paths = await asyncio.to_thread(make_clips, folder)
        noted: list[SessionEvent] = []
        note = noted.append

        def on_event(event: SessionEvent) -> None:
            note(event)

        master = MasterPeer(
            source=Camera(*paths),
            on_event=on_event,
            viewer_limit=_VIEWER_LIMIT,
            limits=Limits(connect_timeout=10.0),
        )
        without_camera = MasterPeer(
            source=NoCamera(),
            on_event=on_event,
            viewer_limit=_VIEWER_LIMIT,
            limits=Limits(source_patience=1.0),
        )
        masters = master, without_camera
        for each in masters:
            await each.prepare()
        async with relays(folder) as servers, Crowd() as crowd:
            them = Sessions(master, crowd, servers, without_camera=without_camera)
            note = them.note
            # The only ones that are given up as late as in life.
            await them.run(10)
            slowest_loss = them.slowest_loss
            ice.CONSENT_INTERVAL = _CONSENT_INTERVAL
            await them.run(WARM_UP)
            before = await settled(*masters)
            print(f"after {WARM_UP} sessions: {before}", flush=True)
            began = time.monotonic()
            done = 0
            while done < sessions:
                step = min(200, sessions - done)
                await them.run(step)
                done += step
                now = await settled(*masters)
                print(f"after {done} more: {now} {alive()}", flush=True)
            left = alive()
            after = await settled(*masters)
            for each in masters:
                await each.shutdown()
        return {
            "sessions": sessions,
            "rss_mb": round(after["rss_mb"] - before["rss_mb"], 1),
            "fds": int(after["fds"] - before["fds"]),
            "threads": int(after["threads"] - before["threads"]),
            "left": left,
            "ends": dict(them.ends),
            "slowest_loss_s": round(slowest_loss, 1),
            "relays": bool(servers),
            "seconds": round(time.monotonic() - began),
        }


def measure(sessions: int = 1000) -> dict[str, Any]:
    """Return what the sessions left behind, from a process of its own.

    Blocks for minutes. Raises subprocess.CalledProcessError.
    """
    return result_of("scripts.soaks.sessions", "--sessions", str(sessions))


def main() -> None:
    """Print the results, the last line being JSON."""
    parser = argparse.ArgumentParser(prog="scripts/soak sessions")
    parser.add_argument("--sessions", type=int, default=1000)
    options = parser.parse_args()
    print(json.dumps(run(soak(options.sessions))))


if __name__ == "__main__":
    main()
