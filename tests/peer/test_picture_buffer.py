"""Pictures are handed out whole and in order, whatever becomes of their packets."""

from collections.abc import Iterable
from itertools import count, pairwise
import random

import pytest

from custom_components.kinesis_webrtc.peer.picture_buffer import (
    PATIENCE,
    RETRY,
    Packet,
    PictureBuffer,
)

START = b"\0\0\0\1"
SPS, PPS, IDR, SLICE = b"\x67s", b"\x68p", b"\x65\x88i", b"\x41\x9as"


class Camera:
    """Makes packets: of each picture three, and of key pictures four."""

    def __init__(self, number: int = 0, timestamp: int = 0) -> None:
        self.number = number
        self.timestamp = timestamp
        self._count = count()

    def _packets(self, parts: list[bytes]) -> list[Packet]:
        self.timestamp = (self.timestamp + 3600) & 0xFFFFFFFF
        packets = []
        for part in parts:
            packets.append(Packet(self.number, self.timestamp, part is parts[-1], part))
            self.number = (self.number + 1) & 0xFFFF
        return packets

    def key(self) -> list[Packet]:
        name = next(self._count).to_bytes(2, "big", signed=False) + b"k"
        return self._packets(
            [START + SPS + START + PPS, START + IDR + name, b"2", b"3"]
        )

    def picture(self) -> list[Packet]:
        name = next(self._count).to_bytes(2, "big", signed=False) + b"k"
        return self._packets([START + SLICE + name, b"2", b"3"])

    def group(self, size: int = 3) -> list[list[Packet]]:
        return [self.key(), *(self.picture() for _ in range(size - 1))]


@pytest.fixture
def camera() -> Camera:
    return Camera()


@pytest.fixture
def buffer() -> PictureBuffer:
    return PictureBuffer()


def push(
    buffer: PictureBuffer, packets: Iterable[Packet], now: float = 0.0
) -> list[bytes]:
    return [p.data for packet in packets for p in buffer.push(packet, now)]


def whole(*pictures: list[Packet]) -> list[bytes]:
    return [b"".join(packet.data for packet in packets) for packets in pictures]


def flat(pictures: list[list[Packet]]) -> list[Packet]:
    return [packet for packets in pictures for packet in packets]


def test_pictures_leave_with_their_last_packet(
    buffer: PictureBuffer, camera: Camera
) -> None:
    key, picture = camera.key(), camera.picture()
    assert push(buffer, key[:-1]) == []
    assert push(buffer, key[-1:]) == whole(key)
    assert push(buffer, picture) == whole(picture)
    assert buffer.missing(100.0) == []


def test_a_picture_without_its_mark_leaves_with_the_next(
    buffer: PictureBuffer, camera: Camera
) -> None:
    key, picture = camera.key(), camera.picture()
    last = key[-1]
    key[-1] = Packet(last.number, last.timestamp, False, last.data)
    assert push(buffer, key) == []
    assert push(buffer, picture) == whole(key, picture)


@pytest.mark.parametrize("seed", range(20))
def test_order_and_repetition_do_not_matter(seed: int) -> None:
    chance = random.Random(seed)
    camera, buffer = Camera(65_530, 0xFFFFFFF0), PictureBuffer()
    pictures = camera.group(40)
    packets = flat(pictures)
    # Each packet is late by up to five others, and may come twice.
    order = sorted(range(1, len(packets)), key=lambda n: n + chance.random() * 5)
    sent = [packets[0], *(packets[n] for n in order)]
    sent += chance.sample(sent, 10)
    assert push(buffer, sent) == whole(*pictures)


def test_time_goes_on_where_it_rolls_over() -> None:
    camera, buffer = Camera(65_530, 0xFFFFE000), PictureBuffer()
    packets = flat(camera.group(6))
    times = [p.timestamp for packet in packets for p in buffer.push(packet, 0.0)]
    assert {after - before for before, after in pairwise(times)} == {3600}


