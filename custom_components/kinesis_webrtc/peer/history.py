"""Which packets a viewer has been sent, for those that it asks for again."""

from collections import deque
from dataclasses import dataclass, field

# Packets that a viewer may have sent once more, at once and per second.
_RETRANSMISSIONS = 500


@dataclass(slots=True)
class Sent:
    """How one picture has been sent; what is sent once more has to be the same.

    An encrypted packet whose number comes twice with different contents gives its
    key stream away.
    """

    first: int
    """The first packet's sequence number, counted on beyond 16 bits."""

    frame: int
    """The picture's number in the ring."""

    timestamp: int
    place: int = 0
    """The picture's own timestamp, on the clock that all of them are on."""

    times: list[bytes] = field(default_factory=list)
    """When each batch was sent, as abs-send-time."""


class History:
    """One viewer's sent packets; their contents stay in the ring."""

    def __init__(self) -> None:
        """Remember nothing yet."""
        self._sent: deque[Sent] = deque()
        self._allowance = float(_RETRANSMISSIONS)
        self._allowed_at = 0.0

    def append(self, sent: Sent, oldest: int) -> None:
        """Remember a picture, and forget those before the `oldest` one."""
        self._sent.append(sent)
        while self._sent[0].frame < oldest and len(self._sent) > 1:
            self._sent.popleft()

    def find(self, sequence_number: int, end: int) -> tuple[Sent, int] | None:
        """Return the picture that a packet belongs to, and which one of its it is.

        `end` is the sequence number that follows the last one, counted on.
        """
        for sent in reversed(self._sent):
            number = (sequence_number - sent.first) & 0xFFFF
            if number < end - sent.first:
                return sent, number
            end = sent.first
        return None

    def allows(self, now: float) -> bool:
        """Tell whether one more packet may be sent once more, and count it."""
        gained = (now - self._allowed_at) * _RETRANSMISSIONS
        self._allowance = min(self._allowance + gained, _RETRANSMISSIONS)
        self._allowed_at = now
        if self._allowance < 1:
            return False
        self._allowance -= 1
        return True
