"""Tests of the flows that fix what a skill asks or complains of."""

import asyncio
from dataclasses import replace
from typing import Any
from unittest.mock import AsyncMock

from homeassistant.components.repairs import DOMAIN as REPAIRS_DOMAIN
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType
from homeassistant.helpers import issue_registry as ir
from homeassistant.setup import async_setup_component
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.kinesis_webrtc.alexa.parameters import Owner
from custom_components.kinesis_webrtc.alexa.stack import backend_version
from custom_components.kinesis_webrtc.const import DOMAIN
from custom_components.kinesis_webrtc.created_stacks import (
    CreatedStacks,
    async_get_created_stacks,
    stack_key,
)
from custom_components.kinesis_webrtc.skill_issues import BackendState, SkillIssues

from .conftest import ACCOUNT, KEYS
from .skill_aws import (
    ADMIN_KEYS,
    STACK,
    SkillAws,
    function_arn,
    skill_data,
)

ANN = Owner(
    user_id="amzn1.account.ANN", name="Ann", email="ann@example.org", asked_ms=1
)


class Repairs:
    """One skill's repairs, and how a person fixes them."""

    def __init__(self, hass: HomeAssistant, entry: MockConfigEntry) -> None:
        self._hass = hass
        self.entry = entry
        (self.subentry,) = entry.subentries.values()
        self.issues = SkillIssues(hass=hass, entry=entry, subentry=self.subentry)
        self._manager = hass.data[REPAIRS_DOMAIN]["flow_manager"]

    @property
    def left(self) -> list[str]:
        """The keys of the texts of the repairs that are there."""
        issues = ir.async_get(self._hass).issues.values()
        return [
            str(issue.translation_key) for issue in issues if issue.domain == DOMAIN
        ]

    async def fix(self) -> dict[str, Any]:
        """Begin to fix the one repair that is there."""
        (result,) = await self.fix_all()
        return result

    async def fix_all(self) -> list[dict[str, Any]]:
        """Begin to fix all repairs that are there."""
        return [
            await self._manager.async_init(DOMAIN, context={"issue_id": issue.issue_id})
            for issue in list(ir.async_get(self._hass).issues.values())
            if issue.domain == DOMAIN
        ]

    async def choose(self, result: dict[str, Any], option: str) -> dict[str, Any]:
        """Choose from a menu."""
        assert result["type"] is FlowResultType.MENU
        assert option in result["menu_options"]
        return await self.submit(result, {"next_step_id": option})

    async def submit(
        self, result: dict[str, Any], user_input: dict[str, Any]
    ) -> dict[str, Any]:
        """Submit a form; return what is shown when AWS has finished."""
        result = await self._manager.async_configure(result["flow_id"], user_input)
        while result["type"] is FlowResultType.SHOW_PROGRESS:
            await self._hass.async_block_till_done()
            result = await self._manager.async_configure(result["flow_id"])
        return result


@pytest.fixture
async def repairs(
    hass: HomeAssistant, loaded_entry: MockConfigEntry, skill_aws: SkillAws
) -> Repairs:
    """Return the repairs of a skill whose backend is there."""
    assert await async_setup_component(hass, REPAIRS_DOMAIN, {})
    loaded_entry.runtime_data.alexa_skills = {}
    skill_aws.put_stack("eu-west-1")
    hass.config_entries.async_add_subentry(loaded_entry, skill_data())
    return Repairs(hass, loaded_entry)


@pytest.fixture
async def created(hass: HomeAssistant, loaded_entry: MockConfigEntry) -> CreatedStacks:
    """Return the list of what was made, with the stack."""
    created = await async_get_created_stacks(hass)
    await created.async_add(
        stack_key(loaded_entry, region="eu-west-1", name=STACK), loaded_entry
    )
    return created


