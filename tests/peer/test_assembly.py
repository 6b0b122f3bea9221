"""Pieces of a stream become its access units, each as soon as it is whole."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import pytest

from custom_components.kinesis_webrtc.peer.assembly import Assembler, Picture
from custom_components.kinesis_webrtc.peer.h264 import split_units
from tests.helpers.clip import make_clip

START = b"\x00\x00\x00\x01"
SPS = b"\x67\x42\xc0\x1e\xda\x02\x80\xf6\x84\x00"
PPS = b"\x68\xce\x01"
DELIMITER = b"\x09\x10"
SEI = b"\x06\x05\x01\x2a\x80"
RECOVERY = b"\x06\x06\x01\xc4\x80"
FILLER = b"\x0c\xff\xff\x80"
FULL = 100


def idr(size: int = 20, *, first: bool = True) -> bytes:
    return (b"\x65\x88" if first else b"\x65\x08") + bytes([7] * (size - 2))


def inter(size: int = 20, *, first: bool = True) -> bytes:
    return (b"\x41\x9a" if first else b"\x41\x1a") + bytes([9] * (size - 2))


def stream(*units: bytes) -> bytes:
    return b"".join(START + unit for unit in units)


def fragments(unit: bytes, full: int = FULL) -> list[bytes]:
    """Split a NAL unit as FFmpeg hands its fragments out."""
    if len(unit) <= full + 2:
        return [START + unit]
    body = unit[1:]
    pieces = [body[at : at + full] for at in range(0, len(body), full)]
    return [START + unit[:1] + pieces[0], *pieces[1:]]


class Feeder:
    """Gives an assembler pictures in fragments, and keeps what comes out at once."""

    def __init__(self, **options: bool) -> None:
        self.assembler = Assembler(**({"fragments": True} | options))
        self.number = 0
        self.sent: list[bytes] = []

    def send(self, *units: bytes, full: int = FULL) -> list[Picture]:
        """Return what one more picture brings."""
        out: list[Picture] = []
        self.number += 1
        self.sent.append(stream(*units))
        for unit in units:
            out += self.pieces(fragments(unit, full))
        return out

    def pieces(self, pieces: Iterable[bytes]) -> list[Picture]:
        out: list[Picture] = []
        for piece in pieces:
            out += self.assembler.push(piece, self.number * 3600)
        return out

    def learn(self, *units: bytes, key: Sequence[bytes] = ()) -> None:
        """Send so many pictures alike that the assembler knows the stream."""
        for _ in range(2):
            self.send(SPS, PPS, *(key or [idr(350)]))
            for _ in range(3):
                self.send(*(units or [inter(350)]))


@pytest.fixture
def feeder() -> Feeder:
    return Feeder()


def test_picture_is_out_with_its_last_fragment(feeder: Feeder) -> None:
    feeder.learn()
    (key,) = feeder.send(SPS, PPS, idr(520))
    assert key == Picture(stream(SPS, PPS, idr(520)), feeder.number * 3600, True, False)
    for size in (20, 102, 250, 399):
        (picture,) = feeder.send(inter(size))
        assert picture.data == stream(inter(size))
        assert not picture.is_key


def test_nothing_is_lost_or_changed_while_learning(feeder: Feeder) -> None:
    out: list[Picture] = []
    for number in range(30):
        size = 20 + 37 * number
        units = (SPS, PPS, SEI, idr(size)) if number % 10 == 0 else (SEI, inter(size))
        out += feeder.send(*units)
    out += feeder.assembler.flush()
    assert [picture.data for picture in out] == feeder.sent
    assert [picture.timestamp for picture in out] == [n * 3600 for n in range(1, 31)]
    assert [n for n, picture in enumerate(out) if picture.is_key] == [0, 10, 20]
    assert not any(picture.is_part for picture in out)


def test_last_fragment_that_is_full_waits_for_the_next_picture(feeder: Feeder) -> None:
    feeder.learn()
    assert feeder.send(inter(301)) == []
    late, now = feeder.send(inter(300))
    assert (len(late.data), len(now.data)) == (305, 304)


@pytest.mark.parametrize("slices", [2, 4])
def test_picture_of_several_slices_is_out_with_the_last(
    feeder: Feeder, slices: int
) -> None:
    def sliced(make: object, size: int) -> list[bytes]:
        return [make(size), *(make(size, first=False) for _ in range(slices - 1))]

    feeder.learn(*sliced(inter, 250), key=sliced(idr, 350))
    (key,) = feeder.send(SPS, PPS, *sliced(idr, 350))
    assert key.data == feeder.sent[-1]
    (picture,) = feeder.send(*sliced(inter, 180))
    assert picture.data == feeder.sent[-1]


def test_key_pictures_may_have_more_slices_than_others(feeder: Feeder) -> None:
    key = [idr(350), idr(350, first=False)]
    feeder.learn(key=key)
    assert len(feeder.send(SPS, PPS, *key)) == 1
    assert len(feeder.send(inter(250))) == 1


def test_slices_of_changing_number_wait_for_the_next_picture(feeder: Feeder) -> None:
    feeder.learn()
    out = feeder.send(inter(250), inter(250, first=False))
    assert [picture.is_part for picture in out] == [False]
    out += feeder.send(inter(250))
    assert [picture.is_part for picture in out] == [False, True]
    assert b"".join(picture.data for picture in out) == feeder.sent[-2]
    assert out[0].timestamp == out[1].timestamp
    (late,) = feeder.send(inter(250), inter(250, first=False))
    assert late.data == feeder.sent[-2]
    (late,) = feeder.send(inter(250))
    assert late.data == feeder.sent[-2]


def test_sets_repeated_before_each_slice_are_taken_out(feeder: Feeder) -> None:
    """As GStreamer's payloader sends them."""
    parts = [SPS, PPS, idr(350), SPS, PPS, idr(350, first=False)]
    whole = stream(SPS, PPS, idr(350), idr(350, first=False))
    out = feeder.send(*parts) + feeder.send(inter(250))
    assert [picture.data for picture in out] == [whole]
    for _ in range(2):
        feeder.send(inter(350))
    out = feeder.send(*parts)
    assert [picture.data for picture in out] == [whole]


