"""AWS's relays are offered to every camera while the user wants it, and only once."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from unittest.mock import AsyncMock, create_autospec, patch

from homeassistant.components.web_rtc import async_get_ice_servers
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType
from homeassistant.helpers import issue_registry as ir
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry
from webrtc_models import RTCIceServer

from custom_components.kinesis_webrtc.const import (
    CONF_RELAY_CHANNEL_ARN,
    CONF_RELAYS,
    CONF_SECRET_ACCESS_KEY,
    CONF_STUN_SERVER,
    TAG_CAMERA_NAME,
    TAG_CREATED_BY,
)
from custom_components.kinesis_webrtc.created_channels import (
    ChannelKey,
    CreatedChannels,
    channels_in_use,
)
from custom_components.kinesis_webrtc.relay import (
    async_client_configuration,
    async_is_relay,
)
from custom_components.kinesis_webrtc.signaling import (
    CannotConnectError,
    Channel,
    ExpiredTokenError,
    IceServer,
    IceServerCache,
    NotAuthorizedError,
    ResourceInUseError,
    ResourceNotFoundError,
)

from .conftest import (
    TRANSLATIONS,
    Aws,
    channel_arn,
    check_text,
    make_channel,
    make_entry,
)

ARN = channel_arn("ha-relay")
STUN = IceServer(urls=("stun:stun.example:443",))


def turn(host: str) -> IceServer:
    """Return a server with the URIs that AWS gives."""
    return IceServer(
        urls=(
            f"turn:{host}:443?transport=udp",
            f"turns:{host}:443?transport=udp",
            f"turns:{host}:443?transport=tcp",
        ),
        username=f"user-{host}",
        credential=f"password-{host}",
    )


def two_ways(host: str) -> list[RTCIceServer]:
    """Return what a browser is given of a server."""
    return [
        RTCIceServer(urls=[url], username=f"user-{host}", credential=f"password-{host}")
        for url in (f"turn:{host}:443?transport=udp", f"turns:{host}:443?transport=tcp")
    ]


@pytest.fixture
async def caches(mock_client: AsyncMock) -> AsyncGenerator[dict[str, AsyncMock]]:
    """Return the relays' ICE servers by channel, which the test decides about."""
    caches: dict[str, AsyncMock] = {}

    async def run() -> None:
        await asyncio.get_running_loop().create_future()

    def make(*, channel_arn: str, **options: object) -> AsyncMock:
        cache = caches[channel_arn] = create_autospec(IceServerCache, instance=True)
        cache.options = options
        cache.servers = (turn("first"), turn("second"))
        cache.run.side_effect = run
        return cache

    with patch(
        "custom_components.kinesis_webrtc.relay.IceServerCache", side_effect=make
    ):
        yield caches


async def set_up(
    hass: HomeAssistant, entry: MockConfigEntry | None = None
) -> MockConfigEntry:
    """Set an account up whose options have relays."""
    entry = entry or make_entry(options={CONF_RELAY_CHANNEL_ARN: ARN})
    entry.add_to_hass(hass)
    assert await hass.config_entries.async_setup(entry.entry_id)
    return entry


async def submit(
    hass: HomeAssistant, entry: MockConfigEntry, **user_input: object
) -> dict[str, object]:
    """Send the options' form."""
    result = await hass.config_entries.options.async_init(entry.entry_id)
    result = await hass.config_entries.options.async_configure(
        result["flow_id"], user_input
    )
    await hass.async_block_till_done()
    return result


def registered(hass: HomeAssistant) -> list[RTCIceServer]:
    """Return the servers with credentials that every camera is offered."""
    return [server for server in async_get_ice_servers(hass) if server.username]


async def test_new_keys_fetch_at_once_while_the_servers_stay_offered(
    hass: HomeAssistant, caches: dict[str, AsyncMock]
) -> None:
    entry = await set_up(hass)
    before = registered(hass)
    hass.config_entries.async_update_entry(
        entry, data={**entry.data, CONF_SECRET_ACCESS_KEY: "other"}
    )
    await hass.async_block_till_done()

    assert caches[ARN].run.await_count == 2
    assert registered(hass) == before != []


async def test_none_are_offered_unless_the_user_wants_it(
    hass: HomeAssistant, caches: dict[str, AsyncMock]
) -> None:
    await set_up(hass, make_entry())

    assert registered(hass) == []
    assert caches == {}


async def test_every_camera_is_offered_one_relay_by_two_ways(
    hass: HomeAssistant, caches: dict[str, AsyncMock]
) -> None:
    await set_up(hass)

    assert registered(hass) == two_ways("first")
    assert caches[ARN].run.call_count == 1

    caches[ARN].servers = (turn("renewed"),)
    assert registered(hass) == two_ways("renewed")

    caches[ARN].servers = ()
    assert registered(hass) == []


