"""How often each sender of a signaling channel makes offers."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
import time
from typing import Final

# A viewer offers once, and once more for each restart of ICE, seconds apart; the service
# may deliver an offer twice. Each offer has a peer connection made, and the camera opened.
OFFERS: Final = 5
PERIOD: Final = 5.0
"""Seconds."""

# Ten viewers at once, and many who come and go; each costs a few numbers.
_SENDERS: Final = 256


@dataclass(slots=True)
class _Sender:
    passed: deque[float] = field(default_factory=lambda: deque(maxlen=OFFERS))
    excess: int = 0


class OfferRate:
    """Lets each sender make `OFFERS` in any `PERIOD`."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Know nobody yet; `clock` counts seconds and never jumps."""
        self._clock = clock
        self._senders: dict[str, _Sender] = {}

    def count(self, sender_id: str) -> int:
        """Return 0 if an offer may pass, else the how manieth in a row that may not."""
        now = self._clock()
        # The one that was quiet for the longest is the first to be forgotten.
        sender = self._senders.pop(sender_id, None) or _Sender()
        self._senders[sender_id] = sender
        if len(self._senders) > _SENDERS:
            del self._senders[next(iter(self._senders))]
        if len(sender.passed) == OFFERS and now - sender.passed[0] < PERIOD:
            sender.excess += 1
            return sender.excess
        sender.passed.append(now)
        sender.excess = 0
        return 0
