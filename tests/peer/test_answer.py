"""The answer says what an Echo and a browser need, and fits into a message."""

import base64
import json

import pytest

from custom_components.kinesis_webrtc.peer import MasterPeer, normalise
from custom_components.kinesis_webrtc.peer.answer import LocalCandidate, compose
from custom_components.kinesis_webrtc.peer.sdp import Description, Section, parse

from .browser_offer import CHROMIUM
from .conftest import FIXTURES

ECHO = (FIXTURES / "offer-2023-current.sdp").read_text()


def payload_length(answer: str) -> int:
    message = json.dumps({"type": "answer", "sdp": answer})
    return len(base64.b64encode(message.encode()))


def video_of(description: Description) -> Section:
    return next(each for each in description.sections if each.kind == "video")


async def test_good_offers_are_answered(master: MasterPeer, good_offer: str) -> None:
    answer = parse(await master.answer("echo", good_offer, []))
    offered = parse(good_offer)
    assert [(s.kind, s.mid, s.profile) for s in answer.sections] == [
        (s.kind, s.mid, s.profile) for s in offered.sections
    ]
    mids = [section.mid for section in offered.sections]
    assert answer.session.value("group") == f"BUNDLE {' '.join(map(str, mids))}"
    for section in answer.sections:
        assert section.has("sendonly")
        assert section.has("rtcp-mux")
        assert section.values("setup") == ["active"]
        assert len(section.values("ice-ufrag")) == 1
        fingerprints = section.values("fingerprint")
        assert [value.split()[0] for value in fingerprints] == ["sha-256"]
        assert not section.has("ice-options")
        assert not section.has("end-of-candidates")
    video = video_of(answer)
    assert video.formats == ["99"]
    assert video.values("rtpmap") == ["99 H264/90000"]
    assert video.values("fmtp") == [
        "99 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f"
    ]
    assert video.values("rtcp-fb") == ["99 nack", "99 nack pli", "99 ccm fir"]
    for section in answer.sections:
        if section.kind == "audio":
            assert section.values("rtpmap") == ["96 opus/48000/2"]


async def test_line_ends_do_not_change_the_shape(master: MasterPeer) -> None:
    first = parse(await master.answer("a", ECHO, []))
    second = parse(await master.answer("b", ECHO.replace("\n", "\r\n"), []))
    names = [[name for name, _ in s.lines] for s in first.sections]
    assert names == [[name for name, _ in s.lines] for s in second.sections]


async def test_default_candidate_stands_in_the_media_line(master: MasterPeer) -> None:
    text = await master.answer("echo", ECHO, [])
    section = parse(text).sections[0]
    words = section.values("candidate")[0].split()
    assert words[4] == "127.0.0.1"
    assert section.port == int(words[5])
    assert "c=IN IP4 127.0.0.1" in text


async def test_browser_gets_h264_alone_and_its_data_channel_refused(
    master: MasterPeer,
) -> None:
    text = await master.answer("browser", CHROMIUM, [])
    answer = parse(text)
    assert [section.kind for section in answer.sections] == [
        "audio",
        "video",
        "application",
    ]
    assert answer.session.value("group") == "BUNDLE 0 1"
    audio, video, application = answer.sections
    assert audio.formats == ["111"]
    assert video.formats == ["108", "109"]
    assert "VP8" not in text
    assert video.value("ice-options") == "trickle"
    assert "4 urn:ietf:params:rtp-hdrext:sdes:mid" in video.values("extmap")
    assert (application.port, application.mid) == (0, "2")


@pytest.mark.parametrize("group", ["", "a=group:BUNDLE audio0\n"])
async def test_bundle_is_not_answered_to_who_does_not_offer_it(
    master: MasterPeer, group: str
) -> None:
    offer = ECHO.replace("a=group:BUNDLE audio0 video0\n", group)
    assert offer != ECHO
    answer = parse(await master.answer("echo", offer, []))
    assert not answer.session.has("group")
    assert [section.port > 0 for section in answer.sections] == [False, True]


@pytest.mark.parametrize("profile", ["4d001f", "64001f", "640c1f"])
async def test_single_profile_is_answered_under_its_own_name(
    master: MasterPeer, profile: str
) -> None:
    fmtp = f"a=fmtp:99 packetization-mode=1;profile-level-id={profile}\n"
    offer = ECHO.replace("a=rtpmap:99", fmtp + "a=rtpmap:99")
    video = video_of(parse(await master.answer("echo", offer, [])))
    assert profile in (video.value("fmtp") or "")


@pytest.mark.parametrize(
    ("offered", "answered"),
    [("recvonly", "sendonly"), ("sendonly", "inactive"), ("inactive", "inactive")],
)
async def test_audio_never_goes_beyond_the_offer(
    master: MasterPeer, offered: str, answered: str
) -> None:
    audio, video = ECHO.split("m=video")
    offer = audio.replace("a=sendrecv", f"a={offered}") + "m=video" + video
    assert parse(await master.answer("echo", offer, [])).sections[0].has(answered)


async def test_passive_side_is_taken_when_the_viewer_is_active(
    master: MasterPeer,
) -> None:
    text = await master.answer("echo", ECHO.replace("actpass", "active"), [])
    assert video_of(parse(text)).value("setup") == "passive"


async def test_end_of_candidates_is_said_to_those_who_say_it(
    master: MasterPeer,
) -> None:
    text = await master.answer("echo", ECHO + "a=end-of-candidates\n", [])
    assert video_of(parse(text)).has("end-of-candidates")


async def test_payload_type_of_a_browser_below_the_dynamic_ones(
    make_master, monkeypatch: pytest.MonkeyPatch
) -> None:
    master = make_master()
    monkeypatch.setattr(type(master.feed), "profile", "640028")
    video = video_of(parse(await master.answer("browser", CHROMIUM, [])))
    assert video.formats == ["39"]
    assert video.value("rtpmap") == "39 H264/90000"


@pytest.mark.parametrize("offer", [ECHO, CHROMIUM], ids=["echo", "browser"])
async def test_forty_interfaces_fit_into_a_message(
    make_master, loopback: list[str], offer: str
) -> None:
    loopback[:] = [f"127.0.0.{number}" for number in range(1, 41)]
    master = make_master(limits={"host_candidates": 40})
    text = await master.answer("viewer", offer, [])
    assert payload_length(text) <= 10_000
    count = len(video_of(parse(text)).values("candidate"))
    assert count == 8 if offer is ECHO else count >= 20


async def test_what_does_not_fit_is_pruned_from_the_end(master: MasterPeer) -> None:
    local = await master.answer("viewer", CHROMIUM, [])
    candidates = [
        LocalCandidate(
            kind="host",
            address=f"198.51.100.{number}",
            port=50_000,
            priority=1,
            foundation=str(number),
        )
        for number in range(200)
    ]
    text = compose(local, normalise(CHROMIUM), candidates)
    assert 9_500 < payload_length(text) <= 10_000
    assert "198.51.100.0 " in text
    assert "198.51.100.199 " not in text


async def test_candidate_text() -> None:
    candidate = LocalCandidate(
        kind="srflx",
        address="203.0.113.9",
        port=7,
        priority=5,
        foundation="2",
        related=("192.0.2.1", 8),
    )
    assert candidate.text == (
        "candidate:2 1 udp 5 203.0.113.9 7 typ srflx raddr 192.0.2.1 rport 8"
    )
    assert "203.0" not in repr(candidate)
