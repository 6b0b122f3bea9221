"""Subentry flow of a shared camera: an HA camera and the channel it is seen through."""

from typing import TYPE_CHECKING, Any, Final, override

from homeassistant.config_entries import ConfigEntryState, SubentryFlowResult
from homeassistant.core import callback
from homeassistant.helpers import entity_registry as er
from homeassistant.helpers.selector import BooleanSelector
from homeassistant.helpers.typing import UNDEFINED
import voluptuous as vol

from .alexa_fields import ALEXA_FIELDS, AlexaFields
from .alexa_flow import AlexaFlow
from .camera_choice import (
    CameraRefused,
    camera_selector,
    choose_camera,
)
from .channel_choice import ExistingChannel, channel_selector
from .const import (
    CONF_ALEXA_NAME,
    CONF_CAMERA,
    CONF_CHANNEL,
    CONF_CHANNEL_ARN,
    CONF_CHANNEL_NAME,
    CONF_KEEP_WARM,
    CONF_SET_MESSAGE_TTL,
    DOMAIN,
    MESSAGE_TTL,
)
from .keep_warm import DEFAULT, Warmth, warmth_data, warmth_of, warmth_selector
from .signaling import Channel

_TTL_SCHEMA: Final = vol.Schema(
    {vol.Required(CONF_SET_MESSAGE_TTL, default=True): BooleanSelector()}
)


