"""A camera's still picture, served over HTTP on loopback."""

import asyncio
import io
from typing import Self

from aiohttp import web
from PIL import Image

from .pattern import Reading, draw


class Stills:
    """One JPEG that says which camera it is from, as some cameras have beside RTSP."""

    def __init__(self, *, number: int, frame: int = 7) -> None:
        self.reading = Reading(number, frame)
        self.url: str
        self._runner: web.AppRunner | None = None

    async def __aenter__(self) -> Self:
        jpeg = await asyncio.to_thread(self._jpeg)

        async def get(_: web.Request) -> web.Response:
            return web.Response(body=jpeg, content_type="image/jpeg")

        application = web.Application()
        application.router.add_get("/still.jpg", get)
        self._runner = web.AppRunner(application)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        host, port = self._runner.addresses[0][:2]
        self.url = f"http://{host}:{port}/still.jpg"
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._runner:
            await self._runner.cleanup()

    def _jpeg(self) -> bytes:
        picture = Image.fromarray(draw(self.reading, width=1280, height=720))
        file = io.BytesIO()
        picture.save(file, "JPEG", quality=90)
        return file.getvalue()
