"""Lets a test look into a process, and take its name server away.

Python loads this by itself from PYTHONPATH before anything else. NAMED is the name of
127.0.0.1; while the file NAMES_ARE_GONE exists, it is not found by anybody. At SIGUSR2
one line tells what runs.
"""

import asyncio
from collections import Counter
import json
import os
from pathlib import Path
import signal
import socket
import sys
import threading
import time
from typing import Any

import aiohttp

_NAME = os.environ["NAMED"]
_GONE = Path(os.environ["NAMES_ARE_GONE"])
# As long as a resolver waits before it asks again.
_SILENCE = 2.0
# The code whose tasks are counted.
_OURS = ("custom_components/kinesis_webrtc", "/aiortc/", "/aioice/")
# Home Assistant's own pools, whose threads stay.
_POOLS = ("MainThread", "SyncWorker_", "ImportExecutor_", "asyncio_", "waitpid-")

_getaddrinfo = socket.getaddrinfo
_resolve = aiohttp.AsyncResolver.resolve


def _found(host: Any, *arguments: Any, **options: Any) -> Any:
    if host != _NAME:
        return _getaddrinfo(host, *arguments, **options)
    if _GONE.exists():
        time.sleep(_SILENCE)
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
    return _getaddrinfo("127.0.0.1", *arguments, **options)


async def _resolved(
    self: aiohttp.AsyncResolver,
    host: str,
    port: int = 0,
    family: socket.AddressFamily = socket.AF_INET,
) -> Any:
    if host != _NAME:
        return await _resolve(self, host, port, family)
    if _GONE.exists():
        await asyncio.sleep(_SILENCE)
        raise OSError(None, "Timeout while contacting DNS servers")
    answer = {"hostname": host, "host": "127.0.0.1", "port": port}
    return [answer | {"family": socket.AF_INET, "proto": 0, "flags": 0}]


def _tasks() -> Counter[str]:
    found: Counter[str] = Counter()
    for task in asyncio.all_tasks(asyncio.get_running_loop()):
        code = getattr(task.get_coro(), "cr_code", None)
        if code and any(part in code.co_filename for part in _OURS):
            found[code.co_qualname] += 1
    return found


def _tell(*_: object) -> None:
    threads = Counter(
        thread.name.rstrip("0123456789")
        for thread in threading.enumerate()
        if not thread.name.startswith(_POOLS)
    )
    census = {"tasks": _tasks(), "threads": threads}
    print(json.dumps({"census": census}), flush=True)


socket.getaddrinfo = _found
aiohttp.AsyncResolver.resolve = _resolved  # type: ignore[method-assign]
if "homeassistant" in sys.orig_argv:
    signal.signal(signal.SIGUSR2, _tell)
