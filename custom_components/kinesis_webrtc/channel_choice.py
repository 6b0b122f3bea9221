"""The signaling channel of a camera: a new one, or one that is there."""

from dataclasses import dataclass
from itertools import chain
import re
from typing import Final

from homeassistant.config_entries import ConfigEntry
from homeassistant.core import HomeAssistant
from homeassistant.helpers import instance_id
from homeassistant.helpers.selector import (
    SelectSelector,
    SelectSelectorConfig,
    SelectSelectorMode,
)
from homeassistant.util import slugify

from .const import (
    CHANNEL_NAME_PREFIX,
    CONF_REGION,
    MESSAGE_TTL,
    TAG_CAMERA_NAME,
    TAG_CREATED_BY,
)
from .created_channels import ChannelKey, CreatedChannels, channels_in_use
from .signaling import (
    CannotConnectError,
    Channel,
    ResourceInUseError,
    ResourceNotFoundError,
    ServiceError,
    SignalingClient,
    SignalingError,
)

# With the prefix: ha-relay.
RELAY_CHANNEL: Final = "relay"

_DELETING: Final = "DELETING"
_NAME: Final = re.compile(r"[a-zA-Z0-9_.-]{1,256}")
_SLUG_LENGTH: Final = 200
_NAMES_TRIED: Final = 100


class ChannelRefused(Exception):
    """A channel cannot be used for a camera; `key` says why."""

    def __init__(self, key: str) -> None:
        """Keep the form's error."""
        super().__init__(key)
        self.key = key


@dataclass(frozen=True, kw_only=True, slots=True)
class ExistingChannel:
    """A channel that may be used, whether the Alexa skill would find it, and whose it is."""

    channel: Channel
    for_alexa: bool
    made_here: bool


