"""Fixtures of the integration's tests: an AWS account that answers as it is told."""

# Imported first: otherwise another package of this name, which the test plugin brings
# along, would be found in place of ours.
import custom_components.kinesis_webrtc  # noqa: F401  # isort: skip

from collections.abc import AsyncGenerator, Generator
from datetime import timedelta
import json
from pathlib import Path
import re
from types import SimpleNamespace
from typing import Any
from unittest.mock import AsyncMock, create_autospec, patch

from homeassistant.components.camera import DOMAIN as CAMERA_DOMAIN
from homeassistant.config_entries import (
    SOURCE_USER,
    ConfigEntry,
    ConfigEntryState,
    ConfigSubentry,
    ConfigSubentryData,
)
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowManager, FlowResultType
from homeassistant.helpers import (
    entity_registry as er,
    instance_id,
    issue_registry as ir,
)
from homeassistant.helpers.translation import async_load_integrations
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.kinesis_webrtc.const import (
    CONF_ACCESS_KEY_ID,
    CONF_CAMERA,
    CONF_CHANNEL_ARN,
    CONF_CHANNEL_NAME,
    CONF_REGION,
    CONF_SECRET_ACCESS_KEY,
    DOMAIN,
    SUBENTRY_TYPE_REMOTE_CHANNEL,
    SUBENTRY_TYPE_SHARED_CAMERA,
    TAG_CREATED_BY,
)
from custom_components.kinesis_webrtc.created_channels import (
    CreatedChannels,
    async_get_created_channels,
)
from custom_components.kinesis_webrtc.signaling import (
    Channel,
    ResourceNotFoundError,
    SignalingClient,
)

from .masters import Master, Masters, patched_masters
from .skill_aws import ACCOUNT, ACCOUNT_KEY, REGION, SkillAws
from .viewers import Sockets, patched_sockets

KEYS = {CONF_ACCESS_KEY_ID: ACCOUNT_KEY, CONF_SECRET_ACCESS_KEY: "secret-example"}


def translations(language: str) -> Any:
    """Return our texts."""
    folder = Path("custom_components/kinesis_webrtc/translations")
    return json.loads((folder / f"{language}.json").read_text("utf-8"))


TRANSLATIONS = translations("en")


async def async_speak_german(hass: HomeAssistant) -> Any:
    """Change Home Assistant's language, and return our texts in it."""
    hass.config.language = "de"
    await async_load_integrations(hass, {DOMAIN})
    return translations("de")


def channel_arn(name: str, *, account: str = ACCOUNT, region: str = REGION) -> str:
    """Return the ARN of a channel."""
    return f"arn:aws:kinesisvideo:{region}:{account}:channel/{name}/1790000000000"


def make_channel(
    name: str, *, account: str = ACCOUNT, ttl: int = 5, status: str = "ACTIVE"
) -> Channel:
    """Return a channel as AWS describes it."""
    return Channel(
        name=name,
        arn=channel_arn(name, account=account),
        status=status,
        message_ttl=ttl,
        version="Kd1",
        type="SINGLE_MASTER",
    )


def shared_camera_data(
    camera: str, name: str, *, title: str = "Front door"
) -> ConfigSubentryData:
    """Return a subentry that shares a camera through a channel."""
    return ConfigSubentryData(
        data={
            CONF_CAMERA: camera,
            CONF_CHANNEL_ARN: channel_arn(name),
            CONF_CHANNEL_NAME: name,
        },
        subentry_type=SUBENTRY_TYPE_SHARED_CAMERA,
        title=title,
        unique_id=f"camera_{camera}",
    )


def remote_channel_data(name: str, *, title: str = "Cabin") -> ConfigSubentryData:
    """Return a subentry that views a channel."""
    return ConfigSubentryData(
        data={CONF_CHANNEL_ARN: channel_arn(name), CONF_CHANNEL_NAME: name},
        subentry_type=SUBENTRY_TYPE_REMOTE_CHANNEL,
        title=title,
        unique_id=f"channel_{channel_arn(name).rpartition('/')[0]}",
    )


