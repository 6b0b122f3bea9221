"""A channel's master hears the Alexa skill's notices, by the service's clock."""

import asyncio
from collections.abc import AsyncGenerator
from datetime import timedelta
from unittest.mock import AsyncMock, create_autospec

from homeassistant.components.camera import CameraState
from homeassistant.const import STATE_UNAVAILABLE
from homeassistant.core import HomeAssistant
from homeassistant.helpers import entity_registry as er, issue_registry as ir
from homeassistant.helpers.aiohttp_client import async_get_clientsession
from homeassistant.util import dt as dt_util
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.kinesis_webrtc import master_check
from custom_components.kinesis_webrtc.alexa import (
    End,
    OfferTerms,
    Ping,
    Refusal,
    encode,
    encode_terms,
)
from custom_components.kinesis_webrtc.channel_master import ChannelMaster
from custom_components.kinesis_webrtc.const import CONF_PRIVATE_ADDRESSES, DOMAIN
from custom_components.kinesis_webrtc.peer import (
    AddressRules,
    Connected,
    EndReason,
    MasterPeer,
)
from custom_components.kinesis_webrtc.signaling import (
    Credentials,
    ExpiredTokenError,
    IceServer,
    Message,
    Notice,
    ResourceNotFoundError,
    Role,
    SdpAnswer,
    SdpOffer,
    SignalingClient,
    SignalingConnection,
)
from tests.emulator import DEFAULT_USER, KvsEmulator, Limits

from .conftest import REGION, channel_arn, make_entry, shared_camera_data
from .masters import Master, patched_masters

SESSION = "0123456789abcdef"
SENDER = f"alexa-{SESSION}-1"


@pytest.fixture
async def master(
    hass: HomeAssistant, mock_client: AsyncMock, camera: er.RegistryEntry
) -> AsyncGenerator[Master]:
    with patched_masters() as masters:
        entry: MockConfigEntry = make_entry(
            shared_camera_data(camera.id, "ha-front-door")
        )
        entry.add_to_hass(hass)
        assert await hass.config_entries.async_setup(entry.entry_id)
        await hass.async_block_till_done()
        yield masters[channel_arn("ha-front-door")]


@pytest.mark.parametrize("private", [None, True, False])
async def test_private_addresses_of_viewers_are_tried_if_the_user_wants_that(
    hass: HomeAssistant,
    mock_client: AsyncMock,
    camera: er.RegistryEntry,
    private: bool | None,
) -> None:
    options = {} if private is None else {CONF_PRIVATE_ADDRESSES: private}
    with patched_masters() as masters:
        entry = make_entry(
            shared_camera_data(camera.id, "ha-front-door"), options=options
        )
        entry.add_to_hass(hass)
        assert await hass.config_entries.async_setup(entry.entry_id)
        await hass.async_block_till_done()
        master = masters[channel_arn("ha-front-door")]
        master.deliver(SdpOffer(sdp="offer", sender_client_id="viewer"))
        await settle()

        (asked,) = master.peer.answer.mock_calls
        assert asked.kwargs["rules"] == AddressRules(private=private is not False)
        assert await hass.config_entries.async_unload(entry.entry_id)


def offer(deadline: float) -> SdpOffer:
    terms = OfferTerms(deadline=deadline, session=SESSION)
    return SdpOffer(sdp="offer", sender_client_id=SENDER, extra=encode_terms(terms))


async def settle() -> None:
    """Let every task that can go on go on."""
    for _ in range(20):
        await asyncio.sleep(0)


async def next_sent(master: Master) -> Message:
    """Return what the master sends first."""
    await settle()
    message: Message = master.connection.send.mock_calls[0].args[0]
    return message


def last_event(hass: HomeAssistant) -> dict[str, object]:
    state = hass.states.get("event.front_door_session")
    assert state is not None
    return dict(state.attributes)


async def test_refused_keys_are_told_of_while_the_websocket_lasts(
    hass: HomeAssistant, master: Master
) -> None:
    master.connect()

    master.on_not_renewed(ExpiredTokenError())
    await hass.async_block_till_done()

    (flow,) = hass.config_entries.flow.async_progress()
    assert flow["context"]["source"] == "reauth"


async def test_a_channel_that_is_gone_is_named_while_the_websocket_lasts(
    hass: HomeAssistant, master: Master, issue_registry: ir.IssueRegistry
) -> None:
    master.connect()

    master.on_not_renewed(ResourceNotFoundError())
    (issue,) = issue_registry.issues.values()
    assert issue.translation_key == "channel_gone"

    master.on_renewed(())
    assert not issue_registry.issues


async def test_echoes_a_ping(hass: HomeAssistant, master: Master) -> None:
    ping = Notice(content=encode(Ping(session=SESSION)), client_id="alexa-ping")
    master.deliver(ping)

    assert await next_sent(master) == ping


async def test_tells_the_skill_of_a_camera_that_is_away(
    hass: HomeAssistant, master: Master
) -> None:
    hass.states.async_set("camera.front_door", STATE_UNAVAILABLE)
    ping = Notice(content=encode(Ping(session=SESSION)), client_id=SENDER)
    master.deliver(ping)

    assert await next_sent(master) == Notice(
        content=encode(Refusal(reason="camera_off")), client_id=SENDER
    )

    master.connection.send.reset_mock()
    hass.states.async_set("camera.front_door", CameraState.IDLE)
    master.deliver(ping)
    assert await next_sent(master) == ping


