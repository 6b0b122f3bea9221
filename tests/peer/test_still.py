"""A viewer for one picture gets it from any master, and leaves nothing behind."""

import asyncio
from collections.abc import AsyncIterator, Callable
import io

import av
import pytest

from custom_components.kinesis_webrtc.peer import (
    AddressRules,
    CandidateGathered,
    Connected,
    Limits,
    MasterPeer,
    Picture,
    SessionEvent,
    StillError,
    StillViewer,
    internals,
    normalise,
)
from custom_components.kinesis_webrtc.peer.sdp import parse
from tests.helpers.servers import Coturn

from .conftest import FileSource, Recorder


@pytest.fixture
async def viewer() -> AsyncIterator[StillViewer]:
    viewer = StillViewer(on_candidate=lambda *_: None, limits=Limits(close_timeout=0.5))
    yield viewer
    await viewer.close()


@pytest.fixture
def picture() -> Picture:
    frame = av.VideoFrame(320, 240, "yuv420p")
    for number, plane in enumerate(frame.planes):
        plane.update(bytes([60 + 40 * number]) * plane.buffer_size)
    return Picture(frame)


def size_of(jpeg: bytes) -> tuple[int, int]:
    assert jpeg[:3] == b"\xff\xd8\xff"
    with av.open(io.BytesIO(jpeg), format="mjpeg") as container:
        frame = next(container.decode(video=0))
        return frame.width, frame.height


async def test_gets_a_picture(
    viewer: StillViewer, master: MasterPeer, recorder: Recorder
) -> None:
    await viewer.accept(await master.answer("still", await viewer.offer([]), []))

    async with asyncio.timeout(10):
        picture = await viewer.picture()

    assert size_of(picture.jpeg()) == (320, 240)
    # The bar of the clip's first pictures, brighter than what is behind it.
    columns = picture.frame.to_ndarray(format="gray").mean(axis=0)
    assert columns.max() - columns.min() > 40


async def test_the_offer_is_one_that_masters_answer_at_once(
    viewer: StillViewer,
) -> None:
    offer = await viewer.offer([])

    assert normalise(offer, rules=AddressRules(loopback=True)).trickle
    (section,) = parse(offer).sections
    assert section.kind == "video"
    assert section.has("recvonly")
    names = {value.split()[1] for value in section.values("rtpmap")}
    assert names == {"H264/90000", "rtx/90000"}
    assert len(section.values("fingerprint")) == 1
    assert not section.has("end-of-candidates")


async def test_candidates_of_both_sides_may_come_late(
    viewer: StillViewer, make_master: Callable[..., MasterPeer]
) -> None:
    def tell(event: SessionEvent) -> None:
        if isinstance(event, CandidateGathered):
            viewer.add_candidate(event.candidate)

    master = make_master(on_event=tell)
    await master.prepare()
    answer = await master.answer("still", await viewer.offer([]), [])
    candidates = [line for line in answer.splitlines() if "candidate:" in line]
    assert candidates
    await viewer.accept(
        "".join(f"{line}\r\n" for line in answer.splitlines() if line not in candidates)
    )

    for candidate in ("", "candidate:junk", *candidates):
        viewer.add_candidate(candidate.removeprefix("a="))

    async with asyncio.timeout(10):
        await viewer.picture()


async def test_candidates_of_servers_follow_the_offer(
    coturn: Coturn,
) -> None:
    relay: asyncio.Future[tuple[str, int]] = asyncio.Future()

    def gathered(candidate: str, mid: str, index: int) -> None:
        if "typ relay" in candidate and not relay.done():
            relay.set_result((mid, index))

    viewer = StillViewer(on_candidate=gathered)
    offer = await viewer.offer([coturn.turn()])
    assert "typ relay" not in offer

    async with asyncio.timeout(5):
        assert await relay == ("0", 0)
    await viewer.close()


@pytest.mark.parametrize("answer", ["", "v=0\r\n", "junk"])
async def test_an_unusable_answer_is_told(viewer: StillViewer, answer: str) -> None:
    await viewer.offer([])
    with pytest.raises(StillError):
        await viewer.accept(answer)


async def test_an_answer_to_nothing_is_told(viewer: StillViewer) -> None:
    with pytest.raises(StillError):
        await viewer.accept("v=0\r\n")
    viewer.add_candidate("candidate:1 1 udp 1 127.0.0.1 9 typ host")


async def test_a_master_that_goes_away_is_told(
    viewer: StillViewer,
    master: MasterPeer,
    source: FileSource,
    recorder: Recorder,
) -> None:
    source.path = source.path.with_name("missing.mp4")
    await viewer.accept(await master.answer("still", await viewer.offer([]), []))
    waiting = asyncio.create_task(viewer.picture())
    await recorder.wait(Connected)

    await master.close("still")

    async with asyncio.timeout(10):
        with pytest.raises(StillError):
            await waiting


async def test_waiting_can_be_given_up(viewer: StillViewer) -> None:
    await viewer.offer([])
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await viewer.picture()


async def test_a_viewer_that_never_offered_leaves_quietly() -> None:
    viewer = StillViewer(on_candidate=lambda *_: None)
    await viewer.close()


@pytest.mark.parametrize(
    ("asked", "given"),
    [
        ((None, None), (320, 240)),
        ((160, None), (160, 120)),
        ((None, 60), (80, 60)),
        ((160, 60), (80, 60)),
        ((4000, 3000), (320, 240)),
        ((1, 1), (2, 2)),
    ],
)
def test_a_picture_fits_into_the_asked_size(
    picture: Picture, asked: tuple[int | None, int | None], given: tuple[int, int]
) -> None:
    assert size_of(picture.jpeg(*asked)) == given


def test_a_picture_keeps_its_colours(picture: Picture) -> None:
    with av.open(io.BytesIO(picture.jpeg()), format="mjpeg") as container:
        decoded = next(container.decode(video=0)).to_ndarray(format="rgb24")
    original = picture.frame.to_ndarray(format="rgb24")
    assert abs(decoded.astype(int) - original.astype(int)).max() < 12


async def test_only_plausible_addresses_of_an_answer_are_tried(
    master: MasterPeer,
) -> None:
    viewer = StillViewer(on_candidate=lambda *_: None)
    try:
        answer = await master.answer("still", await viewer.offer([]), [])
        for address in ("169.254.169.254", "printer.local", "224.0.0.251", "fe80::1"):
            answer += f"a=candidate:9 1 udp 1 {address} 5000 typ host\r\n"
        await viewer.accept(answer)
        connection = internals.ice_connection(viewer._transceiver.receiver.transport)
        assert {each.host for each in connection.remote_candidates} == {"127.0.0.1"}
    finally:
        await viewer.close()


async def test_an_answer_without_an_end_is_not_read() -> None:
    viewer = StillViewer(on_candidate=lambda *_: None)
    try:
        await viewer.offer([])
        with pytest.raises(StillError, match="too long"):
            await viewer.accept("v=0\r\n" + "a=x\r\n" * 20_000)
    finally:
        await viewer.close()