async def test_what_is_offered_from_here_is_known(
    hass: HomeAssistant, caches: dict[str, AsyncMock]
) -> None:
    assert not async_is_relay(hass, "turn:first:443?transport=udp")

    await set_up(hass)

    assert async_is_relay(hass, "turn:first:443?transport=udp")
    assert not async_is_relay(hass, "turn:of-somebody-else:443?transport=udp")


async def test_refused_keys_start_a_reauthentication(
    hass: HomeAssistant, caches: dict[str, AsyncMock]
) -> None:
    await set_up(hass)

    caches[ARN].options["on_failed"](ExpiredTokenError())
    await hass.async_block_till_done()

    (flow,) = hass.config_entries.flow.async_progress()
    assert flow["context"]["source"] == "reauth"


@pytest.mark.parametrize("is_there_at_last", [True, False])
async def test_a_right_that_lacks_is_named_while_it_does(
    hass: HomeAssistant,
    caches: dict[str, AsyncMock],
    issue_registry: ir.IssueRegistry,
    is_there_at_last: bool,
) -> None:
    entry = await set_up(hass)
    action = "kinesisvideo:GetIceServerConfig"

    caches[ARN].options["on_failed"](NotAuthorizedError(action=action))
    (issue,) = issue_registry.issues.values()
    assert issue.translation_placeholders["action"] == action
    assert issue.translation_placeholders["channel"] == "ha-relay"

    if is_there_at_last:
        caches[ARN].options["on_renewed"](())
    else:
        await hass.config_entries.async_unload(entry.entry_id)
    assert not issue_registry.issues


@pytest.mark.parametrize("is_there_at_last", [True, False])
async def test_a_channel_that_was_deleted_in_aws_is_named(
    hass: HomeAssistant,
    caches: dict[str, AsyncMock],
    issue_registry: ir.IssueRegistry,
    is_there_at_last: bool,
) -> None:
    entry = await set_up(hass)
    caches[ARN].options["on_failed"](CannotConnectError())
    assert not issue_registry.issues

    caches[ARN].options["on_failed"](ResourceNotFoundError())
    (issue,) = issue_registry.issues.values()
    assert issue.translation_key == "relays_gone"
    assert issue.translation_placeholders is not None
    assert issue.translation_placeholders["name"] == entry.title
    text = TRANSLATIONS["issues"]["relays_gone"]
    check_text(text["title"], issue.translation_placeholders)
    check_text(text["description"], issue.translation_placeholders)

    if is_there_at_last:
        caches[ARN].options["on_renewed"](())
    else:
        # As the repair says: what then is switched on is made anew.
        await submit(hass, entry, **{CONF_RELAYS: False})
        assert CONF_RELAY_CHANNEL_ARN not in entry.options
    assert not issue_registry.issues


async def test_they_are_gone_with_the_account(
    hass: HomeAssistant, caches: dict[str, AsyncMock]
) -> None:
    entry = await set_up(hass)
    assert await hass.config_entries.async_unload(entry.entry_id)

    assert registered(hass) == []


async def test_two_accounts_offer_one_set(
    hass: HomeAssistant, caches: dict[str, AsyncMock]
) -> None:
    await set_up(hass)
    other = channel_arn("ha-relay", account="210987654321")
    await set_up(
        hass,
        MockConfigEntry(
            domain="kinesis_webrtc",
            unique_id="210987654321_eu-west-1",
            data=make_entry().data,
            options={CONF_RELAY_CHANNEL_ARN: other},
        ),
    )
    caches[other].servers = (turn("other"),)

    assert registered(hass) == two_ways("first")
    caches[ARN].servers = ()
    assert registered(hass) == two_ways("other")


async def test_our_own_cameras_do_not_get_relays_twice(
    hass: HomeAssistant, caches: dict[str, AsyncMock]
) -> None:
    await set_up(hass)
    servers = (STUN, turn("channel"))
    stun = RTCIceServer(urls=["stun:stun.example:443"])

    def given() -> list[RTCIceServer]:
        return async_client_configuration(hass, servers).configuration.ice_servers

    assert given() == [stun]

    # What HA would append is gone, so what the channel has is of use again.
    caches[ARN].servers = ()
    assert given() == [stun, *two_ways("channel")]


async def test_the_option_makes_a_channel_that_is_no_cameras(
    hass: HomeAssistant,
    caches: dict[str, AsyncMock],
    aws: Aws,
    created: CreatedChannels,
    our_tag: dict[str, str],
) -> None:
    entry = await set_up(hass, make_entry())

    result = await submit(hass, entry, **{CONF_RELAYS: True, CONF_STUN_SERVER: "host"})

    assert result["type"] is FlowResultType.CREATE_ENTRY
    assert entry.options == {
        CONF_RELAY_CHANNEL_ARN: ARN,
        CONF_STUN_SERVER: "stun:host:3478",
    }
    assert aws.tags == {ARN: our_tag}
    key = ChannelKey.from_arn(ARN)
    assert created.get(key).arn == ARN
    assert key in channels_in_use(hass)
    assert created.claim(key, object())
    assert registered(hass) == two_ways("first")


