"""An Echo in a process of its own: it offers, applies the answer, decodes pictures.

It prints one JSON object a line: {"event": "offer", "sdp": …}; then, after it was given
{"answer": …} on its standard input, "connected", "first_frame" and "frames". It stays
connected until its input ends. Times are in ms since the offer was printed. If it
listens, it says "heard" for each second of sound, and decodes pictures for ever. With a
microphone it sends silence, and a tone once it was given {"say": PITCH}.

    python -m tests.e2e.harness.echo_process [--frames 60] [--picture FILE.png] [--listen]
                                              [--microphone]
"""

import argparse
import asyncio
import json
import logging
from pathlib import Path
import sys
import time
from typing import override

from aiortc import (
    MediaStreamError,
    MediaStreamTrack,
    RTCBundlePolicy,
    RTCConfiguration,
    RTCPeerConnection,
    RTCRtpReceiver,
    RTCSessionDescription,
)
from av import VideoFrame
import numpy as np
from PIL import Image

from tests.helpers.microphone import Microphone

from .echo_offer import Era, acceptable_answer, echo_offer, name_sections
from .hearing import Hearing
from .pattern import read


def say(event: str, **fields: object) -> None:
    """Print one event."""
    print(json.dumps({"event": event, **fields}), flush=True)


class _Damage(logging.Handler):
    """Counts what could not be decoded, which aiortc warns of."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.count = 0

    @override
    def emit(self, record: logging.LogRecord) -> None:
        self.count += 1


class Echo:
    """One peer connection, from its offer to enough decoded frames."""

    def __init__(
        self,
        *,
        era: Era = Era.Y2023,
        frames: int = 0,
        picture: Path | None = None,
        listen: bool = False,
        microphone: bool = False,
    ) -> None:
        self._peer = RTCPeerConnection(
            RTCConfiguration(iceServers=[], bundlePolicy=RTCBundlePolicy.MAX_BUNDLE)
        )
        self._era = era
        self._wanted = frames
        self._listen = listen
        self.microphone = Microphone() if microphone else None
        self._hearing: Hearing | None = None
        self._picture = picture
        self._offered = 0.0
        self._watch: asyncio.Task[None] | None = None
        self._damage = _Damage()
        logging.getLogger("aiortc.rtcrtpreceiver").addHandler(self._damage)
        self._peer.on("track", self._on_track)
        self._peer.on("connectionstatechange", self._on_state)

    async def offer(self) -> None:
        """Make and print the offer."""
        if self._era is not Era.Y2023_WITHOUT_AUDIO:
            audio = self._peer.addTransceiver("audio", direction="sendrecv")
            if self.microphone is not None:
                audio.sender.replaceTrack(self.microphone)
        video = self._peer.addTransceiver("video", direction="sendrecv")
        capabilities = RTCRtpReceiver.getCapabilities("video")
        assert capabilities is not None
        h264 = [one for one in capabilities.codecs if one.mimeType == "video/H264"]
        video.setCodecPreferences(h264[:1])
        if self._listen:
            self._hearing = Hearing(
                video.receiver.transport, lambda heard: say("heard", **heard)
            )
        offer = await self._peer.createOffer()
        await self._peer.setLocalDescription(
            RTCSessionDescription(name_sections(offer.sdp, self._era), "offer")
        )
        self._offered = time.monotonic()
        say("offer", sdp=echo_offer(self._peer.localDescription.sdp, self._era))

    async def apply(self, answer: str) -> None:
        """Apply the answer."""
        await self._peer.setRemoteDescription(
            RTCSessionDescription(acceptable_answer(answer), "answer")
        )

    async def close(self) -> None:
        """Hang up."""
        if self._watch:
            self._watch.cancel()
        await self._peer.close()

    def _elapsed(self) -> float:
        return round((time.monotonic() - self._offered) * 1000, 1)

    def _on_state(self) -> None:
        state = self._peer.connectionState
        if state != "connected":
            say("state", state=state, ms=self._elapsed())
            return
        transport = self._peer.getTransceivers()[0].receiver.transport.transport
        # aiortc has no getSelectedCandidatePair; aioice keeps the pair by component.
        pair = transport._connection._nominated[1]
        say(
            "connected",
            ms=self._elapsed(),
            local=[pair.local_candidate.type, pair.local_candidate.host],
            remote=[pair.remote_candidate.type, pair.remote_candidate.host],
        )

    def _on_track(self, track: MediaStreamTrack) -> None:
        if track.kind == "video":
            self._watch = asyncio.create_task(self._decode(track))

    async def _decode(self, track: MediaStreamTrack) -> None:
        numbers: list[int | None] = []
        cameras: set[int] = set()
        try:
            while self._listen or len(numbers) < self._wanted:
                frame = await track.recv()
                assert isinstance(frame, VideoFrame)
                if not numbers:
                    say("first_frame", ms=self._elapsed())
                size = [frame.width, frame.height]
                picture = frame.to_ndarray(format="rgb24").astype(np.uint8, copy=False)
                reading = read(picture)
                numbers.append(reading.number if reading else None)
                if reading:
                    cameras.add(reading.camera)
                    if self._hearing is not None:
                        self._hearing.see(reading.number, frame.pts)
        except MediaStreamError:
            say("ended", frames=len(numbers), ms=self._elapsed())
            return
        if self._picture:
            Image.fromarray(picture).save(self._picture)
        say(
            "frames",
            ms=self._elapsed(),
            numbers=numbers,
            cameras=sorted(cameras),
            size=size,
            damaged=self._damage.count,
        )


async def main() -> None:
    """Be an Echo until the standard input ends."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--frames", type=int, default=60)
    parser.add_argument("--era", type=Era, default=Era.Y2023)
    parser.add_argument("--picture", type=Path)
    parser.add_argument("--listen", action="store_true")
    parser.add_argument("--microphone", action="store_true")
    options = parser.parse_args()
    echo = Echo(
        era=options.era,
        frames=options.frames,
        picture=options.picture,
        listen=options.listen,
        microphone=options.microphone,
    )
    await echo.offer()
    while line := await asyncio.to_thread(sys.stdin.readline):
        match json.loads(line):
            case {"answer": answer}:
                await echo.apply(answer)
            case {"say": pitch} if echo.microphone is not None:
                echo.microphone.pitch = pitch
    await echo.close()
    say("closed")


if __name__ == "__main__":
    asyncio.run(main())