class SharedCameraFlow(AlexaFlow):
    """Share a camera through a signaling channel, or change either of them."""

    def __init__(self) -> None:
        """Start without a choice."""
        super().__init__()
        self._existing: ExistingChannel | None = None
        self._warmth = DEFAULT
        self._made_channel = False

    @callback
    @override
    def async_remove(self) -> None:
        """Let go of the channel, and of the one that was made in vain."""
        super().async_remove()
        if self._created is None:
            return
        entry = self.hass.config_entries.async_get_entry(self.handler[0])
        if self._made_channel and entry and entry.state is ConfigEntryState.LOADED:
            client = entry.runtime_data.client
            entry.async_create_background_task(
                self.hass,
                self._created.async_clean_up(self.hass, entry, client),
                f"{DOMAIN} clean-up",
            )

    async def async_step_user(
        self, user_input: dict[str, Any] | None = None
    ) -> SubentryFlowResult:
        """Choose a camera and a channel."""
        return await self._async_step_choose("user", user_input)

    async def async_step_reconfigure(
        self, user_input: dict[str, Any] | None = None
    ) -> SubentryFlowResult:
        """Choose another camera or another channel."""
        return await self._async_step_choose("reconfigure", user_input)

    async def async_step_existing_channel(
        self, user_input: dict[str, Any] | None = None
    ) -> SubentryFlowResult:
        """Offer to set the message TTL of a channel that was there."""
        return await self._async_step_existing("existing_channel", user_input)

    async def async_step_existing_channel_not_for_alexa(
        self, user_input: dict[str, Any] | None = None
    ) -> SubentryFlowResult:
        """Say as well that Alexa will not find the channel."""
        return await self._async_step_existing(
            "existing_channel_not_for_alexa", user_input
        )

    async def async_step_existing_channel_of_another_home(
        self, user_input: dict[str, Any] | None = None
    ) -> SubentryFlowResult:
        """Say as well that what Alexa knows of the channel is told elsewhere."""
        return await self._async_step_existing(
            "existing_channel_of_another_home", user_input
        )

    async def _async_step_choose(
        self, step_id: str, user_input: dict[str, Any] | None
    ) -> SubentryFlowResult:
        if not await self._async_begin():
            return self.async_abort(reason="entry_not_loaded")
        if user_input is not None:
            self._warmth = Warmth(user_input[CONF_KEEP_WARM])
        if (
            user_input is not None
            and self._choose_camera(user_input[CONF_CAMERA])
            and await self._async_try(
                self._async_choose_channel(self._chosen(user_input))
            )
        ):
            return await self._async_ask_or_finish()
        return await self._async_show_choice(step_id, user_input)

    async def _async_step_existing(
        self, step_id: str, user_input: dict[str, Any] | None
    ) -> SubentryFlowResult:
        if self._get_entry().state is not ConfigEntryState.LOADED:
            return self.async_abort(reason="entry_not_loaded")
        self._errors = {}
        if user_input is not None and (
            not user_input.get(CONF_SET_MESSAGE_TTL)
            or await self._async_try(self._async_set_message_ttl())
        ):
            return await self._async_ask_for_alexa_or_finish()
        if TYPE_CHECKING:
            assert self._existing is not None
        ttl = self._existing.channel.message_ttl
        return self.async_show_form(
            step_id=step_id,
            data_schema=vol.Schema({}) if ttl == MESSAGE_TTL else _TTL_SCHEMA,
            errors=self._errors,
            description_placeholders={
                **self._all_placeholders(),
                "channel": self._channel_name,
                "message_ttl": str(ttl or "-"),
            },
        )

    def _choose_camera(self, entity_id_or_uuid: str) -> bool:
        """Take the camera that the user chose, unless it cannot be shared."""
        try:
            self._camera = choose_camera(self.hass, entity_id_or_uuid)
        except CameraRefused as err:
            self._errors = {CONF_CAMERA: err.key}
            return False
        if self._is_camera_shared:
            self._errors = {CONF_CAMERA: "camera_already_shared"}
        return not self._errors

    async def _async_choose_channel(self, choice: str) -> None:
        """Examine the channel that the user chose, or make one for no choice."""
        chooser = self._chooser()
        self._existing = None
        self._tags = {}
        fields = self._current_alexa_fields()
        subentry = self._subentry
        if subentry and choice == subentry.data[CONF_CHANNEL_ARN]:
            self._channel_arn = choice
            self._channel_name = subentry.data[CONF_CHANNEL_NAME]
            is_ours = CONF_ALEXA_NAME in subentry.data or chooser.has_made(choice)
            if CONF_ALEXA_NAME in subentry.data:
                self._tags = AlexaFields.from_data(
                    subentry.data, title=subentry.title
                ).tags
            self._alexa = fields if is_ours else None
            return
        if not choice:
            self._made_channel = True
            channel = await chooser.async_create(self._camera.name, fields.tags)
            self._tags = fields.tags
            self._alexa = fields
        else:
            self._existing = await chooser.async_choose(
                choice, except_subentry_id=self._subentry_id
            )
            channel = self._existing.channel
            self._alexa = fields if self._existing.made_here else None
        self._channel_arn = channel.arn
        self._channel_name = channel.name

    async def _async_set_message_ttl(self) -> None:
        # Read anew: its version may have changed while the form was open.
        channel = await self._client.describe_channel(arn=self._channel_arn)
        await self._client.update_message_ttl(channel, MESSAGE_TTL)

    async def _async_ask_or_finish(self) -> SubentryFlowResult:
        """Ask only where there is something to say of the channel."""
        if self._existing and not self._existing.for_alexa:
            return await self.async_step_existing_channel_not_for_alexa()
        if self._existing and not self._existing.made_here:
            return await self.async_step_existing_channel_of_another_home()
        if self._existing and self._existing.channel.message_ttl != MESSAGE_TTL:
            return await self.async_step_existing_channel()
        return await self._async_ask_for_alexa_or_finish()

    @override
    def _finish(self) -> SubentryFlowResult:
        data = {
            CONF_CAMERA: self._camera.id,
            CONF_CHANNEL_ARN: self._channel_arn,
            CONF_CHANNEL_NAME: self._channel_name,
            **warmth_data(self._warmth),
            **(self._alexa.data if self._alexa else {}),
        }
        subentry = self._subentry
        if subentry is None:
            # Somebody else may have shared it while this form was open.
            if self._is_camera_shared:
                return self.async_abort(reason="already_configured")
            return self.async_create_entry(
                title=self._camera.name, data=data, unique_id=self._unique_id
            )
        is_same_camera = self._camera.id == subentry.data[CONF_CAMERA]
        kept = {
            key: value
            for key, value in subentry.data.items()
            if key not in (*ALEXA_FIELDS, CONF_KEEP_WARM)
        }
        return self.async_update_and_abort(
            self._get_entry(),
            subentry,
            # A name that the user has given stays as long as the camera does.
            title=UNDEFINED if is_same_camera else self._camera.name,
            data=kept | data,
            unique_id=self._unique_id,
        )

    async def _async_show_choice(
        self, step_id: str, user_input: dict[str, Any] | None
    ) -> SubentryFlowResult:
        channels = await self._async_list_channels()
        return self.async_show_form(
            step_id=step_id,
            data_schema=self.add_suggested_values_to_schema(
                self._choice_schema(channels), user_input or self._current_choice()
            ),
            errors=self._errors,
            description_placeholders=self._all_placeholders(),
        )

    def _choice_schema(self, channels: list[Channel]) -> vol.Schema:
        return vol.Schema(
            {
                vol.Required(CONF_CAMERA): camera_selector(self.hass),
                vol.Optional(CONF_CHANNEL): channel_selector(
                    self.hass,
                    channels,
                    except_subentry_id=self._subentry_id,
                ),
                vol.Required(CONF_KEEP_WARM, default=DEFAULT): warmth_selector(),
            }
        )

    def _current_choice(self) -> dict[str, Any]:
        """Return what a subentry that is changed has now."""
        if (subentry := self._subentry) is None:
            return {}
        registry = er.async_get(self.hass)
        return {
            CONF_CAMERA: er.async_resolve_entity_id(
                registry, subentry.data[CONF_CAMERA]
            ),
            CONF_CHANNEL: self._shown(subentry.data[CONF_CHANNEL_ARN]),
            CONF_KEEP_WARM: warmth_of(subentry.data),
        }

    @property
    def _is_camera_shared(self) -> bool:
        """Return whether another shared camera of the account has this camera."""
        return any(
            subentry.unique_id == self._unique_id
            and subentry.subentry_id != self._subentry_id
            for subentry in self._get_entry().subentries.values()
        )

    @property
    def _unique_id(self) -> str:
        return f"camera_{self._camera.id}"
