"""Offers reach a master as it wants them; answers come back as browsers want them."""

from pathlib import Path

import pytest

from custom_components.kinesis_webrtc.signaling import encode_payload
from custom_components.kinesis_webrtc.signaling.sdp import (
    connection_of,
    is_complete,
    is_trickled,
    prepare_offer,
    repair_answer,
)
from tests.peer.browser_offer import CHROMIUM

ECHO_OFFERS = sorted(Path("tests/fixtures/alexa-offers").glob("[!b]*.sdp"))
SESSION = "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n"
TRANSPORT = "a=ice-ufrag:abcd\r\na=ice-pwd:0123456789012345678901\r\n"


def section(
    kind: str = "video",
    *lines: str,
    formats: str = "102",
    direction: str = "recvonly",
    port: int = 9,
) -> str:
    text = f"m={kind} {port} UDP/TLS/RTP/SAVPF {formats}\r\nc=IN IP4 0.0.0.0\r\n"
    text += TRANSPORT + "".join(f"{line}\r\n" for line in lines)
    return text + (f"a={direction}\r\n" if direction else "")


def offer(*sections: str) -> str:
    return SESSION + "".join(sections or [section()])


CANDIDATE = "a=candidate:1 1 udp 2113937151 192.0.2.1 50000 typ host"


@pytest.mark.parametrize("path", ECHO_OFFERS, ids=lambda path: path.stem)
def test_the_offer_of_an_echo_is_passed_on_as_it_is(path: Path) -> None:
    text = path.read_bytes().decode()
    assert not is_trickled(text)
    assert prepare_offer(text) == text


def test_there_are_offers_of_echos() -> None:
    assert ECHO_OFFERS


def test_an_offer_without_candidates_says_that_they_follow() -> None:
    prepared = prepare_offer(offer(section("audio"), section("video")))
    assert prepared.count("a=ice-options:trickle\r\n") == 2
    assert is_trickled(prepared)


def test_options_that_are_there_stay() -> None:
    text = offer(section("video", "a=ice-options:renomination"))
    assert "a=ice-options:renomination trickle\r\n" in prepare_offer(text)


@pytest.mark.parametrize(
    "text",
    [
        offer(section("video", "a=ice-options:trickle")),
        offer(section("video", "a=ice-options:trickle", CANDIDATE)),
        SESSION + "a=ice-options:trickle\r\n" + section(),
    ],
)
def test_an_offer_that_says_so_already_is_not_touched(text: str) -> None:
    assert prepare_offer(text) == text


def test_lines_that_do_not_parse_are_dropped() -> None:
    text = offer(section("video", "a=ice-options:trickle"))
    junk = "a=[object RTCIceCandidate]\r\na=\r\nnonsense\r\n\r\n"
    assert prepare_offer(text + junk) == text


def test_the_offer_of_the_frontend_loses_its_junk_alone() -> None:
    lines = [line for line in CHROMIUM.splitlines() if "[object" not in line]
    assert len(lines) == len(CHROMIUM.splitlines()) - 1
    assert prepare_offer(CHROMIUM).splitlines() == lines


def test_line_ends_become_those_of_the_specification() -> None:
    text = offer(section("video", "a=ice-options:trickle"))
    assert prepare_offer(text.replace("\r\n", "\n")) == text


def a_large_offer() -> str:
    codecs = [
        "a=rtpmap:96 VP8/90000",
        "a=rtcp-fb:96 nack pli",
        "a=rtpmap:97 rtx/90000",
        "a=fmtp:97 apt=96",
        "a=rtpmap:98 VP9/90000",
        "a=fmtp:98 profile-id=0",
        "a=rtpmap:99 rtx/90000",
        "a=fmtp:99 apt=98",
        "a=rtpmap:102 H264/90000",
        "a=fmtp:102 packetization-mode=1;profile-level-id=42e01f",
        "a=rtpmap:103 rtx/90000",
        "a=fmtp:103 apt=102",
        *(f"a=rtpmap:{number} AV1/90000" for number in range(35, 64)),
        *(f"a=rtcp-fb:{number} transport-cc{' ' * 200}" for number in range(35, 64)),
    ]
    formats = " ".join(map(str, [96, 97, 98, 99, 102, 103, *range(35, 64)]))
    return offer(
        section(
            "audio",
            "a=rtpmap:111 opus/48000/2",
            "a=rtpmap:9 G722/8000",
            "a=rtpmap:110 telephone-event/48000",
            formats="111 9 0 8 110",
        ),
        section("video", *codecs, formats=formats),
        "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\na=sctp-port:5000\r\n",
    )


def test_codecs_that_no_master_speaks_go_where_the_offer_would_not_fit() -> None:
    prepared = prepare_offer(a_large_offer())

    assert len(encode_payload({"type": "offer", "sdp": prepared})) <= 10_000
    assert "m=audio 9 UDP/TLS/RTP/SAVPF 111 0 8\r\n" in prepared
    assert "m=video 9 UDP/TLS/RTP/SAVPF 96 97 102 103\r\n" in prepared
    assert "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\n" in prepared
    assert "a=rtpmap:102 H264/90000\r\n" in prepared
    assert "a=rtcp-fb:96 nack pli\r\n" in prepared
    assert not any(name in prepared for name in ("AV1", "VP9", "G722", "apt=98"))


