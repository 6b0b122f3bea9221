"""One viewer's stream of RTP packets with sound."""

from collections import deque
from collections.abc import Callable
from typing import override

from aiortc.rtcrtpsender import RTCRtpSender

from . import takeover
from .media import Media
from .media_stream import NEVER, Assemble, Dispatcher, MediaStream, abs_send_time
from .sound_fanout import DueFrame, SoundFanout

# A second: no more waits for a thread that has just begun.
_WAITING = 50


class SoundStream(MediaStream):
    """Sends the feed's sound, or silence, from what is heard now on."""

    def __init__(
        self,
        *,
        sender: RTCRtpSender,
        media: Media,
        fanout: Dispatcher,
        sound: SoundFanout,
        on_failure: Callable[[], None],
    ) -> None:
        """Listen in the codec that is answered."""
        super().__init__(
            sender=sender, media=media, fanout=fanout, on_failure=on_failure
        )
        self.codec = media.codec.name
        self.due: deque[DueFrame] = deque(maxlen=_WAITING)
        self._sound = sound

    @override
    def start(self, payload_type: int) -> None:
        """Begin to listen."""
        super().start(payload_type)
        if not self._is_closed:
            self._sound.add(self)

    @override
    def stop(self) -> None:
        """Listen no more."""
        super().stop()
        self._sound.remove(self)

    @override
    def step(self, now: float, scratch: takeover.Scratch, assemble: Assemble) -> float:
        """Send what is due."""
        pause = self._sound.serve()
        with self._lock:
            if self._is_closed or self._layout is None:
                return NEVER
            while self.due:
                frame = self.due.popleft()
                # What the network does not take is lost: later it would be too late.
                self._transmit(
                    frame.batch(self._layout),
                    scratch,
                    timestamp=(self._origin + frame.timestamp) & 0xFFFFFFFF,
                    send_time=abs_send_time(),
                    begin=0,
                    frame_ntp=frame.ntp,
                    frame_timestamp=frame.timestamp,
                )
        return now + pause
