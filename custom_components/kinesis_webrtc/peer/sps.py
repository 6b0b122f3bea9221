"""What an H.264 sequence parameter set says of the pictures (ITU-T H.264 7.3.2.1)."""

from dataclasses import dataclass

# Profiles whose sets tell of the chroma format and may hold scaling lists.
_HIGH = frozenset({44, 83, 86, 100, 110, 118, 122, 128, 134, 135, 138, 139, 244})
_MONOCHROME, _YUV_420, _YUV_422, _YUV_444 = range(4)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sequence:
    """The pictures that follow."""

    width: int
    height: int
    may_be_fields: bool
    """Whether a frame may come as two fields, each a picture of its own."""


class Bits:
    """Reads the payload of a NAL unit, which is what follows its header."""

    def __init__(self, payload: bytes) -> None:
        """Begin with the first bit."""
        payload = payload.replace(b"\x00\x00\x03", b"\x00\x00")
        self._value = int.from_bytes(payload)
        self._left = 8 * len(payload)

    def read(self, count: int) -> int:
        """Read a number of so many bits; raises ValueError at the end."""
        if count > self._left:
            raise ValueError("There is no more to read")
        self._left -= count
        return self._value >> self._left & (1 << count) - 1

    def unsigned(self) -> int:
        """Read an Exp-Golomb code (9.1)."""
        zeros = 0
        while not self.read(1):
            zeros += 1
        return (1 << zeros) - 1 + self.read(zeros)

    def signed(self) -> int:
        """Read a signed Exp-Golomb code (9.1.1)."""
        value = self.unsigned()
        return (value + 1) // 2 if value & 1 else -value // 2


def read_sequence(unit: bytes) -> Sequence:
    """Read a set, which begins with the NAL unit's header; raises ValueError."""
    bits = Bits(unit[1:])
    profile = bits.read(8)
    bits.read(16)
    bits.unsigned()
    chroma = _read_chroma(bits) if profile in _HIGH else _YUV_420
    bits.unsigned()
    _skip_picture_order(bits)
    bits.unsigned()
    bits.read(1)
    columns = bits.unsigned() + 1
    rows = bits.unsigned() + 1
    only_frames = bits.read(1)
    if not only_frames:
        bits.read(1)
    bits.read(1)
    left = right = top = bottom = 0
    if bits.read(1):
        left, right, top, bottom = (bits.unsigned() for _ in range(4))
    across = 2 if chroma in (_YUV_420, _YUV_422) else 1
    down = (2 if chroma == _YUV_420 else 1) * (2 - only_frames)
    return Sequence(
        width=16 * columns - across * (left + right),
        height=16 * rows * (2 - only_frames) - down * (top + bottom),
        may_be_fields=not only_frames,
    )


def _read_chroma(bits: Bits) -> int:
    chroma = bits.unsigned()
    separate = chroma == _YUV_444 and bits.read(1)
    bits.unsigned()
    bits.unsigned()
    bits.read(1)
    if bits.read(1):
        for number in range(12 if chroma == _YUV_444 else 8):
            if bits.read(1):
                _skip_scaling_list(bits, 16 if number < 6 else 64)
    return _MONOCHROME if separate else chroma


def _skip_scaling_list(bits: Bits, size: int) -> None:
    last = following = 8
    for _ in range(size):
        if following:
            following = (last + bits.signed()) % 256
        last = following or last


def _skip_picture_order(bits: Bits) -> None:
    kind = bits.unsigned()
    if kind == 0:
        bits.unsigned()
    elif kind == 1:
        bits.read(1)
        bits.signed()
        bits.signed()
        for _ in range(bits.unsigned()):
            bits.signed()