@dataclass(kw_only=True, slots=True)
class ChannelChooser:
    """Finds or makes a channel in an account, and keeps others away from it.

    What it returns is claimed for `holder`, who releases it.
    """

    hass: HomeAssistant
    entry: ConfigEntry
    client: SignalingClient
    created: CreatedChannels
    holder: object

    async def async_choose(
        self, choice: str, *, except_subentry_id: str | None = None
    ) -> ExistingChannel:
        """Return an existing channel for a camera, given by its ARN or its name.

        Raises ChannelRefused, and the errors of the signaling package.
        """
        channel = await self.async_find(choice, except_subentry_id=except_subentry_id)
        maker = await self._async_maker(channel)
        return ExistingChannel(
            channel=channel,
            for_alexa=maker is not None,
            made_here=maker == await instance_id.async_get(self.hass),
        )

    async def async_find(
        self, choice: str, *, except_subentry_id: str | None = None
    ) -> Channel:
        """Return an existing channel that nothing here uses, by its ARN or its name.

        Raises ChannelRefused, and the errors of the signaling package.
        """
        channel = await self._async_describe(choice)
        key = ChannelKey.from_arn(channel.arn)
        if key in channels_in_use(self.hass, except_subentry_id=except_subentry_id):
            raise ChannelRefused("channel_in_use")
        if not self.created.claim(key, self.holder):
            raise ChannelRefused("channel_in_use")
        # Master and viewers of such a channel talk to AWS's storage, not to each other.
        if await self.client.is_media_storage_enabled(channel.arn):
            raise ChannelRefused("media_storage_enabled")
        return channel

    async def _async_describe(self, choice: str) -> Channel:
        try:
            if choice.startswith("arn:"):
                if _region(choice) != self.entry.data[CONF_REGION]:
                    raise ChannelRefused("wrong_region")
                channel = await self.client.describe_channel(arn=choice)
            elif _NAME.fullmatch(choice):
                channel = await self.client.describe_channel(name=choice)
            else:
                raise ChannelRefused("invalid_channel")
        except ResourceNotFoundError as err:
            raise ChannelRefused("channel_not_found") from err
        if channel.status == _DELETING:
            raise ChannelRefused("channel_not_found")
        return channel

    async def _async_maker(self, channel: Channel) -> str | None:
        """Return who made a channel that the skill lists and Alexa takes the name of."""
        key = ChannelKey.from_arn(channel.arn)
        if key != ChannelKey.from_entry(self.entry, key.name):
            return None
        if not key.name.startswith(CHANNEL_NAME_PREFIX) or "." in key.name:
            return None
        return (await self.client.get_tags(channel.arn)).get(TAG_CREATED_BY)

    async def async_create(self, camera_name: str, tags: dict[str, str]) -> Channel:
        """Return a new channel named after a camera, once it is active.

        The tags name the camera to the Alexa skill. A channel of that name that was
        made here and that nothing uses is taken instead: it is what an interrupted
        attempt leaves behind. Raises the errors of the signaling package.
        """
        return await self._async_create(camera_name, tags)

    async def async_create_again(self, name: str, tags: dict[str, str]) -> Channel:
        """Return a new channel in the place of one that is gone, under its name.

        Raises the errors of the signaling package, ResourceInUseError where somebody
        else has taken the name meanwhile.
        """
        tags = {TAG_CREATED_BY: await instance_id.async_get(self.hass), **tags}
        key = ChannelKey.from_entry(self.entry, name)
        if self.created.claim(key, self.holder) and (
            channel := await self._async_create_or_adopt(key, tags)
        ):
            await self.created.async_set_arn(key, channel.arn)
            return channel
        raise ResourceInUseError(operation="CreateSignalingChannel")

    async def async_create_relay(self) -> Channel:
        """Return a new channel for its TURN servers alone, once it is active.

        It has no camera's name, so that the Alexa skill passes it over. Raises the
        errors of the signaling package.
        """
        return await self._async_create(RELAY_CHANNEL, {})

    async def _async_create(self, what_for: str, tags: dict[str, str]) -> Channel:
        tags = {TAG_CREATED_BY: await instance_id.async_get(self.hass), **tags}
        for name in _names(what_for):
            key = ChannelKey.from_entry(self.entry, name)
            if key in channels_in_use(self.hass):
                continue
            if not self.created.claim(key, self.holder):
                continue
            if channel := await self._async_create_or_adopt(key, tags):
                await self.created.async_set_arn(key, channel.arn)
                return channel
            await self.created.async_discard(key)
        raise ResourceInUseError(operation="CreateSignalingChannel")

    async def _async_create_or_adopt(
        self, key: ChannelKey, tags: dict[str, str]
    ) -> Channel | None:
        """Return the channel of this name, or None if it is somebody else's."""
        is_new = await self.created.async_add(key, self.entry)
        try:
            return await self.client.create_channel(
                name=key.name, message_ttl=MESSAGE_TTL, tags=tags
            )
        except ResourceInUseError:
            return await self._async_adopt(key.name, tags)
        except SignalingError as err:
            if is_new and _was_not_created(err):
                await self.created.async_discard(key)
            raise

    async def _async_adopt(self, name: str, tags: dict[str, str]) -> Channel | None:
        try:
            channel = await self.client.describe_channel(name=name)
            if channel.status == _DELETING:
                return None
            existing = await self.client.get_tags(channel.arn)
        except ResourceNotFoundError:
            return None
        if existing.get(TAG_CREATED_BY) != tags[TAG_CREATED_BY]:
            return None
        if TAG_CAMERA_NAME in existing and TAG_CAMERA_NAME not in tags:
            # A camera's, whose name cannot be taken from it.
            return None
        if not tags.items() <= existing.items():
            await self.client.tag_channel(channel.arn, tags)
        if channel.message_ttl != MESSAGE_TTL:
            channel = await self.client.update_message_ttl(channel, MESSAGE_TTL)
        return channel

    def has_made(self, arn: str) -> bool:
        """Return whether a channel is on the list of those that were made here."""
        return self.created.get(ChannelKey.from_arn(arn)) is not None


def channel_selector(
    hass: HomeAssistant,
    channels: list[Channel],
    *,
    except_subentry_id: str | None,
) -> SelectSelector:
    """Return a selector of the channels that are free, by their names.

    Home Assistant's frontend shows the value of what was chosen where values can be
    typed in too, not its label.
    """
    in_use = channels_in_use(hass, except_subentry_id=except_subentry_id)
    return SelectSelector(
        SelectSelectorConfig(
            options=sorted(
                channel.name
                for channel in channels
                if channel.status != _DELETING
                and ChannelKey.from_arn(channel.arn) not in in_use
            ),
            mode=SelectSelectorMode.DROPDOWN,
            custom_value=True,
        )
    )


def _names(what_for: str) -> chain[str]:
    """Return the names to try for the channel of a camera or a relay; none has a dot.

    Alexa takes no dot in an endpoint's id, which the channel's name becomes.
    """
    slug = slugify(what_for, separator="-")[:_SLUG_LENGTH]
    name = f"{CHANNEL_NAME_PREFIX}{slug}"
    return chain([name], (f"{name}-{count}" for count in range(2, _NAMES_TRIED)))


def _region(arn: str) -> str:
    try:
        return ChannelKey.from_arn(arn).region
    except ValueError as err:
        raise ChannelRefused("invalid_channel") from err


def _was_not_created(err: SignalingError) -> bool:
    """Return whether AWS has refused to create the channel beyond doubt.

    After a time-out, or an error while the new channel is waited for, it may be there.
    """
    return err.operation == "CreateSignalingChannel" and not isinstance(
        err, CannotConnectError | ServiceError
    )
