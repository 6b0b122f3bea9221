"""What the other tests lean on: it sees what it has to see."""

import os
from pathlib import Path
import select
import signal
import subprocess
import sys

import numpy as np
import pytest

from .harness.clip import to_frame
from .harness.home_assistant import REPOSITORY
from .harness.log import HomeAssistantLog
from .harness.pattern import CAMERAS, FRAME_NUMBERS, Reading, draw, read
from .harness.pictures import assert_moving

STAMP = "2026-11-22 10:00:00.000+00:00"


def parse(*lines: str) -> HomeAssistantLog:
    return HomeAssistantLog.parse(lines)


@pytest.mark.parametrize(
    "lines",
    [
        [f"{STAMP} WARNING (MainThread) [custom_components.kinesis_webrtc.camera] Hm"],
        [f"{STAMP} ERROR (MainThread) [aioice.ice] Hm"],
        [f"{STAMP} WARNING (MainThread) [util.loop] Detected blocking call to open"],
        [
            f"{STAMP} ERROR (MainThread) [homeassistant] Error doing job: Task exception",
            "Traceback (most recent call last):",
            '  File "/config/custom_components/kinesis_webrtc/peer/feed.py", line 1',
        ],
    ],
)
def test_trouble_in_the_log_is_seen(lines: list[str]) -> None:
    with pytest.raises(AssertionError, match="Home Assistant's log"):
        parse(*lines).assert_clean()


def test_the_log_of_others_is_their_own() -> None:
    parse(
        f"{STAMP} ERROR (MainThread) [homeassistant.components.met] No network",
        f"{STAMP} INFO (MainThread) [custom_components.kinesis_webrtc] Fine",
    ).assert_clean()


def test_a_log_that_cannot_be_read_is_not_clean() -> None:
    with pytest.raises(AssertionError):
        parse("no log at all").assert_clean()


def test_secrets_in_the_log_are_seen() -> None:
    log = parse(f"{STAMP} DEBUG (MainThread) [any] key=abc", "and def")
    log.assert_without(["xyz"])
    for secret in ("abc", "def"):
        with pytest.raises(AssertionError):
            log.assert_without([secret])


@pytest.mark.parametrize("size", [(1920, 1080), (1280, 720), (480, 270)])
@pytest.mark.parametrize(
    "reading", [Reading(0, 0), Reading(1, 199), Reading(CAMERAS - 1, FRAME_NUMBERS - 1)]
)
def test_a_picture_says_which_it_is(reading: Reading, size: tuple[int, int]) -> None:
    scaled = to_frame(draw(reading)).reformat(*size).to_ndarray(format="rgb24")
    assert read(scaled.astype(np.uint8)) == reading


def test_pictures_that_are_not_the_cameras_are_not_read() -> None:
    picture = draw(Reading(1, 7))
    assert read(np.zeros_like(picture)) is None
    assert read(picture[::-1]) is None
    grey = np.repeat(picture.mean(axis=2, keepdims=True), 3, axis=2).astype(np.uint8)
    assert read(grey) is None
    damaged = picture.copy()
    damaged[: picture.shape[0] // 2, 700:760] = 128
    assert read(damaged) is None


@pytest.mark.parametrize("numbers", [[1, 1, 2], [1, 2, 9], [1, None, 3], [3, 2, 1]])
def test_pictures_that_stand_still_or_jump_are_seen(numbers: list[int | None]) -> None:
    with pytest.raises(AssertionError):
        assert_moving(numbers)


def start(source: str, *arguments: Path) -> subprocess.Popen[str]:
    """Start a program that says something when it is ready."""
    program = subprocess.Popen(
        [sys.executable, "-c", source, *arguments],
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert program.stdout
    assert program.stdout.readline() == "ready\n"
    return program


PARENT = """
import asyncio, sys
from tests.e2e.harness.process import Process

async def main():
    # The pipe is open for as long as the child is there.
    child = ["sh", "-c", 'exec 3>"$0"; echo open; exec sleep 1000', sys.argv[1]]
    async with Process(child) as process:
        await process.wait_for_line("open")
        print("ready", flush=True)
        await asyncio.Event().wait()

asyncio.run(main())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends orphans")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_programs_do_not_outlive_who_started_them(
    tmp_path: Path, number: signal.Signals
) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reading = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    with start(PARENT, pipe) as parent:
        assert not select.select([reading], [], [], 0)[0], "not held open"
        parent.send_signal(number)
    ended = select.select([reading], [], [], 30)[0]
    os.close(reading)
    assert ended


TOLD = """
import asyncio
from scripts.lib.program import run

async def main():
    print("ready", flush=True)
    try:
        await asyncio.Event().wait()
    finally:
        await asyncio.sleep(0)
        print("ended in order", flush=True)

run(main())
"""


def test_benchmarks_end_in_order_when_they_are_told_to() -> None:
    with start(TOLD) as program:
        program.terminate()
        assert program.stdout
        assert program.stdout.read() == "ended in order\n"
    assert program.returncode == 128 + signal.SIGTERM
