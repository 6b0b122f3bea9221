"""An Echo that watches until it hangs up, and tells of every picture.

It decodes nothing, so that it keeps up on a busy machine: a picture's number follows
from its bytes, which are the camera's. As echo_process, but in the place of "frames"

    {"event": "picture", "number": N, "ms": T}      each one, null: not the camera's
    {"event": "lost", "packets": N, "ms": T}        did not come by the network
    {"event": "skipped", "ticks": N, "ms": T}       was not sent: the timestamps jump

    python -m tests.e2e.harness.watch_process CLIP
"""

import argparse
import asyncio
import json
import os
from pathlib import Path
import sys
from typing import override

from aiortc import MediaStreamTrack
from aiortc.rtp import RtpPacket

from .clip import FRAME_RATE, access_units
from .echo_process import Echo, say

_VIDEO = 99
_TICKS = 90_000 // FRAME_RATE
# A camera's clock and a muxer's rounding.
_TOLERANCE = _TICKS // 4
# NAL units by their types, ITU-T H.264 table 7-1 and RFC 6184 table 1.
_SLICES = (1, 5)
_AGGREGATE, _FRAGMENT = 24, 28


def _numbers(clip: Path) -> dict[bytes, int]:
    """Return the number of each picture by its slice."""
    return {
        nal.rstrip(b"\0"): number
        for number, unit in enumerate(access_units(clip))
        for nal in unit.split(b"\0\0\1")
        if nal and nal[0] & 31 in _SLICES
    }


class Watcher(Echo):
    """One peer connection that looks at packets for as long as it lasts."""

    def __init__(self, clip: Path) -> None:
        super().__init__()
        self._numbers = _numbers(clip)
        self._last: RtpPacket | None = None
        self._slice = bytearray()
        self._number: int | None = None

    def look(self) -> None:
        """Take the packets in the place of aiortc's decoders."""
        transport = self._peer.getTransceivers()[0].receiver.transport

        async def handle(data: bytes, arrival_time_ms: int) -> None:
            self._take(RtpPacket.parse(data))

        vars(transport)["_handle_rtp_data"] = handle

    @override
    def _on_track(self, track: MediaStreamTrack) -> None:
        """Leave it alone: nothing arrives there."""

    def _take(self, packet: RtpPacket) -> None:
        if packet.payload_type != _VIDEO or not packet.payload:
            return
        last, self._last = self._last, packet
        if last is None:
            say("first_frame", ms=self._elapsed())
        else:
            step = (packet.sequence_number - last.sequence_number) & 0xFFFF
            if step == 0 or step >= 1 << 15:
                self._last = last
                return  # a repetition, or it was overtaken
            ticks = (packet.timestamp - last.timestamp) & 0xFFFFFFFF
            if step > 1:
                say("lost", packets=step - 1, ms=self._elapsed())
            elif ticks and abs(ticks - _TICKS) > _TOLERANCE:
                say("skipped", ticks=ticks, ms=self._elapsed())
        self._collect(packet.payload)
        if packet.marker:
            say("picture", number=self._number, ms=self._elapsed())
            self._number = None

    def _collect(self, payload: bytes) -> None:
        """Put the slice together, and look it up."""
        kind = payload[0] & 31
        if kind == _AGGREGATE:
            rest = payload[1:]
            while rest:
                size = int.from_bytes(rest[:2])
                self._collect(rest[2 : 2 + size])
                rest = rest[2 + size :]
        elif kind == _FRAGMENT and len(payload) > 1:
            if payload[1] & 0x80:
                self._slice[:] = bytes([payload[0] & 0xE0 | payload[1] & 0x1F])
            self._slice += payload[2:]
            if payload[1] & 0x40:
                self._collect(bytes(self._slice))
                self._slice.clear()
        elif kind in _SLICES:
            self._number = self._numbers.get(payload.rstrip(b"\0"))


async def main() -> None:
    """Watch until the standard input ends."""
    parser = argparse.ArgumentParser()
    parser.add_argument("clip", type=Path)
    watcher = Watcher(parser.parse_args().clip)
    try:
        os.nice(-10)
    except PermissionError:
        say("niceness", ordinary=True)
    await watcher.offer()
    watcher.look()
    while line := await asyncio.to_thread(sys.stdin.readline):
        await watcher.apply(json.loads(line)["answer"])
    await watcher.close()
    say("closed")


if __name__ == "__main__":
    asyncio.run(main())
