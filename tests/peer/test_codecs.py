"""The H.264 format that fits the camera is answered, and Opus before G.711."""

import pytest

from custom_components.kinesis_webrtc.peer.codecs import choose_audio, choose_video
from custom_components.kinesis_webrtc.peer.sdp import Section, parse

from .browser_offer import CHROMIUM

VIDEO = parse(CHROMIUM).sections[1]


def section(kind: str, formats: str, *lines: str) -> Section:
    text = "\n".join(["v=0", f"m={kind} 9 UDP/TLS/RTP/SAVPF {formats}", *lines])
    return parse(text).sections[0]


@pytest.mark.parametrize(
    ("camera", "payload_type", "profile"),
    [
        (None, 108, "42e01f"),
        ("42c01e", 108, "42e01f"),
        ("42001f", 102, "42001f"),
        ("4d4029", 127, "4d001f"),
        ("640028", 39, "640c1f"),
        ("f4001f", 108, "42e01f"),
    ],
)
def test_format_follows_the_camera(
    camera: str | None, payload_type: int, profile: str
) -> None:
    codec = choose_video(VIDEO, camera)
    assert codec is not None
    assert codec.payload_type == payload_type
    assert codec.fmtp is not None
    assert codec.fmtp.endswith(f"packetization-mode=1;profile-level-id={profile}")


@pytest.mark.parametrize("profile", ["4d001f", "64001f", "640c1f", "42001f", "640C34"])
def test_single_profile_is_answered_as_offered(profile: str) -> None:
    offered = section(
        "video",
        "98",
        "a=rtpmap:98 h264/90000",
        f"a=fmtp:98 profile-level-id={profile}; packetization-mode=1",
    )
    codec = choose_video(offered, "42e01f")
    assert codec is not None
    assert codec.fmtp is not None
    assert f"profile-level-id={profile}" in codec.fmtp


def test_profile_that_cannot_be_read_counts_as_none() -> None:
    offered = section(
        "video", "98", "a=rtpmap:98 H264/90000", "a=fmtp:98 profile-level-id=x"
    )
    codec = choose_video(offered, None)
    assert codec is not None
    assert "42e01f" in (codec.fmtp or "")


def test_level_asymmetry_is_only_claimed_where_offered() -> None:
    offered = section(
        "video",
        "98",
        "a=rtpmap:98 H264/90000",
        "a=fmtp:98 level-asymmetry-allowed=0;packetization-mode=1",
    )
    codec = choose_video(offered, None)
    assert codec is not None
    assert codec.fmtp == "packetization-mode=1;profile-level-id=42e01f"


@pytest.mark.parametrize(
    "lines",
    [
        ("98", "a=rtpmap:98 H264/90000", "a=fmtp:98 packetization-mode=0"),
        ("98", "a=rtpmap:98 H265/90000"),
        ("98",),
        ("70", "a=rtpmap:70 H264/90000"),
        ("x", "a=rtpmap:x H264/90000"),
    ],
)
def test_what_cannot_be_sent_is_passed_over(lines: tuple[str, ...]) -> None:
    assert choose_video(section("video", *lines), None) is None


def test_feedback_for_all_formats_counts() -> None:
    offered = section("video", "98", "a=rtpmap:98 H264/90000", "a=rtcp-fb:* nack pli")
    codec = choose_video(offered, None)
    assert codec is not None
    assert codec.feedback == ("nack pli",)


@pytest.mark.parametrize(
    ("formats", "lines", "name"),
    [
        ("0 8 96", ["a=rtpmap:96 OPUS/48000/2"], "opus"),
        ("8 0", [], "PCMU"),
        ("8", [], "PCMA"),
        ("8", ["a=rtpmap:8 PCMA/8000/1"], "PCMA"),
    ],
)
def test_audio(formats: str, lines: list[str], name: str) -> None:
    codec = choose_audio(section("audio", formats, *lines))
    assert codec is not None
    assert codec.name == name


def test_no_common_audio() -> None:
    assert choose_audio(section("audio", "9", "a=rtpmap:9 G722/8000")) is None
