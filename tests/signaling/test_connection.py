import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
import logging
from typing import Any

import aiohttp
import pytest

from custom_components.kinesis_webrtc.signaling import (
    ConnectionState,
    ConnectionTimes,
    Credentials,
    GoAway,
    IceCandidate,
    InvalidArgumentError,
    Message,
    NotAuthorizedError,
    NotConnectedError,
    Notice,
    PayloadTooLargeError,
    ReconnectIceServer,
    ResourceNotFoundError,
    Role,
    SdpAnswer,
    SdpOffer,
    ServiceError,
    SignalingClient,
    SignalingConnection,
    SignalingError,
    StatusResponse,
    UnsupportedRegionError,
    encode_payload,
)
from tests.emulator import Channel, KvsEmulator, User

from .conftest import CREDENTIALS, MakeClient
from .recorder import QUICK, Connections, Recorder

SDP = "v=0\r\no=- 1 2 IN IP4 0.0.0.0\r\na=ice-pwd:VerySecret\r\n"


def policy(*actions: str) -> dict[str, Any]:
    allowed = [f"kinesisvideo:{action}" for action in actions]
    return {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": allowed, "Resource": "*"}],
    }


def let_user_only(emulator: KvsEmulator, *actions: str) -> None:
    emulator.add_user(
        User(
            access_key_id=CREDENTIALS.access_key_id,
            secret_access_key=CREDENTIALS.secret_access_key,
            policies=[policy(*actions)],
        )
    )


# Messages


async def test_offer_answer_and_candidates_go_both_ways(
    connections: Connections,
) -> None:
    master = await connections.master()
    viewer = await connections.viewer("Viewer-A")
    to_master = IceCandidate(candidate="candidate:1", sdp_mid="0", sdp_m_line_index=0)
    to_viewer = replace(to_master, candidate="candidate:2", client_id="Viewer-A")

    await viewer.connection.send(SdpOffer(sdp=SDP))
    await viewer.connection.send(to_master)
    offer, candidate = await master.wait_messages(2)
    assert isinstance(offer, SdpOffer)
    await master.connection.send(offer.answer(SDP))
    await master.connection.send(to_viewer)
    answers = await viewer.wait_messages(2)

    assert offer == SdpOffer(sdp=SDP, sender_client_id="Viewer-A")
    assert candidate == replace(to_master, client_id="Viewer-A")
    assert answers == [SdpAnswer(sdp=SDP), replace(to_viewer, client_id=None)]


async def test_messages_reach_only_their_viewer(connections: Connections) -> None:
    master = await connections.master()
    one = await connections.viewer("one")
    two = await connections.viewer("two")

    await master.connection.send(Notice(content={"for": "two"}, client_id="two"))
    await master.connection.send(Notice(content={"for": "one"}, client_id="one"))

    assert await one.wait_messages() == [Notice(content={"for": "one"})]
    assert await two.wait_messages() == [Notice(content={"for": "two"})]


async def test_fragmented_messages_are_read(
    connections: Connections, emulator: KvsEmulator
) -> None:
    emulator.behaviour.frame_size = 500
    master = await connections.master()
    viewer = await connections.viewer()
    sdp = SDP + "a" * 7000

    await viewer.connection.send(SdpOffer(sdp=sdp))

    (offer,) = await master.wait_messages()
    assert isinstance(offer, SdpOffer)
    assert offer.sdp == sdp


async def test_message_that_waited_is_delivered_at_connect(
    connections: Connections,
) -> None:
    viewer = await connections.viewer()
    await viewer.connection.send(SdpOffer(sdp=SDP))

    master = await connections.master()

    assert await master.wait_messages() == [
        SdpOffer(sdp=SDP, sender_client_id="viewer")
    ]


async def test_refused_message_is_reported(
    connections: Connections, caplog: pytest.LogCaptureFixture
) -> None:
    first = await connections.master()
    await connections.master()

    await first.connection.send(SdpAnswer(sdp=SDP, recipient_client_id="v"))

    (status,) = await first.wait_messages()
    assert isinstance(status, StatusResponse)
    assert status.error_type == "InvalidClientException"
    assert "did not deliver SdpAnswer" in caplog.text


