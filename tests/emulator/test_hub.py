"""Messages: what is taken, where it goes, how long it is kept."""

import json
from typing import Any

import pytest

from . import FaultKind, KvsEmulator
from .conftest import Aws, Socket, call, encoded


async def pair(aws: Aws, arn: str) -> tuple[Socket, Socket]:
    """Return a connected master and a viewer."""
    return await aws.connect(arn), await aws.connect(arn, "viewer")


async def test_members_may_begin_with_a_capital(aws: Aws, arn: str) -> None:
    master, viewer = await pair(aws, arn)
    await viewer.send(action="SDP_OFFER", MessagePayload=encoded("offer"))
    await master.receive()
    await master.send(
        Action="SDP_ANSWER", MessagePayload=encoded("a"), RecipientClientId="viewer"
    )
    assert (await viewer.receive())["messagePayload"] == encoded("a")


async def test_a_viewer_always_speaks_to_the_master(aws: Aws, arn: str) -> None:
    master, viewer = await pair(aws, arn)
    other = await aws.connect(arn, "other")
    await viewer.send(
        action="SDP_OFFER", messagePayload=encoded(), recipientClientId="other"
    )
    assert (await master.receive())["senderClientId"] == "viewer"
    with pytest.raises(TimeoutError):
        await other.socket.receive(timeout=0.05)


@pytest.mark.parametrize(
    "members",
    [
        {"action": "SDP_OFFERS"},
        {"action": None},
        {"messagePayload": None},
        {"messagePayload": ""},
        {"messagePayload": 5},
        {"messagePayload": "not base64!"},
        {"messagePayload": "A" * 10_001},
        {"recipientClientId": None},
        {"recipientClientId": ""},
        {"recipientClientId": "a" * 257},
    ],
)
async def test_a_bad_message_is_reported_only_if_it_can_be_named(
    aws: Aws, arn: str, members: dict[str, Any]
) -> None:
    master, viewer = await pair(aws, arn)
    good = {
        "action": "SDP_ANSWER",
        "messagePayload": encoded(),
        "recipientClientId": "viewer",
    }
    await master.send(**good | members)
    await master.send(**good | members, correlationId="the-second")
    assert await master.receive() == {
        "messageType": "STATUS_RESPONSE",
        "statusResponse": {
            "correlationId": "the-second",
            "errorType": "InvalidArgumentException",
            "statusCode": "400",
            "description": aws.emulator.journal.messages[-1].outcome.split(": ", 2)[2],
            "success": False,
        },
    }
    await master.send(**good)
    assert (await viewer.receive())["messagePayload"] == encoded()


async def test_a_message_as_large_as_allowed_passes(aws: Aws, arn: str) -> None:
    master, viewer = await pair(aws, arn)
    await viewer.send(action="SDP_OFFER", messagePayload="A" * 10_000)
    assert len((await master.receive())["messagePayload"]) == 10_000


@pytest.mark.parametrize("correlation_id", ["with space", "a" * 257, "", 5])
async def test_a_bad_correlation_id_is_refused_in_silence(
    aws: Aws, arn: str, correlation_id: object
) -> None:
    _, viewer = await pair(aws, arn)
    message = {"action": "SDP_OFFER", "messagePayload": encoded()}
    await viewer.send(**message, correlationId=correlation_id)
    journal = aws.emulator.journal
    await aws.emulator.wait_for(lambda: journal.messages)
    assert "correlationId" in journal.messages[-1].outcome
    with pytest.raises(TimeoutError):
        await viewer.socket.receive(timeout=0.05)


async def test_success_is_not_reported(aws: Aws, arn: str) -> None:
    master, viewer = await pair(aws, arn)
    await viewer.send(
        action="SDP_OFFER", messagePayload=encoded(), correlationId="good"
    )
    await master.receive()
    with pytest.raises(TimeoutError):
        await viewer.socket.receive(timeout=0.05)


@pytest.mark.parametrize("text", ["", "not JSON", "[]", '"text"', "{"])
async def test_nonsense_is_ignored(aws: Aws, arn: str, text: str) -> None:
    master, viewer = await pair(aws, arn)
    await viewer.socket.send_str(text)
    await viewer.socket.send_bytes(b"binary")
    await viewer.send(action="SDP_OFFER", messagePayload=encoded("still there"))
    assert (await master.receive())["messagePayload"] == encoded("still there")


