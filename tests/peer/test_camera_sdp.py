"""Answers of cameras are made such that aiortc takes them."""

from aiortc.sdp import SessionDescription
import pytest

from custom_components.kinesis_webrtc.peer.camera_sdp import fit_answer, widen_offer
from custom_components.kinesis_webrtc.peer.receiving import AnswerUnusableError

TRANSPORT = """\
a=ice-ufrag:abcd
a=ice-pwd:0123456789abcdefghijklmn
a=fingerprint:sha-256 AA:BB
a=setup:passive
a=candidate:1 1 udp 2130706431 127.0.0.1 5000 typ host
a=candidate:2 1 tcp 1671430143 127.0.0.1 9 typ host tcptype active
"""
# What a cloud answers that is not behind a NAT itself: one transport for all.
CLOUD = f"""\
v=0
o=- 1 2 IN IP4 127.0.0.1
s=-
t=0 0
a=group:BUNDLE 0 1 2
a=ice-lite
m=audio 19305 UDP/TLS/RTP/SAVPF 96
c=IN IP4 127.0.0.1
{TRANSPORT}a=sendonly
a=mid:0
a=rtcp-mux
a=rtpmap:96 opus/48000/2
a=fmtp:96 minptime=10;useinbandfec=1
a=ssrc:11 cname:a
m=video 9 UDP/TLS/RTP/SAVPF 121 122
c=IN IP4 127.0.0.1
a=sendrecv
a=mid:1
a=rtcp-mux
a=rtpmap:121 H264/90000
a=fmtp:121 packetization-mode=1;profile-level-id=640028;sprop-parameter-sets=Z2QA,aO4=
a=rtpmap:122 rtx/90000
a=fmtp:122 apt=121
a=extmap:3 http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time
a=ssrc:12 cname:a
m=application 9 UDP/DTLS/SCTP webrtc-datachannel
c=IN IP4 127.0.0.1
a=mid:2
a=sctp-port:5000
"""


def parsed(answer: str) -> SessionDescription:
    return SessionDescription.parse(fit_answer(answer).sdp)


def test_one_transport_is_everybodys() -> None:
    description = parsed(CLOUD)
    assert [media.kind for media in description.media] == [
        "audio",
        "video",
        "application",
    ]
    for media in description.media:
        assert media.ice.usernameFragment == "abcd"
        assert media.ice.password == "0123456789abcdefghijklmn"
        assert media.ice.iceLite
        assert [f.value for f in media.dtls.fingerprints] == ["AA:BB"]
        assert media.dtls.role == "server"
        # Of TCP aiortc knows nothing.
        assert [c.protocol for c in media.ice_candidates] == ["udp"]


def test_the_profile_is_one_that_aiortc_knows() -> None:
    video = parsed(CLOUD).media[1]
    (codec,) = video.rtp.codecs
    assert (codec.mimeType, codec.payloadType) == ("video/H264", 121)
    assert codec.parameters["profile-level-id"] == "42e01f"
    assert {str(f.parameter) for f in codec.rtcpFeedback} == {"None", "pli"}
    assert video.direction == "sendonly"
    assert [s.ssrc for s in video.ssrc] == [12]
    assert [e.id for e in video.rtp.headerExtensions] == [3]


def test_parameter_sets_are_taken_from_the_answer() -> None:
    assert fit_answer(CLOUD).parameter_sets == b"\0\0\0\1\x67\x64\0\0\0\0\1\x68\xee"
    spoiled = CLOUD.replace("Z2QA", "§")
    assert fit_answer(spoiled).parameter_sets == b""


@pytest.mark.parametrize(
    "change",
    [
        ("m=audio 19305", "m=audio 0"),
        ("opus/48000/2", "PCMU/8000"),
        ("a=sendonly", "a=inactive"),
        ("BUNDLE 0 1 2", "BUNDLE 1 2"),
    ],
)
def test_sound_may_be_refused(change: tuple[str, str]) -> None:
    answer = CLOUD.replace(*change).replace("a=mid:1", "a=mid:1\n" + TRANSPORT.rstrip())
    fitted = fit_answer(answer)
    assert fitted.has_video
    audio = SessionDescription.parse(fitted.sdp).media[0]
    assert audio.direction == "inactive"
    assert [codec.mimeType for codec in audio.rtp.codecs] == ["audio/opus"]


@pytest.mark.parametrize(
    "change",
    [
        ("m=video 9", "m=video 0"),
        ("H264/90000", "H265/90000"),
        ("a=sendrecv", "a=recvonly"),
    ],
)
def test_a_camera_without_h264_is_known(change: tuple[str, str]) -> None:
    assert not fit_answer(CLOUD.replace(*change)).has_video


@pytest.mark.parametrize(
    "answer",
    [
        "",
        "v=0\r\n",
        CLOUD.partition("m=video")[0],
        CLOUD.replace("ice-pwd", "x"),
        CLOUD.replace("fingerprint", "x"),
        CLOUD.replace("sha-256", "md5"),
    ],
)
def test_what_cannot_be_used_is_told(answer: str) -> None:
    with pytest.raises(AnswerUnusableError):
        fit_answer(answer)


def test_an_offer_gets_more_profiles_in_its_pictures_alone() -> None:
    offer = widen_offer(
        "v=0\r\nm=audio 9 X 96\r\na=mid:0\r\nm=video 9 X 99\r\na=mid:1\r\n"
        "m=application 9 X y\r\na=mid:2\r\n"
    )
    audio, video, application = offer.split("m=")[1:]
    assert audio == "audio 9 X 96\r\na=mid:0\r\n"
    assert application == "application 9 X y\r\na=mid:2\r\n"
    assert video.startswith("video 9 X 99 120 121 122\r\na=mid:1\r\n")
    assert video.count("H264/90000") == 3
    assert widen_offer("m=video 9 X 99\r\n").count("H264/90000") == 3
