"""Whether a packet of Opus is one (RFC 6716 section 3)."""

from typing import Final

# In bytes: the longest frame (requirement R2).
_LONGEST_FRAME: Final = 1275
# In samples at 48 kHz: the most that a packet holds, 120 ms (R5).
_LONGEST_PACKET: Final = 5760
# In the same, of one frame, by mode: SILK, hybrid, CELT (table 2).
_SILK: Final = (480, 960, 1920, 2880)
_HYBRID: Final = (480, 960)
_CELT: Final = (120, 240, 480, 960)
# From here on a frame's length takes two bytes (section 3.2.1).
_TWO_BYTES: Final = 252


def is_packet(packet: bytes) -> bool:
    """Tell whether a decoder would take a packet, by all that its framing says.

    What is inside the frames is a decoder's own matter: none of it is an error.
    """
    try:
        _check(packet)
    except IndexError, ValueError:
        return False
    return True


def _check(packet: bytes) -> None:
    rest = packet[1:]
    match packet[0] & 3:
        case 0:
            lengths = [len(rest)]
        case 1:
            lengths = _equal(rest, 2)
        case 2:
            lengths = _unequal(rest, 2)
        case _:
            lengths = _counted(rest, _duration(packet[0] >> 3))
    if min(lengths) < 0 or max(lengths) > _LONGEST_FRAME:
        raise ValueError


def _counted(rest: bytes, duration: int) -> list[int]:
    """Return the frames' lengths where their number is told (section 3.2.5)."""
    told, rest = rest[0], rest[1:]
    count = told & 0x3F
    if not 0 < count * duration <= _LONGEST_PACKET:
        raise ValueError
    if told & 0x40:
        rest = _unpadded(rest)
    return _unequal(rest, count) if told & 0x80 else _equal(rest, count)


def _equal(rest: bytes, count: int) -> list[int]:
    length, remainder = divmod(len(rest), count)
    if remainder:
        raise ValueError
    return [length]


def _unequal(rest: bytes, count: int) -> list[int]:
    lengths = []
    for _ in range(count - 1):
        length, size = rest[0], 1
        if length >= _TWO_BYTES:
            length, size = length + 4 * rest[1], 2
        lengths.append(length)
        rest = rest[size:]
    return [*lengths, len(rest) - sum(lengths)]


def _unpadded(rest: bytes) -> bytes:
    padding = 0
    while (byte := rest[0]) == 0xFF:
        padding += 254
        rest = rest[1:]
    padding, rest = padding + byte, rest[1:]
    if padding > len(rest):
        raise ValueError
    return rest[: len(rest) - padding]


def _duration(configuration: int) -> int:
    if configuration < 12:
        return _SILK[configuration % 4]
    if configuration < 16:
        return _HYBRID[configuration % 2]
    return _CELT[configuration % 4]