async def test_other_options_leave_the_channel_alone(
    hass: HomeAssistant, caches: dict[str, AsyncMock], aws: Aws
) -> None:
    entry = await set_up(hass)

    await submit(hass, entry, **{CONF_RELAYS: True, CONF_STUN_SERVER: "host"})

    assert entry.options[CONF_RELAY_CHANNEL_ARN] == ARN
    assert aws.channels == {}


async def test_the_form_shows_what_is_chosen(
    hass: HomeAssistant, caches: dict[str, AsyncMock]
) -> None:
    entry = await set_up(hass)
    result = await hass.config_entries.options.async_init(entry.entry_id)

    suggested = {
        str(field): (field.description or {}).get("suggested_value")
        for field in result["data_schema"].schema
    }
    assert suggested[CONF_RELAYS] is True


async def test_switched_off_the_channel_is_deleted(
    hass: HomeAssistant,
    caches: dict[str, AsyncMock],
    aws: Aws,
    created: CreatedChannels,
) -> None:
    entry = await set_up(hass, make_entry())
    await submit(hass, entry, **{CONF_RELAYS: True})
    assert ARN in aws.channels

    await submit(hass, entry, **{CONF_RELAYS: False})
    await hass.async_block_till_done(wait_background_tasks=True)

    assert entry.options == {}
    assert aws.channels == {}
    assert created.get(ChannelKey.from_arn(ARN)) is None
    assert registered(hass) == []


async def test_the_channel_goes_with_the_account(
    hass: HomeAssistant, caches: dict[str, AsyncMock], aws: Aws
) -> None:
    entry = await set_up(hass, make_entry())
    await submit(hass, entry, **{CONF_RELAYS: True})

    await hass.config_entries.async_remove(entry.entry_id)

    assert aws.channels == {}


@pytest.mark.parametrize(
    ("error", "key"),
    [
        (CannotConnectError(operation="CreateSignalingChannel"), "cannot_connect"),
        (NotAuthorizedError(operation="CreateSignalingChannel"), "not_authorized"),
        (RuntimeError("defect"), "unknown"),
    ],
)
async def test_what_keeps_the_channel_from_being_made_is_told(
    hass: HomeAssistant,
    caches: dict[str, AsyncMock],
    mock_client: AsyncMock,
    aws: Aws,
    error: Exception,
    key: str,
) -> None:
    entry = await set_up(hass, make_entry())
    make = mock_client.create_channel.side_effect
    mock_client.create_channel.side_effect = error

    result = await submit(hass, entry, **{CONF_RELAYS: True})

    assert result["type"] is FlowResultType.FORM
    assert result["errors"] == {"base": key}
    assert entry.options == {}

    mock_client.create_channel.side_effect = make
    result = await hass.config_entries.options.async_configure(
        result["flow_id"], {CONF_RELAYS: True}
    )
    assert result["type"] is FlowResultType.CREATE_ENTRY
    await hass.async_block_till_done()
    assert ARN in aws.channels


async def test_a_channel_of_another_home_is_left_alone(
    hass: HomeAssistant, caches: dict[str, AsyncMock], aws: Aws
) -> None:
    theirs = aws.add(make_channel("ha-relay"), {TAG_CREATED_BY: "another home"})
    create = aws.client.create_channel.side_effect
    aws.client.create_channel.side_effect = in_use_once(create)
    entry = await set_up(hass, make_entry())

    await submit(hass, entry, **{CONF_RELAYS: True})

    assert entry.options == {CONF_RELAY_CHANNEL_ARN: channel_arn("ha-relay-2")}
    assert theirs.arn in aws.channels


async def test_a_cameras_channel_does_not_become_the_relays(
    hass: HomeAssistant,
    caches: dict[str, AsyncMock],
    aws: Aws,
    our_tag: dict[str, str],
) -> None:
    aws.add(make_channel("ha-relay"), {**our_tag, TAG_CAMERA_NAME: "Relay"})
    create = aws.client.create_channel.side_effect
    aws.client.create_channel.side_effect = in_use_once(create)
    entry = await set_up(hass, make_entry())

    await submit(hass, entry, **{CONF_RELAYS: True})

    assert entry.options == {CONF_RELAY_CHANNEL_ARN: channel_arn("ha-relay-2")}


def in_use_once(create: Callable[..., Awaitable[Channel]]) -> Callable[..., object]:
    """Refuse the first name that is asked for, as AWS does if it is taken."""
    names: list[str] = []

    async def refuse_first(*, name: str, **options: object) -> Channel:
        names.append(name)
        if len(names) == 1:
            raise ResourceInUseError(operation="CreateSignalingChannel")
        return await create(name=name, **options)

    return refuse_first