async def test_a_frame_that_is_far_too_large_ends_the_connection(
    aws: Aws, arn: str
) -> None:
    socket = await aws.connect(arn)
    await socket.socket.send_str("A" * 200_000)
    assert await socket.closed() == 1009


@pytest.mark.parametrize(
    ("action", "rate"), [("SDP_OFFER", 5), ("SDP_ANSWER", 5), ("ICE_CANDIDATE", 20)]
)
async def test_a_connection_sends_only_so_many_in_a_second(
    aws: Aws, arn: str, emulator: KvsEmulator, action: str, rate: int
) -> None:
    emulator.limits.update({"sdp_rate": 5, "candidate_rate": 20})
    master, viewer = await pair(aws, arn)
    for number in range(rate + 1):
        await viewer.send(
            action=action, messagePayload=encoded(), correlationId=str(number)
        )
    status = (await viewer.receive())["statusResponse"]
    assert status["errorType"] == "ClientLimitExceededException"
    assert status["correlationId"] == str(rate)
    for _ in range(rate):
        await master.receive()
    # Candidates and descriptions are counted apart, and connections too.
    other = await aws.connect(arn, "other")
    await other.send(action=action, messagePayload=encoded())
    await master.receive()
    apart = "SDP_OFFER" if action == "ICE_CANDIDATE" else "ICE_CANDIDATE"
    await viewer.send(action=apart, messagePayload=encoded())
    assert (await master.receive())["messageType"] == apart


async def test_candidates_are_followed_by_empty_frames(
    aws: Aws, arn: str, emulator: KvsEmulator
) -> None:
    master, viewer = await pair(aws, arn)
    candidate = {"action": "ICE_CANDIDATE", "messagePayload": encoded()}
    await viewer.send(**candidate)
    texts = [await master.socket.receive_str(timeout=2) for _ in range(2)]
    assert json.loads(texts[0])["messageType"] == "ICE_CANDIDATE"
    assert not texts[1]

    emulator.behaviour.empty_frames = False
    await viewer.send(**candidate)
    await viewer.send(**candidate)
    for _ in range(2):
        assert await master.socket.receive_str(timeout=2)


async def test_messages_wait_for_the_master(aws: Aws, arn: str) -> None:
    viewer = await aws.connect(arn, "viewer")
    other = await aws.connect(arn, "other")
    await viewer.send(action="SDP_OFFER", messagePayload=encoded("first"))
    await viewer.send(action="ICE_CANDIDATE", messagePayload=encoded("candidate"))
    await other.send(action="SDP_OFFER", messagePayload=encoded("other"))
    await viewer.send(action="SDP_OFFER", messagePayload=encoded("second"))
    journal = aws.emulator.journal
    await aws.emulator.wait_for(
        lambda: [m.outcome for m in journal.messages].count("stored") == 4
    )
    master = await aws.connect(arn)
    received = [(await master.receive())["messagePayload"] for _ in range(3)]
    # A newer description takes the place of the older one of the same viewer.
    assert received.count(encoded("first")) == 0
    assert set(received) == {encoded(t) for t in ("candidate", "other", "second")}

    # What was delivered is gone, although nobody answered it.
    again = await aws.connect(arn)
    with pytest.raises(TimeoutError):
        await again.socket.receive(timeout=0.05)


async def test_messages_wait_for_a_viewer(aws: Aws, arn: str) -> None:
    master = await aws.connect(arn)
    await master.send(
        action="SDP_ANSWER", messagePayload=encoded(), recipientClientId="Late-1"
    )
    await aws.emulator.wait_for(lambda: aws.emulator.journal.messages)
    stranger = await aws.connect(arn, "late-1")
    viewer = await aws.connect(arn, "Late-1")
    assert (await viewer.receive())["messageType"] == "SDP_ANSWER"
    with pytest.raises(TimeoutError):
        await stranger.socket.receive(timeout=0.05)


