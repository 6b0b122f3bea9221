"""What comes in is understood, or refused for the right reason."""

from pathlib import Path
import re
import time

import pytest

from custom_components.kinesis_webrtc.peer import (
    OfferRefused,
    RefusalReason,
    normalise,
)

from .browser_offer import CHROMIUM
from .conftest import FIXTURES
from .mutations import damage, harmless, mutations

ECHO = (FIXTURES / "offer-2023-current.sdp").read_text()
CANDIDATE = re.compile(r"a=candidate:.*\n")


def refusal(text: str) -> RefusalReason:
    with pytest.raises(OfferRefused) as caught:
        normalise(text)
    assert str(caught.value) == caught.value.reason
    return caught.value.reason


def test_good_offers_are_understood(good_offer: str) -> None:
    offer = normalise(good_offer)
    assert not offer.trickle
    assert offer.is_echo
    assert (offer.audio is not None) is ("m=audio" in good_offer)
    assert offer.video.codec.payload_type == 99
    assert [(c.port, c.kind) for c in offer.candidates] == [(60128, "host")]


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("bad-not-sdp", RefusalReason.NOT_SDP),
        ("bad-truncated", RefusalReason.TRUNCATED),
        ("bad-vp8-only", RefusalReason.NO_H264),
        ("bad-no-mid", RefusalReason.NO_MID),
        ("bad-no-fingerprint", RefusalReason.NO_FINGERPRINT),
        ("bad-tcp-candidates-only", RefusalReason.NO_UDP_CANDIDATE),
        ("edge-audio-only", RefusalReason.NO_VIDEO),
    ],
)
def test_bad_offers_are_refused_at_once(name: str, reason: RefusalReason) -> None:
    text = (FIXTURES / f"{name}.sdp").read_text()
    began = time.perf_counter()
    assert refusal(text) is reason
    assert time.perf_counter() - began < 2


def test_every_fixture_is_tested() -> None:
    names = {path.stem.partition("-")[0] for path in FIXTURES.glob("*.sdp")}
    assert names == {"offer", "bad", "edge"}
    assert len(list(Path(FIXTURES).glob("[be]*.sdp"))) == 7


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", RefusalReason.NOT_SDP),
        (" \r\n ", RefusalReason.NOT_SDP),
        ("hello", RefusalReason.NOT_SDP),
        ("v=0\r\ns=-\r\n", RefusalReason.TRUNCATED),
        ("v=0\nm=video x\na=mid:0\n", RefusalReason.MALFORMED),
        ("v=0\n" + "a=x\n" * 3000, RefusalReason.TOO_LARGE),
        ("v=0\n" + "a" * 70_000, RefusalReason.TOO_LARGE),
        ("v=0\n" + "m=text 1 RTP/AVP 9\n" * 40, RefusalReason.TOO_LARGE),
        (CANDIDATE.sub("", ECHO), RefusalReason.NO_UDP_CANDIDATE),
        (ECHO.replace("198.51.100.21", "127.0.0.1"), RefusalReason.NO_UDP_CANDIDATE),
        (ECHO.replace("a=ice-pwd:", "a=ice-word:"), RefusalReason.NO_ICE_CREDENTIALS),
        (ECHO.replace("Zk4vLw9xq2m", ""), RefusalReason.NO_ICE_CREDENTIALS),
        (ECHO.replace("sha-256", "sha-1"), RefusalReason.NO_FINGERPRINT),
        (ECHO.replace("64:6E:", "64:"), RefusalReason.NO_FINGERPRINT),
        (ECHO.replace("UDP/TLS/RTP/SAVPF", "RTP/AVP"), RefusalReason.NOT_ENCRYPTED),
        (ECHO.replace("sendrecv", "sendonly"), RefusalReason.VIDEO_NOT_WANTED),
        (ECHO.replace("sendrecv", "inactive"), RefusalReason.VIDEO_NOT_WANTED),
        (ECHO.replace("m=video 1", "m=video 0"), RefusalReason.NO_VIDEO),
    ],
)
def test_reasons(text: str, reason: RefusalReason) -> None:
    assert refusal(text) is reason


def test_line_ends_make_no_difference(good_offer: str) -> None:
    expected = normalise(good_offer)
    assert normalise(good_offer.replace("\n", "\r\n")) == expected
    assert normalise(good_offer.replace("\n", " \r\n")) == expected
    assert normalise("\ufeff" + good_offer.replace("\n", "\r")) == expected


def test_echo_gets_an_fmtp_and_aiortc_sees_it_too() -> None:
    offer = normalise(ECHO)
    fmtp = "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f"
    assert offer.video.codec.fmtp == fmtp
    assert f"a=fmtp:99 {fmtp}" in offer.sdp
    assert offer.video.codec.feedback == ("nack", "nack pli", "ccm fir")


def test_static_audio_needs_no_rtpmap() -> None:
    text = ECHO.replace("96 0 8", "0 8").replace("a=rtpmap:96 opus/48000/2\n", "")
    audio = normalise(text).audio
    assert audio is not None
    assert (audio.codec.name, audio.codec.payload_type) == ("PCMU", 0)
    assert "a=rtpmap:0 PCMU/8000" in normalise(text).sdp