def test_codecs_stay_where_the_offer_fits() -> None:
    text = offer(section("video", "a=rtpmap:98 VP9/90000", formats="98"))
    assert "VP9" in prepare_offer(text)


def test_a_section_is_left_with_what_it_has_if_nothing_of_it_is_spoken() -> None:
    feedback = [f"a=rtcp-fb:98 goog-remb{' ' * 500}" for _ in range(20)]
    text = offer(section("video", "a=rtpmap:98 VP9/90000", *feedback, formats="98"))
    assert "m=video 9 UDP/TLS/RTP/SAVPF 98\r\n" in prepare_offer(text)


@pytest.mark.parametrize("direction", ["sendrecv", "recvonly"])
def test_an_answer_that_would_receive_is_made_to_send(direction: str) -> None:
    answer = offer(section("audio", direction=direction), section(direction="sendonly"))
    asked = offer(section("audio"), section("video"))

    repaired = repair_answer(answer, offer=asked)

    expected = answer.replace(f"a={direction}\r\n", "a=sendonly\r\n")
    assert repaired == expected
    assert repaired != answer


def test_a_direction_that_goes_without_saying_is_said() -> None:
    answer = offer(section(direction=""))
    assert repair_answer(answer, offer=offer()).endswith("a=sendonly\r\n")


def test_a_direction_of_the_whole_session_is_overruled() -> None:
    answer = SESSION + "a=sendrecv\r\n" + section(direction="")
    repaired = repair_answer(answer, offer=offer())
    assert repaired == answer + "a=sendonly\r\n"


@pytest.mark.parametrize(
    ("answer", "asked"),
    [
        (offer(section(direction="sendrecv")), offer(section(direction="sendrecv"))),
        (offer(section(direction="sendonly")), offer()),
        (offer(section(direction="inactive")), offer()),
        (offer(section(direction="sendrecv", port=0)), offer()),
        (offer(section(direction="sendonly")).replace("\r\n", "\n"), offer()),
        (offer(section(direction="sendonly"), section(direction="sendrecv")), offer()),
    ],
)
def test_other_answers_are_not_touched(answer: str, asked: str) -> None:
    assert repair_answer(answer, offer=asked) == answer


def test_only_the_wrong_section_is_repaired() -> None:
    answer = offer(section(direction="sendrecv"), section(direction="sendrecv"))
    repaired = repair_answer(answer, offer=offer())
    assert repaired.count("a=sendonly") == 1
    assert repaired.count("a=sendrecv") == 1


@pytest.mark.parametrize(
    ("lines", "complete"),
    [
        ([], False),
        ([CANDIDATE], True),
        ([CANDIDATE, "a=ice-options:trickle"], False),
        ([CANDIDATE, "a=ice-options:trickle", "a=end-of-candidates"], True),
    ],
)
def test_tells_whether_candidates_follow_an_answer(
    lines: list[str], complete: bool
) -> None:
    assert is_complete(offer(section("video", *lines))) is complete


CONNECTION = (
    "v=0\r\no=- 4611731400430051336 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n"
    "m=video 9 UDP/TLS/RTP/SAVPF 102\r\na=ice-ufrag:abcd\r\na=ice-options:trickle\r\n"
    "a=fingerprint:sha-256 AA:BB\r\n"
)


def test_offers_of_one_connection_are_known_for_such() -> None:
    restarted = CONNECTION.replace(" 2 IN", " 3 IN").replace("abcd", "efgh")
    assert connection_of(CONNECTION)
    assert connection_of(restarted) == connection_of(CONNECTION)


@pytest.mark.parametrize(
    ("part", "other"),
    [("4611731400430051336", "4611731400430051337"), ("AA:BB", "AA:BC")],
)
def test_those_of_other_connections_are_not(part: str, other: str) -> None:
    assert connection_of(CONNECTION.replace(part, other)) != connection_of(CONNECTION)


@pytest.mark.parametrize(
    "offer",
    [
        "",
        "no offer",
        CONNECTION.replace("a=fingerprint:sha-256 AA:BB\r\n", ""),
        CONNECTION.replace("o=- 4611731400430051336 2 IN IP4 127.0.0.1\r\n", ""),
        CONNECTION.replace("o=- 4611731400430051336 2", "o=-"),
        CONNECTION.replace(
            "a=ice-options:trickle", "a=candidate:1 1 udp 1 192.0.2.1 9 typ host"
        ),
    ],
)
def test_an_offer_may_not_tell_of_its_connection(offer: str) -> None:
    assert connection_of(offer) is None


@pytest.mark.parametrize("media", ["m=", "m=video", "m=audio "])
def test_what_is_no_media_section_is_handed_on_as_it_is(media: str) -> None:
    broken = f"v=0\r\n{media}\r\na=recvonly\r\na=ice-options:trickle\r\n"
    assert repair_answer(broken, offer=broken) == broken
    large = broken + f"a=x:{'y' * 10_000}\r\n"
    assert prepare_offer(large) == large
