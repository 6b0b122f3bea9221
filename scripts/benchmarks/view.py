"""How long a person waits for the picture in Home Assistant's frontend.

From the browser's offer until it shows the first frame, in ms, in a Chromium on a real
Home Assistant with the emulator and coturn, all on loopback:

- shared: the live view of a shared camera, which opens the RTSP camera anew each time;
- remote: a channel whose master is AWS's own JS SDK in another page of the browser.

relayed lets the browser (and the SDK's page) use nothing but TURN.

late_join is a browser that opens the live view of a camera that is being watched, with 4 s
between key frames and with sound: how old (ms, the median and the most of all joins) the
picture is that it shows 1, 3 and 10 s after its first one, and how often its video has stood
still, by Chromium's count.
"""

import argparse
import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
import json
from pathlib import Path
from statistics import median
import tempfile
import time
from typing import Any
from uuid import uuid4

from playwright.async_api import Browser

from scripts.lib.program import run
from tests.e2e.harness.browser import chromium_browser, sdk_page
from tests.e2e.harness.camera import RtspCamera
from tests.e2e.harness.coturn import Coturn
from tests.e2e.harness.emulator import Emulator
from tests.e2e.harness.flows import SUBENTRIES, Flow
from tests.e2e.harness.frontend import frontend
from tests.e2e.harness.home_assistant import HomeAssistant
from tests.e2e.harness.scenario import (
    SharedCamera,
    add_camera,
    share_a_camera,
    share_camera,
)
from tests.e2e.harness.sdk import SdkMaster, add_device
from tests.e2e.harness.stills import Stills
from tests.system import browser

from .statistics import summary

REMOTE = "camera.cabin"
# In frames; in seconds after the first picture.
LONG_GROUP = 100
MOMENTS = (1, 3, 10)
SIZE = (1920, 1080)

type Idle = Callable[[], Awaitable[None]]


async def first_frame_times(
    chromium: Browser,
    url: str,
    entity_id: str,
    *,
    count: int,
    relayed: bool,
    idle: Idle,
) -> list[float]:
    """Return the times of so many views, one by one, after one that does not count."""
    times = []
    async with frontend(chromium, url, relay_only=relayed) as person:
        for _ in range(count + 1):
            await person.open_more_info(entity_id)
            await person.playing_video()
            times.append(await person.first_frame_ms())
            types = await person.selected_pair()
            assert ("relay" in types) == relayed, types
            await person.open("/config/info")
            await idle()
    return times[1:]


async def late_joins(
    chromium: Browser, home: HomeAssistant, account: SharedCamera, *, count: int
) -> dict[str, Any]:
    """Return how far behind the camera those are who join in the midst of a group."""
    ages: dict[int, list[float]] = {moment: [] for moment in MOMENTS}
    freezes = 0
    async with (
        RtspCamera(
            number=2, key_frame_interval=LONG_GROUP, sound="aac", size=SIZE
        ) as camera,
        # Without them Home Assistant would open the camera once more.
        Stills(number=camera.number) as stills,
        frontend(chromium, home.url) as keeper,
    ):
        name = await add_camera(
            home.client, name="Garden", stream_url=camera.url, still_url=stills.url
        )
        shared = await share_camera(home.client, entry_id=account.entry_id, camera=name)
        await keeper.open_more_info(shared.live_view)
        await keeper.playing_video()
        for _ in range(count):
            async with frontend(chromium, home.url) as person:
                await person.open_more_info(shared.live_view)
                await person.playing_video(seconds=0)
                first = time.monotonic()
                for moment in MOMENTS:
                    await asyncio.sleep(first + moment - time.monotonic())
                    reading, at = await person.shown_now()
                    at -= time.time() - time.monotonic()
                    ages[moment].append(camera.age(reading.number, at) * 1000)
                freezes += await person.freezes()
    return {
        "behind_ms": {
            str(moment): {"p50": round(median(found)), "max": round(max(found))}
            for moment, found in ages.items()
        },
        "freezes": freezes,
    }


@asynccontextmanager
async def remote_master(
    chromium: Browser, emulator: Emulator, arn: str
) -> AsyncIterator[SdkMaster]:
    """Give the other camera, which is not yet on its channel."""
    await add_device(emulator)
    async with sdk_page(chromium, "master") as page:
        yield SdkMaster(page, emulator=emulator, channel_arn=arn, number=9)


async def view_remote(home: HomeAssistant, shared: SharedCamera, arn: str) -> None:
    """Add the camera of the channel."""
    handler = [shared.entry_id, "remote_channel"]
    flow = await Flow.start(home.client, SUBENTRIES, handler)
    await flow.finish({"channel": arn})
    await home.client.wait_for_state(REMOTE, "idle")


async def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Run all cases."""
    results: dict[str, dict[str, dict[str, float]]] = {"shared": {}, "remote": {}}
    async with (
        Coturn(secret=uuid4().hex) as coturn,
        Emulator(coturn=coturn, viewing=True) as emulator,
        RtspCamera(size=SIZE) as camera,
        Stills(number=camera.number) as stills,
    ):
        with tempfile.TemporaryDirectory(prefix="home-assistant-") as folder:
            async with (
                HomeAssistant(Path(folder), environment=emulator.environment) as home,
                chromium_browser(browser()) as chromium,
            ):
                channel = await emulator.act(
                    "create_channel", name="cabin", message_ttl=60
                )
                arn = str(channel["ChannelARN"])
                shared = await share_a_camera(
                    home.client,
                    emulator.home_assistant,
                    stream_url=camera.url,
                    still_url=stills.url,
                    stun_url=coturn.stun_url,
                )
                await view_remote(home, shared, arn)
                for case, relayed in (("direct", False), ("relayed", True)):
                    times = await first_frame_times(
                        chromium,
                        home.url,
                        shared.live_view,
                        count=options.views,
                        relayed=relayed,
                        idle=camera.wait_until_idle,
                    )
                    results["shared"][case] = percentiles(times)
                    print(f"shared, {case}: {options.views} views", flush=True)
                joined = await late_joins(chromium, home, shared, count=options.joins)
                print(f"late joins: {options.joins}", flush=True)
                async with remote_master(chromium, emulator, arn) as master:
                    for case, relayed in (("direct", False), ("relayed", True)):
                        await master.connect(relay_only=relayed)
                        times = await first_frame_times(
                            chromium,
                            home.url,
                            REMOTE,
                            count=options.views,
                            relayed=relayed,
                            idle=lambda: asyncio.sleep(0),
                        )
                        await master.disconnect()
                        results["remote"][case] = percentiles(times)
                        print(f"remote, {case}: {options.views} views", flush=True)
    return {"first_frame_ms": results, "late_join": joined}


def percentiles(values: list[float]) -> dict[str, float]:
    """Return the median and the 95th percentile."""
    numbers = summary(values)
    return {"p50": numbers["p50"], "p95": numbers["p95"]}


def main() -> None:
    """Print the results, the last line being JSON."""
    parser = argparse.ArgumentParser(prog="scripts/bench view")
    parser.add_argument("--views", type=int, default=10)
    parser.add_argument("--joins", type=int, default=5)
    options = parser.parse_args()
    print("Home Assistant's frontend in Chromium, everything on this machine.")
    print(json.dumps(run(measure(options))))


if __name__ == "__main__":
    main()
