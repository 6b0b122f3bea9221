"""A remote channel has everything ready for its viewers, and gives all of it back."""

import asyncio
from unittest.mock import AsyncMock, Mock, patch

from homeassistant.config_entries import ConfigSubentry
from homeassistant.const import STATE_IDLE, STATE_UNAVAILABLE
from homeassistant.core import HomeAssistant
from homeassistant.helpers import (
    device_registry as dr,
    entity_registry as er,
    issue_registry as ir,
)
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.kinesis_webrtc.const import (
    CONF_CHANNEL_ARN,
    CONF_CHANNEL_NAME,
    CONF_SECRET_ACCESS_KEY,
)
from custom_components.kinesis_webrtc.remote_channel import RemoteChannel
from custom_components.kinesis_webrtc.signaling import (
    CannotConnectError,
    ClientLimitExceededError,
    ExpiredTokenError,
    IceCandidate,
    IceServer,
    InvalidCredentialsError,
    NotAuthorizedError,
    ReconnectIceServer,
    ResourceNotFoundError,
    Role,
    SdpAnswer,
    SignalingError,
)
from custom_components.kinesis_webrtc.viewer_session import SessionClosedError

from .conftest import channel_arn
from .viewers import Socket, Sockets

CAMERA = "camera.cabin"
OFFER = "v=0\r\nm=video 9 UDP/TLS/RTP/SAVPF 102\r\na=ice-options:trickle\r\n"
ANSWER = "v=0\r\n"


@pytest.fixture
def entry(viewing: MockConfigEntry) -> MockConfigEntry:
    return viewing


@pytest.fixture
def subentry(entry: MockConfigEntry) -> ConfigSubentry:
    return next(iter(entry.subentries.values()))


@pytest.fixture
def channel(entry: MockConfigEntry, subentry: ConfigSubentry) -> RemoteChannel:
    return entry.runtime_data.remote_channels[subentry.subentry_id]


async def answer(sockets: Sockets, number: int = 1) -> None:
    socket = await sockets.wait(number)
    socket.deliver(SdpAnswer(sdp=ANSWER))


async def test_has_a_camera_on_a_device_of_its_own(
    hass: HomeAssistant,
    entry: MockConfigEntry,
    subentry: ConfigSubentry,
    device_registry: dr.DeviceRegistry,
    entity_registry: er.EntityRegistry,
) -> None:
    entity = entity_registry.async_get(CAMERA)
    assert entity.unique_id == subentry.subentry_id
    assert entity.config_subentry_id == subentry.subentry_id
    device = device_registry.async_get(entity.device_id)
    assert (device.name, device.model) == ("Cabin", "Remote channel")
    assert hass.states.get(CAMERA).state == STATE_IDLE


async def test_ice_servers_are_fetched_for_viewers(
    channel: RemoteChannel, sockets: Sockets
) -> None:
    (ice,) = sockets.ice
    assert sockets.ice_options[0]["role"] is Role.VIEWER
    assert sockets.ice_options[0]["channel_arn"] == channel_arn("cabin")
    assert ice.run.called
    ice.servers = (turn := IceServer(urls=("turn:a",), username="u", credential="c"),)
    stun, *others = channel.ice_servers
    assert stun.urls[0].startswith("stun:")
    assert others == [turn]


async def test_many_viewers_at_once_are_paced_and_fetch_nothing(
    channel: RemoteChannel, sockets: Sockets, mock_client: AsyncMock
) -> None:
    loop = asyncio.get_running_loop()
    started: list[float] = []

    async def view(number: int) -> None:
        viewing = asyncio.create_task(
            channel.async_answer(f"session {number}", OFFER, Mock())
        )
        socket = await sockets.wait(number + 1)
        started.append(loop.time())
        socket.deliver(SdpAnswer(sdp=ANSWER))
        await viewing

    await asyncio.gather(*(view(number) for number in range(7)))

    assert not any(
        later - sooner < 1 for sooner, later in zip(started, started[3:], strict=False)
    )
    assert not mock_client.get_ice_server_config.called
    assert len(sockets.ice) == 1


async def test_a_session_of_the_same_id_replaces_the_first(
    channel: RemoteChannel, sockets: Sockets
) -> None:
    first = asyncio.create_task(channel.async_answer("one", OFFER, Mock()))
    await sockets.wait(1)
    second = asyncio.create_task(channel.async_answer("one", OFFER, Mock()))
    await answer(sockets, 2)
    assert await second == ANSWER
    with pytest.raises(SessionClosedError):
        await first
    channel.async_close("one")
    channel.async_close("one")


async def test_a_session_that_nobody_ends_is_forgotten(
    channel: RemoteChannel, sockets: Sockets
) -> None:
    viewing = asyncio.create_task(channel.async_answer("one", OFFER, Mock()))
    await answer(sockets)
    await viewing
    (view,) = channel._views.values()
    await view.session.async_close()
    await asyncio.sleep(0)
    assert not channel._views


