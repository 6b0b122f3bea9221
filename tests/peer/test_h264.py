"""Parameter sets are learnt and stand before each key picture; B slices are told."""

import pytest

from custom_components.kinesis_webrtc.peer.h264 import (
    ParameterSets,
    has_b_slice,
    nal_units,
)

START = b"\x00\x00\x00\x01"
SPS = b"\x67\x42\xc0\x1e\xaa\xbb"
PPS = b"\x68\xce\x01"
PPS_2 = b"\x68\x5e\x02"
IDR = b"\x65\x88\x84\x21"
SLICE = b"\x41\x9a\x02"
DELIMITER = b"\x09\x10"


def stream(*units: bytes) -> bytes:
    return b"".join(START + unit for unit in units)


def kinds(data: bytes) -> list[int]:
    return [kind for kind, _, _ in nal_units(data)]


def test_units_are_found_behind_short_and_long_start_codes() -> None:
    data = b"\x00\x00\x01" + SPS + START + PPS + b"\x00\x00\x01" + IDR
    assert [data[begin:end] for _, begin, end in nal_units(data)] == [SPS, PPS, IDR]
    assert kinds(b"nothing") == []
    assert kinds(b"\x00\x00\x01") == []


def test_sets_in_the_stream_are_left_alone() -> None:
    sets = ParameterSets()
    data = stream(SPS, PPS, IDR)
    assert sets.complete(data, is_key=True) == (data, True)
    assert sets.profile == "42c01e"


def test_sets_are_put_before_a_key_picture_without_them() -> None:
    sets = ParameterSets(stream(SPS, PPS))
    data, is_key = sets.complete(stream(IDR), is_key=True)
    assert is_key
    assert data == stream(SPS, PPS, IDR)


def test_sets_follow_the_delimiter() -> None:
    sets = ParameterSets(stream(SPS, PPS))
    data, _ = sets.complete(stream(DELIMITER, IDR), is_key=True)
    assert kinds(data) == [9, 7, 8, 5]


def test_sets_that_came_earlier_in_the_stream_are_used() -> None:
    sets = ParameterSets()
    sets.complete(stream(SPS, PPS, PPS_2, IDR), is_key=True)
    data, _ = sets.complete(stream(IDR), is_key=True)
    assert kinds(data) == [7, 8, 8, 5]


def test_newer_sets_replace_older_ones() -> None:
    sets = ParameterSets(stream(SPS, PPS, PPS_2))
    high = b"\x67\x64\x00\x28\x01"
    sets.complete(stream(high, PPS, IDR), is_key=True)
    assert sets.profile == "640028"
    data, _ = sets.complete(stream(IDR), is_key=True)
    assert data == stream(high, PPS, IDR)


def test_picture_set_may_come_alone() -> None:
    sets = ParameterSets(stream(SPS))
    sets.complete(stream(PPS, SLICE), is_key=False)
    assert kinds(sets.complete(stream(IDR), is_key=True)[0]) == [7, 8, 5]


def test_key_picture_that_is_not_idr_counts_once_sets_are_known() -> None:
    sets = ParameterSets()
    assert sets.complete(stream(SLICE), is_key=True) == (stream(SLICE), False)
    sets = ParameterSets(stream(SPS, PPS))
    assert sets.complete(stream(SLICE), is_key=True)[1]
    assert not sets.complete(stream(SLICE), is_key=False)[1]


def test_key_picture_without_any_sets_is_not_one() -> None:
    assert ParameterSets().complete(stream(IDR), is_key=True) == (stream(IDR), False)
    assert ParameterSets().profile is None


@pytest.mark.parametrize(
    ("slice_type", "is_b"), [(0, False), (1, True), (2, False), (5, False), (6, True)]
)
@pytest.mark.parametrize("first_macroblock", [0, 1, 8159])
def test_b_slices_are_told_by_their_header(
    slice_type: int, is_b: bool, first_macroblock: int
) -> None:
    def code(number: int) -> str:
        bits = f"{number + 1:b}"
        return "0" * (len(bits) - 1) + bits

    bits = (code(first_macroblock) + code(slice_type)).ljust(64, "1")
    header = int(bits, 2).to_bytes(len(bits) // 8)
    assert has_b_slice(b"\x00\x00\x00\x01\x41" + header) is is_b


@pytest.mark.parametrize(
    "data", [b"", b"\x00\x00\x01\x41", b"\x00\x00\x01\x41\x00\x00"]
)
def test_a_slice_that_was_cut_off_is_no_b_slice(data: bytes) -> None:
    assert not has_b_slice(data)
