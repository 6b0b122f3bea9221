"""H.264 pictures as RTP payloads (RFC 6184), and payloads as packets (RFC 3550).

A picture is cut once. Its packets are laid out once for all viewers that agree on
payload type and header extensions, with what differs between viewers left blank.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
import struct

from .h264 import nal_units

# With headers, extensions, SRTP's trailer and a relay's header, packets stay below
# 1232 bytes, which is what IPv6 guarantees to carry.
PAYLOAD_SIZE = 1160
# Packets that leave at once; the next ones follow when these may be on the wire.
BURST = 20

MID = "urn:ietf:params:rtp-hdrext:sdes:mid"
ABS_SEND_TIME = "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time"

_STAP_A, _FU_A = 24, 28
_HEADER = struct.Struct("!BBHII")
_FIELDS = struct.Struct("!HII")


def packetise(data: bytes) -> list[bytes]:
    """Return the payloads of an access unit in Annex B form.

    Fragments are all of one size but for each unit's last, as segmentation
    offload needs them.
    """
    payloads: list[bytes] = []
    small: list[bytes] = []
    room = PAYLOAD_SIZE - 1
    for _, begin, end in nal_units(data):
        size = end - begin
        if size + 2 > room:
            _aggregate(small, payloads)
            room = PAYLOAD_SIZE - 1
        if size > PAYLOAD_SIZE:
            _fragment(data, begin, end, payloads)
        else:
            small.append(data[begin:end])
            room -= size + 2
    _aggregate(small, payloads)
    return payloads


def _aggregate(units: list[bytes], payloads: list[bytes]) -> None:
    if len(units) == 1:
        payloads.append(units[0])
    elif units:
        forbidden = max(unit[0] & 0x80 for unit in units)
        importance = max(unit[0] & 0x60 for unit in units)
        parts = [bytes([forbidden | importance | _STAP_A])]
        for unit in units:
            parts += (len(unit).to_bytes(2), unit)
        payloads.append(b"".join(parts))
    units.clear()


def _fragment(data: bytes, begin: int, end: int, payloads: list[bytes]) -> None:
    first = data[begin]
    indicator, kind = first & 0xE0 | _FU_A, first & 0x1F
    step = PAYLOAD_SIZE - 2
    starts = range(begin + 1, end, step)
    for at in starts:
        flags = 0x80 if at == starts[0] else 0x40 if at == starts[-1] else 0
        header = bytes((indicator, flags | kind))
        payloads.append(header + data[at : min(at + step, end)])


@dataclass(frozen=True, slots=True)
class Layout:
    """What packets of several viewers have in common beside their payload."""

    payload_type: int
    extensions: bytes
    """The header extension with its own header, or nothing."""

    send_time_at: int | None
    """Where in a packet the three bytes of abs-send-time are, where it was offered."""

    trailer: int
    """Bytes that SRTP adds."""

    @classmethod
    def create(
        cls,
        *,
        payload_type: int,
        extensions: Iterable[tuple[int, str]],
        mid: str,
        trailer: int,
    ) -> Layout:
        """Lay out the extensions that are known, by their offered numbers."""
        block, elements = b"", []
        values = {MID: mid.encode(), ABS_SEND_TIME: bytes(3)}
        for number, uri in extensions:
            if uri in values:
                elements.append((number, uri, values[uri]))
        # RFC 8285: the short form takes 1 to 16 bytes.
        is_short = all(len(value) <= 16 for _, _, value in elements)
        send_time_at = None
        for number, uri, value in elements:
            if is_short:
                block += bytes([number << 4 | (len(value) - 1)])
            else:
                block += bytes([number, len(value)])
            if uri == ABS_SEND_TIME:
                send_time_at = _HEADER.size + 4 + len(block)
            block += value
        if elements:
            block += bytes(-len(block) % 4)
            profile = 0xBEDE if is_short else 0x1000
            block = struct.pack("!HH", profile, len(block) // 4) + block
        return cls(payload_type, block, send_time_at, trailer)

    @property
    def header_size(self) -> int:
        """Bytes before the payload."""
        return _HEADER.size + len(self.extensions)

    def build(
        self,
        payload: bytes,
        *,
        marker: bool,
        sequence_number: int,
        timestamp: int,
        ssrc: int,
        send_time: bytes,
    ) -> bytes:
        """Return one packet, without SRTP's trailer."""
        header = _HEADER.pack(
            0x90 if self.extensions else 0x80,
            self.payload_type | (0x80 if marker else 0),
            sequence_number,
            timestamp,
            ssrc,
        )
        packet = bytearray(header + self.extensions + payload)
        if self.send_time_at is not None:
            packet[self.send_time_at : self.send_time_at + 3] = send_time
        return bytes(packet)


@dataclass(frozen=True, slots=True)
class Run:
    """Packets one behind the other, of one size but for a shorter last one."""

    begin: int
    end: int
    segment: int
    count: int


@dataclass(frozen=True, slots=True)
class Batch:
    """Packets that leave together, with room for SRTP's trailers between them."""

    data: bytes
    spans: tuple[tuple[int, int], ...]
    """Where each packet begins, and its size without the trailer."""

    runs: tuple[Run, ...]
    octets: int
    """Bytes of payload."""


class Assembly:
    """One picture's packets in one layout."""

    def __init__(self, layout: Layout, payloads: Sequence[bytes]) -> None:
        """Lay the packets out; sequence numbers, timestamps and SSRCs are blank."""
        self.batches = [
            _lay_out(
                layout, payloads[at : at + BURST], is_last=at >= len(payloads) - BURST
            )
            for at in range(0, len(payloads), BURST)
        ]


def _lay_out(layout: Layout, payloads: Sequence[bytes], *, is_last: bool) -> Batch:
    first = 0x90 if layout.extensions else 0x80
    kind = layout.payload_type
    blank = _HEADER.pack(first, kind, 0, 0, 0) + layout.extensions
    marked = _HEADER.pack(first, kind | 0x80, 0, 0, 0) + layout.extensions
    trailer = bytes(layout.trailer)
    parts: list[bytes] = []
    spans: list[tuple[int, int]] = []
    at = 0
    for number, payload in enumerate(payloads, 1):
        parts += (
            marked if is_last and number == len(payloads) else blank,
            payload,
            trailer,
        )
        size = len(blank) + len(payload)
        spans.append((at, size))
        at += size + len(trailer)
    runs = tuple(_find_runs(spans, len(trailer)))
    return Batch(b"".join(parts), tuple(spans), runs, sum(map(len, payloads)))


def _find_runs(spans: Sequence[tuple[int, int]], trailer: int) -> Iterable[Run]:
    first = 0
    while first < len(spans):
        begin, size = spans[first]
        last = first
        while last + 1 < len(spans) and spans[last][1] == size >= spans[last + 1][1]:
            last += 1
        at, last_size = spans[last]
        yield Run(begin, at + last_size + trailer, size + trailer, last - first + 1)
        first = last + 1


def fill(
    memory: bytearray,
    batch: Batch,
    *,
    sequence_number: int,
    timestamp: int,
    ssrc: int,
    send_time: bytes,
    send_time_at: int | None,
) -> None:
    """Copy a batch and fill in what is one viewer's own."""
    memory[: len(batch.data)] = batch.data
    pack_into = _FIELDS.pack_into
    for at, _ in batch.spans:
        pack_into(memory, at + 2, sequence_number & 0xFFFF, timestamp, ssrc)
        sequence_number += 1
    if send_time_at is not None:
        for at, _ in batch.spans:
            memory[at + send_time_at : at + send_time_at + 3] = send_time
