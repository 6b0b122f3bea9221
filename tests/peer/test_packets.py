"""Pictures in packets: whole, of sizes that can be sent at once, laid out as offered."""

import random

from aiortc.rtcrtpparameters import (
    RTCRtpHeaderExtensionParameters,
    RTCRtpSendParameters,
)
from aiortc.rtp import HeaderExtensionsMap, RtpPacket
import pytest

from custom_components.kinesis_webrtc.peer.packets import (
    ABS_SEND_TIME,
    BURST,
    MID,
    PAYLOAD_SIZE,
    Assembly,
    Layout,
    fill,
    packetise,
)

from .rtp_viewer import units_in, units_of

START = b"\x00\x00\x01"


def unit(size: int, kind: int = 1, importance: int = 0x60) -> bytes:
    body = random.Random(size).randbytes(size - 1).replace(b"\x00", b"\x01")
    return bytes([importance | kind]) + body


def access_unit(*units: bytes) -> bytes:
    return b"".join(b"\x00" + START + each for each in units)


@pytest.mark.parametrize(
    "sizes",
    [
        (1,),
        (2, 25, 5, 40_000),
        (PAYLOAD_SIZE,),
        (PAYLOAD_SIZE + 1,),
        (PAYLOAD_SIZE - 1, PAYLOAD_SIZE, 1),
        (PAYLOAD_SIZE - 3, 2),
        (PAYLOAD_SIZE - 2, 1, 1, 1),
        (600, 600, 600, 3000, 600, 600),
        (1 + 2 * (PAYLOAD_SIZE - 2),),
        (2 + 2 * (PAYLOAD_SIZE - 2), 10),
    ],
)
def test_units_come_out_as_they_went_in(sizes: tuple[int, ...]) -> None:
    units = [unit(size) for size in sizes]
    payloads = packetise(access_unit(*units))
    assert list(units_of(payloads)) == units
    assert all(1 <= len(payload) <= PAYLOAD_SIZE for payload in payloads)


def test_fragments_are_of_one_size() -> None:
    payloads = packetise(access_unit(unit(10_000, kind=5)))
    assert {len(payload) for payload in payloads[:-1]} == {PAYLOAD_SIZE}
    assert [payload[1] & 0xC0 for payload in payloads] == [0x80, *[0] * 7, 0x40]


def test_parameter_sets_travel_together() -> None:
    payloads = packetise(access_unit(unit(20, 7), unit(5, 8), unit(30, 6, 0)))
    assert len(payloads) == 1
    assert payloads[0][0] == 0x60 | 24


def test_nothing_makes_no_packets() -> None:
    assert packetise(b"") == []


def extensions_map(extensions: tuple[tuple[int, str], ...]) -> HeaderExtensionsMap:
    known = HeaderExtensionsMap()
    known.configure(
        RTCRtpSendParameters(
            headerExtensions=[
                RTCRtpHeaderExtensionParameters(id=number, uri=uri)
                for number, uri in extensions
            ]
        )
    )
    return known


LAYOUTS = [
    ((), "0"),
    (((3, ABS_SEND_TIME),), "video0"),
    (((4, MID),), "1"),
    (((2, ABS_SEND_TIME), (4, MID)), "1"),
    (((4, MID), (2, ABS_SEND_TIME)), "a-long-name-of-forty-characters-0123456789"),
    (((14, "urn:ietf:params:rtp-hdrext:toffset"),), "1"),
]


@pytest.mark.parametrize(("extensions", "mid"), LAYOUTS)
def test_packets_say_what_was_offered(
    extensions: tuple[tuple[int, str], ...], mid: str
) -> None:
    layout = Layout.create(payload_type=99, extensions=extensions, mid=mid, trailer=16)
    known = extensions_map(extensions)
    payloads = packetise(access_unit(unit(20, 7), unit(30_000, 5)))
    assembly = Assembly(layout, payloads)
    octets = sum(batch.octets for batch in assembly.batches)
    assert octets == sum(map(len, payloads))
    memory, packets, number = bytearray(64 * 1024), [], 65_530
    for batch in assembly.batches:
        assert len(batch.spans) <= BURST
        fill(
            memory,
            batch,
            sequence_number=number,
            timestamp=0x89ABCDEF,
            ssrc=0xFEDCBA98,
            send_time=b"\x12\x34\x56",
            send_time_at=layout.send_time_at,
        )
        number += len(batch.spans)
        packets += [bytes(memory[at : at + size]) for at, size in batch.spans]
    built = [
        layout.build(
            payload,
            marker=place == len(payloads) - 1,
            sequence_number=(65_530 + place) & 0xFFFF,
            timestamp=0x89ABCDEF,
            ssrc=0xFEDCBA98,
            send_time=b"\x12\x34\x56",
        )
        for place, payload in enumerate(payloads)
    ]
    assert packets == built
    parsed = [RtpPacket.parse(packet, known) for packet in packets]
    assert [packet.payload for packet in parsed] == payloads
    assert [packet.marker for packet in parsed] == [0] * (len(payloads) - 1) + [1]
    uris = {uri for _, uri in extensions}
    for place, packet in enumerate(parsed):
        assert packet.payload_type == 99
        assert packet.sequence_number == (65_530 + place) & 0xFFFF
        assert packet.timestamp == 0x89ABCDEF
        assert packet.ssrc == 0xFEDCBA98
        assert packet.extensions.mid == (mid if MID in uris else None)
        sent = 0x123456 if ABS_SEND_TIME in uris else None
        assert packet.extensions.abs_send_time == sent


def test_runs_cover_each_batch_without_a_gap() -> None:
    layout = Layout.create(payload_type=102, extensions=(), mid="0", trailer=10)
    units = [unit(20, 7), unit(25_000, 5), unit(700, 6), unit(5_000, 5), unit(9)]
    for batch in Assembly(layout, packetise(access_unit(*units))).batches:
        assert batch.runs[0].begin == 0
        assert batch.runs[-1].end == len(batch.data)
        assert sum(run.count for run in batch.runs) == len(batch.spans)
        sizes = [size + 10 for _, size in batch.spans]
        for before, after in zip(batch.runs, batch.runs[1:], strict=False):
            assert before.end == after.begin
        for run in batch.runs:
            part, sizes = sizes[: run.count], sizes[run.count :]
            assert sum(part) == run.end - run.begin
            assert set(part[:-1]) <= {run.segment}
            assert part[-1] <= run.segment


def test_helpers_agree_on_units() -> None:
    units = [unit(20, 7), unit(5, 8), unit(300, 5)]
    assert units_in(access_unit(*units)) == units
