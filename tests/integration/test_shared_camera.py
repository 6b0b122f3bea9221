"""A shared camera follows its subentry, its channel and its viewers."""

import asyncio
from unittest.mock import AsyncMock, call, patch

from homeassistant.config_entries import ConfigSubentry
from homeassistant.const import STATE_OFF, STATE_ON, STATE_UNKNOWN
from homeassistant.core import HomeAssistant
from homeassistant.helpers import device_registry as dr, entity_registry as er
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.kinesis_webrtc.const import (
    CONF_ALEXA_STREAM,
    CONF_CAMERA,
    CONF_CHANNEL_ARN,
    CONF_SHARING,
    CONF_STUN_SERVER,
    DOMAIN,
)
from custom_components.kinesis_webrtc.peer import (
    AddressRules,
    CandidateGathered,
    Connected,
    Ended,
    EndReason,
    IncompatibleLibraryError,
    KeyFrameSent,
    OfferRefused,
    RefusalReason,
    Timings,
)
from custom_components.kinesis_webrtc.signaling import (
    CannotConnectError,
    ExpiredTokenError,
    GoAway,
    IceCandidate,
    IceServer,
    InvalidCredentialsError,
    ReconnectIceServer,
    SdpOffer,
)

from .conftest import (
    add_camera,
    async_share,
    channel_arn,
    make_entry,
    shared_camera_data,
)
from .masters import Master, Masters

ARN = channel_arn("ha-front-door")


@pytest.fixture
def subentry(entry: MockConfigEntry) -> ConfigSubentry:
    return next(iter(entry.subentries.values()))


def state(hass: HomeAssistant, entity_id: str) -> str:
    found = hass.states.get(entity_id)
    assert found is not None
    return found.state


async def turn(hass: HomeAssistant, service: str) -> None:
    await hass.services.async_call(
        "switch", service, {"entity_id": "switch.front_door_sharing"}, blocking=True
    )
    await hass.async_block_till_done()


async def view(hass: HomeAssistant, master: Master) -> None:
    """Have an Echo watch."""
    master.deliver(SdpOffer(sdp="offer", sender_client_id="echo-1"))
    await hass.async_block_till_done()
    master.on_event(connected("echo-1"))


def connected(viewer_id: str) -> Connected:
    return Connected(viewer_id=viewer_id)


def ended(reason: EndReason) -> Ended:
    return Ended(viewer_id="echo-1", reason=reason, timings=Timings())


async def test_the_master_runs_with_fresh_ice_servers(master: Master) -> None:
    assert master.running
    assert master.peer.prepare.await_count == 1
    assert master.ice.run.call_count == 1


async def test_shows_whether_aws_can_deliver_offers(
    hass: HomeAssistant, master: Master
) -> None:
    entity_id = "binary_sensor.front_door_connected"
    assert state(hass, entity_id) == STATE_OFF

    master.connect()
    assert state(hass, entity_id) == STATE_ON

    master.fail(CannotConnectError())
    assert state(hass, entity_id) == STATE_OFF


async def test_an_offer_is_answered_with_stun_and_the_channels_relays(
    hass: HomeAssistant, master: Master
) -> None:
    relay = IceServer(urls=("turn:relay",), username="u", credential="p")
    master.ice.servers = (relay,)

    master.deliver(SdpOffer(sdp="offer", sender_client_id="echo-1"))
    await hass.async_block_till_done()

    stun = IceServer(urls=("stun:stun.kinesisvideo.eu-west-1.amazonaws.com:443",))
    assert master.peer.answer.mock_calls == [
        call("echo-1", "offer", (stun, relay), rules=AddressRules())
    ]
    assert master.connection.send.call_args.args[0].sdp == "answer"


async def test_the_options_stun_server_is_used(
    hass: HomeAssistant,
    mock_client: AsyncMock,
    masters: Masters,
    camera: er.RegistryEntry,
) -> None:
    entry = make_entry(
        shared_camera_data(camera.id, "ha-front-door"),
        options={CONF_STUN_SERVER: "stun:10.0.0.1:3478"},
    )
    entry.add_to_hass(hass)
    await hass.config_entries.async_setup(entry.entry_id)

    masters[ARN].deliver(SdpOffer(sdp="offer", sender_client_id="echo-1"))
    await hass.async_block_till_done()

    ice_servers = masters[ARN].peer.answer.call_args.args[2]
    assert ice_servers == (IceServer(urls=("stun:10.0.0.1:3478",)),)


async def test_candidates_go_both_ways(hass: HomeAssistant, master: Master) -> None:
    master.deliver(SdpOffer(sdp="offer", sender_client_id="viewer-1"))
    master.deliver(IceCandidate(client_id="viewer-1", candidate="theirs", sdp_mid="0"))
    await hass.async_block_till_done()
    master.on_event(
        CandidateGathered(
            viewer_id="viewer-1", candidate="ours", sdp_mid="0", sdp_m_line_index=0
        )
    )
    await hass.async_block_till_done()

    assert master.peer.add_candidate.mock_calls == [
        call("viewer-1", "theirs", "0", None)
    ]
    assert master.connection.send.call_args.args[0].candidate == "ours"


