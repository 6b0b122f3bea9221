"""Tests of the list of what was made in AWS for the skill."""

import asyncio
from typing import Any

from homeassistant.core import HomeAssistant
from homeassistant.helpers import issue_registry as ir
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.kinesis_webrtc.const import DOMAIN
from custom_components.kinesis_webrtc.created_stacks import (
    CreatedStacks,
    async_get_created_stacks,
    parameters_key,
    stack_key,
)
from custom_components.kinesis_webrtc.skill_backend import SkillBackend

from .conftest import KEYS, TRANSLATIONS, check_text
from .skill_aws import (
    ACCOUNT,
    ACCOUNT_KEY,
    ADMIN_KEYS,
    PATH,
    SKILL_ID,
    STACK,
    SkillAws,
    skill_data,
)

ISSUE = (DOMAIN, f"aws_leftovers_{ACCOUNT}")


@pytest.fixture
async def made(
    hass: HomeAssistant, loaded_entry: MockConfigEntry, skill_aws: SkillAws
) -> CreatedStacks:
    """Return the list with a stack and parameters that are in AWS."""
    created = await async_get_created_stacks(hass)
    await created.async_add(
        stack_key(loaded_entry, region="eu-west-1", name=STACK), loaded_entry
    )
    await created.async_add(parameters_key(loaded_entry, SKILL_ID), loaded_entry)
    skill_aws.put_stack("eu-west-1")
    skill_aws.put("client_id", "some")
    skill_aws.allow("ann")
    skill_aws.grant("ann", "token")
    skill_aws.parameters["/kinesis-webrtc/another/client_id"] = "another's"
    return created


async def test_what_no_skill_uses_is_deleted(
    hass: HomeAssistant, made: CreatedStacks, skill_aws: SkillAws
) -> None:
    assert await made.async_clean_up(ACCOUNT, KEYS) is None

    assert not skill_aws.stacks
    assert list(skill_aws.parameters) == ["/kinesis-webrtc/another/client_id"]
    assert not made.keys()


async def test_what_a_skill_uses_stays(
    hass: HomeAssistant,
    loaded_entry: MockConfigEntry,
    made: CreatedStacks,
    skill_aws: SkillAws,
) -> None:
    hass.config_entries.async_add_subentry(loaded_entry, skill_data())

    assert await made.async_clean_up(ACCOUNT, KEYS) is None

    assert skill_aws.stacks
    assert f"{PATH}/client_id" in skill_aws.parameters
    assert len(made.keys()) == 2


async def test_what_a_flow_holds_stays(
    made: CreatedStacks, loaded_entry: MockConfigEntry, skill_aws: SkillAws
) -> None:
    flow = object()
    for key in made.keys():  # noqa: SIM118 - no mapping
        assert made.claim(key, flow)
        assert not made.claim(key, object())

    assert await made.async_clean_up(ACCOUNT, KEYS) is None
    assert skill_aws.stacks

    made.release(flow)
    assert await made.async_clean_up(ACCOUNT, KEYS) is None
    assert not skill_aws.stacks


async def test_what_a_skill_comes_to_use_meanwhile_stays(
    hass: HomeAssistant,
    loaded_entry: MockConfigEntry,
    made: CreatedStacks,
    skill_aws: SkillAws,
) -> None:
    skill_aws.may_delete.clear()
    clean_up = asyncio.create_task(made.async_clean_up(ACCOUNT, KEYS))
    await skill_aws.reaches(lambda: not skill_aws.stacks)

    hass.config_entries.async_add_subentry(loaded_entry, skill_data(stacks=[]))
    skill_aws.may_delete.set()

    assert await clean_up is None
    assert f"{PATH}/client_id" in skill_aws.parameters
    assert made.keys() == [parameters_key(loaded_entry, SKILL_ID)]


