"""An RTSP camera that plays a clip for ever, for the Python that has GStreamer.

It prints one JSON object a line: {"event": "ready", "url": …}, then "play" and
"teardown" with the number of clients that are playing.

    /usr/bin/python3 rtsp_server.py CLIP [--host 127.0.0.1] [--rate 25] [--codec h264]

The frames are numbered (pattern.py), so the clip starts over seamlessly and nothing is
encoded again; it imports nothing of the project, which that Python could not.
"""

import argparse
import json
from pathlib import Path
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
    "! {codec}parse ! rtp{codec}pay name=pay0 pt=96 config-interval=-1 mtu=1400 )"
)


def say(event: str, **fields: object) -> None:
    """Print one event."""
    print(json.dumps({"event": event, **fields}), flush=True)


class Player:
    """Pushes access units at the frame rate until its media goes away."""

    def __init__(self, source: Any, units: list[bytes], rate: int) -> None:
        self.source, self.units, self.rate = source, units, rate
        self.gone = threading.Event()

    def run(self) -> None:
        """Push for ever; a late push does not shift the ones that follow."""
        start = time.monotonic()
        number = 0
        while not self.gone.wait(start + number / self.rate - time.monotonic()):
            buffer = Gst.Buffer.new_wrapped(self.units[number % len(self.units)])
            buffer.pts = buffer.dts = number * Gst.SECOND // self.rate
            buffer.duration = Gst.SECOND // self.rate
            if self.source.emit("push-buffer", buffer) != Gst.FlowReturn.OK:
                return
            number += 1


class Factory(GstRtspServer.RTSPMediaFactory):  # type: ignore[misc]
    """One pipeline, shared by all clients, from the clip's first frame."""

    def __init__(self, units: list[bytes], rate: int, codec: str) -> None:
        super().__init__()
        self.units, self.rate, self.codec = units, rate, codec
        self.set_shared(True)

    def do_create_element(self, _url: Any) -> Any:
        """Return the pipeline."""
        return Gst.parse_launch(PIPELINE.format(codec=self.codec, rate=self.rate))

    def do_configure(self, media: Any) -> None:
        """Feed the pipeline while it is prepared."""
        source = media.get_element().get_by_name("source")
        player = Player(source, self.units, self.rate)
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


def main() -> None:
    """Serve until killed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("clip", type=Path)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--rate", type=int, default=25)
    parser.add_argument("--codec", choices=DELIMITERS, default="h264")
    options = parser.parse_args()

    delimiter, more = DELIMITERS[options.codec]
    _, *parts = options.clip.read_bytes().split(delimiter)
    Gst.init(None)
    server = GstRtspServer.RTSPServer(address=options.host, service="0")
    factory = Factory([part[more:] for part in parts], options.rate, options.codec)
    server.get_mount_points().add_factory("/camera", factory)
    audience = Audience()
    server.connect("client-connected", audience.joined)
    server.attach(None)
    say("ready", url=f"rtsp://{options.host}:{server.get_bound_port()}/camera")
    GLib.MainLoop().run()


if __name__ == "__main__":
    main()
