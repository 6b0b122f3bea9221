"""What was made in AWS for the Alexa skill, so that none of it is left behind there."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
import logging
from typing import Any, override

from homeassistant.config_entries import ConfigEntry
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers import issue_registry as ir
from homeassistant.helpers.singleton import singleton
from homeassistant.util import dt as dt_util
from homeassistant.util.hass_dict import HassKey

from .alexa.errors import AlexaSkillError, CannotReachAwsError, KeysRefusedError
from .alexa.parameters import SkillParameters, ssm_path
from .alexa.stack import Stacks
from .aws_clients import AwsClients
from .const import (
    CONF_NAME,
    CONF_REGION,
    CONF_SKILL_ID,
    CONF_STACKS,
    DOMAIN,
    SUBENTRY_TYPE_ALEXA_SKILL,
)
from .created_list import CreatedList, CreatedRecord
from .errors import as_home_assistant_error, async_text

_LOGGER = logging.getLogger(__name__)

_DATA_KEY: HassKey[CreatedStacks] = HassKey(f"{DOMAIN}.created_stacks")

# What fails for one resource for these reasons fails for the next one, only later.
_OUTAGES = (CannotReachAwsError, KeysRefusedError)


class ResourceKind(StrEnum):
    """Kinds of what is made."""

    STACK = "stack"
    PARAMETERS = "parameters"


@dataclass(frozen=True, kw_only=True, slots=True)
class ResourceKey:
    """A stack by its name, or the parameters below a path."""

    account: str
    kind: ResourceKind
    region: str
    name: str

    @override
    def __str__(self) -> str:
        """Say what it is, in the words of AWS's console."""
        if self.kind is ResourceKind.STACK:
            return f"CloudFormation stack {self.name} ({self.region})"
        return f"Parameter Store {self.name}/* ({self.region})"


@dataclass(frozen=True, kw_only=True, slots=True)
class CreatedResource(CreatedRecord[ResourceKey]):
    """A stack or parameters."""

    kind: ResourceKind

    @property
    @override
    def key(self) -> ResourceKey:
        """Return the resource's key."""
        return ResourceKey(
            account=self.account,
            kind=ResourceKind(self.kind),
            region=self.region,
            name=self.name,
        )


@singleton(_DATA_KEY, async_=True)
async def async_get_created_stacks(hass: HomeAssistant) -> CreatedStacks:
    """Return the list of what was made, loaded at the first call."""
    created = CreatedStacks(hass)
    await created.async_load()
    return created