async def test_ice_servers_that_go_away_are_renewed(
    channel: RemoteChannel, sockets: Sockets
) -> None:
    viewing = asyncio.create_task(channel.async_answer("one", OFFER, Mock()))
    socket = await sockets.wait()
    socket.deliver(ReconnectIceServer())
    assert sockets.ice[0].refresh.called
    socket.deliver(SdpAnswer(sdp=ANSWER))
    await viewing


@pytest.mark.parametrize(
    ("error", "state"),
    [
        (CannotConnectError(), STATE_UNAVAILABLE),
        (ResourceNotFoundError(), STATE_UNAVAILABLE),
        (ClientLimitExceededError(), STATE_IDLE),
        (NotAuthorizedError(), STATE_IDLE),
    ],
)
async def test_is_available_while_it_can_be_viewed(
    hass: HomeAssistant,
    channel: RemoteChannel,
    sockets: Sockets,
    error: SignalingError,
    state: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO")
    sockets.ice_options[0]["on_failed"](error)
    assert hass.states.get(CAMERA).state == state
    sockets.ice_options[0]["on_failed"](error)
    sockets.ice_options[0]["on_renewed"](())
    sockets.ice_options[0]["on_renewed"](())
    assert hass.states.get(CAMERA).state == STATE_IDLE
    outages = int(state == STATE_UNAVAILABLE)
    assert caplog.text.count("Cabin cannot be viewed") == outages
    assert caplog.text.count("Cabin can be viewed again") == outages


async def test_an_outage_that_becomes_a_lesser_one_is_over(
    channel: RemoteChannel, sockets: Sockets, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    sockets.ice_options[0]["on_failed"](CannotConnectError())
    sockets.ice_options[0]["on_failed"](ClientLimitExceededError())
    assert caplog.text.count("Cabin cannot be viewed") == 1
    assert caplog.text.count("Cabin can be viewed again") == 1


async def test_refused_keys_start_a_reauthentication(
    hass: HomeAssistant, channel: RemoteChannel, sockets: Sockets
) -> None:
    sockets.ice_options[0]["on_failed"](ExpiredTokenError())
    await hass.async_block_till_done()
    assert len(hass.config_entries.flow.async_progress()) == 1


async def test_a_right_that_lacks_is_named_until_it_is_there(
    channel: RemoteChannel, sockets: Sockets, issue_registry: ir.IssueRegistry
) -> None:
    action = "kinesisvideo:GetIceServerConfig"
    sockets.ice_options[0]["on_failed"](NotAuthorizedError(action=action))
    (issue,) = issue_registry.issues.values()
    assert issue.translation_placeholders["action"] == action

    sockets.ice_options[0]["on_renewed"](())
    assert not issue_registry.issues


async def test_new_keys_fetch_at_once_and_end_no_view(
    hass: HomeAssistant,
    entry: MockConfigEntry,
    channel: RemoteChannel,
    sockets: Sockets,
) -> None:
    viewing = asyncio.create_task(channel.async_answer("one", OFFER, Mock()))
    await sockets.wait()
    hass.config_entries.async_update_entry(
        entry, data={**entry.data, CONF_SECRET_ACCESS_KEY: "other"}
    )
    await hass.async_block_till_done()

    (ice,) = sockets.ice
    assert ice.run.await_count == 2
    await answer(sockets)
    assert await viewing == ANSWER


async def test_so_do_keys_that_are_refused_to_a_viewer(
    hass: HomeAssistant, channel: RemoteChannel, sockets: Sockets
) -> None:
    viewing = asyncio.create_task(channel.async_answer("one", OFFER, Mock()))
    socket = await sockets.wait()
    socket.fail(InvalidCredentialsError())
    with pytest.raises(InvalidCredentialsError):
        await viewing
    await hass.async_block_till_done()
    assert len(hass.config_entries.flow.async_progress()) == 1


async def test_a_new_name_disturbs_nobody(
    hass: HomeAssistant,
    entry: MockConfigEntry,
    subentry: ConfigSubentry,
    channel: RemoteChannel,
    sockets: Sockets,
    device_registry: dr.DeviceRegistry,
) -> None:
    viewing = asyncio.create_task(channel.async_answer("one", OFFER, Mock()))
    socket = await sockets.wait()

    hass.config_entries.async_update_subentry(entry, subentry, title="Hut")
    await hass.async_block_till_done()

    (device,) = dr.async_entries_for_config_entry(device_registry, entry.entry_id)
    assert device.name == "Hut"
    assert socket.running
    socket.deliver(SdpAnswer(sdp=ANSWER))
    await viewing


async def test_another_channel_takes_its_place(
    hass: HomeAssistant,
    entry: MockConfigEntry,
    subentry: ConfigSubentry,
    channel: RemoteChannel,
    sockets: Sockets,
) -> None:
    viewing = asyncio.create_task(channel.async_answer("one", OFFER, Mock()))
    socket = await sockets.wait()
    sockets.ice_options[0]["on_failed"](ResourceNotFoundError())

    hass.config_entries.async_update_subentry(
        entry,
        subentry,
        data={CONF_CHANNEL_ARN: channel_arn("shed"), CONF_CHANNEL_NAME: "shed"},
    )
    await hass.async_block_till_done()

    with pytest.raises(SessionClosedError):
        await viewing
    assert not socket.running
    assert hass.states.get(CAMERA).state == STATE_IDLE
    assert sockets.ice_options[1]["channel_arn"] == channel_arn("shed")
    viewing = asyncio.create_task(channel.async_answer("two", OFFER, Mock()))
    assert (await sockets.wait(2)).channel_arn == channel_arn("shed")
    await answer(sockets, 2)
    await viewing


async def test_is_gone_when_its_subentry_is(
    hass: HomeAssistant,
    entry: MockConfigEntry,
    subentry: ConfigSubentry,
    channel: RemoteChannel,
    sockets: Sockets,
    device_registry: dr.DeviceRegistry,
) -> None:
    viewing = asyncio.create_task(channel.async_answer("one", OFFER, Mock()))
    socket = await sockets.wait()
    await answer(sockets)
    await viewing

    hass.config_entries.async_remove_subentry(entry, subentry.subentry_id)
    await hass.async_block_till_done()

    assert not socket.running
    assert hass.states.get(CAMERA) is None
    assert not entry.runtime_data.remote_channels
    assert not dr.async_entries_for_config_entry(device_registry, entry.entry_id)


async def test_its_channel_stays_in_aws(
    hass: HomeAssistant,
    entry: MockConfigEntry,
    subentry: ConfigSubentry,
    mock_client: AsyncMock,
) -> None:
    hass.config_entries.async_remove_subentry(entry, subentry.subentry_id)
    await hass.async_block_till_done()
    assert not mock_client.delete_channel.called


async def test_unloading_ends_every_view(
    hass: HomeAssistant,
    entry: MockConfigEntry,
    channel: RemoteChannel,
    sockets: Sockets,
) -> None:
    viewing = asyncio.create_task(channel.async_answer("one", OFFER, Mock()))
    socket = await sockets.wait()

    assert await hass.config_entries.async_unload(entry.entry_id)

    with pytest.raises(SessionClosedError):
        await viewing
    assert not socket.running


CONNECTION = (
    "v=0\r\no=- 4611731400430051336 2 IN IP4 127.0.0.1\r\n"
    "m=video 9 UDP/TLS/RTP/SAVPF 102\r\na=ice-options:trickle\r\n"
    "a=fingerprint:sha-256 AA:BB\r\n"
)
RESTARTED = CONNECTION.replace(" 2 IN", " 3 IN")


async def view(
    channel: RemoteChannel, sockets: Sockets, session_id: str, offer: str
) -> Socket:
    """View the channel and return the websocket that it is done by."""
    number = len(sockets.made) + 1
    viewing = asyncio.create_task(channel.async_answer(session_id, offer, Mock()))
    await answer(sockets, number)
    assert await viewing == ANSWER
    return sockets.made[number - 1]


async def test_a_restart_of_ice_comes_from_the_same_client(
    channel: RemoteChannel, sockets: Sockets
) -> None:
    first = await view(channel, sockets, "one", CONNECTION)
    second = await view(channel, sockets, "two", RESTARTED)
    other = await view(channel, sockets, "three", CONNECTION.replace("BB", "BC"))

    assert second.client_id == first.client_id
    assert other.client_id != first.client_id
    assert not first.running

    # The frontend does not know of the second session at once, and forgets the first.
    candidates = [IceCandidate(candidate=f"candidate:{n}") for n in (1, 2)]
    channel.async_add_candidate("one", candidates[0])
    channel.async_add_candidate("two", candidates[1])
    assert (await second.wait_sent(3))[1:] == candidates
    channel.async_close("one")
    await asyncio.sleep(0)
    assert second.running
    channel.async_close("two")
    async with asyncio.timeout(5):
        await second.stopped.wait()
    assert other.running


async def test_a_restart_is_known_when_the_first_sessions_signaling_is_over(
    channel: RemoteChannel, sockets: Sockets
) -> None:
    first = await view(channel, sockets, "one", CONNECTION)
    (viewing,) = channel._views.values()
    await viewing.session.async_close()
    await asyncio.sleep(0)
    channel.async_add_candidate("one", IceCandidate(candidate="candidate:1"))

    second = await view(channel, sockets, "two", RESTARTED)
    assert second.client_id == first.client_id
    assert len(second.sent) == 1


async def test_unloading_waits_for_a_viewer_that_has_just_left(
    hass: HomeAssistant,
    entry: MockConfigEntry,
    channel: RemoteChannel,
    sockets: Sockets,
) -> None:
    goodbye = asyncio.Event()

    async def run() -> None:
        sockets.made[0].started.set()
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            await goodbye.wait()

    with patch.object(Socket, "_run", side_effect=run):
        viewing = asyncio.create_task(channel.async_answer("one", OFFER, Mock()))
        await (await sockets.wait()).wait_sent(1)
    channel.async_close("one")
    unloading = asyncio.create_task(hass.config_entries.async_unload(entry.entry_id))
    await asyncio.wait([unloading], timeout=0.3)
    is_early = unloading.done()
    goodbye.set()
    assert await unloading
    await asyncio.gather(viewing, return_exceptions=True)

    assert not is_early