async def test_new_relays_are_fetched_when_aws_says_so(master: Master) -> None:
    master.deliver(GoAway())
    assert not master.ice.refresh.called

    master.deliver(ReconnectIceServer())
    assert master.ice.refresh.called


async def test_counts_viewers_and_tells_of_them(
    hass: HomeAssistant, master: Master
) -> None:
    assert state(hass, "sensor.front_door_viewers") == "0"
    assert state(hass, "event.front_door_session") == STATE_UNKNOWN

    master.on_event(connected("echo-1"))
    master.on_event(KeyFrameSent(viewer_id="echo-1"))

    assert state(hass, "sensor.front_door_viewers") == "1"
    event = hass.states.get("event.front_door_session")
    assert event.attributes["event_type"] == "connected"
    assert event.attributes["viewer"] == "echo-1"

    master.on_event(ended(EndReason.VIEWER_CLOSED))

    assert state(hass, "sensor.front_door_viewers") == "0"
    event = hass.states.get("event.front_door_session")
    assert event.attributes["event_type"] == "ended"
    assert event.attributes["reason"] == "viewer_closed"


async def test_a_session_that_was_replaced_leaves_its_successor_alone(
    hass: HomeAssistant, master: Master
) -> None:
    master.deliver(SdpOffer(sdp="second", sender_client_id="echo-1"))
    await hass.async_block_till_done()
    master.on_event(ended(EndReason.REPLACED))
    master.on_event(
        CandidateGathered(
            viewer_id="echo-1", candidate="ours", sdp_mid="0", sdp_m_line_index=0
        )
    )
    await hass.async_block_till_done()

    assert master.connection.send.call_args.args[0].candidate == "ours"


async def test_a_refusal_is_told_with_its_reason(
    hass: HomeAssistant, master: Master
) -> None:
    master.peer.answer.side_effect = OfferRefused(RefusalReason.NO_H264)
    master.deliver(SdpOffer(sdp="offer", sender_client_id="echo-1"))
    await hass.async_block_till_done()

    event = hass.states.get("event.front_door_session")
    assert event.attributes["event_type"] == "ended"
    assert event.attributes["reason"] == "no_h264"


@pytest.mark.parametrize("error", [InvalidCredentialsError(), ExpiredTokenError()])
async def test_asks_for_new_keys_when_aws_refuses_the_old_ones(
    hass: HomeAssistant,
    entry: MockConfigEntry,
    master: Master,
    error: InvalidCredentialsError | ExpiredTokenError,
) -> None:
    master.fail(error)
    master.fail(error)
    await hass.async_block_till_done()

    (flow,) = hass.config_entries.flow.async_progress()
    assert flow["context"]["source"] == "reauth"
    assert flow["context"]["entry_id"] == entry.entry_id


async def test_the_switch_ends_sharing_and_starts_it_again(
    hass: HomeAssistant, master: Master, masters: Masters, subentry: ConfigSubentry
) -> None:
    master.connect()
    await view(hass, master)

    await turn(hass, "turn_off")

    assert state(hass, "switch.front_door_sharing") == STATE_OFF
    assert state(hass, "binary_sensor.front_door_connected") == STATE_OFF
    assert state(hass, "sensor.front_door_viewers") == "0"
    assert not master.running
    assert master.peer.close.mock_calls == [call("echo-1", EndReason.SHUTDOWN)]
    assert subentry.data[CONF_SHARING] is False

    await turn(hass, "turn_on")

    assert state(hass, "switch.front_door_sharing") == STATE_ON
    assert masters[ARN] is not master
    assert masters[ARN].running
    assert masters[ARN].peer is master.peer
    assert not master.peer.shutdown.called


async def test_sharing_stays_off_over_a_restart(
    hass: HomeAssistant, entry: MockConfigEntry, masters: Masters
) -> None:
    await turn(hass, "turn_off")
    await hass.config_entries.async_reload(entry.entry_id)
    await hass.async_block_till_done()

    assert state(hass, "switch.front_door_sharing") == STATE_OFF
    assert not masters[ARN].running


async def test_another_channel_is_taken_up_and_the_old_one_left(
    hass: HomeAssistant,
    entry: MockConfigEntry,
    master: Master,
    masters: Masters,
    subentry: ConfigSubentry,
) -> None:
    other = channel_arn("ha-other")
    hass.config_entries.async_update_subentry(
        entry, subentry, data={**subentry.data, CONF_CHANNEL_ARN: other}
    )
    await hass.async_block_till_done()

    assert not master.running
    assert masters[other].running
    assert masters[other].peer is master.peer
    assert not master.peer.shutdown.called


async def test_another_camera_gets_another_peer(
    hass: HomeAssistant,
    entry: MockConfigEntry,
    master: Master,
    masters: Masters,
    subentry: ConfigSubentry,
    entity_registry: er.EntityRegistry,
) -> None:
    other = add_camera(hass, entity_registry, "back_door", "Back door")
    hass.config_entries.async_update_subentry(
        entry, subentry, data={**subentry.data, CONF_CAMERA: other.id}
    )
    await hass.async_block_till_done()

    assert master.peer.shutdown.called
    assert masters[ARN].peer is not master.peer
    assert masters[ARN].running


