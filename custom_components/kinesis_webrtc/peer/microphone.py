"""One viewer's sound, from the connection to the talk-back."""

import contextlib

from aiortc.mediastreams import MediaStreamError
from aiortc.rtcrtpreceiver import RTCRtpReceiver
import av

from . import internals, opus
from .media import Media
from .talkback import TalkBack


class Microphone:
    """Hands what a viewer says to a talk-back; aiortc decodes it in a thread."""

    def __init__(
        self,
        *,
        viewer_id: str,
        media: Media,
        receiver: RTCRtpReceiver,
        talk_back: TalkBack,
    ) -> None:
        """Bind a receiver, which may begin at any time."""
        self._viewer_id = viewer_id
        self._is_opus = media.codec.name == "opus"
        self._receiver = receiver
        self._talk_back = talk_back
        self._is_open = True
        internals.watch_packets(receiver, self._check)

    async def run(self) -> None:
        """Take what comes until there is no more, or it is not wanted any more."""
        with contextlib.suppress(MediaStreamError):
            while True:
                frame = await self._receiver.track.recv()
                if not self._is_open:
                    return
                if isinstance(frame, av.AudioFrame):
                    self._talk_back.take(self._viewer_id, frame)

    def _check(self, _: int, payload: bytes) -> None:
        """Have a packet passed over that has no sound.

        One with nothing in it is the end to a decoder, and aiortc warns of each that a
        decoder refuses, which may be fifty a second.
        """
        if not payload or (self._is_opus and not opus.is_packet(payload)):
            raise ValueError("There is no sound in it")

    def stop(self) -> None:
        """Take no more; what comes is not decoded any more."""
        if self._is_open:
            self._is_open = False
            internals.discard_packets(self._receiver)
            self._talk_back.leave(self._viewer_id)
