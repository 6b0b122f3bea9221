"""Fix flows of the Alexa skill: who may look, its backend, and what is left in AWS."""

import asyncio
from collections.abc import Mapping
from typing import Any, Final

from homeassistant.components.repairs import RepairsFlow, RepairsFlowResult
from homeassistant.config_entries import ConfigEntry, ConfigEntryState, ConfigSubentry
from homeassistant.core import callback
from homeassistant.helpers import issue_registry as ir
import voluptuous as vol

from .alexa.stack import backend_version
from .const import (
    CONF_CODE,
    CONF_LANGUAGES,
    CONF_OWNERS,
    CONF_REGION,
    CONF_SKILL_ID,
    CONF_STACKS,
    CONF_VERSION,
    DOCUMENTATION_URL,
    DOMAIN,
)
from .created_stacks import account_of, async_get_created_stacks
from .errors import flow_errors
from .keys_form import KEYS_SCHEMA, cleaned
from .skill_backend import (
    SkillBackend,
    async_key_errors,
    parameters,
    regions_of,
    stack_settings,
)
from .skill_template import async_template_link

_NOTHING: Final = vol.Schema({})


class SkillRepair(RepairsFlow):
    """A fix flow with errors that are shown in its forms."""

    data: dict[str, Any]

    def __init__(self) -> None:
        """Start without an error."""
        self._errors: dict[str, str] = {}
        self._placeholders: dict[str, str] = {}

    def _show(
        self,
        step_id: str,
        schema: vol.Schema = _NOTHING,
        suggested: Mapping[str, Any] | None = None,
        **placeholders: str,
    ) -> RepairsFlowResult:
        return self.async_show_form(
            step_id=step_id,
            data_schema=self.add_suggested_values_to_schema(schema, suggested),
            errors=self._errors,
            description_placeholders={**self._texts(), **placeholders},
        )

    def _texts(self) -> dict[str, str]:
        """Return the placeholders of the issue, and of errors."""
        issue = ir.async_get(self.hass).async_get_issue(DOMAIN, self.issue_id)
        return {
            **((issue and issue.translation_placeholders) or {}),
            "documentation_url": DOCUMENTATION_URL,
            **self._placeholders,
        }

    @property
    def _skill(self) -> tuple[ConfigEntry, ConfigSubentry] | None:
        """Return the skill and its account while both are there and loaded."""
        entry = self.hass.config_entries.async_get_entry(self.data["entry_id"])
        if entry is None or entry.state is not ConfigEntryState.LOADED:
            return None
        subentry = entry.subentries.get(self.data["subentry_id"])
        return (entry, subentry) if subentry else None


class OwnerFlow(SkillRepair):
    """Somebody wants to see the cameras: allow or refuse it."""

    async def async_step_init(
        self,
        user_input: dict[str, Any] | None = None,  # noqa: ARG002
    ) -> RepairsFlowResult:
        """Ask."""
        return self.async_show_menu(
            step_id="init",
            menu_options=["allow", "refuse"],
            description_placeholders=self._texts(),
        )

    async def async_step_allow(
        self,
        user_input: dict[str, Any] | None = None,  # noqa: ARG002
    ) -> RepairsFlowResult:
        """Let them look."""
        return await self._async_decide("allow", allowed=True)

    async def async_step_refuse(
        self,
        user_input: dict[str, Any] | None = None,  # noqa: ARG002
    ) -> RepairsFlowResult:
        """Let them neither look nor ask again."""
        return await self._async_decide("refuse", allowed=False)

    async def _async_decide(self, step_id: str, *, allowed: bool) -> RepairsFlowResult:
        if (skill := self._skill) is None:
            return self.async_abort(reason="skill_not_loaded")
        entry, subentry = skill
        user_id = self.data["user_id"]
        stored = parameters(self.hass, entry, subentry.data[CONF_SKILL_ID])
        self._errors = {}
        try:
            await (stored.allow(user_id) if allowed else stored.refuse(user_id))
        except Exception as err:  # noqa: BLE001
            self._errors, self._placeholders = flow_errors(err)
            return self._show(step_id)
        if allowed:
            # Whoever was let in is not named in AWS any more.
            owners = subentry.data.get(CONF_OWNERS, {})
            self.hass.config_entries.async_update_subentry(
                entry,
                subentry,
                data={
                    **subentry.data,
                    CONF_OWNERS: {**owners, user_id: self.data["person"]},
                },
            )
        if runtime := entry.runtime_data.alexa_skills.get(subentry.subentry_id):
            runtime.async_look_again()
        return self.async_create_entry(data={})


