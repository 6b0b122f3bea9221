"""A camera's sound for one of aiortc's own senders."""

import asyncio
from collections import deque
from fractions import Fraction
from typing import Any, Final, override

from aiortc import MediaStreamTrack
from aiortc.mediastreams import MediaStreamError
import av

from .sound import RATES
from .sound_fanout import DueFrame, SoundFanout

# A second: no more waits for a sender.
_WAITING: Final = 50
# In seconds: how late a frame may be seen to be due.
_LOOK: Final = 0.01


class SoundPacker:
    """Gives the sender its payload, so that no viewer has an encoder."""

    def pack(self, packet: av.Packet[Any]) -> tuple[list[bytes], int]:
        """Return the packet's bytes as they are, and its timestamp."""
        return [bytes(packet)], packet.pts or 0


class SoundTrack(MediaStreamTrack):
    """The feed's sound, or silence, encoded, each frame when its time has come."""

    kind = "audio"

    def __init__(self, codec: str, sound: SoundFanout) -> None:
        """Listen in the codec that is answered, from the first frame that is wanted."""
        super().__init__()
        self.codec = codec
        self.due: deque[DueFrame] = deque(maxlen=_WAITING)
        self._sound = sound
        self._is_listening = False

    @override
    async def recv(self) -> av.Packet[Any]:
        """Return the next frame."""
        if not self._is_listening and self.readyState == "live":
            self._is_listening = True
            self._sound.add(self)
        while not self.due:
            if self.readyState != "live":
                raise MediaStreamError
            # Nothing else serves the sound where aiortc sends it.
            pause = self._sound.serve()
            if not self.due:
                await asyncio.sleep(min(pause, _LOOK))
        frame = self.due.popleft()
        packet = av.Packet(frame.data)
        packet.pts = frame.timestamp
        packet.time_base = Fraction(1, RATES[self.codec])
        return packet

    @override
    def stop(self) -> None:
        """Listen no more."""
        super().stop()
        self.due.clear()
        self._sound.remove(self)
