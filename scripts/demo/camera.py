"""The demo's camera: an MPEG transport stream over HTTP, which needs no system package.

Its picture is the test camera's, so whoever decodes it can tell the frames apart.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from fractions import Fraction
import io
import itertools
from pathlib import Path
import time

from aiohttp import web
import av
from PIL import Image

from tests.e2e.harness.clip import (
    FRAME_RATE,
    KEY_FRAME_INTERVAL,
    SIZE,
    access_units,
    make_clip,
)
from tests.e2e.harness.pattern import Reading, draw


class _Chunks:
    """A file that keeps what is written until it is taken."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def write(self, data: bytes) -> int:
        self._parts.append(bytes(data))
        return len(data)

    def take(self) -> bytes:
        data = b"".join(self._parts)
        self._parts.clear()
        return data


class _Camera:
    def __init__(self, clip: Path) -> None:
        self._units = access_units(clip)
        buffer = io.BytesIO()
        Image.fromarray(draw(Reading(1, 0), width=640, height=360)).save(buffer, "JPEG")
        self._still = buffer.getvalue()

    async def still(self, _request: web.Request) -> web.Response:
        return web.Response(body=self._still, content_type="image/jpeg")

    async def stream(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "video/mp2t"})
        await response.prepare(request)
        chunks = _Chunks()
        with av.open(
            chunks, "w", format="mpegts", options={"flush_packets": "1"}
        ) as out:
            track = out.add_stream("h264", rate=FRAME_RATE)
            track.width, track.height = SIZE
            track.time_base = Fraction(1, 90000)
            start = time.monotonic()
            for number in itertools.count():
                packet = av.Packet(self._units[number % len(self._units)])
                packet.stream = track
                packet.time_base = track.time_base
                packet.pts = packet.dts = number * 90000 // FRAME_RATE
                packet.is_keyframe = number % KEY_FRAME_INTERVAL == 0
                out.mux(packet)
                try:
                    await response.write(chunks.take())
                except ConnectionError:
                    break
                due = start + (number + 1) / FRAME_RATE
                await asyncio.sleep(max(0.0, due - time.monotonic()))
        return response


@asynccontextmanager
async def demo_camera(clips: Path) -> AsyncIterator[tuple[str, str]]:
    """Serve the camera on loopback; give the URLs of its stream and its still."""
    camera = _Camera(await asyncio.to_thread(make_clip, clips))
    application = web.Application()
    application.router.add_get("/camera.ts", camera.stream)
    application.router.add_get("/camera.jpg", camera.still)
    runner = web.AppRunner(application, shutdown_timeout=1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        url = "http://{}:{}".format(*runner.addresses[0][:2])
        yield f"{url}/camera.ts", f"{url}/camera.jpg"
    finally:
        await runner.cleanup()
