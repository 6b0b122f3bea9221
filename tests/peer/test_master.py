"""A master's sessions, from offer to end, with viewers made of aiortc."""

import asyncio
import logging
import time

import pytest

from custom_components.kinesis_webrtc.peer import (
    Connected,
    Ended,
    EndReason,
    IncompatibleLibraryError,
    KeyFrameSent,
    Limits,
    MasterPeer,
    OfferRefused,
    RefusalReason,
    SourceError,
    StreamUrl,
)
from tests.helpers.clip import is_moving, make_unknown_clip
from tests.helpers.servers import Server, UdpServer
from tests.helpers.viewers import EchoPeer, Viewer

from .browser_offer import CHROMIUM
from .conftest import FIXTURES, FileSource, Recorder
from .mutations import damage, harmless, mutations

ECHO = (FIXTURES / "offer-2023-current.sdp").read_text()


async def refusal(master: MasterPeer, offer: str, viewer_id: str = "x") -> str:
    with pytest.raises(OfferRefused) as caught:
        await master.answer(viewer_id, offer, [])
    return caught.value.reason


async def test_echo_decodes_the_camera(master: MasterPeer, recorder: Recorder) -> None:
    async with EchoPeer() as echo:
        await echo.accept(await master.answer("echo", await echo.offer(), []))
        await echo.wait_frames(60)
        assert is_moving(echo.frames)
        await recorder.wait(KeyFrameSent, "echo")
        assert recorder.all(Connected, "echo")
        await echo.wait_audio(20)
        assert not any(frame.to_ndarray().any() for frame in echo.audio_frames[-5:])


async def test_echo_without_audio_decodes_the_camera(master: MasterPeer) -> None:
    async with EchoPeer(audio=False) as echo:
        await echo.accept(await master.answer("echo", await echo.offer(), []))
        await echo.wait_frames(10)


@pytest.mark.parametrize("formats", ["0", "8"])
async def test_g711_alone_gets_its_own_silence(
    master: MasterPeer, formats: str
) -> None:
    async with EchoPeer() as echo:
        offer = (await echo.offer()).replace("96 0 8", formats)
        offer = offer.replace("a=rtpmap:96 opus/48000/2\n", "")
        await echo.accept(await master.answer("echo", offer, []))
        await echo.wait_audio(10)
        assert abs(echo.audio_frames[-1].to_ndarray()).max() <= 8


async def test_browsers_way_candidates_follow_on_both_sides(
    master: MasterPeer, recorder: Recorder
) -> None:
    async with Viewer() as viewer:
        offer = await viewer.offer()
        lines = offer.splitlines()
        candidates = [line for line in lines if line.startswith("a=candidate:")]
        lines = [line for line in lines if "candidate" not in line]
        lines.insert(4, "a=ice-options:trickle")
        answer = await master.answer("browser", "\r\n".join(lines) + "\r\n", [])
        await viewer.accept(answer)
        for line in candidates:
            await master.add_candidate("browser", line[2:], "0", 0)
        await master.add_candidate("browser", "", None, None)
        await viewer.wait_frames(10)


async def test_candidates_may_come_before_their_offer(master: MasterPeer) -> None:
    async with Viewer() as viewer:
        lines = (await viewer.offer()).splitlines()
        for line in lines:
            if line.startswith("a=candidate:"):
                await master.add_candidate("browser", line[2:], "0", 0)
        lines = [line for line in lines if "candidate" not in line]
        lines.insert(4, "a=ice-options:trickle")
        answer = await master.answer("browser", "\r\n".join(lines), [])
        # The viewer cannot find us by itself.
        answer = "\r\n".join(x for x in answer.splitlines() if "candidate" not in x)
        await viewer.accept(answer + "\r\n")
        await viewer.wait_frames(5)


async def test_early_candidates_are_bounded_and_forgotten(make_master) -> None:
    master = make_master(
        limits={"early_candidate_ttl": 0, "early_viewers": 2, "early_candidates": 3}
    )
    for viewer in "abcd":
        for port in range(5001, 5009):
            text = f"1 1 udp 1 198.51.100.21 {port} typ host"
            await master.add_candidate(viewer, text)
    assert len(master._early) <= 2
    assert all(len(each.candidates) <= 3 for each in master._early.values())
    await master.answer("d", CHROMIUM, [])
    assert "d" not in master._early


async def test_candidates_of_another_generation_wait(master: MasterPeer) -> None:
    await master.answer("browser", CHROMIUM, [])
    text = "1 1 udp 1 198.51.100.21 5000 typ host ufrag new1"
    await master.add_candidate("browser", text)
    assert master._early["browser"].candidates == [text]
    await master.answer("browser", CHROMIUM.replace("Ab1+", "new1"), [])
    assert not master._early


