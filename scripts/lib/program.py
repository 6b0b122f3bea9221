"""What benchmarks and soaks have in common as programs."""

import asyncio
from collections.abc import Coroutine
import json
from pathlib import Path
import signal
import subprocess
import sys
from typing import Any

from tests.helpers.children import mortal

ROOT = Path(__file__).resolve().parents[2]


def run[T](main: Coroutine[Any, Any, T]) -> T:
    """Run it as asyncio.run does; SIGTERM, too, ends first whatever it has started."""

    async def until_told() -> T:
        task = asyncio.current_task()
        assert task is not None
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
        return await main

    try:
        return asyncio.run(until_told())
    except asyncio.CancelledError:
        sys.exit(128 + signal.SIGTERM)


def result_of(module: str, *arguments: str) -> dict[str, Any]:
    """Run a module in a process of its own, and return what its last line says.

    Blocks until it has ended. Raises subprocess.CalledProcessError.
    """
    finished = subprocess.run(
        mortal([sys.executable, "-m", module, *arguments]),
        cwd=ROOT,
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    result: dict[str, Any] = json.loads(finished.stdout.splitlines()[-1])
    return result
