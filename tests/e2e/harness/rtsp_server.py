"""An RTSP camera that plays a clip for ever, for the Python that has GStreamer.

It prints one JSON object a line: {"event": "ready", "url": …}, then "play" and
"teardown" with the number of clients that are playing.

    /usr/bin/python3 rtsp_server.py CLIP [--host 127.0.0.1] [--rate 25] [--codec h264]
                                    [--sound aac] [--port 0] [--opens-in 0]

With sound it beeps at 440 Hz for 0.4 s of each second, from the first, the 26th, … of
the clip's frames on. A line "mute" on its standard input ends its sound, "unmute" lets
it go on.

The frames are numbered (pattern.py), so the clip starts over seamlessly and nothing is
encoded again; it imports nothing of the project, which that Python could not.
"""

import argparse
import array
import json
import math
from pathlib import Path
import sys
import threading
import time
from typing import Any

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtspServer  # noqa: E402

# Access unit delimiters: each has as many bytes more as said.
DELIMITERS = {"h264": (b"\0\0\0\1\x09", 1), "h265": (b"\0\0\0\1\x46\x01", 1)}
PIPELINE = (
    "( appsrc name=source is-live=true format=time do-timestamp=false "
    "caps=video/x-{codec},stream-format=byte-stream,alignment=au,framerate={rate}/1 "
    "! {codec}parse ! rtp{codec}pay name=pay0 pt=96 config-interval=-1 mtu=1400 {sound})"
)
SOUND_RATE = 48_000
SOUND = (
    "appsrc name=sound is-live=true format=time do-timestamp=false "
    "caps=audio/x-raw,format=S16LE,layout=interleaved,channels=1,rate=48000 "
    "! audioconvert ! audioresample ! {encoder} name=pay1 "
)
ENCODERS = {
    "aac": "avenc_aac bitrate=64000 ! aacparse ! rtpmp4gpay pt=97",
    "opus": "opusenc ! rtpopuspay pt=97",
    "pcmu": "mulawenc ! rtppcmupay pt=0",
    "pcma": "alawenc ! rtppcmapay pt=8",
}
PITCH = 440
BEEP_SECONDS = 0.4


def say(event: str, **fields: object) -> None:
    """Print one event."""
    print(json.dumps({"event": event, **fields}), flush=True)


def beep_of(frame: int, rate: int) -> bytes:
    """Return the samples that belong to a frame."""
    step = SOUND_RATE // rate
    first = frame % rate * step
    wave = array.array("h", bytes(2 * step))
    for index in range(step):
        if (at := (first + index) / SOUND_RATE) < BEEP_SECONDS:
            wave[index] = round(8000 * math.sin(2 * math.pi * PITCH * at))
    return wave.tobytes()


class Player:
    """Pushes access units at the frame rate until its media goes away."""

    is_muted = False

    def __init__(self, element: Any, units: list[bytes], rate: int) -> None:
        self.source = element.get_by_name("source")
        self.sound = element.get_by_name("sound")
        self.units, self.rate = units, rate
        self.beeps = [beep_of(frame, rate) for frame in range(rate)]
        self.gone = threading.Event()

    def run(self) -> None:
        """Push for ever; a late push does not shift the ones that follow."""
        start = time.monotonic()
        say("start", at=start)
        number = 0
        while not self.gone.wait(start + number / self.rate - time.monotonic()):
            if not self.push(self.source, self.units[number % len(self.units)], number):
                return
            if self.sound is not None and not Player.is_muted:
                beep = self.beeps[number % len(self.units) % self.rate]
                self.push(self.sound, beep, number)
            number += 1

    def push(self, source: Any, data: bytes, number: int) -> bool:
        """Push what belongs to a frame."""
        buffer = Gst.Buffer.new_wrapped(data)
        buffer.pts = buffer.dts = number * Gst.SECOND // self.rate
        buffer.duration = Gst.SECOND // self.rate
        return bool(source.emit("push-buffer", buffer) == Gst.FlowReturn.OK)


class Factory(GstRtspServer.RTSPMediaFactory):  # type: ignore[misc]
    """One pipeline, shared by all clients, from the clip's first frame."""

    def __init__(
        self, units: list[bytes], rate: int, codec: str, sound: str | None = None
    ) -> None:
        super().__init__()
        self.units, self.rate, self.codec = units, rate, codec
        self.sound = SOUND.format(encoder=ENCODERS[sound]) if sound else ""
        self.opens_in = 0.0
        self.set_shared(True)

    def do_create_element(self, _url: Any) -> Any:
        """Return the pipeline, after the time that the camera takes to open."""
        time.sleep(self.opens_in)
        return Gst.parse_launch(
            PIPELINE.format(codec=self.codec, rate=self.rate, sound=self.sound)
        )

    def do_configure(self, media: Any) -> None:
        """Feed the pipeline while it is prepared."""
        player = Player(media.get_element(), self.units, self.rate)
        media.connect("unprepared", lambda _media: player.gone.set())
        threading.Thread(target=player.run, daemon=True).start()


class Audience:
    """Counts the clients that play."""

    def __init__(self) -> None:
        self.playing: set[Any] = set()

    def joined(self, _server: Any, client: Any) -> None:
        """Follow a client that has connected."""
        client.connect("play-request", self.play)
        client.connect("teardown-request", self.leave)
        client.connect("closed", self.leave)

    def play(self, client: Any, _context: Any) -> None:
        """Count a client in."""
        self.playing.add(client)
        say("play", playing=len(self.playing))

    def leave(self, client: Any, _context: Any = None) -> None:
        """Count a client out, by its word or its closed connection."""
        if client in self.playing:
            self.playing.remove(client)
            say("teardown", playing=len(self.playing))


def obey() -> None:
    """Mute and unmute as told."""
    for line in sys.stdin:
        Player.is_muted = line.strip() == "mute"


def main() -> None:
    """Serve until killed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("clip", type=Path)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--rate", type=int, default=25)
    parser.add_argument("--codec", choices=DELIMITERS, default="h264")
    parser.add_argument("--sound", choices=ENCODERS)
    parser.add_argument("--port", default="0")
    parser.add_argument("--opens-in", type=float, default=0.0)
    options = parser.parse_args()

    delimiter, more = DELIMITERS[options.codec]
    _, *parts = options.clip.read_bytes().split(delimiter)
    Gst.init(None)
    server = GstRtspServer.RTSPServer(address=options.host, service=options.port)
    factory = Factory(
        [part[more:] for part in parts], options.rate, options.codec, options.sound
    )
    factory.opens_in = options.opens_in
    server.get_mount_points().add_factory("/camera", factory)
    audience = Audience()
    server.connect("client-connected", audience.joined)
    server.attach(None)
    threading.Thread(target=obey, daemon=True).start()
    say("ready", url=f"rtsp://{options.host}:{server.get_bound_port()}/camera")
    GLib.MainLoop().run()


if __name__ == "__main__":
    main()