async def test_a_check_of_the_channel_is_none_of_the_camera(
    hass: HomeAssistant, master: Master
) -> None:
    hass.states.async_set("camera.front_door", STATE_UNAVAILABLE)
    ping = Notice(content=encode(Ping(session=SESSION)), client_id="check-1")
    master.deliver(ping)

    assert await next_sent(master) == ping


async def test_the_end_of_a_session_ends_its_view(
    hass: HomeAssistant, master: Master
) -> None:
    master.deliver(offer(dt_util.utcnow().timestamp() + 4))
    await next_sent(master)
    master.on_event(Connected(viewer_id=SENDER))
    master.deliver(Notice(content=encode(End(session=SESSION)), client_id="alexa-end"))
    await settle()
    await hass.async_block_till_done()

    master.peer.close.assert_called_once_with(SENDER, EndReason.VIEWER_CLOSED)
    assert last_event(hass)["reason"] == "viewer_closed"
    viewers = hass.states.get("sensor.front_door_viewers")
    assert viewers is not None
    assert viewers.state == "0"


async def test_a_stale_offer_shows_in_the_session_event(
    hass: HomeAssistant, master: Master
) -> None:
    master.deliver(offer(dt_util.utcnow().timestamp() - 1))
    assert isinstance(await next_sent(master), Notice)
    await hass.async_block_till_done()

    assert last_event(hass)["reason"] == "stale"
    assert last_event(hass)["viewer"] == SENDER
    assert not master.peer.answer.called


@pytest.mark.parametrize(
    ("offset", "is_answered"),
    [(timedelta(seconds=-30), True), (timedelta(seconds=-1.5), False)],
)
async def test_a_deadline_is_held_by_the_services_clock(
    hass: HomeAssistant,
    mock_client: AsyncMock,
    master: Master,
    offset: timedelta,
    is_answered: bool,
) -> None:
    """A Date header is cut to seconds: less than two say nothing."""
    mock_client.clock.offset = offset
    master.deliver(offer(dt_util.utcnow().timestamp() - 0.5))

    assert isinstance(await next_sent(master), SdpAnswer) is is_answered


async def test_a_master_that_does_not_hear_itself_connects_anew(
    hass: HomeAssistant,
    mock_client: AsyncMock,
    master: Master,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(master_check, "SETTLE", 0.01)
    mock_client.send_alexa_offer.side_effect = None
    mock_client.send_alexa_offer.return_value = None
    again = asyncio.Event()
    run = master.connection.run.side_effect

    async def run_again() -> None:
        again.set()
        await run()

    master.connection.run.side_effect = run_again
    master.connect()

    async with asyncio.timeout(5):
        await again.wait()

    assert master.connection.run.call_count == 2
    assert mock_client.send_alexa_offer.call_count == 2


# aiohttp leaves the timer of a closed websocket's heartbeat to run out.
@pytest.mark.parametrize("expected_lingering_timers", [True])
async def test_a_displaced_master_takes_its_channel_back_once(
    hass: HomeAssistant, monkeypatch: pytest.MonkeyPatch, socket_enabled: None
) -> None:
    """AWS may leave a displaced master's socket open, and just not deliver to it."""
    monkeypatch.setattr(master_check, "SETTLE", 0.05)
    monkeypatch.setattr(master_check, "INTERVAL", 0.3)
    entry = make_entry(shared_camera_data("camera.door", "ha-front-door"))
    entry.add_to_hass(hass)
    limits = Limits(message_ttl_scale=0.02).without_rates()
    async with KvsEmulator(region=REGION, limits=limits) as emulator:
        monkeypatch.setenv("AWS_ENDPOINT_URL", emulator.url)
        channel = emulator.create_channel("ha-front-door", message_ttl=5)
        client = SignalingClient(
            region=REGION,
            credentials=Credentials(
                access_key_id=DEFAULT_USER.access_key_id,
                secret_access_key=DEFAULT_USER.secret_access_key,
            ),
            execute=hass.async_add_executor_job,
        )
        changed = asyncio.Event()
        master = ChannelMaster(
            hass=hass,
            entry=entry,
            subentry=next(iter(entry.subentries.values())),
            client=client,
            channel_arn=channel.arn,
            peer=create_autospec(MasterPeer, instance=True),
            stun_server=IceServer(urls=("stun:127.0.0.1:3478",)),
            on_changed=changed.set,
            on_refused=lambda *_: None,
            has_camera=lambda: True,
        )
        prepared = asyncio.get_running_loop().create_future()
        prepared.set_result(None)
        master.async_start(prepared=prepared)
        ours = await emulator.wait_for_master("ha-front-door")
        intruder = SignalingConnection(
            client=client,
            session=async_get_clientsession(hass),
            channel_arn=channel.arn,
            role=Role.MASTER,
            on_message=lambda _: None,
            on_state=lambda _: None,
        )
        task = asyncio.ensure_future(intruder.run())
        await emulator.wait_for(
            lambda: emulator.master("ha-front-door") not in (None, ours)
        )
        theirs = emulator.master("ha-front-door")

        await emulator.wait_for(
            lambda: emulator.master("ha-front-door") not in (None, theirs), 10
        )

        async with asyncio.timeout(5):
            while not master.connected:
                changed.clear()
                await changed.wait()
        task.cancel()
        await asyncio.wait([task])
        await master.async_stop()
        # Also what is given up is closed.
        await emulator.wait_for(lambda: not emulator.connections("ha-front-door"))
    issues = ir.async_get(hass).issues
    assert not [key for key in issues if key[0] == DOMAIN]