class Aws:
    """The channels of an account, behind a client that is all mocks.

    A test lets a method fail with `client.<method>.side_effect`.
    """

    def __init__(self) -> None:
        self.channels: dict[str, Channel] = {}
        self.tags: dict[str, dict[str, str]] = {}
        self.client = client = create_autospec(SignalingClient, instance=True)
        client.region = REGION
        client.stun_url = f"stun:stun.kinesisvideo.{REGION}.amazonaws.com:443"
        client.clock.offset = timedelta()
        client.get_caller_account.return_value = ACCOUNT
        client.is_media_storage_enabled.return_value = False
        client.list_channels.side_effect = self._list
        client.describe_channel.side_effect = self._describe
        client.create_channel.side_effect = self._create
        client.update_message_ttl.side_effect = self._update
        client.delete_channel.side_effect = self._delete
        client.get_tags.side_effect = self._get_tags
        client.tag_channel.side_effect = self._tag
        client.send_alexa_offer.return_value = None

    def add(self, channel: Channel, tags: dict[str, str] | None = None) -> Channel:
        """Have a channel in AWS."""
        self.channels[channel.arn] = channel
        self.tags[channel.arn] = dict(tags or {})
        return channel

    async def _list(self, *, name_prefix: str | None = None) -> list[Channel]:
        return list(self.channels.values())

    async def _describe(
        self, *, arn: str | None = None, name: str | None = None
    ) -> Channel:
        for channel in self.channels.values():
            if channel.arn == arn or channel.name == name:
                return channel
        raise ResourceNotFoundError(operation="DescribeSignalingChannel")

    async def _create(
        self, *, name: str, message_ttl: int, tags: dict[str, str]
    ) -> Channel:
        return self.add(make_channel(name, ttl=message_ttl), tags)

    async def _update(self, channel: Channel, message_ttl: int) -> Channel:
        changed = make_channel(channel.name, ttl=message_ttl)
        return self.add(changed, self.tags.get(changed.arn))

    async def _delete(self, arn: str) -> None:
        self.channels.pop(arn, None)

    async def _get_tags(self, arn: str) -> dict[str, str]:
        if arn not in self.channels:
            raise ResourceNotFoundError(operation="ListTagsForResource")
        return dict(self.tags[arn])

    async def _tag(self, arn: str, tags: dict[str, str]) -> None:
        if arn not in self.channels:
            raise ResourceNotFoundError(operation="TagResource")
        self.tags[arn] |= tags


async def async_share(
    hass: HomeAssistant,
    camera: er.RegistryEntry,
    name: str = "ha-front-door",
    **fields: str,
) -> MockConfigEntry:
    """Return a loaded account that shares a camera, whose far sides are patched."""
    data = shared_camera_data(camera.id, name)
    data["data"] = {**data["data"], **fields}
    entry = make_entry(data)
    entry.add_to_hass(hass)
    assert await hass.config_entries.async_setup(entry.entry_id)
    await hass.async_block_till_done()
    return entry


async def start_sharing(hass: HomeAssistant, entry: MockConfigEntry) -> dict[str, Any]:
    """Start to share a camera."""
    return await hass.config_entries.subentries.async_init(
        (entry.entry_id, SUBENTRY_TYPE_SHARED_CAMERA), context={"source": SOURCE_USER}
    )


async def submit_form(
    hass: HomeAssistant, result: dict[str, Any], user_input: dict[str, Any]
) -> dict[str, Any]:
    """Submit the form of a subentry's flow."""
    result = await hass.config_entries.subentries.async_configure(
        result["flow_id"], user_input
    )
    await hass.async_block_till_done()
    return result


def suggested_values(result: dict[str, Any]) -> dict[str, Any]:
    """Return the values that a form begins with."""
    return {
        str(field): field.description["suggested_value"]
        for field in result["data_schema"].schema
        if field.description
    }


