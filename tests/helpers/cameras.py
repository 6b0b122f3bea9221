"""Cameras that fail in ways that a test says."""

import asyncio
from collections.abc import Callable
import contextlib
from pathlib import Path
import socket
import threading
from typing import Self

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


# MPEG-TS, in which FFmpeg gives the first video this number.
_PACKET = 188
_VIDEO = 0x100


class StallingCamera:
    """A stream of MPEG-TS whose pictures end after a while; its connection does not.

    What is not video goes on: sound, if the clip has any.
    """

    def __init__(self, clip: Path, *, seconds: float = 1.0) -> None:
        """Show so much of a clip of 20 s to each who comes, as fast as it is taken."""
        data = clip.read_bytes()
        packets = [data[at : at + _PACKET] for at in range(0, len(data), _PACKET)]
        shown = round(len(packets) * seconds / 20)
        self._shown = b"".join(packets[:shown])
        self._rest = [
            each
            for each in packets[shown:]
            if int.from_bytes(each[1:3]) & 0x1FFF != _VIDEO
        ]
        self._done = threading.Event()
        self._threads: list[threading.Thread] = []
        self._server = socket.create_server(("127.0.0.1", 0))
        self.url = f"tcp://127.0.0.1:{self._server.getsockname()[1]}"

    @property
    def visits(self) -> int:
        """How often it was opened."""
        return len(self._threads) - 1

    def __enter__(self) -> Self:
        """Listen."""
        self._start(self._accept)
        return self

    def __exit__(self, *_: object) -> None:
        """Let all go."""
        self._done.set()
        with contextlib.suppress(OSError):
            self._server.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()
        self._server.close()

    async def resolve(self) -> StreamUrl:
        """Return the stream."""
        return StreamUrl(url=self.url)

    def _start(self, work: Callable[..., None], *args: object) -> None:
        thread = threading.Thread(target=work, args=args)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._server.accept()
                self._start(self._serve, client)

    def _serve(self, client: socket.socket) -> None:
        with client, contextlib.suppress(OSError):
            client.sendall(self._shown)
            for packet in self._rest:
                if self._done.wait(0.01):
                    return
                client.sendall(packet)
            self._done.wait()