def test_balanced_fragments_are_found_out(feeder: Feeder) -> None:
    sizes = [341, 342, 290, 331, 280, 350, 360, 333, 322, 301]
    out: list[Picture] = []
    for number, size in enumerate(sizes):
        make = inter if number else idr
        full = -(-(size - 1) // 3)
        out += feeder.send(make(size), full=full)
    out += feeder.assembler.flush()
    assert [picture.data for picture in out] == feeder.sent


def test_fragment_after_the_last_ends_all_guessing(feeder: Feeder) -> None:
    feeder.learn()
    unit = inter(400)
    (first, *rest) = fragments(unit)
    out = feeder.pieces([first, rest[0][:50]])
    feeder.number += 1
    out = feeder.pieces([first, rest[0][:50], rest[0][50:], *rest[1:]])
    assert len(out) == 1
    # What is broken goes on to be broken until a key picture.
    assert feeder.send(inter(250)) == []
    assert feeder.send(SPS, PPS, idr(350)) == []
    (key,) = feeder.send(inter(250))
    assert key.data == feeder.sent[-2]
    (picture,) = feeder.send(inter(250))
    assert picture.data == feeder.sent[-2]


def test_pictures_after_a_lost_beginning_wait_for_a_key_picture(
    feeder: Feeder,
) -> None:
    feeder.learn()
    feeder.number += 1
    assert feeder.pieces(fragments(inter(350))[1:]) == []
    assert feeder.send(inter(250)) == []
    (key,) = feeder.send(SPS, PPS, idr(350))
    assert key.is_key
    assert len(feeder.send(inter(250))) == 1


def test_pictures_after_a_lost_first_slice_wait_for_a_key_picture(
    feeder: Feeder,
) -> None:
    two = [inter(250), inter(250, first=False)]
    feeder.learn(*two)
    assert feeder.send(two[1]) == []
    assert feeder.send(*two) == []
    assert len(feeder.send(SPS, PPS, idr(350))) == 1
    assert len(feeder.send(*two)) == 1


def test_unit_marked_as_damaged_spoils_until_the_next_key_picture(
    feeder: Feeder,
) -> None:
    feeder.learn()
    assert feeder.send(b"\xc1" + inter(250)[1:]) == []
    assert feeder.send(inter(250)) == []
    assert len(feeder.send(SPS, PPS, idr(350))) == 1


def test_damaged_key_picture_mends_nothing(feeder: Feeder) -> None:
    key = [idr(250), idr(250, first=False)]
    feeder.learn(key=key)
    assert feeder.send(SPS, PPS, key[0], b"\xe5" + key[1][1:]) == []
    assert feeder.send(inter(250)) == []
    assert len(feeder.send(SPS, PPS, *key)) == 1


def test_stream_joined_within_a_picture_begins_with_the_next_key_picture(
    feeder: Feeder,
) -> None:
    feeder.pieces(fragments(inter(350))[2:])
    feeder.send(inter(250))
    out = feeder.send(SPS, PPS, idr(350))
    out += feeder.send(inter(250))
    assert [picture.data for picture in out] == [stream(SPS, PPS, idr(350))]


def test_sets_with_the_time_before_belong_to_the_next_picture(feeder: Feeder) -> None:
    feeder.learn()
    assert len(feeder.send(inter(250))) == 1
    assert feeder.pieces([START + SPS, START + PPS]) == []
    (key,) = feeder.send(idr(350))
    assert key.data == stream(SPS, PPS, idr(350))


def test_units_in_one_packet_are_never_fragments(feeder: Feeder) -> None:
    feeder.learn()
    feeder.number += 1
    # As large as a fragment would be.
    both = stream(SEI, inter(FULL + 1 - 4 - len(SEI)))
    assert len(both) == FULL + 5
    assert [picture.data for picture in feeder.pieces([both])] == [both]


def test_fillers_after_the_picture_are_left_out(feeder: Feeder) -> None:
    feeder.learn()
    out = feeder.send(inter(250), FILLER) + feeder.send(inter(250), FILLER)
    assert [picture.data for picture in out] == [stream(inter(250))] * 2


def test_recovery_point_makes_a_key_picture(feeder: Feeder) -> None:
    feeder.learn()
    (key,) = feeder.send(RECOVERY, inter(250))
    assert key.is_key
    feeder.number += 1
    feeder.pieces(fragments(inter(350))[1:])
    assert feeder.send(inter(250)) == []
    assert len(feeder.send(RECOVERY, inter(250))) == 1
    assert len(feeder.send(SEI, inter(250))) == 1


def test_fields_of_one_time_are_one_picture() -> None:
    bits = "111101000000101000001111" + "0" + "01001"
    fields = b"\x67\x42\x00\x0a" + int(f"{bits:0<32}", 2).to_bytes(4)
    feeder = Feeder()
    for _ in range(2):
        feeder.send(fields, PPS, idr(350), inter(350))
        feeder.send(inter(350), inter(350))
        feeder.send(inter(350), inter(350))
    (pair,) = feeder.send(inter(250), inter(250))
    assert pair.data == feeder.sent[-1]


def test_pictures_without_times_are_told_apart_by_their_slices() -> None:
    feeder = Feeder(timestamps=False)
    out: list[Picture] = []
    for number in range(6):
        for piece in fragments(idr(350) if number % 3 == 0 else inter(350)):
            feeder.number += 1
            out += feeder.pieces([piece])
    out += feeder.assembler.flush()
    assert [len(picture.data) for picture in out] == [354] * 6


def test_pictures_of_one_and_the_same_time_are_told_apart(feeder: Feeder) -> None:
    out = [
        picture
        for _ in range(10)
        for piece in fragments(inter(350))
        for picture in feeder.assembler.push(piece, 7)
    ]
    assert [len(picture.data) for picture in out] == [354] * len(out)
    assert len(out) >= 9


def test_memory_is_bounded(feeder: Feeder) -> None:
    feeder.pieces([START + inter(350)])
    feeder.pieces([bytes([1]) * 1_000_000] * 9)
    out = feeder.send(inter(250)) + feeder.send(SPS, PPS, idr(350))
    out += feeder.send(inter(250))
    assert [picture.data for picture in out] == [stream(SPS, PPS, idr(350))]


@pytest.mark.parametrize("slices", [1, 3])
@pytest.mark.parametrize("delimiters", [False, True])
def test_whole_pieces_of_real_streams_come_out_bit_by_bit(
    tmp_path: Path, slices: int, delimiters: bool
) -> None:
    """Whatever the pieces: a unit each, a picture each, several pictures."""
    data = make_clip(tmp_path / "c.h264", seconds=1, gop=5, slices=slices).read_bytes()
    units = split_units(data)
    pictures: list[bytes] = []
    leading = b""
    for unit in units:
        if unit.kind not in (1, 5):
            leading += unit.data
        elif unit.is_first_slice:
            head = START + DELIMITER if delimiters else b""
            pictures.append(head + leading + unit.data)
            leading = b""
        else:
            pictures[-1] += unit.data
    assert len(pictures) == 25
    for pieces in (
        [unit.data for picture in pictures for unit in split_units(picture)],
        pictures,
        [a + b for a, b in zip(pictures[::2], pictures[1::2], strict=False)]
        + pictures[24:],
    ):
        assembler = Assembler(fragments=False)
        out = [picture for piece in pieces for picture in assembler.push(piece, None)]
        out += assembler.flush()
        assert [picture.data for picture in out] == pictures


def test_picture_each_in_a_packet_is_out_with_it() -> None:
    assembler = Assembler(fragments=False)
    sizes = []
    for number in range(8):
        make = inter if number % 4 else idr
        data = stream(DELIMITER, make(), make(first=False))
        sizes.append(len(list(assembler.push(data, number * 3600))))
    assert sizes == [0, 1, 2, 1, 1, 1, 1, 1]
