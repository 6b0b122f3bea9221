"""Start the demo, or send an offer to the one that runs."""

import argparse
import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
import json
import os
import shutil
import signal
import socket
import sys
from uuid import uuid4

from tests.e2e.harness.coturn import Coturn
from tests.e2e.harness.emulator import Emulator
from tests.e2e.harness.home_assistant import (
    PASSWORD,
    REPOSITORY,
    USERNAME,
    HomeAssistant,
)
from tests.e2e.harness.ports import free_port
from tests.e2e.harness.process import ProcessError
from tests.e2e.harness.scenario import share_a_camera

from .camera import demo_camera
from .offer import OfferFailedError, send_offer

DEV = REPOSITORY / ".dev"
FOLDER = DEV / "demo"
RUNNING = FOLDER / "running.json"
PICTURE = FOLDER / "frame.png"

# Nothing answers there, and nothing leaves this machine.
NO_STUN = "stun:127.0.0.1:9"


def home_assistants_port() -> int:
    """Return Home Assistant's usual port, or another one when that is taken."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", 8123))
        except OSError:
            return free_port()
    return 8123


def say(text: str) -> None:
    """Print to whoever waits for it."""
    print(text, flush=True)


@asynccontextmanager
async def demo() -> AsyncIterator[HomeAssistant]:
    """Run everything, with the camera shared."""
    shutil.rmtree(FOLDER, ignore_errors=True)
    configuration = FOLDER / "configuration"
    configuration.mkdir(parents=True)
    async with AsyncExitStack() as stack:
        say("demo: the camera")
        stream, still = await stack.enter_async_context(demo_camera(DEV / "clips"))
        coturn = None
        if shutil.which("turnserver"):
            coturn = await stack.enter_async_context(Coturn(secret=uuid4().hex))
        else:
            say("demo: without coturn there is no relay, and answers take a second")
        say("demo: the emulated AWS")
        emulator = await stack.enter_async_context(Emulator(coturn=coturn, tls=False))
        say("demo: Home Assistant, which takes a moment")
        home = await stack.enter_async_context(
            HomeAssistant(
                configuration,
                port=home_assistants_port(),
                environment=emulator.environment,
                start_timeout=180,
            )
        )
        await share_a_camera(
            home.client,
            emulator.home_assistant,
            stream_url=stream,
            still_url=still,
            stun_url=coturn.stun_url if coturn else NO_STUN,
            name="Demo camera",
        )
        channel = await emulator.only_channel()
        RUNNING.write_text(
            json.dumps({"url": emulator.url, "channel_arn": channel["ChannelARN"]})
        )
        stack.callback(RUNNING.unlink)
        yield home


async def start() -> None:
    """Run the demo until it is interrupted, or Home Assistant ends."""
    async with demo() as home:
        say(
            f"""
Home Assistant   {home.url}
Log-in           {USERNAME} / {PASSWORD}
Its log          {home.directory.relative_to(REPOSITORY)}/home-assistant.log

An offer as Alexa sends it, the answer, and the frames that an Echo would show:

    scripts/develop offer

Ctrl-C ends the demo."""
        )
        await home.wait(timeout=10**9)
        raise home.failure(f"ended with {home.exit_code}")


async def offer() -> None:
    """Send an offer to the demo that runs."""
    if not RUNNING.exists():
        raise OfferFailedError("no demo is running: start it with scripts/develop")
    running = json.loads(RUNNING.read_text())
    await send_offer(
        url=running["url"],
        channel_arn=running["channel_arn"],
        picture=PICTURE,
        say=say,
    )


async def check() -> None:
    """Start the demo, send an offer, end it."""
    async with demo() as home:
        await offer()
        home.log.assert_clean()
    say("demo: works")


def main() -> None:
    """Do what the command line says; an interrupt is a good end."""
    parser = argparse.ArgumentParser(prog="scripts/develop")
    parser.add_argument("what", nargs="?", choices=["start", "offer"], default="start")
    parser.add_argument("--check", action="store_true", help="start, offer, end")
    options = parser.parse_args()
    # Python turns only one of the two into an end that cleans up.
    signal.signal(signal.SIGTERM, lambda *_: os.kill(os.getpid(), signal.SIGINT))
    doing = {"start": start, "offer": offer}[options.what]
    try:
        asyncio.run(check() if options.check else doing())
    except KeyboardInterrupt:
        say("demo: ended")
    except (OfferFailedError, ProcessError) as err:
        sys.exit(f"demo: {err}")


if __name__ == "__main__":
    main()
