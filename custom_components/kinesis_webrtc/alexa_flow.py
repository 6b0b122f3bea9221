"""The step of a shared camera's flow that asks what the camera is to Alexa."""

from abc import abstractmethod
from typing import TYPE_CHECKING, Any

from homeassistant.config_entries import ConfigEntryState, SubentryFlowResult

from .alexa_fields import (
    AlexaFields,
    FieldsRefused,
    alexa_schema,
    doubts,
    read_fields,
    spoken_name,
)
from .camera_choice import ChosenCamera
from .channel_flow import ChannelFlow
from .const import (
    CHANNEL_NAME_PREFIX,
    CONF_ALEXA_NAME,
    CONF_CAMERA,
    DOCUMENTATION_URL,
    MESSAGE_TTL,
    TAG_CREATED_BY,
)


class AlexaFlow(ChannelFlow):
    """Choose what Alexa knows of a camera, and write it where the skill reads it."""

    def __init__(self) -> None:
        """Start without a choice."""
        super().__init__()
        self._camera = ChosenCamera(id="", name="")
        # None where the channel is not ours to tag.
        self._alexa: AlexaFields | None = None
        # What the channel says already.
        self._tags: dict[str, str] = {}
        self._doubts: set[tuple[str, str]] = set()

    async def async_step_alexa(
        self, user_input: dict[str, Any] | None = None
    ) -> SubentryFlowResult:
        """Ask what the camera is to Alexa."""
        if self._get_entry().state is not ConfigEntryState.LOADED:
            return self.async_abort(reason="entry_not_loaded")
        if TYPE_CHECKING:
            assert self._alexa is not None
        self._errors = {}
        if (
            user_input is not None
            and self._choose_alexa_fields(user_input)
            and await self._async_try(self._async_tag_channel())
        ):
            return self._finish()
        typed = (user_input or {}).get(CONF_ALEXA_NAME, "")
        return self.async_show_form(
            step_id="alexa",
            data_schema=self.add_suggested_values_to_schema(
                alexa_schema(self.hass), user_input or self._alexa.shown(self.hass)
            ),
            errors=self._errors,
            description_placeholders={
                **self._all_placeholders(),
                "camera": self._camera.name,
                "spoken_name": spoken_name(typed),
            },
        )

    async def _async_ask_for_alexa_or_finish(self) -> SubentryFlowResult:
        if self._alexa is not None:
            return await self.async_step_alexa()
        return self._finish()

    def _choose_alexa_fields(self, user_input: dict[str, Any]) -> bool:
        """Take what the user filled in; what is only doubtful, at the second time."""
        try:
            fields = read_fields(self.hass, user_input, camera_id=self._camera.id)
        except FieldsRefused as err:
            self._errors = err.errors
            return False
        if doubt := self._new_doubt(fields.name):
            self._errors = {CONF_ALEXA_NAME: doubt}
            return False
        self._alexa = fields
        return True

    def _new_doubt(self, name: str) -> str | None:
        """Return what speaks against a name and was not said of it yet."""
        subentry = self._subentry
        if subentry and name == subentry.data.get(CONF_ALEXA_NAME):
            return None
        for doubt in doubts(self.hass, name, except_subentry_id=self._subentry_id):
            if (doubt, name) not in self._doubts:
                self._doubts.add((doubt, name))
                return doubt
        return None

    async def _async_tag_channel(self) -> None:
        """Tell the skill what has changed for it."""
        if TYPE_CHECKING:
            assert self._alexa is not None
        if (tags := self._alexa.tags) != self._tags:
            # A call that fails may have done its work.
            self._tags = {}
            await self._client.tag_channel(self._channel_arn, tags)
            self._tags = tags

    def _current_alexa_fields(self) -> AlexaFields:
        """Return what there is for the chosen camera, or what it suggests."""
        subentry = self._subentry
        if (
            subentry
            and self._camera.id == subentry.data[CONF_CAMERA]
            and CONF_ALEXA_NAME in subentry.data
        ):
            return AlexaFields.from_data(subentry.data, title=subentry.title)
        return AlexaFields.suggested(self.hass, self._camera)

    @abstractmethod
    def _finish(self) -> SubentryFlowResult:
        """Store what was chosen."""

    def _all_placeholders(self) -> dict[str, str]:
        return {
            "documentation_url": DOCUMENTATION_URL,
            "own_message_ttl": str(MESSAGE_TTL),
            "prefix": CHANNEL_NAME_PREFIX,
            "tag": TAG_CREATED_BY,
            **self._placeholders,
        }
