"""Steps of the Alexa skill's flow: the backend in AWS, and the skill's secrets."""

import asyncio
from collections.abc import Mapping
import re
from typing import TYPE_CHECKING, Any, Final, override

from homeassistant.config_entries import (
    SOURCE_RECONFIGURE,
    ConfigEntry,
    ConfigEntryState,
    ConfigSubentryFlow,
    SubentryFlowResult,
)
from homeassistant.core import callback
from homeassistant.helpers.selector import (
    SelectSelector,
    SelectSelectorConfig,
    SelectSelectorMode,
    TextSelector,
)
from homeassistant.util import dt as dt_util
import voluptuous as vol

from .alexa.parameters import SkillSecrets
from .alexa.stack import backend_version
from .const import (
    CONF_BACKEND,
    CONF_CLIENT_ID,
    CONF_CLIENT_SECRET,
    CONF_FUNCTION_ARN,
    CONF_LANGUAGES,
    CONF_LINKING_CLIENT_ID,
    CONF_REGION,
    CONF_SECRETS_WRITTEN,
    CONF_SKILL_ID,
    CONF_STACKS,
    DOCUMENTATION_URL,
    DOMAIN,
)
from .created_stacks import CreatedStacks, account_of, async_get_created_stacks
from .errors import flow_errors
from .keys_form import KEYS_SCHEMA, PASSWORD, cleaned, secret
from .skill_backend import SkillBackend, async_key_errors, regions_of, stack_settings
from .skill_by_hand import stacks_by_hand
from .skill_template import async_template_link

_ACCOUNT_KEYS: Final = "account_keys"
_OTHER_KEYS: Final = "other_keys"
_BY_HAND: Final = "by_hand"

# As the developer console names them.
_ENDPOINTS: Final = {
    "us-east-1": "North America",
    "eu-west-1": "Europe, India",
    "us-west-2": "Far East",
}
_CLIENT_ID: Final = re.compile(r"amzn1\.application-oa2-client\.[0-9a-z]+")
_BACKEND_SCHEMA: Final = vol.Schema(
    {
        vol.Required(CONF_BACKEND, default=_ACCOUNT_KEYS): SelectSelector(
            SelectSelectorConfig(
                options=[_ACCOUNT_KEYS, _OTHER_KEYS, _BY_HAND],
                mode=SelectSelectorMode.LIST,
                translation_key="backend",
            )
        )
    }
)
_PERMISSIONS_SCHEMA: Final = vol.Schema(
    {
        vol.Required(CONF_CLIENT_ID): TextSelector(),
        vol.Required(secret(CONF_CLIENT_SECRET)): PASSWORD,
    }
)
_LINKING_SCHEMA: Final = vol.Schema(
    {vol.Required(CONF_LINKING_CLIENT_ID): TextSelector()}
)