class CreatedStacks(CreatedList[ResourceKey, CreatedResource]):
    """The stored list of the stacks and parameters that were made here."""

    def __init__(self, hass: HomeAssistant) -> None:
        """Prepare an empty list."""
        super().__init__(
            hass, file="created_stacks", field="resources", record=CreatedResource
        )
        # Of two clean-ups one may have the better keys: it must not find the other's
        # claims and leave it at that.
        self._cleaning = asyncio.Lock()

    @callback
    def keys(self) -> list[ResourceKey]:
        """Return all that is on the list."""
        return list(self._records)

    @callback
    def __contains__(self, key: ResourceKey) -> bool:
        """Return whether something is on the list."""
        return key in self._records

    async def async_claim(self, key: ResourceKey, holder: object) -> None:
        """Take hold of something that no clean-up is at, nor will forget any more."""
        async with self._cleaning:
            self.claim(key, holder)

    async def async_add(self, key: ResourceKey, entry: ConfigEntry) -> None:
        """Record something before it is asked for: the answer may get lost."""
        if key in self._records:
            return
        self._records[key] = CreatedResource(
            account=key.account,
            kind=key.kind,
            region=key.region,
            name=key.name,
            entry_id=entry.entry_id,
            created=dt_util.utcnow().isoformat(),
        )
        await self._async_save()

    async def async_discard(self, key: ResourceKey) -> None:
        """Forget something that is not there any more."""
        if self._records.pop(key, None) is not None:
            await self._async_save()

    async def async_clean_up(
        self, account: str, keys: Mapping[str, Any]
    ) -> AlexaSkillError | None:
        """Delete with these keys what nothing here uses in an account.

        What AWS does not let go of stays on the list and is named in a repair, which
        outlives the entry; the first reason is returned.
        """
        async with self._cleaning:
            return await self._async_clean_up(account, keys)

    async def _async_clean_up(
        self, account: str, keys: Mapping[str, Any]
    ) -> AlexaSkillError | None:
        clients = AwsClients(keys)
        first: AlexaSkillError | None = None
        outage: AlexaSkillError | None = None
        left: list[ResourceKey] = []
        for key in [key for key in self._records if key.account == account]:
            holder = object()
            # The one before may have taken minutes.
            if key in resources_in_use(self._hass) or not self.claim(key, holder):
                continue
            try:
                if outage is not None:
                    raise outage
                await self._async_delete(key, clients)
            except AlexaSkillError as err:
                _LOGGER.debug("%s could not be deleted: %s", key, err)
                left.append(key)
                first = first or err
                outage = err if isinstance(err, _OUTAGES) else None
            else:
                _LOGGER.info("%s was deleted", key)
                await self.async_discard(key)
            finally:
                self.release(holder)
        if first is None:
            ir.async_delete_issue(self._hass, DOMAIN, f"aws_leftovers_{account}")
        else:
            self._async_complain(account, left, first)
        return first

    async def _async_delete(self, key: ResourceKey, clients: AwsClients) -> None:
        execute = self._hass.async_add_executor_job
        if key.kind is ResourceKind.STACK:
            stacks = Stacks(create_client=clients, execute=execute)
            await stacks.delete(key.region, key.name)
            return
        await SkillParameters(
            create_client=clients, execute=execute, region=key.region, path=key.name
        ).delete_all()

    @callback
    def _async_complain(
        self, account: str, left: list[ResourceKey], err: AlexaSkillError
    ) -> None:
        """Name what is still in AWS, and why."""
        placeholders = {
            "account": account,
            "resources": "\n".join(f"- {key}" for key in left),
            "reason": async_text(self._hass, as_home_assistant_error(err)),
        }
        ir.async_create_issue(
            self._hass,
            DOMAIN,
            f"aws_leftovers_{account}",
            data={"kind": "leftovers", "account": account, "region": left[0].region},
            is_fixable=True,
            is_persistent=True,
            severity=ir.IssueSeverity.WARNING,
            translation_key="aws_leftovers",
            translation_placeholders=placeholders,
        )


@callback
def account_of(entry: ConfigEntry) -> str:
    """Return the id of an entry's AWS account."""
    return str(entry.unique_id).partition("_")[0]


@callback
def resources_in_use(hass: HomeAssistant) -> set[ResourceKey]:
    """Return the stacks and parameters that the skills of all accounts use."""
    used: set[ResourceKey] = set()
    for entry in hass.config_entries.async_entries(DOMAIN):
        for subentry in entry.get_subentries_of_type(SUBENTRY_TYPE_ALEXA_SKILL):
            used.add(parameters_key(entry, subentry.data[CONF_SKILL_ID]))
            used |= {
                stack_key(entry, region=stack[CONF_REGION], name=stack[CONF_NAME])
                for stack in subentry.data[CONF_STACKS]
            }
    return used


@callback
def stack_key(entry: ConfigEntry, *, region: str, name: str) -> ResourceKey:
    """Return the key of a stack in an entry's account."""
    return ResourceKey(
        account=account_of(entry), kind=ResourceKind.STACK, region=region, name=name
    )


@callback
def parameters_key(entry: ConfigEntry, skill_id: str) -> ResourceKey:
    """Return the key of a skill's parameters, which are in the channels' region."""
    return ResourceKey(
        account=account_of(entry),
        kind=ResourceKind.PARAMETERS,
        region=entry.data[CONF_REGION],
        name=ssm_path(skill_id),
    )
