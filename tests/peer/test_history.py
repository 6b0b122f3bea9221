"""What a viewer has been sent is found again, across the roll-over, and not for ever."""

from custom_components.kinesis_webrtc.peer.history import History, Sent


def test_packet_is_found_in_its_picture() -> None:
    history = History()
    for first, frame in ((65_530, 1), (65_534, 2), (65_540, 3)):
        history.append(Sent(first, frame, 0), 0)

    def find(number: int) -> tuple[int, int] | None:
        found = history.find(number & 0xFFFF, 65_541)
        return None if found is None else (found[0].frame, found[1])

    assert find(65_530) == (1, 0)
    assert find(65_533) == (1, 3)
    assert find(65_534) == (2, 0)
    assert find(65_539) == (2, 5)
    assert find(65_540) == (3, 0)
    assert find(65_541) is None
    assert find(65_529) is None


def test_pictures_that_are_gone_are_forgotten() -> None:
    history = History()
    for number in range(10):
        history.append(Sent(number * 10, number, 0), number - 2)
    assert history.find(60, 100) is None
    assert history.find(70, 100) is not None


def test_nobody_is_sent_without_end() -> None:
    history = History()
    assert sum(history.allows(100.0) for _ in range(2000)) == 500
    assert sum(history.allows(100.5) for _ in range(2000)) == 250