async def test_correlation_ids_are_unique(
    connections: Connections, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[str] = []
    send_str = aiohttp.ClientWebSocketResponse.send_str

    async def record(self: Any, data: str, compress: int | None = None) -> None:
        sent.append(data.partition('"correlationId":"')[2].partition('"')[0])
        await send_str(self, data, compress)

    monkeypatch.setattr(aiohttp.ClientWebSocketResponse, "send_str", record)
    viewer = await connections.viewer()
    for _ in range(3):
        await viewer.connection.send(IceCandidate(candidate=""))

    assert len(set(sent)) == 3
    assert all(text.isalnum() for text in sent)


async def test_oversize_payload_is_never_sent(
    connections: Connections, emulator: KvsEmulator
) -> None:
    master = await connections.master()

    with pytest.raises(PayloadTooLargeError):
        await master.connection.send(SdpAnswer(sdp="v" * 8000, recipient_client_id="v"))

    assert not emulator.journal.messages


async def test_many_sends_keep_the_quotas_of_the_websocket(
    connections: Connections, emulator: KvsEmulator
) -> None:
    viewer = await connections.viewer()
    send = viewer.connection.send

    await asyncio.gather(
        *(send(IceCandidate(candidate=str(n))) for n in range(30)),
        *(send(SdpOffer(sdp=SDP)) for _ in range(7)),
    )
    await emulator.wait_for(lambda: len(emulator.journal.messages) >= 37)

    assert not any("refused" in seen.outcome for seen in emulator.journal.messages)


async def test_sender_waits_for_the_websocket(
    connections: Connections, emulator: KvsEmulator
) -> None:
    viewer = connections.start(Role.VIEWER, client_id="v")

    await viewer.connection.send(SdpOffer(sdp=SDP))

    await emulator.wait_for(lambda: emulator.journal.messages)


async def test_sender_does_not_wait_for_ever(
    connections: Connections, emulator: KvsEmulator
) -> None:
    emulator.add_fault("error", "ConnectAsMaster", status=503)
    master = connections.start(times=replace(QUICK, send=0.05))

    with pytest.raises(NotConnectedError):
        await master.connection.send(SdpAnswer(sdp=SDP, recipient_client_id="v"))


async def test_message_of_a_broken_socket_goes_out_on_the_next(
    connections: Connections, emulator: KvsEmulator
) -> None:
    viewer = await connections.viewer("v")
    websocket = viewer.connection._websocket
    assert websocket is not None
    websocket.retire()
    sending = asyncio.create_task(viewer.connection.send(SdpOffer(sdp=SDP)))
    await asyncio.sleep(0)
    emulator.viewers("camera")["v"].cut()

    async with asyncio.timeout(5):
        await sending

    await emulator.wait_for(lambda: emulator.journal.messages)
    assert emulator.journal.calls["ConnectAsViewer"] == 2


async def test_viewer_needs_a_client_id(
    client: SignalingClient, session: aiohttp.ClientSession, channel: Channel
) -> None:
    with pytest.raises(InvalidArgumentError):
        SignalingConnection(
            client=client,
            session=session,
            channel_arn=channel.arn,
            role=Role.VIEWER,
            on_message=print,
            on_state=print,
        )


async def test_client_id_of_aws_is_refused_before_connecting(
    connections: Connections, emulator: KvsEmulator
) -> None:
    viewer = connections.start(Role.VIEWER, client_id="AWS_viewer")

    await viewer.wait_for(lambda: viewer.error_keys == ["invalid_argument"])

    assert not emulator.journal.calls["ConnectAsViewer"]


# The end of a websocket, and the next


async def test_go_away_is_answered_with_the_next_socket_first(
    connections: Connections, emulator: KvsEmulator
) -> None:
    master = await connections.master()
    old = await emulator.wait_for_master("camera")

    old.go_away(30)
    await emulator.wait_for(lambda: emulator.master("camera") is not old)
    await emulator.wait_for(lambda: old not in emulator.connections("camera"))

    assert master.messages == [GoAway()]
    assert [state.connected for state in master.states] == [True]
    assert emulator.journal.calls["ConnectAsMaster"] == 2


async def test_replaced_socket_still_delivers(
    connections: Connections, emulator: KvsEmulator
) -> None:
    master = await connections.master(times=replace(QUICK, linger=5))
    old = await emulator.wait_for_master("camera")
    old.go_away(30)
    await emulator.wait_for(lambda: emulator.master("camera") is not old)

    old.reconnect_ice_server()

    assert await master.wait_messages(2) == [GoAway(), ReconnectIceServer()]


async def test_messages_that_wait_for_their_turn_go_out_on_the_next_socket(
    connections: Connections, emulator: KvsEmulator
) -> None:
    master = await connections.master(times=replace(QUICK, linger=5))
    old = await emulator.wait_for_master("camera")
    answers = [SdpAnswer(sdp=SDP, recipient_client_id=f"v{n}") for n in range(8)]
    sending = asyncio.gather(*map(master.connection.send, answers))
    await emulator.wait_for(lambda: len(emulator.journal.messages) == 5)

    old.go_away(30)
    await sending
    await emulator.wait_for(lambda: len(emulator.journal.messages) == 8)

    assert emulator.master("camera") is not old
    assert not any("refused" in seen.outcome for seen in emulator.journal.messages)


async def test_socket_stays_while_the_next_is_refused(
    connections: Connections, emulator: KvsEmulator
) -> None:
    master = await connections.master()
    old = await emulator.wait_for_master("camera")
    emulator.limits.without_rates()
    emulator.add_fault("error", "ConnectAsMaster", status=503)
    old.go_away(30)
    await emulator.wait_for(lambda: emulator.journal.calls["ConnectAsMaster"] >= 4)

    assert master.connection.connected
    old.cut()
    await master.wait_for(lambda: not master.connection.connected)
    emulator.faults.clear()
    await master.wait_connected(2)


async def test_socket_is_renewed_before_its_hour_is_over(
    connections: Connections, emulator: KvsEmulator
) -> None:
    master = await connections.master(times=replace(QUICK, renew=0.5))

    await emulator.wait_for(lambda: emulator.journal.calls["ConnectAsMaster"] == 3)

    assert [state.connected for state in master.states] == [True]


async def test_close_after_a_long_time_is_followed_at_once(
    connections: Connections, emulator: KvsEmulator
) -> None:
    slow = replace(QUICK, backoff_floor=30, backoff_cap=30)
    master = await connections.master(times=slow)

    (await emulator.wait_for_master("camera")).close(1001, "Going away")

    await master.wait_connected(2)
    assert [state.connected for state in master.states] == [True, False, True]
    assert master.error_keys == []


async def test_each_connect_is_signed_anew(
    connections: Connections,
    client: SignalingClient,
    emulator: KvsEmulator,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    urls: list[str] = []
    presigned_url = client.presigned_url

    async def record(arn: str, role: Role, *, client_id: str | None = None) -> str:
        urls.append(await presigned_url(arn, role, client_id=client_id))
        return urls[-1]

    monkeypatch.setattr(client, "presigned_url", record)
    offset = timedelta()
    monkeypatch.setattr(client.clock, "_now", lambda: datetime.now(UTC) + offset)
    master = await connections.master()
    offset = timedelta(seconds=5)
    (await emulator.wait_for_master("camera")).cut()
    await master.wait_connected(2)

    assert len(urls) == 2
    assert urls[0] != urls[1]
    assert emulator.journal.calls["GetSignalingChannelEndpoint"] == 1


async def test_half_open_connection_is_noticed(
    connections: Connections, emulator: KvsEmulator
) -> None:
    master = await connections.master(times=replace(QUICK, heartbeat=0.2))

    (await emulator.wait_for_master("camera")).make_half_open()

    await master.wait_connected(2)


async def test_quiet_connection_outlives_the_idle_limit(
    connections: Connections, emulator: KvsEmulator
) -> None:
    emulator.limits.idle_timeout = 0.6
    master = await connections.master(times=replace(QUICK, heartbeat=0.1))
    connection = await emulator.wait_for_master("camera")

    await asyncio.sleep(1.5)

    assert emulator.master("camera") is connection
    assert [state.connected for state in master.states] == [True]


async def test_connection_comes_back_after_an_outage(
    connections: Connections, emulator: KvsEmulator, caplog: pytest.LogCaptureFixture
) -> None:
    emulator.limits.without_rates()
    master = await connections.master()
    with caplog.at_level(logging.INFO, "custom_components.kinesis_webrtc"):
        await emulator.go_offline()
        await master.wait_for(lambda: "cannot_connect" in master.error_keys)
        await asyncio.sleep(0.3)
        await emulator.go_online()
        await master.wait_connected(2)

    ours = [r for r in caplog.records if "kinesis_webrtc" in r.name]
    assert [r.levelname for r in ours] == ["WARNING", "INFO"]
    assert set(master.error_keys) == {"cannot_connect"}


async def test_a_line_that_does_not_last_is_told_once(
    connections: Connections, emulator: KvsEmulator, caplog: pytest.LogCaptureFixture
) -> None:
    emulator.limits.without_rates()
    fragile = replace(QUICK, stable=0.5)
    with caplog.at_level(logging.INFO, "custom_components.kinesis_webrtc"):
        master = await connections.master(times=fragile)
        for number in range(2, 8):
            (await emulator.wait_for_master("camera")).cut()
            await master.wait_connected(number)
        during = [r.levelname for r in caplog.records if "kinesis_webrtc" in r.name]
        await asyncio.sleep(0.8)

    ours = [r.levelname for r in caplog.records if "kinesis_webrtc" in r.name]
    assert during == ["WARNING"]
    assert ours == ["WARNING", "INFO"]
    assert set(master.error_keys) == {"cannot_connect"}


async def test_endpoints_are_kept_while_nothing_is_reached(
    connections: Connections, emulator: KvsEmulator
) -> None:
    emulator.limits.without_rates()
    master = await connections.master()
    asked = emulator.journal.calls["GetSignalingChannelEndpoint"]
    emulator.add_fault("drop", "ConnectAsMaster", count=3)

    (await emulator.wait_for_master("camera")).cut()
    await master.wait_connected(2)

    assert emulator.journal.calls["GetSignalingChannelEndpoint"] == asked


async def test_endpoints_that_are_not_reached_for_long_are_replaced(
    connections: Connections, emulator: KvsEmulator
) -> None:
    emulator.limits.without_rates()
    master = await connections.master()
    asked = emulator.journal.calls["GetSignalingChannelEndpoint"]
    emulator.add_fault("drop", "ConnectAsMaster")

    (await emulator.wait_for_master("camera")).cut()
    await emulator.wait_for(
        lambda: emulator.journal.calls["GetSignalingChannelEndpoint"] > asked
    )
    emulator.faults.clear()

    await master.wait_connected(2)


async def test_a_line_that_is_slower_than_usual_is_connected_over_as_well(
    connections: Connections, monkeypatch: pytest.MonkeyPatch
) -> None:
    reach = aiohttp.connector.aiohappyeyeballs.start_connection

    async def reach_slowly(*args: Any, **options: Any) -> Any:
        await asyncio.sleep(0.3)
        return await reach(*args, **options)

    monkeypatch.setattr(
        aiohttp.connector.aiohappyeyeballs, "start_connection", reach_slowly
    )

    await connections.master(times=replace(QUICK, reach=0.1))


async def test_offer_during_an_outage_is_delivered_after_it(
    connections: Connections, emulator: KvsEmulator
) -> None:
    master = await connections.master()
    emulator.limits.without_rates()
    emulator.add_fault("error", "ConnectAsMaster", status=503)
    (await emulator.wait_for_master("camera")).cut()
    await master.wait_for(lambda: not master.connection.connected)
    viewer = await connections.viewer()
    await viewer.connection.send(SdpOffer(sdp=SDP))
    await emulator.wait_for(lambda: emulator.journal.messages)

    emulator.faults.clear()

    await master.wait_messages()


# Refusals


async def test_refusals_are_answered_with_growing_delays(
    connections: Connections,
    emulator: KvsEmulator,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    emulator.add_fault("error", "ConnectAsMaster", status=503, count=5)
    emulator.limits.without_rates()
    delays: list[float] = []
    master = connections.start(times=replace(QUICK, backoff_floor=0.01))
    reconnecting = master.connection._reconnecting
    after_failure = reconnecting.after_failure

    def record(err: SignalingError, *, took: float) -> float:
        delays.append(after_failure(err, took=took))
        return delays[-1]

    monkeypatch.setattr(reconnecting, "after_failure", record)
    await master.wait_connected()

    assert len(delays) == 5
    assert min(delays) >= 0.01
    assert emulator.journal.calls["ConnectAsMaster"] == 6
    assert emulator.journal.calls["GetSignalingChannelEndpoint"] == 6


def test_a_channel_is_never_asked_more_than_its_quota_allows() -> None:
    times = ConnectionTimes()

    assert times.backoff_floor >= 1
    assert times.backoff_cap <= 30
    assert times.heartbeat * 1.5 < 30
    assert times.renew < 3600


@pytest.mark.parametrize("sign", [1, -1])
async def test_wrong_clock_is_learnt_from_the_refusal(
    sign: int, connections: Connections, emulator: KvsEmulator, client: SignalingClient
) -> None:
    await client.get_endpoints(emulator.channel("camera").arn, Role.MASTER)
    emulator.behaviour.clock_offset = sign * 600

    master = await connections.master()

    assert master.error_keys == []
    assert emulator.journal.calls["ConnectAsMaster"] == 2
    assert abs(client.clock.offset.total_seconds() - sign * 600) < 5


async def test_refused_right_is_named_after_one_fresh_try(
    connections: Connections, emulator: KvsEmulator
) -> None:
    let_user_only(emulator, "GetSignalingChannelEndpoint")
    slow = replace(QUICK, backoff_floor=30, backoff_cap=30)
    master = connections.start(times=slow)

    await master.wait_for(lambda: master.states)

    error = master.states[0].error
    assert isinstance(error, NotAuthorizedError)
    assert error.action == "kinesisvideo:ConnectAsMaster"
    assert emulator.journal.calls["ConnectAsMaster"] == 2
    assert emulator.journal.calls["GetSignalingChannelEndpoint"] == 2


async def test_refused_right_is_not_asked_for_twice_each_time(
    connections: Connections, emulator: KvsEmulator
) -> None:
    let_user_only(emulator, "GetSignalingChannelEndpoint")
    emulator.limits.without_rates()
    master = connections.start()
    await emulator.wait_for(lambda: emulator.journal.calls["ConnectAsMaster"] >= 5)

    assert master.error_keys == ["not_authorized"]
    let_user_only(emulator, "GetSignalingChannelEndpoint", "ConnectAsMaster")
    await master.wait_connected()


async def test_refused_once_means_stale_endpoints(
    connections: Connections, emulator: KvsEmulator
) -> None:
    emulator.add_fault(
        "error", "ConnectAsMaster", count=1, status=403, code="AccessDeniedException"
    )

    master = await connections.master()

    assert master.error_keys == []
    assert emulator.journal.calls["GetSignalingChannelEndpoint"] == 2


async def test_expired_token_is_told(
    connections: Connections, emulator: KvsEmulator
) -> None:
    emulator.add_fault("expired_token", "ConnectAsMaster")
    master = connections.start()

    await master.wait_for(lambda: master.error_keys == ["expired_token"])


async def test_keys_that_were_exchanged_on_the_way_are_not_taken_for_refused(
    connections: Connections,
    client: SignalingClient,
    emulator: KvsEmulator,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    new = Credentials(access_key_id="AKIDNEW", secret_access_key="s")
    emulator.add_user(User(access_key_id="AKIDNEW", secret_access_key="s"))
    presigned_url = client.presigned_url

    async def presign_and_exchange(*arguments: Any, **options: Any) -> str:
        url = await presigned_url(*arguments, **options)
        if client.credentials is not new:
            emulator.remove_user(CREDENTIALS.access_key_id)
            client.exchange_credentials(new)
        return url

    monkeypatch.setattr(client, "presigned_url", presign_and_exchange)
    master = await connections.master()

    assert master.error_keys == []


async def test_missing_channel_is_told(
    connections: Connections, emulator: KvsEmulator
) -> None:
    emulator.limits.without_rates()
    master = await connections.master()

    emulator.delete_channel("camera")

    await master.wait_for(lambda: "resource_not_found" in master.error_keys)
    assert isinstance(master.states[-1].error, ResourceNotFoundError)


async def test_endpoint_that_does_not_know_the_channel_is_replaced(
    connections: Connections, emulator: KvsEmulator
) -> None:
    emulator.add_fault(
        "error",
        "ConnectAsMaster",
        count=1,
        status=404,
        code="ResourceNotFoundException",
    )

    master = await connections.master()

    assert isinstance(master.states[0].error, ServiceError)
    assert emulator.journal.calls["DescribeSignalingChannel"] == 1
    assert emulator.journal.calls["GetSignalingChannelEndpoint"] == 2


async def test_eleventh_viewer_is_told_why(
    connections: Connections, emulator: KvsEmulator
) -> None:
    emulator.limits.viewers = 1
    await connections.viewer("one")
    two = connections.start(Role.VIEWER, client_id="two")

    await two.wait_for(lambda: two.error_keys == ["client_limit_exceeded"])


async def test_connect_that_hangs_is_given_up(
    connections: Connections, emulator: KvsEmulator
) -> None:
    emulator.add_fault("hang", "ConnectAsMaster", count=1)
    master = connections.start(times=replace(QUICK, connect=0.1))

    await master.wait_connected()

    assert master.error_keys == ["cannot_connect"]


@pytest.mark.parametrize(
    "error", [UnsupportedRegionError(), RuntimeError("unexpected"), ValueError()]
)
async def test_no_error_ends_the_reconnecting(
    error: Exception,
    connections: Connections,
    client: SignalingClient,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    presigned_url = client.presigned_url
    errors = [error]

    async def fail_once(*args: Any, **kwargs: Any) -> str:
        if errors:
            raise errors.pop()
        return await presigned_url(*args, **kwargs)

    monkeypatch.setattr(client, "presigned_url", fail_once)

    master = await connections.master()

    assert isinstance(master.states[0].error, SignalingError)


async def test_a_failing_listener_does_not_end_the_reconnecting(
    connections: Connections, emulator: KvsEmulator, caplog: pytest.LogCaptureFixture
) -> None:
    master = connections.start()
    listen = master.on_state

    def fail(state: ConnectionState) -> None:
        listen(state)
        raise ValueError("not a state")

    master.connection._on_state = fail
    await master.wait_connected()
    await emulator.go_offline()
    await emulator.go_online()
    await master.wait_connected(2)

    assert "A listener of the connection failed" in caplog.text


# Others on the same channel


@pytest.mark.parametrize("behaviour", ["close", "deaf"])
async def test_own_renewal_is_no_displacement(
    behaviour: Any, connections: Connections, emulator: KvsEmulator
) -> None:
    emulator.behaviour.displaced_master = behaviour
    emulator.limits.without_rates()
    master = await connections.master(times=replace(QUICK, renew=0.1))

    await emulator.wait_for(lambda: emulator.journal.calls["ConnectAsMaster"] >= 6)

    assert [state.connected for state in master.states] == [True]


def _is_displaced(recorder: Recorder) -> bool:
    return "displaced" in recorder.error_keys


async def test_displaced_master_backs_off_and_says_so(
    connections: Connections, emulator: KvsEmulator
) -> None:
    emulator.behaviour.displaced_master = "close"
    emulator.limits.without_rates()
    fighting = replace(QUICK, stable=60)
    one = await connections.master(times=fighting)
    two = await connections.master(times=fighting)

    for recorder in (one, two):
        await recorder.wait_for(partial(_is_displaced, recorder))

    assert emulator.journal.calls["ConnectAsMaster"] < 12


async def test_viewer_with_the_same_id_ends_the_older(
    connections: Connections, emulator: KvsEmulator
) -> None:
    slow = replace(QUICK, stable=60, backoff_floor=30, backoff_cap=30)
    one = await connections.viewer("same", times=slow)
    two = await connections.viewer("same", times=slow)

    await one.wait_for(lambda: not one.connection.connected)

    assert two.connection.connected


async def test_channels_are_independent(
    connections: Connections, emulator: KvsEmulator
) -> None:
    other = emulator.create_channel("other")
    one = await connections.master()
    two = await connections.master(channel_arn=other.arn)

    emulator.delete_channel("camera")
    await one.wait_for(lambda: not one.connection.connected)

    assert two.connection.connected
    assert [state.connected for state in two.states] == [True]


# Shutting down


async def test_everything_is_closed_when_cancelled(
    connections: Connections, emulator: KvsEmulator
) -> None:
    master = await connections.master(times=replace(QUICK, linger=60))
    old = await emulator.wait_for_master("camera")
    old.go_away(30)
    await emulator.wait_for(lambda: emulator.master("camera") is not old)

    await master.stop()

    await emulator.wait_for(lambda: not emulator.connections("camera"))
    assert [state.connected for state in master.states] == [True, False]
    assert not master.connection.connected
    assert master.task.cancelled()


async def test_cancelling_before_the_first_connect_leaves_nothing(
    connections: Connections, emulator: KvsEmulator
) -> None:
    emulator.add_fault("hang", "ConnectAsMaster")
    master = connections.start()
    await emulator.wait_for(lambda: emulator.journal.calls["ConnectAsMaster"])

    await master.stop()

    assert master.states == []


async def test_logs_hold_no_secrets(
    connections: Connections,
    emulator: KvsEmulator,
    make_client: MakeClient,
    caplog: pytest.LogCaptureFixture,
) -> None:
    emulator.add_user(
        User(
            access_key_id="ASIAX",
            secret_access_key="VerySecret",
            session_token="VerySecret",
        )
    )
    client = make_client(
        credentials=replace(
            CREDENTIALS,
            access_key_id="ASIAX",
            secret_access_key="VerySecret",
            session_token="VerySecret",
        )
    )

    def fail(message: Message) -> None:
        raise RuntimeError

    emulator.limits.without_rates()
    with caplog.at_level(logging.DEBUG, "custom_components.kinesis_webrtc"):
        emulator.add_fault("error", "ConnectAsMaster", count=3, status=403, code="X")
        master = await connections.master(client=client, on_message=fail)
        viewer = await connections.viewer()
        await viewer.connection.send(SdpOffer(sdp=SDP))
        (await emulator.wait_for_master("camera")).send_text(
            f'{{"messageType": "X", "messagePayload": "{encode_payload(SDP)}"}}'
        )
        (await emulator.wait_for_master("camera")).close(1001)
        await master.wait_connected(2)

    formatter = logging.Formatter()
    ours = [formatter.format(r) for r in caplog.records if "kinesis_webrtc" in r.name]
    assert any("A handler of SdpOffer failed" in text for text in ours)
    for secret in ("VerySecret", "X-Amz-Signature", encode_payload(SDP)[:40]):
        assert not any(secret in text for text in ours)