@pytest.mark.parametrize("option", ["allow", "refuse"])
async def test_an_owner_is_allowed_or_refused(
    repairs: Repairs, skill_aws: SkillAws, option: str
) -> None:
    skill_aws.ask(ANN.user_id, ANN.name, ANN.email)
    repairs.issues.async_owners([ANN])
    result = await repairs.fix()
    assert result["description_placeholders"]["person"] == "Ann (ann@example.org)"

    result = await repairs.choose(result, option)

    assert result["type"] is FlowResultType.CREATE_ENTRY
    is_allowed = option == "allow"
    assert (ANN.user_id in skill_aws.owners["allowed"]) is is_allowed
    assert (ANN.user_id in skill_aws.owners["refused"]) is not is_allowed
    # Of whom was allowed, the name is kept to choose by later.
    owners = {ANN.user_id: "Ann (ann@example.org)"} if is_allowed else None
    assert repairs.subentry.data.get("owners") == owners
    assert not repairs.left


async def test_decisions_of_several_repairs_are_all_kept(
    repairs: Repairs, skill_aws: SkillAws
) -> None:
    owners = [replace(ANN, user_id=f"amzn1.account.{number}") for number in range(5)]
    for owner in owners:
        skill_aws.ask(owner.user_id, owner.name, owner.email)
    repairs.issues.async_owners(owners)
    results = await repairs.fix_all()

    await asyncio.gather(*(repairs.choose(result, "allow") for result in results))

    allowed = {owner.user_id for owner in owners}
    assert set(skill_aws.owners["allowed"]) == allowed
    assert set(repairs.subentry.data["owners"]) == allowed


@pytest.mark.parametrize("option", ["allow", "refuse"])
async def test_a_decision_that_did_not_arrive_can_be_repeated(
    repairs: Repairs, skill_aws: SkillAws, option: str
) -> None:
    repairs.issues.async_owners([ANN])
    skill_aws.deny("ssm:PutParameter")

    result = await repairs.choose(await repairs.fix(), option)

    assert result["step_id"] == option
    assert result["errors"] == {"base": "not_authorized"}
    assert result["description_placeholders"]["action"] == "ssm:PutParameter"
    assert repairs.left == ["skill_owner"]
    skill_aws.callers[KEYS["access_key_id"]].denied.clear()
    result = await repairs.submit(result, {})
    assert result["type"] is FlowResultType.CREATE_ENTRY
    assert not repairs.left


async def test_a_skill_that_is_gone_is_not_asked(
    hass: HomeAssistant, repairs: Repairs, skill_aws: SkillAws
) -> None:
    repairs.issues.async_owners([ANN])
    result = await repairs.fix()
    hass.config_entries.async_remove_subentry(
        repairs.entry, repairs.subentry.subentry_id
    )

    result = await repairs.choose(result, "allow")

    assert result["type"] is FlowResultType.ABORT
    assert result["reason"] == "skill_not_loaded"
    assert not skill_aws.parameters


@pytest.mark.parametrize(
    "state", [BackendState.OUTDATED, BackendState.DRIFTED, BackendState.MISSING]
)
async def test_a_backend_is_made_as_it_should_be(
    repairs: Repairs, skill_aws: SkillAws, state: BackendState
) -> None:
    match state:
        case BackendState.MISSING:
            skill_aws.stacks.clear()
        case BackendState.DRIFTED:
            skill_aws.change_code("eu-west-1")
        case _:
            skill_aws.make_old("eu-west-1")
    repairs.issues.async_backend(state)

    result = await repairs.choose(await repairs.fix(), "account_keys")

    assert result["type"] is FlowResultType.CREATE_ENTRY
    assert repairs.subentry.data["stacks"] == skill_data().data["stacks"]
    (stack,) = skill_aws.stacks.values()
    versions = [
        output["OutputValue"]
        for output in stack["Outputs"]
        if output["OutputKey"] == "Version"
    ]
    assert versions == [backend_version()]
    assert not repairs.left


