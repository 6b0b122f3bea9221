"""An Echo that watches until it hangs up, and tells of every picture.

As echo_process, but in the place of "frames" there are

    {"event": "picture", "number": N, "ms": T}      each decoded one, null: not readable
    {"event": "lost", "packets": N, "ms": T}        did not come by the network, or late
    {"event": "skipped", "ticks": N, "ms": T}       was not sent: the timestamps jump

    python -m tests.e2e.harness.watch_process
"""

import asyncio
import json
import sys
from typing import override

from aiortc import MediaStreamError, MediaStreamTrack
from aiortc.rtp import RtpPacket
from av import VideoFrame
import numpy as np

from . import echo_process
from .clip import FRAME_RATE
from .echo_offer import Era
from .echo_process import say
from .pattern import read

VIDEO = 99
TICKS = 90_000 // FRAME_RATE
# A camera's clock and a muxer's rounding.
_TOLERANCE = TICKS // 4


class Watcher(echo_process.Echo):
    """One peer connection that decodes for as long as it lasts."""

    def note_packets(self) -> None:
        """Look at all packets of the video before aiortc does."""
        transport = self._peer.getTransceivers()[0].receiver.transport
        stock = transport._handle_rtp_data

        async def handle(data: bytes, arrival_time_ms: int) -> None:
            self._note(RtpPacket.parse(data))
            await stock(data, arrival_time_ms=arrival_time_ms)

        vars(transport)["_handle_rtp_data"] = handle
        self._last: RtpPacket | None = None

    def _note(self, packet: RtpPacket) -> None:
        if packet.payload_type != VIDEO:
            return
        last = self._last
        if last is None:
            self._last = packet
            return
        step = (packet.sequence_number - last.sequence_number) & 0xFFFF
        if step == 0 or step >= 1 << 15:
            return  # a repetition, or it was overtaken
        self._last = packet
        if step > 1:
            say("lost", packets=step - 1, ms=self._elapsed())
            return
        ticks = (packet.timestamp - last.timestamp) & 0xFFFFFFFF
        if ticks and abs(ticks - TICKS) > _TOLERANCE:
            say("skipped", ticks=ticks, ms=self._elapsed())

    @override
    async def _decode(self, track: MediaStreamTrack) -> None:
        first = True
        try:
            while True:
                frame = await track.recv()
                assert isinstance(frame, VideoFrame)
                if first:
                    say("first_frame", ms=self._elapsed())
                    first = False
                picture = frame.to_ndarray(format="rgb24").astype(np.uint8, copy=False)
                reading = read(picture)
                number = reading.number if reading else None
                say("picture", number=number, ms=self._elapsed())
        except MediaStreamError:
            say("ended", ms=self._elapsed())


async def main() -> None:
    """Watch until the standard input ends."""
    watcher = Watcher(era=Era.Y2023, frames=0, picture=None)
    await watcher.offer()
    watcher.note_packets()
    while line := await asyncio.to_thread(sys.stdin.readline):
        await watcher.apply(json.loads(line)["answer"])
    await watcher.close()
    say("closed")


if __name__ == "__main__":
    asyncio.run(main())