def only_subentry(entry: MockConfigEntry) -> ConfigSubentry:
    """Return the one subentry that an account has."""
    (subentry,) = entry.subentries.values()
    return subentry


class Clock:
    """A clock in seconds that stands still unless the test moves it."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(autouse=True)
def _integration_is_found(enable_custom_integrations: None) -> None:
    """Let Home Assistant load the integration."""


@pytest.fixture
def aws() -> Aws:
    """Return the account's channels."""
    return Aws()


@pytest.fixture
def mock_client(aws: Aws) -> Generator[AsyncMock]:
    """Replace the client of every account."""
    with patch(
        "custom_components.kinesis_webrtc.account.SignalingClient",
        autospec=True,
        return_value=aws.client,
    ):
        yield aws.client


@pytest.fixture
def mock_setup_entry(mock_client: AsyncMock) -> Generator[AsyncMock]:
    """Set entries up with a client and nothing else."""

    async def setup(hass: HomeAssistant, entry: ConfigEntry) -> bool:
        entry.runtime_data = SimpleNamespace(client=mock_client)
        return True

    with (
        patch(
            "custom_components.kinesis_webrtc.async_setup_entry", side_effect=setup
        ) as mock,
        patch("custom_components.kinesis_webrtc.async_unload_entry", return_value=True),
    ):
        yield mock


@pytest.fixture
def mock_config_entry() -> MockConfigEntry:
    """Return an account without subentries."""
    return make_entry()


def make_entry(*subentries: ConfigSubentryData, **kwargs: Any) -> MockConfigEntry:
    """Return an account with subentries."""
    return MockConfigEntry(
        domain=DOMAIN,
        title=f"AWS {ACCOUNT} ({REGION})",
        unique_id=f"{ACCOUNT}_{REGION}",
        data={CONF_REGION: REGION, **KEYS},
        subentries_data=subentries,
        **kwargs,
    )


@pytest.fixture
async def loaded_entry(
    hass: HomeAssistant,
    mock_setup_entry: AsyncMock,
    mock_config_entry: MockConfigEntry,
) -> MockConfigEntry:
    """Return an account that is set up, but runs nothing of ours."""
    mock_config_entry.add_to_hass(hass)
    assert await hass.config_entries.async_setup(mock_config_entry.entry_id)
    return mock_config_entry


@pytest.fixture
async def camera(
    hass: HomeAssistant, entity_registry: er.EntityRegistry
) -> er.RegistryEntry:
    """Return a camera of another integration."""
    return add_camera(hass, entity_registry, "front_door", "Front door")


def add_camera(
    hass: HomeAssistant,
    entity_registry: er.EntityRegistry,
    object_id: str,
    name: str,
    platform: str = "demo",
) -> er.RegistryEntry:
    """Have a camera in Home Assistant."""
    entity = entity_registry.async_get_or_create(
        CAMERA_DOMAIN, platform, object_id, suggested_object_id=object_id
    )
    hass.states.async_set(entity.entity_id, "idle", {"friendly_name": name})
    return entity


@pytest.fixture
def masters() -> Generator[Masters]:
    """Give the far sides of every shared camera to the test."""
    with patched_masters() as masters:
        yield masters


@pytest.fixture
async def entry(
    hass: HomeAssistant,
    mock_client: AsyncMock,
    masters: Masters,
    camera: er.RegistryEntry,
) -> MockConfigEntry:
    """Return a loaded account that shares a camera; modules may have another."""
    return await async_share(hass, camera)


@pytest.fixture
def master(entry: MockConfigEntry, masters: Masters) -> Master:
    """Return the far sides of the camera that was shared last."""
    return masters.made[-1]


@pytest.fixture
def sockets() -> Generator[Sockets]:
    """Give the websockets of viewers to the test."""
    with patched_sockets() as sockets:
        yield sockets