async def test_what_is_made_anew_while_it_is_deleted_is_on_the_list(
    hass: HomeAssistant,
    loaded_entry: MockConfigEntry,
    made: CreatedStacks,
    skill_aws: SkillAws,
) -> None:
    backend = SkillBackend(
        hass=hass,
        entry=loaded_entry,
        skill_id=SKILL_ID,
        created=made,
        holder=object(),
        keys=KEYS,
    )
    skill_aws.may_delete.clear()
    clean_up = asyncio.create_task(made.async_clean_up(ACCOUNT, KEYS))
    await skill_aws.reaches(lambda: not skill_aws.stacks)

    deployment = asyncio.create_task(
        backend.async_deploy(["eu-west-1"], lambda _: None, known=())
    )
    await asyncio.sleep(0.1)
    skill_aws.may_delete.set()
    await clean_up
    await deployment

    assert skill_aws.stacks
    assert made.keys() == [stack_key(loaded_entry, region="eu-west-1", name=STACK)]


async def test_with_the_account_goes_what_was_made_in_it(
    hass: HomeAssistant,
    loaded_entry: MockConfigEntry,
    made: CreatedStacks,
    skill_aws: SkillAws,
) -> None:
    hass.config_entries.async_add_subentry(loaded_entry, skill_data())
    await hass.config_entries.async_remove(loaded_entry.entry_id)

    assert not skill_aws.stacks
    assert list(skill_aws.parameters) == ["/kinesis-webrtc/another/client_id"]


async def test_another_account_s_is_not_touched(
    made: CreatedStacks, skill_aws: SkillAws
) -> None:
    assert await made.async_clean_up("999999999999", KEYS) is None

    assert not skill_aws.calls
    assert len(made.keys()) == 2


async def test_what_is_gone_already_is_forgotten(
    made: CreatedStacks, skill_aws: SkillAws
) -> None:
    skill_aws.stacks.clear()
    skill_aws.parameters.clear()

    assert await made.async_clean_up(ACCOUNT, KEYS) is None

    assert not made.keys()


async def test_what_cannot_be_deleted_is_named_and_tried_again(
    hass: HomeAssistant, made: CreatedStacks, skill_aws: SkillAws
) -> None:
    skill_aws.deny("cloudformation:DeleteStack")

    assert await made.async_clean_up(ACCOUNT, KEYS)

    issue = ir.async_get(hass).async_get_issue(*ISSUE)
    assert issue
    assert issue.is_fixable
    assert issue.is_persistent
    assert issue.translation_placeholders
    assert (
        issue.translation_placeholders["resources"]
        == f"- CloudFormation stack {STACK} (eu-west-1)"
    )
    assert "cloudformation:DeleteStack" in issue.translation_placeholders["reason"]
    assert not [name for name in skill_aws.parameters if name.startswith(PATH)]

    assert await made.async_clean_up(ACCOUNT, ADMIN_KEYS) is None
    assert ir.async_get(hass).async_get_issue(*ISSUE) is None


async def test_an_outage_is_not_tried_out_on_all(
    hass: HomeAssistant, made: CreatedStacks, skill_aws: SkillAws
) -> None:
    del skill_aws.callers[ACCOUNT_KEY]

    assert await made.async_clean_up(ACCOUNT, KEYS)

    assert skill_aws.refused == 1
    issue = ir.async_get(hass).async_get_issue(*ISSUE)
    assert issue
    assert issue.translation_placeholders
    resources = issue.translation_placeholders["resources"].splitlines()
    assert len(resources) == 2


async def test_the_list_outlives_a_restart(
    hass: HomeAssistant, made: CreatedStacks, hass_storage: dict[str, Any]
) -> None:
    again = CreatedStacks(hass)
    await again.async_load()

    assert again.keys() == made.keys()


async def test_the_repair_s_texts_have_what_they_name(
    hass: HomeAssistant, made: CreatedStacks, skill_aws: SkillAws
) -> None:
    skill_aws.is_away = True
    await made.async_clean_up(ACCOUNT, KEYS)

    issue = ir.async_get(hass).async_get_issue(*ISSUE)

    assert issue
    texts = TRANSLATIONS["issues"][issue.translation_key]
    check_text(texts["title"], issue.translation_placeholders or {})
    step = texts["fix_flow"]["step"]["delete"]
    check_text(step["description"], issue.translation_placeholders or {})
