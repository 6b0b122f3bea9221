"""A camera of GStreamer's, for the Python that has GStreamer: webrtcbin sends.

One JSON object a line: {"sdp": OFFER} on standard input, {"sdp": ANSWER} on standard
output. The pictures that it sends are written to a file as well.

    /usr/bin/python3 gst_camera.py FILE
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

VIDEO = (
    "application/x-rtp,media=video,encoding-name=H264,clock-rate=90000,payload=101,"
    "packetization-mode=(string)1,profile-level-id=(string)42e01f"
)
AUDIO = "application/x-rtp,media=audio,encoding-name=OPUS,clock-rate=48000,payload=96"
# The audio's section is the offer's first.
PIPELINE = (
    "videotestsrc is-live=true pattern=snow "
    "! video/x-raw,format=I420,width=640,height=480,framerate=25/1 "
    "! x264enc tune=zerolatency speed-preset=ultrafast bitrate=1500 key-int-max=25 "
    "! video/x-h264,profile=constrained-baseline ! h264parse config-interval=-1 "
    "! video/x-h264,stream-format=byte-stream,alignment=au ! tee name=tee "
    "tee. ! queue ! filesink location={file} buffer-mode=unbuffered sync=false async=false "
    "tee. ! queue ! rtph264pay config-interval=-1 aggregate-mode=zero-latency mtu=1200 "
    "pt=101 ! capsfilter name=video caps={video} "
    "audiotestsrc is-live=true wave=sine freq=440 ! audioconvert ! audioresample "
    "! audio/x-raw,rate=48000,channels=2 ! opusenc ! rtpopuspay pt=96 "
    "! capsfilter name=audio caps={audio} "
    "webrtcbin name=peer bundle-policy=max-bundle"
)


def then(go_on: Callable[[Any], None]) -> Any:
    """Return a promise that goes on with its reply."""
    return Gst.Promise.new_with_change_func(
        lambda promise, _: go_on(promise.get_reply()), None
    )


class View:
    """One view of the camera."""

    def __init__(self, file: str) -> None:
        self.pipeline = Gst.parse_launch(
            PIPELINE.format(file=file, video=VIDEO, audio=AUDIO)
        )
        self.peer = self.pipeline.get_by_name("peer")
        self.answered = False
        self.peer.connect("notify::ice-gathering-state", self.gathering)

    def take(self, offer: str) -> bool:
        """Take an offer."""
        _, description = GstSdp.SDPMessage.new_from_text(offer)
        remote = GstWebRTC.WebRTCSessionDescription.new(
            GstWebRTC.WebRTCSDPType.OFFER, description
        )
        # Sources that are not led anywhere yet would give up.
        self.pipeline.set_state(Gst.State.PAUSED)
        self.peer.emit("set-remote-description", remote, then(self.accepted))
        return False

    def accepted(self, _reply: Any) -> None:
        """Send in both sections, and have an answer made."""
        for name, section, caps in (("audio", 0, AUDIO), ("video", 1, VIDEO)):
            pad = self.peer.request_pad_simple(f"sink_{section}")
            transceiver = pad.get_property("transceiver")
            transceiver.set_property(
                "direction", GstWebRTC.WebRTCRTPTransceiverDirection.SENDONLY
            )
            transceiver.set_property("codec-preferences", Gst.Caps.from_string(caps))
            transceiver.set_property("do-nack", True)
            self.pipeline.get_by_name(name).get_static_pad("src").link(pad)
        self.peer.emit("create-answer", None, then(self.made))

    def made(self, reply: Any) -> None:
        """Take the answer, which starts gathering."""
        self.pipeline.set_state(Gst.State.PLAYING)
        self.peer.emit("set-local-description", reply.get_value("answer"), None)

    def gathering(self, *_: object) -> None:
        """Give the answer once all candidates are there."""
        state = self.peer.get_property("ice-gathering-state")
        if state != GstWebRTC.WebRTCICEGatheringState.COMPLETE or self.answered:
            return
        self.answered = True
        answer = self.peer.get_property("local-description").sdp.as_text()
        print(json.dumps({"sdp": answer}), flush=True)


def main(file: str) -> None:
    """Answer one offer; end with the standard input."""
    Gst.init(None)
    view = View(file)
    loop = GLib.MainLoop()

    def listen() -> None:
        for line in sys.stdin:
            GLib.idle_add(view.take, json.loads(line)["sdp"])
        loop.quit()

    threading.Thread(target=listen, daemon=True).start()
    loop.run()
    view.pipeline.set_state(Gst.State.NULL)


if __name__ == "__main__":
    main(sys.argv[1])
