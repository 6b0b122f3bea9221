"""What the skill's backend and Home Assistant tell each other."""

import pytest

from custom_components.kinesis_webrtc.alexa import (
    End,
    Notice,
    OfferTerms,
    Ping,
    Refusal,
    encode,
    encode_terms,
    is_sender_of,
    parse,
    parse_terms,
)


@pytest.mark.parametrize(
    ("notice", "content"),
    [
        (
            End(session="abc"),
            {"type": "kinesis_webrtc", "v": 1, "kind": "end", "session": "abc"},
        ),
        (
            Ping(session="abc"),
            {"type": "kinesis_webrtc", "v": 1, "kind": "ping", "session": "abc"},
        ),
        (
            Refusal(reason="no_h264"),
            {"type": "kinesis_webrtc", "v": 1, "error": "no_h264"},
        ),
    ],
)
def test_a_notice_is_read_as_it_was_written(
    notice: Notice, content: dict[str, object]
) -> None:
    assert encode(notice) == content
    assert parse(content) == notice
    assert parse({**content, "more": True}) == notice


@pytest.mark.parametrize(
    "content",
    [
        {},
        {"type": "offer", "sdp": "v=0"},
        {"type": "kinesis_webrtc", "v": 1},
        {"type": "kinesis_webrtc", "v": 1, "kind": "dance", "session": "abc"},
        {"type": "kinesis_webrtc", "v": 1, "kind": "end"},
        {"type": "kinesis_webrtc", "v": 1, "kind": "end", "session": ""},
        {"type": "kinesis_webrtc", "v": 1, "kind": "end", "session": "x" * 65},
        {"type": "kinesis_webrtc", "v": 1, "kind": "end", "session": 7},
        {"type": "kinesis_webrtc", "v": 2, "kind": "end", "session": "abc"},
        {"type": "kinesis_webrtc", "v": True, "kind": "end", "session": "abc"},
        {"type": "kinesis_webrtc", "kind": "ping", "session": "abc"},
        {"type": "kinesis_webrtc", "v": 1, "error": 7},
    ],
)
def test_what_is_no_notice_is_none(content: dict[str, object]) -> None:
    assert parse(content) is None


def test_the_terms_of_an_offer_are_read_as_they_were_written() -> None:
    terms = OfferTerms(deadline=1_790_000_004.5, session="abc")

    written = encode_terms(terms)

    assert written == {
        "kinesis_webrtc": {"v": 1, "deadline_ms": 1_790_000_004_500, "session": "abc"}
    }
    assert parse_terms(written) == terms


@pytest.mark.parametrize(
    "member",
    [
        None,
        "now",
        [],
        {},
        {"v": 2, "deadline_ms": 1, "session": "abc"},
        {"v": 1, "deadline_ms": "1", "session": "abc"},
        {"v": 1, "deadline_ms": True, "session": "abc"},
        {"v": 1, "deadline_ms": float("nan"), "session": "abc"},
        {"v": 1, "deadline_ms": 0, "session": "abc"},
        {"v": 1, "deadline_ms": 10**400, "session": "abc"},
        {"v": 1, "deadline_ms": 1},
        {"v": 1, "deadline_ms": 1, "session": None},
    ],
)
def test_terms_of_another_kind_are_none(member: object) -> None:
    assert parse_terms({"kinesis_webrtc": member}) is None


def test_an_offer_of_another_sender_has_no_terms() -> None:
    assert parse_terms({}) is None


def test_the_senders_of_a_session_are_told_from_others() -> None:
    assert is_sender_of("alexa-abc-1", "abc")
    assert is_sender_of("alexa-abc-2", "abc")
    assert not is_sender_of("alexa-abcd-1", "abc")
    assert not is_sender_of("abc", "abc")
