"""The demo: one command, and what it tells its reader to do next."""

from collections.abc import AsyncIterator
import signal

import pytest
import pytest_asyncio

from .harness.home_assistant import REPOSITORY
from .harness.process import Process

DEVELOP = REPOSITORY / "scripts" / "develop"


@pytest_asyncio.fixture(loop_scope="session")
async def demo() -> AsyncIterator[Process]:
    """Start the demo; end it as Ctrl-C does."""
    demo = Process([DEVELOP], stop_signal=signal.SIGINT, stop_timeout=60)
    async with demo:
        await demo.wait_for_line("Ctrl-C ends the demo", timeout=120)
        yield demo
    assert demo.lines[-1] == "demo: ended"
    assert demo.exit_code == 0


@pytest.mark.timeout(240)
async def test_the_demo_answers_the_offer_that_it_tells_to_send(demo: Process) -> None:
    (command,) = (line for line in demo.lines if "scripts/develop" in line)
    program, argument = command.split()
    async with Process([REPOSITORY / program, argument]) as offer:
        assert await offer.wait(timeout=60) == 0
    text = "\n".join(offer.lines)
    assert "s=a 2 z" in text
    assert "50 frames of 1280x720 decoded" in text


@pytest.mark.timeout(180)
async def test_the_demo_can_check_itself() -> None:
    async with Process([DEVELOP, "--check"]) as check:
        assert await check.wait(timeout=150) == 0, check.failure("failed")
    assert check.lines[-1] == "demo: works"
