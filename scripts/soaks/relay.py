"""One viewer behind a relay, for long after what the relay was given for.

coturn gives allocations for ten minutes, permissions for five, and takes credentials for
as many as AWS's last: five. The camera is a clip, read in its own time; the viewer is
aiortc's, in this process, and hears nothing but what the relay sends.
"""

import argparse
import asyncio
import base64
import hashlib
import hmac
import json
from pathlib import Path
import shutil
import tempfile
import time
from typing import Any

from custom_components.kinesis_webrtc.peer import Ended, MasterPeer, SessionEvent
from scripts.lib.program import run
from tests.helpers.clip import make_clip
from tests.helpers.crowd import stay_on_loopback
from tests.helpers.servers import RELAY_PORTS, Server, run_coturn
from tests.helpers.viewers import EchoPeer, hear_from

from .sessions import Camera

_SECRET = "of coturn and the service"
# Seconds that credentials last.
_LIFETIME = 300


def credentials(secret: str) -> tuple[str, str]:
    """Return a name and a password that expire, as coturn's REST API has them."""
    name = f"{int(time.time()) + _LIFETIME}:viewer"
    digest = hmac.digest(secret.encode(), name.encode(), hashlib.sha1)
    return name, base64.b64encode(digest).decode()


async def watch(viewer: EchoPeer, minutes: int, ended: list[Ended]) -> dict[str, Any]:
    """Watch, and take stock each minute."""
    longest, pictures, told, last = 0.0, 0, 0, time.monotonic()
    began = last
    while time.monotonic() < began + 60 * minutes and not ended:
        try:
            await viewer.wait_frames(1, timeout=60)
        except TimeoutError:
            break
        now = time.monotonic()
        longest, last = max(longest, now - last), now
        pictures += len(viewer.frames)
        if now - began >= 60 * (told + 1):
            told += 1
            print(f"minute {told}: {pictures} pictures", flush=True)
        viewer.frames.clear()
        viewer.audio_frames.clear()
        await asyncio.sleep(0.1)
    return {
        "minutes": round((time.monotonic() - began) / 60, 1),
        "pictures": pictures,
        "longest_pause_ms": round(longest * 1000),
        "path": viewer.selected_types[1],
        "ended": [str(event.reason) for event in ended],
    }


async def watch_relayed(program: str, minutes: int) -> dict[str, Any]:
    """Make the relay, the camera, its master and the viewer."""
    stay_on_loopback()
    ended: list[Ended] = []

    def note(event: SessionEvent) -> None:
        if isinstance(event, Ended):
            ended.append(event)

    with tempfile.TemporaryDirectory(prefix="soak-") as scratch:
        folder = Path(scratch)
        path = await asyncio.to_thread(make_clip, folder / "camera.mp4")
        options = ("--use-auth-secret", f"--static-auth-secret={_SECRET}")
        async with run_coturn(program, folder, *options) as coturn, EchoPeer() as echo:
            server = Server(coturn.turn().urls, *credentials(_SECRET))
            master = MasterPeer(source=Camera(path), on_event=note)
            await master.prepare()
            offer = await echo.offer()
            hear_from(echo, RELAY_PORTS)
            await echo.accept(await master.answer("echo", offer, [server]))
            try:
                await echo.wait_frames(1)
                return await watch(echo, minutes, ended)
            finally:
                await master.shutdown()


def main() -> None:
    """Print the results, the last line being JSON."""
    parser = argparse.ArgumentParser(prog="scripts/soak relay")
    parser.add_argument("--minutes", type=int, default=60)
    options = parser.parse_args()
    program = shutil.which("turnserver")
    if program is None:
        parser.error("there is no turnserver")
    print(json.dumps(run(watch_relayed(program, options.minutes))))


if __name__ == "__main__":
    main()