async def test_names_of_new_relays_are_looked_up_ahead(
    hass: HomeAssistant, master: Master
) -> None:
    relay = IceServer(urls=("turn:relay",), username="u", credential="p")
    master.on_renewed((relay,))
    await hass.async_block_till_done()

    stun = IceServer(urls=("stun:stun.kinesisvideo.eu-west-1.amazonaws.com:443",))
    assert master.peer.resolve.mock_calls == [call((stun, relay))]


async def test_a_channels_client_cannot_pass_for_a_viewer_in_home_assistant(
    hass: HomeAssistant, master: Master
) -> None:
    master.deliver(SdpOffer(sdp="offer", sender_client_id="home:1"))
    master.deliver(IceCandidate(client_id="home:1", candidate="theirs"))
    await hass.async_block_till_done()

    assert not master.peer.answer.called
    assert not master.peer.add_candidate.called


async def test_renaming_touches_the_device_and_nothing_else(
    hass: HomeAssistant,
    entry: MockConfigEntry,
    master: Master,
    masters: Masters,
    subentry: ConfigSubentry,
    device_registry: dr.DeviceRegistry,
) -> None:
    hass.config_entries.async_update_subentry(entry, subentry, title="Back door")
    await hass.async_block_till_done()

    device = device_registry.async_get_device_by_identifier(
        (DOMAIN, subentry.subentry_id), entry.entry_id
    )
    assert device.name == "Back door"
    assert master.running
    assert masters.made == [master]


async def test_each_entity_belongs_to_the_cameras_device(
    entry: MockConfigEntry,
    subentry: ConfigSubentry,
    entity_registry: er.EntityRegistry,
) -> None:
    entities = er.async_entries_for_config_entry(entity_registry, entry.entry_id)
    assert {entity.unique_id for entity in entities} == {
        f"{subentry.subentry_id}_{key}"
        for key in (
            "answer_time",
            "bitrate",
            "connected",
            "connection",
            "encoding_load",
            "live_view",
            "self_test",
            "session",
            "sharing",
            "video",
            "viewers",
        )
    }
    assert {entity.config_subentry_id for entity in entities} == {subentry.subentry_id}
    assert len({entity.device_id for entity in entities}) == 1


async def test_a_sub_stream_for_alexa_comes_and_goes_with_its_name(
    hass: HomeAssistant,
    entry: MockConfigEntry,
    subentry: ConfigSubentry,
    masters: Masters,
    entity_registry: er.EntityRegistry,
) -> None:
    assert masters.peers[-1].small_source is None
    stream = add_camera(hass, entity_registry, "front_door_sub", "Front door sub")

    for data in (subentry.data | {CONF_ALEXA_STREAM: stream.id}, subentry.data):
        hass.config_entries.async_update_subentry(entry, subentry, data=data)
        await hass.async_block_till_done()
        source = masters.peers[-1].small_source
        named = source.entity_id if source is not None else None
        assert named == (stream.entity_id if CONF_ALEXA_STREAM in data else None)
        masters.peers[-2].mock.shutdown.assert_awaited_once()


async def test_a_camera_that_is_turned_is_opened_anew(
    hass: HomeAssistant,
    entry: MockConfigEntry,
    master: Master,
    camera: er.RegistryEntry,
    entity_registry: er.EntityRegistry,
) -> None:
    entity_registry.async_update_entity_options(
        camera.entity_id, "camera", {"orientation": 6}
    )
    await hass.async_block_till_done()
    assert master.peer.reopen.call_count == 1

    assert await hass.config_entries.async_unload(entry.entry_id)
    entity_registry.async_update_entity_options(
        camera.entity_id, "camera", {"orientation": 1}
    )
    await hass.async_block_till_done()
    assert master.peer.reopen.call_count == 1


async def test_libraries_that_cannot_be_used_are_named(
    hass: HomeAssistant,
    mock_client: AsyncMock,
    masters: Masters,
    camera: er.RegistryEntry,
    caplog: pytest.LogCaptureFixture,
) -> None:
    masters.prepare_error = IncompatibleLibraryError("RTCPeerConnection.moved")

    await async_share(hass, camera)

    assert "kinesis_webrtc peer Front door cannot go on" in caplog.text
    assert "RTCPeerConnection.moved" in caplog.text
    assert hass.states.get("binary_sensor.front_door_connected").state == "off"


async def test_a_master_that_fails_says_by_what_alone(
    hass: HomeAssistant,
    mock_client: AsyncMock,
    masters: Masters,
    camera: er.RegistryEntry,
    caplog: pytest.LogCaptureFixture,
) -> None:
    with patch.object(Master, "_run", side_effect=ValueError("a secret")):
        await async_share(hass, camera)
        for _ in range(10):
            await asyncio.sleep(0)

    assert (
        "kinesis_webrtc master Front door has failed unexpectedly: ValueError"
        in caplog.text
    )
    assert "a secret" not in caplog.text