async def test_undelivered_messages_expire(aws: Aws, emulator: KvsEmulator) -> None:
    emulator.limits.message_ttl_scale = 0.01
    arn = emulator.create_channel("short", message_ttl=10).arn
    viewer = await aws.connect(arn, "viewer")
    await viewer.send(action="SDP_OFFER", messagePayload=encoded())
    await emulator.wait_for(lambda: emulator.journal.messages)
    with pytest.raises(TimeoutError):
        await viewer.socket.receive(timeout=0.15)
    master = await aws.connect(arn)
    await emulator.wait_for(lambda: emulator.journal.messages[-1].outcome == "expired")
    with pytest.raises(TimeoutError):
        await master.socket.receive(timeout=0.05)


async def test_a_new_ttl_is_for_later_messages(aws: Aws, emulator: KvsEmulator) -> None:
    emulator.limits.message_ttl_scale = 0.01
    channel = emulator.create_channel("short", message_ttl=120)
    viewer = await aws.connect(channel.arn, "viewer")
    await viewer.send(action="SDP_OFFER", messagePayload=encoded())
    await emulator.wait_for(lambda: emulator.journal.messages)
    channel.message_ttl = 5
    with pytest.raises(TimeoutError):
        await viewer.socket.receive(timeout=0.1)
    master = await aws.connect(channel.arn)
    await master.receive()


async def test_offers_of_a_master_go_nowhere_unless_switched_on(
    aws: Aws, arn: str, emulator: KvsEmulator
) -> None:
    master, viewer = await pair(aws, arn)
    offer = {
        "action": "SDP_OFFER",
        "messagePayload": encoded(),
        "recipientClientId": "viewer",
    }
    await master.send(**offer)
    await emulator.wait_for(lambda: emulator.journal.messages)
    assert emulator.journal.messages[-1].outcome == "swallowed"
    emulator.behaviour.master_offers = True
    await master.send(**offer)
    assert (await viewer.receive())["messageType"] == "SDP_OFFER"


async def test_with_media_storage_nothing_goes_from_peer_to_peer(
    aws: Aws, arn: str, emulator: KvsEmulator
) -> None:
    await call(
        aws.control.update_media_storage_configuration,
        ChannelARN=arn,
        MediaStorageConfiguration={
            "Status": "ENABLED",
            "StreamARN": emulator.add_stream("stream"),
        },
    )
    master, viewer = await pair(aws, arn)
    await viewer.send(action="SDP_OFFER", messagePayload=encoded())
    await emulator.wait_for(lambda: emulator.journal.messages)
    with pytest.raises(TimeoutError):
        await master.socket.receive(timeout=0.05)


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (FaultKind.SWALLOW, ["second"]),
        (FaultKind.DUPLICATE, ["first", "first", "second"]),
        (FaultKind.DELAY, ["second", "first"]),
    ],
)
async def test_messages_get_lost_doubled_and_late(
    aws: Aws, arn: str, emulator: KvsEmulator, kind: FaultKind, expected: list[str]
) -> None:
    master, viewer = await pair(aws, arn)
    emulator.add_fault(kind, "SDP_OFFER", count=1, delay=0.1)
    for text in ("first", "second"):
        await viewer.send(action="SDP_OFFER", messagePayload=encoded(text))
    received = [(await master.receive())["messagePayload"] for _ in expected]
    assert received == [encoded(text) for text in expected]


async def test_messages_get_garbled(aws: Aws, arn: str, emulator: KvsEmulator) -> None:
    master, viewer = await pair(aws, arn)
    emulator.add_fault("garble", "ICE_CANDIDATE", channel="front-door")
    await viewer.send(action="ICE_CANDIDATE", messagePayload=encoded("good"))
    assert (await master.receive())["messagePayload"] != encoded("good")


async def test_a_late_message_does_not_outlive_the_service(
    aws: Aws, arn: str, emulator: KvsEmulator
) -> None:
    _, viewer = await pair(aws, arn)
    emulator.add_fault("delay", "SDP_OFFER", delay=60)
    await viewer.send(action="SDP_OFFER", messagePayload=encoded())
    await viewer.send(action="ICE_CANDIDATE", messagePayload=encoded())
    await emulator.wait_for(lambda: emulator.journal.messages)
    await emulator.stop()
    assert [m.type for m in emulator.journal.messages] == ["ICE_CANDIDATE"]