@pytest.mark.parametrize(
    "candidate", ["", " ", "x" * 2000, "candidate:", "1 2 udp 1 a 1 typ host"]
)
async def test_useless_candidates_are_passed_over(
    master: MasterPeer, candidate: str
) -> None:
    await master.answer("browser", CHROMIUM, [])
    await master.add_candidate("browser", candidate, "0", 0)
    await master.add_candidate("nobody", candidate, "0", 0)
    assert master.viewers == 1
    assert not master._early


async def test_remote_candidates_are_bounded(make_master) -> None:
    master = make_master(limits={"remote_candidates": 5})
    await master.answer("browser", CHROMIUM, [])
    for port in range(5001, 5050):
        text = f"1 1 udp 1 198.51.100.21 {port} typ host"
        await master.add_candidate("browser", text)
    dtls = master._sessions["browser"]._dtls
    assert dtls is not None
    await asyncio.sleep(0)
    assert len(dtls.transport.getRemoteCandidates()) <= 5


async def test_viewers_share_one_pull(
    make_master, source: FileSource, recorder: Recorder
) -> None:
    master = make_master()
    async with EchoPeer() as first, EchoPeer() as second:
        offers = await first.offer(), await second.offer()
        answers = await asyncio.gather(
            master.answer("first", offers[0], []),
            master.answer("second", offers[1], []),
        )
        await first.accept(answers[0])
        await second.accept(answers[1])
        await first.wait_frames(10)
        await second.wait_frames(10)
        assert master.viewers == 2
        assert source.resolved == 1
        assert master.feed.opened == 1
        await master.close("first")
        seen = len(second.frames)
        await second.wait_frames(seen + 10)
    await recorder.wait(Ended, "second")
    assert master.viewers == 0


async def test_limit_on_viewers_disturbs_nobody(make_master) -> None:
    master = make_master(viewer_limit=2)
    await master.answer("a", ECHO, [])
    await master.answer("b", ECHO, [])
    assert await refusal(master, ECHO, "c") == RefusalReason.VIEWER_LIMIT
    assert master.viewers == 2
    await master.answer("b", ECHO, [])
    assert master.viewers == 2


async def test_second_offer_of_a_viewer_replaces_the_first(
    master: MasterPeer, recorder: Recorder
) -> None:
    async with EchoPeer() as old, EchoPeer() as new:
        await old.accept(await master.answer("echo", await old.offer(), []))
        await old.wait_frames(3)
        await new.accept(await master.answer("echo", await new.offer(), []))
        await new.wait_frames(3)
        await asyncio.wait_for(old.ended.wait(), 5)
        assert [e.reason for e in recorder.all(Ended)] == [EndReason.REPLACED]
        assert master.viewers == 1


async def test_offer_delivered_twice_leads_to_one_session(
    master: MasterPeer, recorder: Recorder
) -> None:
    async with EchoPeer() as echo:
        offer = await echo.offer()
        await master.answer("echo", offer, [])
        await echo.accept(await master.answer("echo", offer, []))
        await echo.wait_frames(3)
        assert master.viewers == 1


async def test_offer_delivered_twice_at_the_same_time(make_master) -> None:
    master = make_master(limits={"gather_cap": 0.3})
    async with UdpServer() as silent:
        servers = [Server((f"stun:127.0.0.1:{silent.port}",))]
        results = await asyncio.gather(
            master.answer("echo", ECHO, servers),
            master.answer("echo", ECHO, servers),
            return_exceptions=True,
        )
    assert isinstance(results[0], OfferRefused)
    assert results[0].reason is RefusalReason.SUPERSEDED
    assert isinstance(results[1], str)
    assert master.viewers == 1


async def test_viewer_that_never_connects_is_let_go(
    make_master, recorder: Recorder
) -> None:
    master = make_master(limits={"connect_timeout": 0.3})
    await master.answer("echo", ECHO, [])
    ended = await recorder.wait(Ended)
    assert ended.reason is EndReason.NEVER_CONNECTED
    assert ended.timings.answered_ms is not None
    assert ended.timings.connected_ms is None
    assert master.viewers == 0


def test_times_are_those_that_were_promised() -> None:
    limits = Limits()
    assert limits.connect_timeout == 15
    assert limits.gather_cap == 1.0
    assert limits.early_candidate_ttl == 20