class SkillSteps(ConfigSubentryFlow):
    """Make the backend, tell its addresses, and take the skill's secrets.

    What was made for a flow that is given up is deleted again.
    """

    def __init__(self) -> None:
        """Start without a skill."""
        self._data: dict[str, Any] = {}
        self._keys: Mapping[str, Any] = {}
        self._created: CreatedStacks | None = None
        self._deployment: asyncio.Task[list[dict[str, Any]]] | None = None
        self._client_secret = ""
        self._errors: dict[str, str] = {}
        self._placeholders: dict[str, str] = {}

    @callback
    @override
    def async_remove(self) -> None:
        """Let go of what was made, and delete what no skill has come to use."""
        entry = self.hass.config_entries.async_get_entry(self.handler[0])
        if self._created is None or entry is None:
            return
        self._created.release(self)
        entry.async_create_background_task(
            self.hass,
            self._created.async_clean_up(account_of(entry), self._keys or entry.data),
            f"{DOMAIN} clean-up",
        )

    async def async_step_backend(
        self, user_input: dict[str, Any] | None = None
    ) -> SubentryFlowResult:
        """Choose who makes the stacks in AWS."""
        if self._entry.state is not ConfigEntryState.LOADED:
            return self.async_abort(reason="entry_not_loaded")
        if user_input is not None:
            self._errors = {}
            choice = user_input[CONF_BACKEND]
            if choice == _OTHER_KEYS:
                return await self.async_step_other_keys()
            if choice == _BY_HAND:
                return await self.async_step_by_hand()
            self._keys = self._entry.data
            return await self.async_step_deploy()
        return self._show("backend", _BACKEND_SCHEMA)

    async def async_step_other_keys(
        self, user_input: dict[str, Any] | None = None
    ) -> SubentryFlowResult:
        """Take keys of the same account that may more; they are not kept."""
        self._errors = {}
        if user_input is not None:
            keys = cleaned(user_input)
            self._errors, self._placeholders = await async_key_errors(
                self.hass,
                keys,
                account=account_of(self._entry),
                region=self._entry.data[CONF_REGION],
            )
            if not self._errors:
                self._keys = keys
                return await self.async_step_deploy()
        return self._show("other_keys", KEYS_SCHEMA, user_input)

    async def async_step_by_hand(
        self, user_input: dict[str, Any] | None = None
    ) -> SubentryFlowResult:
        """Take the addresses of functions whose stacks the user has made."""
        self._errors = {}
        if user_input is not None:
            version = await self.hass.async_add_executor_job(backend_version)
            stacks, self._errors = stacks_by_hand(
                user_input, account=account_of(self._entry), version=version
            )
            if not self._errors:
                self._data[CONF_STACKS] = stacks
                return await self.async_step_endpoint()
        regions = regions_of(self._data[CONF_LANGUAGES])
        settings = stack_settings(self._entry, self._data[CONF_SKILL_ID])
        return self._show(
            "by_hand",
            vol.Schema({vol.Required(region): TextSelector() for region in regions}),
            user_input or self._current_arns(),
            template=async_template_link(self.hass, settings),
            name=settings.name,
            consoles=", ".join(map(_console, regions)),
        )

    async def async_step_deploy(
        self,
        user_input: dict[str, Any] | None = None,  # noqa: ARG002
    ) -> SubentryFlowResult:
        """Show how far AWS is with the stacks."""
        self._errors = {}
        begins = self._deployment is None
        if self._deployment is None:
            self._deployment = self.hass.async_create_task(
                self._async_deploy(), f"{DOMAIN} deployment"
            )
        # Home Assistant gives a step that follows a form at once the form's input.
        if begins or not self._deployment.done():
            return self.async_show_progress(
                step_id="deploy",
                progress_action="deploy",
                progress_task=self._deployment,
            )
        deployment, self._deployment = self._deployment, None
        try:
            self._data[CONF_STACKS] = deployment.result()
        except Exception as err:  # noqa: BLE001
            self._errors, self._placeholders = flow_errors(err)
            return self.async_show_progress_done(next_step_id="backend")
        return self.async_show_progress_done(next_step_id="endpoint")

    async def async_step_endpoint(
        self, user_input: dict[str, Any] | None = None
    ) -> SubentryFlowResult:
        """Say where the functions' addresses go."""
        if user_input is not None:
            if self.source == SOURCE_RECONFIGURE:
                return self._finish()
            return await self.async_step_permissions()
        arns = {
            stack[CONF_REGION]: stack[CONF_FUNCTION_ARN]
            for stack in self._data[CONF_STACKS]
        }
        first = regions_of(self._data[CONF_LANGUAGES][:1])[0]
        lines = [f"- **Default endpoint**: `{arns[first]}`"]
        lines += [
            f"- **{_ENDPOINTS[region]}**: `{arn}`"
            for region, arn in sorted(arns.items())
        ]
        return self._show("endpoint", vol.Schema({}), endpoints="\n".join(lines))

    async def async_step_permissions(
        self, user_input: dict[str, Any] | None = None
    ) -> SubentryFlowResult:
        """Take the id and the secret with which events are sent."""
        self._errors = {}
        if user_input is not None:
            client_id = user_input[CONF_CLIENT_ID].strip()
            self._client_secret = user_input[CONF_CLIENT_SECRET].strip()
            if not _CLIENT_ID.fullmatch(client_id):
                self._errors[CONF_CLIENT_ID] = "invalid_client_id"
            if not self._client_secret:
                self._errors[CONF_CLIENT_SECRET] = "invalid_client_secret"
            if not self._errors:
                self._data[CONF_CLIENT_ID] = client_id
                return await self.async_step_account_linking()
        return self._show("permissions", _PERMISSIONS_SCHEMA, user_input or self._data)

    async def async_step_account_linking(
        self, user_input: dict[str, Any] | None = None
    ) -> SubentryFlowResult:
        """Say what account linking needs, take its client, and tell the backend."""
        self._errors = {}
        if user_input is not None:
            client_id = user_input[CONF_LINKING_CLIENT_ID].strip()
            if not _CLIENT_ID.fullmatch(client_id):
                self._errors[CONF_LINKING_CLIENT_ID] = "invalid_client_id"
            elif await self._async_write_secrets(client_id):
                self._data[CONF_LINKING_CLIENT_ID] = client_id
                self._data[CONF_SECRETS_WRITTEN] = dt_util.utcnow().isoformat()
                if self.source == SOURCE_RECONFIGURE:
                    return self._finish()
                return await self.async_step_enable()
        return self._show("account_linking", _LINKING_SCHEMA, user_input or self._data)

    async def async_step_enable(
        self, user_input: dict[str, Any] | None = None
    ) -> SubentryFlowResult:
        """Say how to go on in the Alexa app."""
        if user_input is not None:
            return self._finish()
        return self._show("enable", vol.Schema({}))

    async def _async_deploy(self) -> list[dict[str, Any]]:
        return await self._backend().async_deploy(
            regions_of(self._data[CONF_LANGUAGES]),
            self.async_update_progress,
            known=self._data.get(CONF_STACKS, ()),
        )

    async def _async_write_secrets(self, linking_client_id: str) -> bool:
        client_id = self._data[CONF_CLIENT_ID]
        secrets = SkillSecrets(
            client_id=client_id,
            client_secret=self._client_secret,
            linking_client_id=(
                None if linking_client_id == client_id else linking_client_id
            ),
        )
        try:
            await self._backend().async_write_secrets(secrets)
        except Exception as err:  # noqa: BLE001
            self._errors, self._placeholders = flow_errors(err)
        return not self._errors

    def _backend(self) -> SkillBackend:
        if TYPE_CHECKING:
            assert self._created is not None
        return SkillBackend(
            hass=self.hass,
            entry=self._entry,
            skill_id=self._data[CONF_SKILL_ID],
            created=self._created,
            holder=self,
            keys=self._keys or self._entry.data,
        )

    async def _async_begin(self) -> bool:
        """Forget an earlier try; false if the account is not loaded."""
        self._errors = {}
        self._created = await async_get_created_stacks(self.hass)
        return self._entry.state is ConfigEntryState.LOADED

    def _finish(self) -> SubentryFlowResult:
        raise NotImplementedError

    def _show(
        self,
        step_id: str,
        schema: vol.Schema,
        suggested: Mapping[str, Any] | None = None,
        **placeholders: str,
    ) -> SubentryFlowResult:
        return self.async_show_form(
            step_id=step_id,
            data_schema=self.add_suggested_values_to_schema(schema, suggested),
            errors=self._errors,
            description_placeholders={
                "documentation_url": DOCUMENTATION_URL,
                "regions": ", ".join(regions_of(self._data.get(CONF_LANGUAGES, ()))),
                **self._placeholders,
                **placeholders,
            },
        )

    def _current_arns(self) -> dict[str, str]:
        return {
            stack[CONF_REGION]: stack[CONF_FUNCTION_ARN]
            for stack in self._data.get(CONF_STACKS, ())
        }

    @property
    def _entry(self) -> ConfigEntry:
        return self._get_entry()


def _console(region: str) -> str:
    """Return a link to where CloudFormation makes a stack from a file."""
    url = f"https://{region}.console.aws.amazon.com/cloudformation/home"
    return f"[{region}]({url}?region={region}#/stacks/create)"