class BackendFlow(SkillRepair):
    """The backend is old, changed or gone: make it anew, as it should be."""

    def __init__(self) -> None:
        """Start without keys."""
        super().__init__()
        self._keys: Mapping[str, Any] = {}
        self._update: asyncio.Task[list[dict[str, Any]]] | None = None
        self._stacks: list[dict[str, Any]] = []

    async def async_step_init(
        self,
        user_input: dict[str, Any] | None = None,  # noqa: ARG002
    ) -> RepairsFlowResult:
        """Choose who does it."""
        return self.async_show_menu(
            step_id="init",
            menu_options=["account_keys", "other_keys", "by_hand"],
            description_placeholders=self._texts(),
        )

    async def async_step_account_keys(
        self, user_input: dict[str, Any] | None = None
    ) -> RepairsFlowResult:
        """Use the keys of the account; the form is for another try."""
        if self._errors and user_input is None:
            return self._show("account_keys")
        return await self.async_step_deploy()

    async def async_step_other_keys(
        self, user_input: dict[str, Any] | None = None
    ) -> RepairsFlowResult:
        """Take keys of the same account that may more; they are not kept."""
        if user_input is not None and (skill := self._skill):
            keys = cleaned(user_input)
            self._errors, self._placeholders = await async_key_errors(
                self.hass,
                keys,
                account=account_of(skill[0]),
                region=skill[0].data[CONF_REGION],
            )
            if not self._errors:
                self._keys = keys
                return await self.async_step_deploy()
        return self._show("other_keys", KEYS_SCHEMA, user_input)

    async def async_step_by_hand(
        self, user_input: dict[str, Any] | None = None
    ) -> RepairsFlowResult:
        """Hand the template over, and believe that it was used."""
        if (skill := self._skill) is None:
            return self.async_abort(reason="skill_not_loaded")
        entry, subentry = skill
        if user_input is None:
            settings = stack_settings(entry, subentry.data[CONF_SKILL_ID])
            return self._show(
                "by_hand",
                template=async_template_link(self.hass, settings),
                name=settings.name,
                regions=", ".join(regions_of(subentry.data[CONF_LANGUAGES])),
            )
        version = await self.hass.async_add_executor_job(backend_version)
        # What the function's code is now cannot be told from here.
        stacks = [
            {**stack, CONF_VERSION: version, CONF_CODE: None}
            for stack in subentry.data[CONF_STACKS]
        ]
        return self._finish(entry, subentry, stacks)

    async def async_step_deploy(
        self,
        user_input: dict[str, Any] | None = None,  # noqa: ARG002
    ) -> RepairsFlowResult:
        """Show how far AWS is."""
        if (skill := self._skill) is None:
            return self.async_abort(reason="skill_not_loaded")
        begins = self._update is None
        if self._update is None:
            self._errors = {}
            self._update = self.hass.async_create_task(
                self._async_update(*skill), f"{DOMAIN} update of a skill's backend"
            )
        # Home Assistant gives a step that follows a form at once the form's input.
        if begins or not self._update.done():
            return self.async_show_progress(
                step_id="deploy",
                progress_action="deploy",
                progress_task=self._update,
                description_placeholders=self._texts(),
            )
        update, self._update = self._update, None
        try:
            self._stacks = update.result()
        except Exception as err:  # noqa: BLE001
            self._errors, self._placeholders = flow_errors(err)
            return self.async_show_progress_done(
                next_step_id="other_keys" if self._keys else "account_keys"
            )
        return self.async_show_progress_done(next_step_id="updated")

    async def async_step_updated(
        self,
        user_input: dict[str, Any] | None = None,  # noqa: ARG002
    ) -> RepairsFlowResult:
        """Keep what is known of the stacks now."""
        if (skill := self._skill) is None:
            return self.async_abort(reason="skill_not_loaded")
        return self._finish(*skill, self._stacks)

    async def _async_update(
        self, entry: ConfigEntry, subentry: ConfigSubentry
    ) -> list[dict[str, Any]]:
        backend = SkillBackend(
            hass=self.hass,
            entry=entry,
            skill_id=subentry.data[CONF_SKILL_ID],
            created=await async_get_created_stacks(self.hass),
            holder=self,
            keys=self._keys or entry.data,
        )
        try:
            return await backend.async_deploy(
                regions_of(subentry.data[CONF_LANGUAGES]),
                self.async_update_progress,
                known=subentry.data[CONF_STACKS],
            )
        finally:
            backend.created.release(self)

    @callback
    def _finish(
        self,
        entry: ConfigEntry,
        subentry: ConfigSubentry,
        stacks: list[dict[str, Any]],
    ) -> RepairsFlowResult:
        self.hass.config_entries.async_update_subentry(
            entry, subentry, data={**subentry.data, CONF_STACKS: stacks}
        )
        return self.async_create_entry(data={})


class LeftoversFlow(SkillRepair):
    """Something is left in AWS: delete it with keys that may."""

    async def async_step_init(
        self,
        user_input: dict[str, Any] | None = None,  # noqa: ARG002
    ) -> RepairsFlowResult:
        """Ask for keys; what this step is given comes from no form."""
        return await self.async_step_delete()

    async def async_step_delete(
        self, user_input: dict[str, Any] | None = None
    ) -> RepairsFlowResult:
        """Take keys of the account; they are not kept."""
        if user_input is not None:
            keys = cleaned(user_input)
            account = self.data["account"]
            self._errors, self._placeholders = await async_key_errors(
                self.hass, keys, account=account, region=self.data["region"]
            )
            if not self._errors:
                created = await async_get_created_stacks(self.hass)
                err = await created.async_clean_up(account, keys)
                if err is None:
                    return self.async_create_entry(data={})
                self._errors, self._placeholders = flow_errors(err)
        return self._show("delete", KEYS_SCHEMA, user_input)
