"""Cameras that fail in ways that a test says."""

import asyncio
from pathlib import Path

from custom_components.kinesis_webrtc.peer import SourceError, StreamUrl


class Camera:
    """A file over and over, which may be slow to come, or go away."""

    def __init__(self, *paths: Path, opens_in: float = 0.0, loops: int = -1) -> None:
        """Show the next of these files at each opening, and the last one ever after."""
        self._paths = list(paths)
        self._opens_in = opens_in
        self._loops = loops
        self._back = asyncio.Event()
        self._back.set()
        self._missed = asyncio.Event()
        self.asked = 0

    def leave(self) -> None:
        """Answer no more from the next opening on."""
        self._back.clear()

    async def wait_gone(self) -> None:
        """Wait until someone has asked in vain."""
        async with asyncio.timeout(20):
            await self._missed.wait()

    def come_back(self) -> None:
        """Answer again."""
        self._back.set()

    async def resolve(self) -> StreamUrl:
        """Return the stream. Raises SourceError."""
        self.asked += 1
        await asyncio.sleep(self._opens_in)
        if not self._back.is_set():
            self._missed.set()
            raise SourceError("gone")
        path = self._paths.pop(0) if len(self._paths) > 1 else self._paths[0]
        return StreamUrl(url=str(path), options={"stream_loop": str(self._loops)})
