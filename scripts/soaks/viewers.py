"""Many viewers for a long time: nothing lost, nothing later, and no growth.

The test camera (1080p25, 3 Mbit/s) is watched through the integration in a real Home
Assistant, past the roll-over of sequence numbers, which takes three minutes or so. Each
minute tells what was lost, how late the pictures were, and what the process holds.
"""

import argparse
from dataclasses import asdict, dataclass
import json
import os
from pathlib import Path
import sys
import tempfile
from typing import Any

from scripts.benchmarks.media_masters import (
    Ours,
    StampingCamera,
    Viewers,
    pid_of,
    resident_mb,
)
from scripts.benchmarks.media_network import bench_network
from scripts.benchmarks.media_probe import ProbedHomeAssistant, loop_lag
from scripts.benchmarks.media_programs import MissingError, build_go
from scripts.lib.program import run
from tests.e2e.harness.emulator import Emulator
from tests.e2e.harness.scenario import share_a_camera
from tests.e2e.harness.stills import Stills


@dataclass(frozen=True, slots=True)
class Minute:
    """What was seen in a minute, and what the process held at its end."""

    packets: int
    lost: int
    latency_ms: float
    loop_lag_ms: float
    rss_mb: float
    threads: int
    fds: int


async def measure(ours: Ours, viewers: Viewers, count: int) -> Minute:
    """Watch for a minute."""
    start = len(viewers.lines)
    await viewers.order("measure", seconds=60)
    match = await viewers.wait_for_line(
        r'^({.*"event":"result".*)$', start=start, timeout=120
    )
    seen: dict[str, Any] = json.loads(match[1])
    await viewers.order("forget")
    process = Path("/proc", str(ours.pid))
    return Minute(
        packets=round(seen["packets_per_second"] * 60 * count),
        lost=seen["lost"],
        latency_ms=round(seen["latency_p50"], 1),
        loop_lag_ms=round(await loop_lag(ours.client), 1),
        rss_mb=round(resident_mb(ours.pid), 1),
        threads=len(list(process.joinpath("task").iterdir())),
        fds=len(list(process.joinpath("fd").iterdir())),
    )


async def watch(program: Path, ours: Ours, count: int, minutes: int) -> list[Minute]:
    """Watch with so many viewers."""
    found = []
    async with Viewers(program) as viewers:
        await viewers.order("offer", count=count)
        async with ours.viewing(viewers, count):
            for number in range(count):
                await viewers.event("connected", number)
            for number in range(minutes):
                found.append(await measure(ours, viewers, count))
                print(f"minute {number + 1}: {found[-1]}", flush=True)
    return found


async def watch_home(program: Path, count: int, minutes: int) -> list[Minute]:
    """Make the camera and Home Assistant."""
    async with (
        StampingCamera() as camera,
        Emulator() as emulator,
        Stills(number=camera.number) as stills,
    ):
        with tempfile.TemporaryDirectory(prefix="home-assistant-") as folder:
            async with ProbedHomeAssistant(
                Path(folder), environment=emulator.environment
            ) as home:
                shared = await share_a_camera(
                    home.client,
                    emulator.home_assistant,
                    stream_url=camera.url,
                    still_url=stills.url,
                )
                ours = Ours(
                    pid=pid_of(home), client=home.client, entity_id=shared.live_view
                )
                return await watch(program, ours, count, minutes)


def result(count: int, minutes: list[Minute]) -> dict[str, Any]:
    """Return the whole time in few numbers."""
    # In its first minutes the process still makes what it then keeps.
    settled, last = minutes[min(4, len(minutes) - 1)], minutes[-1]
    return {
        "viewers": count,
        "minutes": len(minutes),
        "packets": sum(one.packets for one in minutes),
        "lost": sum(one.lost for one in minutes),
        "latency_ms": {
            "first": minutes[0].latency_ms,
            "last": last.latency_ms,
            "most": max(one.latency_ms for one in minutes),
        },
        "grown": {
            name: round(asdict(last)[name] - asdict(settled)[name], 1)
            for name in ("rss_mb", "threads", "fds")
        },
    }


def main() -> None:
    """Print the results, the last line being JSON."""
    parser = argparse.ArgumentParser(prog="scripts/soak viewers")
    parser.add_argument("--minutes", type=int, default=60)
    parser.add_argument("--viewers", type=int, default=8)
    options = parser.parse_args()
    if os.geteuid() != 0:
        sys.exit("viewers: it needs root, for a network of its own")
    try:
        program = build_go("viewers")
    except MissingError as err:
        sys.exit(f"viewers: without it there are none: {err}")
    with bench_network("kinesis-soak"):
        minutes = run(watch_home(program, options.viewers, options.minutes))
    print(json.dumps(result(options.viewers, minutes)))


if __name__ == "__main__":
    main()
