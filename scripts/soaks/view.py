"""One viewer for a long time: nothing lost, and sound and pictures still together.

The camera is a clip that flashes and beeps once a second, read in its own time; the
viewer is aiortc's, on loopback. Each minute tells how far a beep and its flash were
apart by the sender reports, at the most.
"""

import argparse
import asyncio
import gc
import json
from pathlib import Path
import tempfile
from typing import Any

from aiortc.rtp import RtpPacket

from custom_components.kinesis_webrtc.peer import (
    Ended,
    Limits,
    MasterPeer,
    SessionEvent,
    StreamUrl,
)
from scripts.lib.program import run
from tests.helpers.listener import Listener, beeps_of, flashes_of
from tests.helpers.sound import make_sound_clip

SOUND, VIDEO = 96, 99
# Payloads that begin a key picture: a parameter set, alone or with others.
_SETS = (7, 24)


class Camera:
    """A file, once."""

    def __init__(self, path: Path) -> None:
        """Read it from its beginning."""
        self._path = path

    async def resolve(self) -> StreamUrl:
        """Return it."""
        return StreamUrl(url=str(self._path))


def lost(packets: list[RtpPacket]) -> int:
    """Return how many sequence numbers are missing."""
    numbers = {packet.sequence_number for packet in packets}
    steps = (packets[-1].sequence_number - packets[0].sequence_number) & 0xFFFF
    return steps + 1 - len(numbers) if len(packets) < 1 << 15 else 0


def apart(viewer: Listener, packets: dict[int, list[RtpPacket]]) -> float:
    """Return the most that a beep and its flash were apart, in ms."""
    viewer.packets, current = packets, viewer.packets
    flashes = flashes_of(viewer)
    beeps = [beep for beep in beeps_of(viewer) if flashes[0] < beep + 0.5 < flashes[-1]]
    viewer.packets = current
    return max(min(abs(beep - flash) for flash in flashes) for beep in beeps) * 1000


def resident_mb() -> float:
    """Return the memory that this process has in RAM."""
    gc.collect()
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    return 0.0


def from_key_picture(packets: list[RtpPacket]) -> list[RtpPacket]:
    """Return the packets from the first key picture on."""
    for number, packet in enumerate(packets):
        if packet.payload and packet.payload[0] & 0x1F in _SETS:
            return packets[number:]
    return []


async def watch(master: MasterPeer, ended: list[Ended], minutes: int) -> dict[str, Any]:
    """Watch, and take stock each minute."""
    drifts: list[float] = []
    total, missing, octets = 0, 0, 0
    memory = 0.0
    async with Listener() as viewer:
        await viewer.watch(master)
        await viewer.wait(
            lambda: len(viewer.reports) == 2 and len(viewer.packets.get(VIDEO, [])) > 50
        )
        for minute in range(minutes):
            viewer.packets = {}
            await asyncio.sleep(60)
            kept, viewer.packets = viewer.packets, {}
            for packets in (kept[SOUND], kept[VIDEO]):
                total += len(packets)
                missing += lost(packets)
                octets += sum(len(packet.payload) for packet in packets)
            kept[VIDEO] = from_key_picture(kept[VIDEO])
            drifts.append(round(apart(viewer, kept), 1))
            viewer.frames.clear()
            viewer.audio_frames.clear()
            del kept
            if not minute:
                memory = resident_mb()
            print(f"minute {minute + 1}: {drifts[-1]} ms apart", flush=True)
        grown = resident_mb() - memory
    return {
        "minutes": minutes,
        "packets": total,
        "lost": missing,
        "kbit_per_s": round(octets * 8 / 1000 / (60 * minutes)),
        "apart_ms": {
            "first": drifts[0],
            "last": drifts[-1],
            "most": max(drifts),
        },
        "rss_grown_mb": round(grown, 1),
        "ended": [str(event.reason) for event in ended],
    }


async def watch_camera(minutes: int) -> dict[str, Any]:
    """Make the camera and its master."""
    with tempfile.TemporaryDirectory(prefix="soak-") as folder:
        path = await asyncio.to_thread(
            make_sound_clip,
            Path(folder) / "camera.mp4",
            beeps=True,
            pitch=1000,
            seconds=60 * minutes + 30,
        )
        ended: list[Ended] = []

        def note(event: SessionEvent) -> None:
            if isinstance(event, Ended):
                ended.append(event)

        master = MasterPeer(source=Camera(path), on_event=note, limits=Limits())
        await master.prepare()
        try:
            return await watch(master, ended, minutes)
        finally:
            await master.shutdown()


def main() -> None:
    """Print the results, the last line being JSON."""
    parser = argparse.ArgumentParser(prog="scripts/soak view")
    parser.add_argument("--minutes", type=int, default=10)
    options = parser.parse_args()
    print(json.dumps(run(watch_camera(options.minutes))))


if __name__ == "__main__":
    main()