def test_what_is_missing_is_asked_for_again_and_waited_for(
    buffer: PictureBuffer, camera: Camera
) -> None:
    pictures = camera.group(3)
    packets = flat(pictures)
    late = [packets.pop(5), packets.pop(4)]
    assert push(buffer, packets) == whole(pictures[0])
    # The first request is not this one's to make.
    assert buffer.is_waiting
    assert buffer.missing(RETRY / 2) == []
    assert buffer.missing(RETRY) == [late[1].number, late[0].number]
    assert buffer.missing(RETRY * 1.5) == []
    assert buffer.missing(RETRY * 2) == [late[1].number, late[0].number]
    assert push(buffer, late, now=PATIENCE * 0.9) == whole(*pictures[1:])
    assert not buffer.is_waiting
    assert not buffer.is_broken


def test_after_a_loss_comes_a_key_picture(
    buffer: PictureBuffer, camera: Camera
) -> None:
    pictures = camera.group(5)
    packets = flat(pictures)
    lost = packets.pop(8)
    assert push(buffer, packets) == whole(*pictures[:2])
    assert list(buffer.look(PATIENCE)) == []
    assert buffer.is_broken
    assert buffer.lost == 1
    # It is of no use any more.
    assert push(buffer, [lost], now=PATIENCE) == []
    following = camera.group(2)
    assert push(buffer, flat(following), now=PATIENCE) == whole(*following)
    assert not buffer.is_broken


@pytest.mark.parametrize("first", range(4))
def test_a_key_picture_that_lacks_a_packet_is_none(
    buffer: PictureBuffer, camera: Camera, first: int
) -> None:
    pictures = camera.group(2)
    del pictures[0][first]
    assert push(buffer, flat(pictures)) == []
    assert list(buffer.look(PATIENCE)) == []
    assert buffer.is_broken


def test_a_key_picture_behind_a_loss_is_known_by_its_begin(
    buffer: PictureBuffer, camera: Camera
) -> None:
    first = camera.group(2)
    assert push(buffer, flat(first)) == whole(*first)
    camera.picture()
    packets = flat(camera.group(2))
    push(buffer, packets)
    data = [picture.data for picture in buffer.look(PATIENCE)]
    assert data[0].startswith(START + SPS)
    assert len(data) == 2


def test_it_begins_with_a_key_picture(buffer: PictureBuffer, camera: Camera) -> None:
    before, group = [camera.picture(), camera.picture()], camera.group(2)
    assert push(buffer, flat(before)[1:]) == []
    assert buffer.is_broken
    assert push(buffer, flat(group)) == whole(*group)


def test_parameter_sets_by_themselves_wait_for_their_picture(
    buffer: PictureBuffer, camera: Camera
) -> None:
    key = camera.key()
    first = key[0]
    key[0] = Packet(first.number, first.timestamp, True, first.data)
    assert push(buffer, key) == whole(key)


def test_slices_that_are_marked_each_are_parts_of_one_picture(
    buffer: PictureBuffer, camera: Camera
) -> None:
    key = camera.key()
    number, timestamp = camera.number, camera.timestamp
    part = Packet(number, timestamp, True, START + b"\x65\x20more")
    pictures = [p for packet in [*key, part] for p in buffer.push(packet, 0.0)]
    assert [(p.is_part, p.timestamp) for p in pictures] == [
        (False, timestamp),
        (True, timestamp),
    ]


def test_padding_changes_nothing(buffer: PictureBuffer, camera: Camera) -> None:
    key = camera.key()
    padding = Packet(camera.number, camera.timestamp, False, b"")
    camera.number += 1
    picture = camera.picture()
    assert push(buffer, [*key, padding, *picture]) == whole(key, picture)


def test_another_count_of_numbers_begins_anew(
    buffer: PictureBuffer, camera: Camera
) -> None:
    assert push(buffer, flat(camera.group()))
    for number in (40_000, 30_000):
        other = Camera(number, 100 * number).group()
        assert push(buffer, flat(other)) == whole(*other)


def test_what_it_keeps_is_bounded(buffer: PictureBuffer, camera: Camera) -> None:
    key = camera.key()
    push(buffer, key[:1])
    for _ in range(3000):
        push(buffer, camera.picture())
    assert buffer.lost
    assert buffer.is_broken
    assert len(buffer.missing(RETRY)) <= 64
