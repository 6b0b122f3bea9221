"""Subentry flow of an Alexa skill: set it up, or change it."""

import re
from typing import Any, Final, override

from homeassistant.config_entries import SOURCE_RECONFIGURE, SubentryFlowResult
from homeassistant.helpers.selector import (
    SelectOptionDict,
    SelectSelector,
    SelectSelectorConfig,
    SelectSelectorMode,
    TextSelector,
)
import voluptuous as vol

from .alexa.regions import LANGUAGES
from .const import (
    CONF_LANGUAGES,
    CONF_OWNERS,
    CONF_SKILL_ID,
    DOMAIN,
    SUBENTRY_TYPE_ALEXA_SKILL,
)
from .errors import flow_errors
from .skill_backend import parameters, regions_of
from .skill_steps import SkillSteps

_TITLE: Final = "Alexa"
_SKILL_ID: Final = re.compile(
    r"amzn1\.ask\.skill\.[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
)
# With the country, as the developer console has it.
_LANGUAGE_NAMES: Final = {
    "ar": "Arabic",
    "de": "German",
    "en": "English",
    "es": "Spanish",
    "fr": "French",
    "hi": "Hindi",
    "it": "Italian",
    "ja": "Japanese",
    "nl": "Dutch",
    "pt": "Portuguese",
}


class AlexaSkillFlow(SkillSteps):
    """Set up the Alexa skill of an account, or change it."""

    async def async_step_user(
        self, user_input: dict[str, Any] | None = None
    ) -> SubentryFlowResult:
        """Take the skill's id and its languages."""
        if not await self._async_begin():
            return self.async_abort(reason="entry_not_loaded")
        if self._entry.get_subentries_of_type(SUBENTRY_TYPE_ALEXA_SKILL):
            return self.async_abort(reason="already_configured")
        if user_input is not None:
            skill_id = user_input[CONF_SKILL_ID].strip().lower()
            if not _SKILL_ID.fullmatch(skill_id):
                self._errors[CONF_SKILL_ID] = "invalid_skill_id"
            elif self._serves_another(skill_id):
                self._errors[CONF_SKILL_ID] = "skill_elsewhere"
            if not user_input[CONF_LANGUAGES]:
                self._errors[CONF_LANGUAGES] = "no_language"
            if not self._errors:
                self._data = {
                    CONF_SKILL_ID: skill_id,
                    CONF_LANGUAGES: user_input[CONF_LANGUAGES],
                }
                return await self.async_step_backend()
        schema = vol.Schema(
            {
                vol.Required(CONF_SKILL_ID): TextSelector(),
                vol.Required(CONF_LANGUAGES): _language_selector(),
            }
        )
        suggested = {CONF_LANGUAGES: self._likely_languages()}
        return self._show("user", schema, user_input or suggested)

    async def async_step_reconfigure(
        self,
        user_input: dict[str, Any] | None = None,  # noqa: ARG002
    ) -> SubentryFlowResult:
        """Choose what to change."""
        if not await self._async_begin():
            return self.async_abort(reason="entry_not_loaded")
        self._data = dict(self._get_reconfigure_subentry().data)
        return self.async_show_menu(
            step_id="reconfigure",
            menu_options=["languages", "owners", "permissions", "backend"],
        )

    async def async_step_languages(
        self, user_input: dict[str, Any] | None = None
    ) -> SubentryFlowResult:
        """Take other languages, which may force other regions."""
        self._errors = {}
        if user_input is not None:
            if languages := user_input[CONF_LANGUAGES]:
                before = regions_of(self._data[CONF_LANGUAGES])
                self._data[CONF_LANGUAGES] = languages
                if regions_of(languages) == before:
                    return self._finish()
                return await self.async_step_backend()
            self._errors[CONF_LANGUAGES] = "no_language"
        schema = vol.Schema({vol.Required(CONF_LANGUAGES): _language_selector()})
        return self._show("languages", schema, user_input or self._data)

    async def async_step_owners(
        self, user_input: dict[str, Any] | None = None
    ) -> SubentryFlowResult:
        """Choose who may go on looking."""
        self._errors = {}
        names = self._data.get(CONF_OWNERS, {})
        skill = parameters(self.hass, self._entry, self._data[CONF_SKILL_ID])
        allowed: tuple[str, ...] = ()
        try:
            allowed = (await skill.read_owners()).allowed
            if user_input is not None:
                kept = user_input.get(CONF_OWNERS, [])
                for user_id in set(allowed) - set(kept):
                    await skill.withdraw(user_id)
                self._data[CONF_OWNERS] = {
                    user_id: name for user_id, name in names.items() if user_id in kept
                }
                return self._finish()
        except Exception as err:  # noqa: BLE001
            self._errors, self._placeholders = flow_errors(err)
        options = [
            SelectOptionDict(value=user_id, label=names.get(user_id, user_id))
            for user_id in allowed
        ]
        selector = SelectSelector(
            SelectSelectorConfig(
                options=options, multiple=True, mode=SelectSelectorMode.LIST
            )
        )
        schema = vol.Schema({vol.Optional(CONF_OWNERS): selector})
        return self._show("owners", schema, {CONF_OWNERS: list(allowed)})

    @override
    def _finish(self) -> SubentryFlowResult:
        if self.source == SOURCE_RECONFIGURE:
            return self.async_update_and_abort(
                self._entry, self._get_reconfigure_subentry(), data=self._data
            )
        return self.async_create_entry(
            title=_TITLE, data=self._data, unique_id=SUBENTRY_TYPE_ALEXA_SKILL
        )

    def _serves_another(self, skill_id: str) -> bool:
        """Return whether another account's or region's cameras are a skill's."""
        return any(
            subentry.data[CONF_SKILL_ID] == skill_id
            for entry in self.hass.config_entries.async_entries(DOMAIN)
            for subentry in entry.get_subentries_of_type(SUBENTRY_TYPE_ALEXA_SKILL)
        )

    def _likely_languages(self) -> list[str]:
        """Return the skill's language by that of the home."""
        config = self.hass.config
        own = config.language.partition("-")[0]
        likely = f"{own}-{config.country}"
        if likely in LANGUAGES:
            return [likely]
        return [one for one in LANGUAGES if one.startswith(f"{own}-")][:1]


def _language_selector() -> SelectSelector:
    options = [
        SelectOptionDict(
            value=language,
            label=f"{_LANGUAGE_NAMES[language[:2]]} ({language[3:]})",
        )
        for language in LANGUAGES
    ]
    return SelectSelector(
        SelectSelectorConfig(
            options=options, multiple=True, mode=SelectSelectorMode.DROPDOWN
        )
    )