def test_browser_offer_is_trickle_and_its_other_media_are_rejected() -> None:
    offer = normalise(CHROMIUM)
    assert offer.trickle
    assert [media.mid for media in offer.media] == ["0", "1"]
    assert [(other.kind, other.mid) for other in offer.rejected] == [
        ("application", "2")
    ]
    assert offer.video.codec.payload_type == 108
    assert offer.video.codec.rtx == 109
    assert "nack" in normalise(CHROMIUM, profile="42001f").video.codec.feedback
    assert dict(offer.video.extensions) == {
        2: "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time",
        4: "urn:ietf:params:rtp-hdrext:sdes:mid",
    }
    assert "RTCIceCandidate" not in offer.sdp


def test_browser_without_options_line_is_trickle() -> None:
    assert normalise(CHROMIUM.replace("a=ice-options:trickle\n", "")).trickle


def test_who_offers_more_than_h264_is_no_echo() -> None:
    more = ECHO.replace("SAVPF 99", "SAVPF 99 98").replace(
        "a=rtpmap:99 H264/90000\n", "a=rtpmap:99 H264/90000\na=rtpmap:98 VP8/90000\n"
    )
    offer = normalise(more)
    assert not offer.trickle
    assert not offer.is_echo
    assert not normalise(CHROMIUM).is_echo
    only = ECHO.replace("SAVPF 99", "SAVPF 99 98").replace(
        "a=rtpmap:99 H264/90000\n",
        "a=rtpmap:99 H264/90000\na=rtpmap:98 rtx/90000\na=fmtp:98 apt=99\n",
    )
    assert normalise(only).is_echo


def test_payload_types_that_aiortc_would_overwrite_are_renamed() -> None:
    offer = normalise(CHROMIUM, profile="640028")
    assert offer.video.codec.payload_type == 39
    renamed = offer.payload_types[39]
    assert f"a=rtpmap:{renamed} H264/90000" in offer.sdp
    assert "rtpmap:39" not in offer.sdp


def test_audio_outside_the_bundle_is_rejected() -> None:
    offer = normalise(ECHO.replace("BUNDLE audio0 video0", "BUNDLE video0"))
    assert offer.audio is None
    assert [other.mid for other in offer.rejected] == ["audio0"]


def test_audio_without_a_codec_of_ours_is_rejected() -> None:
    text = ECHO.replace("96 0 8", "96").replace("opus/48000/2", "AAC/48000")
    assert normalise(text).audio is None


def test_second_video_with_h264_is_taken_when_the_first_has_none() -> None:
    first, second = ECHO.split("m=video", 1)[1], "m=video" + ECHO.split("m=video", 1)[1]
    vp8 = "m=video" + first.replace("H264", "VP8").replace("video0", "video1")
    text = ECHO.split("m=video", 1)[0] + vp8 + second
    offer = normalise(text.replace("audio0 video0", "audio0 video1 video0"))
    assert offer.video.mid == "video0"
    assert [other.mid for other in offer.rejected] == ["video1"]


def test_bundled_sections_may_leave_the_transport_to_the_first() -> None:
    head, video = ECHO.split("m=video", 1)
    lines = [
        line
        for line in video.splitlines()
        if not line.startswith(("a=ice-", "a=finger", "a=candidate", "a=setup"))
    ]
    text = head + "m=video" + "\n".join([*lines, "a=bundle-only"])
    text = text.replace("m=video 1", "m=video 0")
    assert normalise(text).sdp == normalise(ECHO).sdp


def test_session_may_hold_the_transport() -> None:
    shared = [
        line for line in ECHO.splitlines() if line.startswith(("a=ice-", "a=finger"))
    ]
    lines = [line for line in ECHO.splitlines() if line not in shared]
    lines[5:5] = dict.fromkeys(shared)
    assert normalise("\n".join(lines)).sdp == normalise(ECHO).sdp


@pytest.mark.parametrize(
    ("setup", "given"),
    [
        ("active", "active"),
        ("passive", "passive"),
        ("actpass", "actpass"),
        ("", "actpass"),
    ],
)
def test_setup(setup: str, given: str) -> None:
    text = ECHO.replace("a=setup:actpass\n", f"a=setup:{setup}\n" if setup else "")
    assert f"a=setup:{given}\r\n" in normalise(text).sdp


def test_ice_lite_is_passed_on() -> None:
    assert "a=ice-lite" in normalise(ECHO.replace("t=0 0\n", "t=0 0\na=ice-lite\n")).sdp


def test_header_extensions_with_long_ids_are_left_out() -> None:
    text = CHROMIUM.replace("a=extmap:2 ", "a=extmap:15 ").replace(
        "a=extmap:4 ", "a=extmap:4/recvonly "
    )
    assert [number for number, _ in normalise(text).video.extensions] == [4]


def test_representation_keeps_secrets() -> None:
    shown = repr(normalise(ECHO))
    assert "Zk4vLw9xq2mB7nTyRf0cHs" not in shown
    assert "198.51.100.21" not in shown
    assert "t3Qz" not in shown


def test_harmless_changes_are_answerable() -> None:
    for text in mutations(harmless, 500):
        offer = normalise(text)
        assert offer.candidates or offer.trickle


def test_damage_is_survived() -> None:
    refused = 0
    for text in mutations(damage, 1000):
        try:
            normalise(text)
        except OfferRefused:
            refused += 1
    assert 50 < refused < 950
