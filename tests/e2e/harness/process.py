"""A child process whose output can be waited for."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
import os
from pathlib import Path
import re
import signal
from typing import Self

from tests.helpers.children import mortal


class ProcessError(Exception):
    """A program ended, or did not say what it was waited for; its output follows."""


class Process:
    """A child process: its lines are kept, it is stopped by signal and waited for."""

    def __init__(
        self,
        command: Sequence[str | Path],
        *,
        name: str | None = None,
        environment: Mapping[str, str] | None = None,
        directory: Path | None = None,
        stop_signal: signal.Signals = signal.SIGTERM,
        stop_timeout: float = 15,
    ) -> None:
        self.command = [str(part) for part in command]
        self.name = name or Path(self.command[0]).name
        self.lines: list[str] = []
        self.exit_code: int | None = None
        self._environment = {**os.environ, **(environment or {})}
        self._directory = directory
        self._stop_signal = stop_signal
        self._stop_timeout = stop_timeout
        self._process: asyncio.subprocess.Process | None = None
        self._pump: asyncio.Task[None] | None = None
        self._changed = asyncio.Condition()
        self._watchers: list[Callable[[str], None]] = []

    async def __aenter__(self) -> Self:
        try:
            await self.start()
            await self.get_ready()
        except BaseException:
            await self.__aexit__()
            raise
        return self

    async def get_ready(self) -> None:
        """Wait until the process can be used; to be overridden."""

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    @property
    def running(self) -> bool:
        """Tell whether the process was started and has not ended."""
        return self._process is not None and self.exit_code is None

    def watch(self, watcher: Callable[[str], None]) -> None:
        """Hand every line that follows to a watcher."""
        self._watchers.append(watcher)

    async def start(self) -> None:
        """Start the process in a process group of its own."""
        self._process = await asyncio.create_subprocess_exec(
            *mortal(self.command, last_signal=self._stop_signal),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env=self._environment,
            cwd=self._directory,
            limit=2**22,
            start_new_session=True,
        )
        self._pump = asyncio.create_task(self._read(self._process))

    async def _read(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None
        while raw := await process.stdout.readline():
            line = raw.decode(errors="replace").rstrip("\r\n")
            self.lines.append(line)
            for watcher in self._watchers:
                watcher(line)
            async with self._changed:
                self._changed.notify_all()
        self.exit_code = await process.wait()
        async with self._changed:
            self._changed.notify_all()

    @property
    def pid(self) -> int:
        """Return the process's number."""
        assert self._process is not None
        return self._process.pid

    def send_signal(self, number: signal.Signals) -> None:
        """Send the process a signal that does not end it."""
        assert self._process is not None
        self._process.send_signal(number)

    async def write(self, line: str) -> None:
        """Give the process one line on its standard input."""
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.write(line.encode() + b"\n")
        await self._process.stdin.drain()

    async def close_input(self) -> None:
        """End the process's standard input."""
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.close()
        await self._process.stdin.wait_closed()

    async def wait_for_line(
        self, pattern: str, *, timeout: float = 30, start: int = 0
    ) -> re.Match[str]:
        """Return the first match in the lines from number start on.

        The timeout is in seconds. Raises ProcessError when it runs out or the process
        ends without the line.
        """
        expression = re.compile(pattern)
        seen = start

        def search() -> re.Match[str] | None:
            nonlocal seen
            while seen < len(self.lines):
                match = expression.search(self.lines[seen])
                seen += 1
                if match:
                    return match
            return None

        try:
            async with asyncio.timeout(timeout), self._changed:
                while (match := search()) is None:
                    if self.exit_code is not None:
                        raise self.failure(f"ended with {self.exit_code}")
                    await self._changed.wait()
        except TimeoutError:
            raise self.failure(f"did not say {pattern!r} in {timeout} s") from None
        return match

    async def wait(self, *, timeout: float = 30) -> int:
        """Wait for the process to end by itself and return its exit code."""
        assert self._pump is not None
        try:
            async with asyncio.timeout(timeout):
                await asyncio.shield(self._pump)
        except TimeoutError:
            raise self.failure(f"still runs after {timeout} s") from None
        assert self.exit_code is not None
        return self.exit_code

    async def stop(self) -> None:
        """Stop the process by signal; kill its group when that does not end it.

        Raises ProcessError when it had to be killed.
        """
        if self._process is None or self._pump is None:
            return
        if self._process.returncode is None:
            self._process.send_signal(self._stop_signal)
        try:
            await self.wait(timeout=self._stop_timeout)
        except ProcessError:
            os.killpg(self._process.pid, signal.SIGKILL)
            await self._pump
            raise

    def failure(self, what: str) -> ProcessError:
        """Return an error that shows the end of the output."""
        tail = "\n".join(self.lines[-60:])
        return ProcessError(f"{self.name} {what}\n{tail}")