@pytest.fixture
async def viewing(
    hass: HomeAssistant, mock_client: AsyncMock, sockets: Sockets
) -> AsyncGenerator[MockConfigEntry]:
    """Return a loaded account that views a channel."""
    entry = make_entry(remote_channel_data("cabin"))
    entry.add_to_hass(hass)
    assert await hass.config_entries.async_setup(entry.entry_id)
    await hass.async_block_till_done(wait_background_tasks=False)
    yield entry
    if entry.state is ConfigEntryState.LOADED:
        await hass.config_entries.async_unload(entry.entry_id)


@pytest.fixture
async def created(hass: HomeAssistant) -> CreatedChannels:
    """Return the list of created channels."""
    return await async_get_created_channels(hass)


@pytest.fixture
async def our_tag(hass: HomeAssistant) -> dict[str, str]:
    """Return the tag of what this Home Assistant has made."""
    return {TAG_CREATED_BY: await instance_id.async_get(hass)}


@pytest.fixture(autouse=True)
def _flow_texts_exist() -> Generator[None]:
    """Hold every form and every abort of a test to the translations."""
    handle_step = FlowManager._async_handle_step

    async def checked(
        manager: Any, flow: Any, *args: Any, **kwargs: Any
    ) -> dict[str, Any]:
        result = await handle_step(manager, flow, *args, **kwargs)
        if _owner(manager, flow) == DOMAIN:
            _check_texts(_section(manager, flow), result)
        return result

    with patch.object(FlowManager, "_async_handle_step", checked):
        yield


def _owner(manager: Any, flow: Any) -> str:
    if isinstance(flow.handler, tuple):
        return manager.hass.config_entries.async_get_entry(flow.handler[0]).domain
    if entry := manager.hass.config_entries.async_get_entry(flow.handler):
        return entry.domain
    return flow.handler


def _section(manager: Any, flow: Any) -> dict[str, Any]:
    if issue_id := flow.context.get("issue_id"):
        issue = ir.async_get(manager.hass).async_get_issue(DOMAIN, issue_id)
        return (
            TRANSLATIONS["issues"][issue.translation_key]["fix_flow"] if issue else {}
        )
    if isinstance(flow.handler, tuple):
        return TRANSLATIONS["config_subentries"][flow.handler[1]]
    if manager.hass.config_entries.async_get_entry(flow.handler):
        return TRANSLATIONS["options"]
    return TRANSLATIONS["config"]


def _check_texts(section: dict[str, Any], result: dict[str, Any]) -> None:
    placeholders = result.get("description_placeholders") or {}
    if result["type"] is FlowResultType.ABORT:
        if result.get("translation_domain") is None:
            check_text(section["abort"][result["reason"]], placeholders)
    elif result["type"] is FlowResultType.FORM:
        step = section["step"][result["step_id"]]
        fields = [str(key) for key in result["data_schema"].schema]
        texts = [step["title"], step.get("description", "")]
        texts += [
            step[kind][key] for kind in ("data", "data_description") for key in fields
        ]
        texts += [section["error"][key] for key in (result["errors"] or {}).values()]
        for text in texts:
            check_text(text, placeholders)

    elif result["type"] is FlowResultType.MENU:
        step = section["step"][result["step_id"]]
        options = [step["menu_options"][key] for key in result["menu_options"]]
        for text in [step["title"], step["description"], *options]:
            check_text(text, placeholders)
    elif result["type"] is FlowResultType.SHOW_PROGRESS:
        check_text(section["progress"][result["progress_action"]], placeholders)


def check_text(text: str, placeholders: dict[str, str]) -> None:
    """Fail if a text names a placeholder that is not given."""
    missing = set(re.findall(r"{(\w+)}", text)) - placeholders.keys()
    assert not missing, f"{missing} not given for: {text}"


@pytest.fixture
def skill_aws() -> Generator[SkillAws]:
    """Return the account's stacks and parameters; no call may break AWS's models."""
    aws = SkillAws()
    with patch(
        "custom_components.kinesis_webrtc.aws_clients.boto3.session.Session",
        aws.session,
    ):
        yield aws
    assert not aws.problems