async def test_where_rights_are_missing_keys_are_taken_once(
    repairs: Repairs, skill_aws: SkillAws
) -> None:
    repairs.issues.async_backend(BackendState.OUTDATED)
    skill_aws.deny("cloudformation:UpdateStack")
    result = await repairs.choose(await repairs.fix(), "account_keys")
    assert result["step_id"] == "account_keys"
    assert result["errors"] == {"base": "not_authorized"}
    # Another try brings the same, and says so.
    result = await repairs.submit(result, {})
    assert result["errors"] == {"base": "not_authorized"}
    assert repairs.left == ["skill_backend_outdated"]

    result = await repairs.choose(await repairs.fix(), "other_keys")
    result = await repairs.submit(result, ADMIN_KEYS)

    assert result["type"] is FlowResultType.CREATE_ENTRY
    assert "admin-secret" not in str(repairs.entry.as_dict())
    assert not repairs.left


async def test_other_keys_that_do_not_do_either(
    repairs: Repairs, skill_aws: SkillAws, mock_client: AsyncMock
) -> None:
    repairs.issues.async_backend(BackendState.OUTDATED)
    result = await repairs.choose(await repairs.fix(), "other_keys")
    mock_client.get_caller_account.return_value = "999999999999"
    result = await repairs.submit(result, ADMIN_KEYS)
    assert result["errors"] == {"base": "other_account"}

    mock_client.get_caller_account.return_value = ACCOUNT
    skill_aws.stack_fails = "no room"
    result = await repairs.submit(result, ADMIN_KEYS)

    assert result["step_id"] == "other_keys"
    assert result["errors"] == {"base": "stack_failed"}
    result = await repairs.submit(result, ADMIN_KEYS)
    assert result["type"] is FlowResultType.CREATE_ENTRY


async def test_a_backend_is_updated_by_hand(
    hass: HomeAssistant, repairs: Repairs, skill_aws: SkillAws
) -> None:
    hass.config_entries.async_update_subentry(
        repairs.entry, repairs.subentry, data=skill_data(version="old").data
    )
    repairs.issues.async_backend(BackendState.OUTDATED)
    skill_aws.calls.clear()

    result = await repairs.choose(await repairs.fix(), "by_hand")
    assert "authSig=" in result["description_placeholders"]["template"]
    result = await repairs.submit(result, {})

    assert result["type"] is FlowResultType.CREATE_ENTRY
    assert repairs.subentry.data["stacks"] == [
        {
            "region": "eu-west-1",
            "name": STACK,
            "function_arn": function_arn("eu-west-1"),
            "version": backend_version(),
            # Or the new code would be taken for somebody's change.
            "code": None,
        }
    ]
    assert not skill_aws.calls


async def test_what_is_left_in_aws_is_deleted_with_keys_that_may(
    hass: HomeAssistant,
    repairs: Repairs,
    created: CreatedStacks,
    skill_aws: SkillAws,
    mock_client: AsyncMock,
) -> None:
    skill_aws.deny("cloudformation:DeleteStack")
    hass.config_entries.async_remove_subentry(
        repairs.entry, repairs.subentry.subentry_id
    )
    await created.async_clean_up(ACCOUNT, KEYS)
    assert repairs.left == ["aws_leftovers"]
    result = await repairs.fix()
    assert STACK in result["description_placeholders"]["resources"]

    mock_client.get_caller_account.return_value = "999999999999"
    result = await repairs.submit(result, ADMIN_KEYS)
    assert result["errors"] == {"base": "other_account"}
    mock_client.get_caller_account.return_value = ACCOUNT
    result = await repairs.submit(result, KEYS)
    assert result["errors"] == {"base": "not_authorized"}
    assert skill_aws.stacks

    result = await repairs.submit(result, ADMIN_KEYS)

    assert result["type"] is FlowResultType.CREATE_ENTRY
    assert not skill_aws.stacks
    assert not repairs.left
