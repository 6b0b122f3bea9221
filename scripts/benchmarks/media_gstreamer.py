"""A GStreamer master, for the Python that has GStreamer: one webrtcbin for each viewer.

The camera's H.264 is payloaded once. One JSON object a line: {"id": I, "sdp": OFFER} on
standard input, {"event": "answer", "id": I, "sdp": ANSWER} on standard output.

    /usr/bin/python3 media_gstreamer.py RTSP_URL
"""

from collections.abc import Callable
import json
import sys
import threading
from typing import Any

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstSdp", "1.0")
gi.require_version("GstWebRTC", "1.0")
from gi.repository import GLib, Gst, GstSdp, GstWebRTC  # noqa: E402

CAPS = "application/x-rtp,media=video,encoding-name=H264,clock-rate=90000,payload=102"
PIPELINE = (
    "rtspsrc location={url} protocols=tcp latency=0 ! rtph264depay "
    "! h264parse config-interval=-1 "
    "! video/x-h264,stream-format=byte-stream,alignment=au "
    "! rtph264pay config-interval=-1 aggregate-mode=zero-latency mtu=1200 pt=102 "
    f"! {CAPS} ! tee name=tee allow-not-linked=true"
)


def say(**fields: object) -> None:
    """Print one object."""
    print(json.dumps(fields), flush=True)


def then(go_on: Callable[[Any], None]) -> Any:
    """Return a promise that goes on with its reply."""
    return Gst.Promise.new_with_change_func(
        lambda promise, _: go_on(promise.get_reply()), None
    )


class Viewer:
    """A branch of the pipeline."""

    def __init__(self, pipeline: Any, number: int, offer: str) -> None:
        self.pipeline, self.number = pipeline, number
        self.answered = False
        self.queue = Gst.ElementFactory.make("queue")
        self.queue.set_property("max-size-buffers", 0)
        self.queue.set_property("max-size-time", 2 * Gst.SECOND)
        self.queue.set_property("leaky", 2)
        self.bin = Gst.ElementFactory.make("webrtcbin")
        self.bin.set_property("bundle-policy", GstWebRTC.WebRTCBundlePolicy.MAX_BUNDLE)
        for element in (self.queue, self.bin):
            pipeline.add(element)
            element.sync_state_with_parent()
        self.bin.connect("notify::ice-gathering-state", self.gathering)
        _, description = GstSdp.SDPMessage.new_from_text(offer)
        remote = GstWebRTC.WebRTCSessionDescription.new(
            GstWebRTC.WebRTCSDPType.OFFER, description
        )
        self.bin.emit("set-remote-description", remote, then(self.accepted))

    def accepted(self, _reply: Any) -> None:
        """Add the video, and have an answer made."""
        pad = self.bin.request_pad_simple("sink_%u")
        transceiver = pad.get_property("transceiver")
        transceiver.set_property(
            "direction", GstWebRTC.WebRTCRTPTransceiverDirection.SENDONLY
        )
        transceiver.set_property("codec-preferences", Gst.Caps.from_string(CAPS))
        self.queue.get_static_pad("src").link(pad)
        self.bin.emit("create-answer", None, then(self.made))

    def made(self, reply: Any) -> None:
        """Take the answer, which starts gathering."""
        answer = reply.get_value("answer")
        self.bin.emit("set-local-description", answer, None)

    def gathering(self, *_: object) -> None:
        """Give the answer once all candidates are there."""
        state = self.bin.get_property("ice-gathering-state")
        if state != GstWebRTC.WebRTCICEGatheringState.COMPLETE or self.answered:
            return
        self.answered = True
        answer = self.bin.get_property("local-description").sdp.as_text()
        tee = self.pipeline.get_by_name("tee")
        tee.request_pad_simple("src_%u").link(self.queue.get_static_pad("sink"))
        say(event="answer", id=self.number, sdp=answer)


def main(url: str) -> None:
    """Answer offers until there are no more."""
    Gst.init(None)
    pipeline = Gst.parse_launch(PIPELINE.format(url=url))
    pipeline.set_state(Gst.State.PLAYING)
    viewers = []
    loop = GLib.MainLoop()

    def take(offer: dict[str, Any]) -> bool:
        viewers.append(Viewer(pipeline, offer["id"], offer["sdp"]))
        return False

    def listen() -> None:
        for line in sys.stdin:
            GLib.idle_add(take, json.loads(line))
        loop.quit()

    threading.Thread(target=listen, daemon=True).start()
    say(event="ready")
    loop.run()


if __name__ == "__main__":
    main(sys.argv[1])
