"""Viewers in a process of their own, so that what they cost is not the master's."""

import asyncio
from collections.abc import Awaitable, Callable
import contextlib
import json
from pathlib import Path
import sys
from typing import Any, Self

from aioice import ice

from tests.helpers.servers import RELAY_PORTS
from tests.helpers.viewers import EchoPeer, Viewer, hear_from

ROOT = Path(__file__).resolve().parents[2]
# Longer than any offer or answer in JSON.
_LINE = 1 << 20


def stay_on_loopback() -> None:
    """Have ICE use the loopback's address alone, which it leaves out by itself."""

    def addresses(use_ipv4: bool, use_ipv6: bool) -> list[str]:
        return ["127.0.0.1"] if use_ipv4 else []

    ice.get_host_addresses = addresses


class Crowd:
    """Viewers told what to do by name.

    Their kinds are "echo", "browser" and "relayed": an Echo that hears relays alone.
    """

    def __init__(self) -> None:
        """Prepare; the process runs within the block."""
        self._process: asyncio.subprocess.Process | None = None
        self._reader: asyncio.Task[None] | None = None
        self._awaited: dict[int, asyncio.Future[Any]] = {}
        self._number = 0

    async def __aenter__(self) -> Self:
        """Start the process."""
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "tests.helpers.crowd",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            cwd=ROOT,
            limit=_LINE,
        )
        self._reader = asyncio.create_task(self._read())
        return self

    async def __aexit__(self, *_: object) -> None:
        """End the process; viewers that are left do not say goodbye."""
        assert self._process is not None
        assert self._reader is not None
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
        await self._process.wait()
        await self._reader

    async def offer(self, name: str, kind: str) -> str:
        """Make a viewer, and return its offer."""
        return str(await self._ask("offer", name, kind))

    async def accept(self, name: str, answer: str) -> None:
        """Give a viewer the answer, and wait until it has a connection and packets."""
        await self._ask("accept", name, answer)

    async def close(self, name: str) -> None:
        """Hang up, with a goodbye."""
        await self._ask("close", name)

    async def vanish(self, name: str) -> None:
        """Have a viewer disappear without a goodbye."""
        await self._ask("vanish", name)

    async def _ask(self, *request: str) -> Any:
        assert self._process is not None
        assert self._process.stdin is not None
        self._number += 1
        waiter = asyncio.get_running_loop().create_future()
        self._awaited[self._number] = waiter
        line = json.dumps([self._number, *request])
        self._process.stdin.write(line.encode() + b"\n")
        async with asyncio.timeout(60):
            return await waiter

    async def _read(self) -> None:
        assert self._process is not None
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            number, result, error = json.loads(line)
            waiter = self._awaited.pop(number)
            if waiter.done():
                continue
            if error is None:
                waiter.set_result(result)
            else:
                waiter.set_exception(RuntimeError(error))
        for waiter in self._awaited.values():
            if not waiter.done():
                waiter.set_exception(RuntimeError("the viewers' process has ended"))


class _Members:
    """The viewers, in their process."""

    def __init__(self) -> None:
        self._viewers: dict[str, Viewer] = {}

    async def offer(self, name: str, kind: str) -> str:
        viewer = self._viewers[name] = Viewer() if kind == "browser" else EchoPeer()
        offer = await viewer.offer()
        if kind == "relayed":
            hear_from(viewer, RELAY_PORTS)
        return offer

    async def accept(self, name: str, answer: str) -> None:
        viewer = self._viewers[name]
        transport = viewer.pc.getTransceivers()[0].receiver.transport
        arrived = asyncio.Event()

        async def count(data: bytes, arrival_time_ms: int) -> None:
            arrived.set()

        # Nobody looks at the pictures, so nobody decodes them.
        vars(transport)["_handle_rtp_data"] = count
        await viewer.accept(answer)
        async with asyncio.timeout(30):
            await viewer.connected.wait()
            await arrived.wait()

    async def close(self, name: str) -> None:
        await self._viewers.pop(name).close()

    async def vanish(self, name: str) -> None:
        await self._viewers.pop(name).vanish()


async def _serve() -> None:
    stay_on_loopback()
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=_LINE)
    await loop.connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), sys.stdin
    )
    members = _Members()

    async def handle(number: int, what: str, *request: str) -> None:
        act: Callable[..., Awaitable[Any]] = getattr(members, what)
        try:
            line = [number, await act(*request), None]
        except Exception as err:  # noqa: BLE001
            line = [number, None, f"{type(err).__name__}: {err}"]
        print(json.dumps(line), flush=True)

    async with asyncio.TaskGroup() as tasks:
        async for line in reader:
            tasks.create_task(handle(*json.loads(line)))


if __name__ == "__main__":
    asyncio.run(_serve())
