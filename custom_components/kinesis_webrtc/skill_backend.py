"""The backend of an Alexa skill: its stacks in AWS, and what it is told there."""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from homeassistant.config_entries import ConfigEntry
from homeassistant.core import HomeAssistant
from homeassistant.util.hass_dict import HassKey

from .account import async_create_client
from .alexa.parameters import SkillParameters, SkillSecrets, ssm_path
from .alexa.regions import lambda_region
from .alexa.stack import Stack, Stacks, StackSettings
from .aws_clients import AwsClients
from .const import (
    CHANNEL_NAME_PREFIX,
    CONF_ACCESS_KEY_ID,
    CONF_CODE,
    CONF_FUNCTION_ARN,
    CONF_NAME,
    CONF_REGION,
    CONF_SECRET_ACCESS_KEY,
    CONF_VERSION,
    DOMAIN,
)
from .created_stacks import CreatedStacks, parameters_key, stack_key
from .errors import flow_errors

# Held by whoever changes who may look: two people can be let in at once.
_DECIDING: Final[HassKey[asyncio.Lock]] = HassKey(f"{DOMAIN}.deciding")


@dataclass(kw_only=True, slots=True)
class SkillBackend:
    """Makes what a skill needs in AWS, with the keys of the entry or stronger ones.

    All of it is put on the list of what was made before it is asked for, and claimed for
    `holder`, who releases it. All methods raise AlexaSkillErrors.
    """

    hass: HomeAssistant
    entry: ConfigEntry
    skill_id: str
    created: CreatedStacks
    holder: object
    keys: Mapping[str, Any]

    @property
    def settings(self) -> StackSettings:
        """Return what the stacks are made for."""
        return stack_settings(self.entry, self.skill_id)

    async def async_deploy(
        self,
        regions: Sequence[str],
        on_progress: Callable[[float], None],
        *,
        known: Iterable[Mapping[str, Any]],
    ) -> list[dict[str, Any]]:
        """Make or update one stack in each region; return what an entry keeps of them.

        `on_progress` is told the part that is done, 0 to 1; `known` is what the entry
        has kept of stacks so far.
        """
        codes = {stack[CONF_REGION]: stack.get(CONF_CODE) for stack in known}
        stacks = Stacks(
            create_client=AwsClients(self.keys),
            execute=self.hass.async_add_executor_job,
        )
        made = []
        for index, region in enumerate(regions):

            def on_stack(part: float, before: int = index) -> None:
                on_progress((before + part) / len(regions))

            key = stack_key(self.entry, region=region, name=self.settings.name)
            await self.created.async_claim(key, self.holder)
            # One that was made by hand is not ours to delete.
            if key in self.created or await stacks.describe(region, key.name) is None:
                await self.created.async_add(key, self.entry)
            stack = await stacks.deploy(
                region, self.settings, code=codes.get(region), on_progress=on_stack
            )
            made.append(stack_data(stack))
        return made

    async def async_write_secrets(self, secrets: SkillSecrets) -> None:
        """Tell the backend the skill's secrets, and see whether the entry may look."""
        key = parameters_key(self.entry, self.skill_id)
        await self.created.async_claim(key, self.holder)
        # What runs later has the entry's keys only.
        found = await parameters(self.hass, self.entry, self.skill_id).read_secrets()
        # Another Home Assistant's are not ours to delete.
        if found is None:
            await self.created.async_add(key, self.entry)
        await parameters(self.hass, self.entry, self.skill_id, self.keys).write_secrets(
            secrets
        )


def parameters(
    hass: HomeAssistant,
    entry: ConfigEntry,
    skill_id: str,
    keys: Mapping[str, Any] | None = None,
) -> SkillParameters:
    """Return a skill's parameters, read and written with the entry's keys or others."""
    return SkillParameters(
        create_client=AwsClients(keys or entry.data),
        execute=hass.async_add_executor_job,
        region=entry.data[CONF_REGION],
        path=ssm_path(skill_id),
        deciding=hass.data.setdefault(_DECIDING, asyncio.Lock()),
    )


def stack_settings(entry: ConfigEntry, skill_id: str) -> StackSettings:
    """Return what the stacks of a skill are made for."""
    return StackSettings(
        skill_id=skill_id,
        channel_region=entry.data[CONF_REGION],
        name_prefix=CHANNEL_NAME_PREFIX,
        ssm_path=ssm_path(skill_id),
    )


def stack_data(stack: Stack) -> dict[str, Any]:
    """Return what a subentry keeps of a stack."""
    return {
        CONF_REGION: stack.region,
        CONF_NAME: stack.name,
        CONF_FUNCTION_ARN: stack.function_arn,
        CONF_VERSION: stack.version,
        CONF_CODE: stack.code,
    }


def regions_of(languages: Sequence[str]) -> list[str]:
    """Return the AWS regions that a skill's languages force on its function."""
    return sorted({lambda_region(language) for language in languages})


async def async_key_errors(
    hass: HomeAssistant, keys: Mapping[str, Any], *, account: str, region: str
) -> tuple[dict[str, str], dict[str, str]]:
    """Return the errors of a form that takes keys of an account, and placeholders."""
    # With empty keys boto3 would look for others on this machine.
    if not (keys[CONF_ACCESS_KEY_ID] and keys[CONF_SECRET_ACCESS_KEY]):
        return {"base": "invalid_credentials"}, {}
    client = async_create_client(hass, {CONF_REGION: region, **keys})
    try:
        found = await client.get_caller_account()
    except Exception as err:  # noqa: BLE001
        return flow_errors(err)
    return ({} if found == account else {"base": "other_account"}), {}