async def test_goodbye_ends_the_session_at_once(
    master: MasterPeer, recorder: Recorder
) -> None:
    async with EchoPeer() as echo:
        await echo.accept(await master.answer("echo", await echo.offer(), []))
        await recorder.wait(KeyFrameSent)
        began = time.perf_counter()
    ended = await recorder.wait(Ended)
    assert time.perf_counter() - began < 1
    assert ended.reason is EndReason.VIEWER_CLOSED
    timings = ended.timings
    assert timings.answered_ms is not None
    assert timings.connected_ms is not None
    assert timings.key_frame_ms is not None
    assert 0 < timings.answered_ms < timings.connected_ms < timings.key_frame_ms


async def test_viewer_that_vanishes_is_noticed(
    master: MasterPeer, recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("aioice.ice.CONSENT_INTERVAL", 0.1)
    monkeypatch.setattr("aioice.ice.CONSENT_FAILURES", 2)
    async with EchoPeer() as echo:
        await echo.accept(await master.answer("echo", await echo.offer(), []))
        await echo.wait_frames(3)
        await echo.vanish()
        ended = await recorder.wait(Ended)
    assert ended.reason is EndReason.VIEWER_LOST


async def test_viewer_is_noticed_within_forty_seconds_by_aioices_own_times() -> None:
    from aioice import ice, stun

    longest = ice.CONSENT_FAILURES * (1.2 * ice.CONSENT_INTERVAL + stun.RETRY_RTO)
    assert longest <= 40


async def test_wrong_certificate_is_not_spoken_to(
    master: MasterPeer, recorder: Recorder
) -> None:
    async with EchoPeer() as echo:
        offer = await echo.offer()
        at = offer.index("sha-256 ") + 8
        digest = offer[at : at + 95]
        offer = offer.replace(digest, "AB:" * 31 + "AB")
        await echo.accept(await master.answer("echo", offer, []))
        ended = await recorder.wait(Ended)
    assert ended.reason is EndReason.CONNECTION_FAILED


async def test_closing_ends_the_viewers_side_too(
    master: MasterPeer, recorder: Recorder
) -> None:
    async with EchoPeer() as echo:
        await echo.accept(await master.answer("echo", await echo.offer(), []))
        await echo.wait_frames(3)
        await master.close("echo", EndReason.REQUESTED)
        await asyncio.wait_for(echo.ended.wait(), 5)
    assert [e.reason for e in recorder.all(Ended)] == [EndReason.REQUESTED]
    await master.close("echo")
    await master.close("nobody")


async def test_closing_before_the_answer_is_there(make_master, recorder) -> None:
    master = make_master()
    async with UdpServer() as silent:
        servers = [Server((f"turn:127.0.0.1:{silent.port}",), "u", "p")]
        answering = asyncio.create_task(master.answer("echo", ECHO, servers))
        await silent.asked.wait()
        await master.close("echo")
        with pytest.raises(OfferRefused) as caught:
            await answering
    assert caught.value.reason is RefusalReason.SUPERSEDED
    assert not recorder.events


async def test_cancelled_answer_leaves_nothing(make_master, recorder) -> None:
    master = make_master()
    async with UdpServer() as silent:
        servers = [Server((f"turn:127.0.0.1:{silent.port}",), "u", "p")]
        answering = asyncio.create_task(master.answer("echo", ECHO, servers))
        await silent.asked.wait()
        answering.cancel()
        with pytest.raises(asyncio.CancelledError):
            await answering
        assert master.viewers == 0
    assert not recorder.events


async def test_shutdown_while_answering(make_master) -> None:
    master = make_master()
    async with UdpServer() as silent:
        servers = [Server((f"stun:127.0.0.1:{silent.port}",))]
        answering = asyncio.create_task(master.answer("echo", ECHO, servers))
        await silent.asked.wait()
        await master.shutdown()
        with pytest.raises(OfferRefused) as caught:
            await answering
    assert caught.value.reason is RefusalReason.SHUTTING_DOWN
    assert await refusal(master, ECHO) == RefusalReason.SHUTTING_DOWN
    await master.add_candidate("echo", "1 1 udp 1 198.51.100.21 1 typ host")
    assert not master._early


async def test_shutdown_ends_running_sessions(make_master, recorder: Recorder) -> None:
    master = make_master()
    async with EchoPeer() as echo:
        await echo.accept(await master.answer("echo", await echo.offer(), []))
        await echo.wait_frames(3)
        await master.shutdown()
        await asyncio.wait_for(echo.ended.wait(), 5)
    assert [e.reason for e in recorder.all(Ended)] == [EndReason.SHUTDOWN]
    assert not master.feed.is_open


async def test_refusals_leave_nothing_and_the_next_offer_works(
    master: MasterPeer,
) -> None:
    tasks = asyncio.all_tasks()
    for path in sorted(FIXTURES.glob("bad-*.sdp")):
        began = time.perf_counter()
        await refusal(master, path.read_text())
        assert time.perf_counter() - began < 2
        assert asyncio.all_tasks() == tasks
    assert await master.answer("echo", ECHO, [])


async def test_what_nobody_foresaw_is_refused_without_its_text(
    make_master, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise LookupError("a=ice-pwd:secret")

    module = "custom_components.kinesis_webrtc.peer"
    master = make_master()
    with monkeypatch.context() as patch:
        patch.setattr(f"{module}.master.normalise", fail)
        assert await refusal(master, ECHO) == RefusalReason.UNEXPECTED
    with monkeypatch.context() as patch:
        patch.setattr(f"{module}.session.compose", fail)
        assert await refusal(master, ECHO) == RefusalReason.UNEXPECTED
    assert master.viewers == 0
    errors = [r for r in caplog.records if r.levelno == logging.ERROR]
    assert [r.getMessage() for r in errors] == [
        "An offer failed unexpectedly: LookupError"
    ] * 2
    assert "secret" not in caplog.text


async def test_unsupported_codec_ends_sessions_with_its_name(
    make_master, recorder: Recorder, tmp_path
) -> None:
    path = make_unknown_clip(tmp_path)
    answered = asyncio.Event()

    class Slow(FileSource):
        async def resolve(self) -> StreamUrl:
            await answered.wait()
            return await super().resolve()

    master = make_master(source=Slow(path))
    await master.answer("echo", ECHO, [])
    answered.set()
    ended = await recorder.wait(Ended)
    assert (ended.reason, ended.detail) == (
        EndReason.UNSUPPORTED_CODEC,
        "unknown_codec",
    )


async def test_camera_that_fails_before_the_answer_refuses_the_offer(
    make_master,
) -> None:
    class Off:
        async def resolve(self) -> StreamUrl:
            raise SourceError("camera_off")

    master = make_master(source=Off())
    async with UdpServer() as silent:
        servers = [Server((f"stun:127.0.0.1:{silent.port}",))]
        with pytest.raises(OfferRefused) as caught:
            await master.answer("echo", ECHO, servers)
    assert caught.value.reason is RefusalReason.CAMERA_OFF
    assert master.viewers == 0


async def test_every_session_has_a_certificate_of_its_own(make_master) -> None:
    def fingerprints(answer: str) -> set[str]:
        return {one for one in answer.splitlines() if one.startswith("a=fingerprint:")}

    master = make_master()
    first = fingerprints(await master.answer("a", ECHO, []))
    # A browser that restarts ICE would go on with the first one's keys.
    assert first.isdisjoint(fingerprints(await master.answer("a", ECHO, [])))


async def test_moved_internals_are_told_when_preparing(
    make_master, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "custom_components.kinesis_webrtc.peer.internals.missing", lambda: ["a.b"]
    )
    with pytest.raises(IncompatibleLibraryError, match=r"a\.b"):
        await make_master().prepare()


async def test_names_of_servers_are_looked_up_ahead(
    make_master, monkeypatch: pytest.MonkeyPatch
) -> None:
    master = make_master()
    await master.resolve([Server(("stun:127.0.0.1:1",))])
    assert not master._resolver._known


async def test_harmless_changes_are_answered(make_master) -> None:
    master = make_master(limits={"linger": 30.0})
    for text in mutations(harmless, 60):
        assert "m=video" in await master.answer("echo", text, [])


async def test_changed_offers_connect(make_master, recorder: Recorder) -> None:
    import random

    rng = random.Random(42)
    master = make_master(viewer_limit=40)
    for number in range(40):
        viewer_id = f"echo{number}"
        async with EchoPeer(audio=bool(number % 3)) as echo:
            offer = harmless(await echo.offer(), rng)
            await echo.accept(await master.answer(viewer_id, offer, []))
            await recorder.wait(Connected, viewer_id)
    for number in range(40):
        await recorder.wait(Ended, f"echo{number}")


async def test_damaged_offers_never_surprise(
    make_master, caplog: pytest.LogCaptureFixture
) -> None:
    master = make_master(limits={"linger": 60.0})
    answered = 0
    for number, text in enumerate(mutations(damage, 1000)):
        began = time.perf_counter()
        try:
            await master.answer(f"viewer{number % 5}", text, [])
            answered += 1
        except OfferRefused as err:
            assert err.reason is not RefusalReason.UNEXPECTED, text  # noqa: PT017
            assert time.perf_counter() - began < 2
    assert answered > 300
    assert not [r for r in caplog.records if r.levelno >= logging.WARNING]
