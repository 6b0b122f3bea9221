"""Tests of the flow that sets the Alexa skill up, and changes it."""

from typing import Any
from unittest.mock import AsyncMock

from homeassistant.config_entries import SOURCE_USER, ConfigEntryState
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType
from homeassistant.helpers import issue_registry as ir
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.kinesis_webrtc.alexa.stack import backend_version
from custom_components.kinesis_webrtc.const import DOMAIN, SUBENTRY_TYPE_ALEXA_SKILL
from custom_components.kinesis_webrtc.created_stacks import async_get_created_stacks

from .skill_aws import (
    ACCOUNT,
    ACCOUNT_KEY,
    ADMIN_KEYS,
    CLIENT_ID,
    CODE,
    LINKING_ID,
    PATH,
    SKILL_ID,
    STACK,
    SkillAws,
    function_arn,
    skill_data,
)

SECRET = "amzn1.oa2-cs.v1.secret"
SKILL = {"skill_id": SKILL_ID, "languages": ["de-DE"]}
PERMISSIONS = {"client_id": CLIENT_ID, "client_secret": SECRET}
LINKING = {"linking_client_id": LINKING_ID}


async def start(hass: HomeAssistant, entry: MockConfigEntry) -> dict[str, Any]:
    """Start to set the skill up."""
    return await hass.config_entries.subentries.async_init(
        (entry.entry_id, SUBENTRY_TYPE_ALEXA_SKILL), context={"source": SOURCE_USER}
    )


async def submit(
    hass: HomeAssistant, result: dict[str, Any], user_input: dict[str, Any]
) -> dict[str, Any]:
    """Submit a form; return what the flow shows when AWS has finished."""
    manager = hass.config_entries.subentries
    result = await manager.async_configure(result["flow_id"], user_input)
    return await wait(hass, result)


async def wait(hass: HomeAssistant, result: dict[str, Any]) -> dict[str, Any]:
    """Return what the flow shows when AWS has finished."""
    while result["type"] is FlowResultType.SHOW_PROGRESS:
        await hass.async_block_till_done()
        result = await hass.config_entries.subentries.async_configure(result["flow_id"])
    return result


async def walk(
    hass: HomeAssistant, result: dict[str, Any], *inputs: dict[str, Any]
) -> dict[str, Any]:
    """Submit one form after the other, none of which may have an error."""
    for user_input in inputs:
        result = await submit(hass, result, user_input)
        assert not result.get("errors"), result
    return result


async def change(
    hass: HomeAssistant, entry: MockConfigEntry, what: str
) -> dict[str, Any]:
    """Start to change something of the skill."""
    (subentry_id,) = entry.subentries
    result = await entry.start_subentry_reconfigure_flow(hass, subentry_id)
    assert result["type"] is FlowResultType.MENU
    return await submit(hass, result, {"next_step_id": what})


@pytest.fixture
async def skill_entry(
    hass: HomeAssistant, loaded_entry: MockConfigEntry, skill_aws: SkillAws
) -> MockConfigEntry:
    """Return an account with a skill that was set up here."""
    result = await start(hass, loaded_entry)
    way = [SKILL, {"backend": "account_keys"}, {}, PERMISSIONS, LINKING, {}]
    await walk(hass, result, *way)
    return loaded_entry


async def test_six_steps_make_a_skill(
    hass: HomeAssistant, loaded_entry: MockConfigEntry, skill_aws: SkillAws
) -> None:
    result = await start(hass, loaded_entry)
    assert result["step_id"] == "user"

    result = await walk(hass, result, SKILL)
    assert result["step_id"] == "backend"
    assert result["description_placeholders"]["regions"] == "eu-west-1"

    result = await walk(hass, result, {"backend": "account_keys"})
    assert result["step_id"] == "endpoint"
    assert (
        f"**Europe, India**: `{function_arn('eu-west-1')}`"
        in result["description_placeholders"]["endpoints"]
    )

    result = await walk(hass, result, {})
    assert result["step_id"] == "permissions"

    result = await walk(hass, result, PERMISSIONS)
    assert result["step_id"] == "account_linking"

    result = await walk(hass, result, LINKING)
    assert result["step_id"] == "enable"

    result = await walk(hass, result, {})
    assert result["type"] is FlowResultType.CREATE_ENTRY
    (subentry,) = loaded_entry.subentries.values()
    assert subentry.unique_id == "alexa_skill"
    data = dict(subentry.data)
    assert data.pop("secrets_written")
    assert data == {
        **SKILL,
        "client_id": CLIENT_ID,
        "linking_client_id": LINKING_ID,
        "stacks": [
            {
                "region": "eu-west-1",
                "name": STACK,
                "function_arn": function_arn("eu-west-1"),
                "version": backend_version(),
                "code": CODE,
            }
        ],
    }
    assert skill_aws.parameters == {
        f"{PATH}/client_id": CLIENT_ID,
        f"{PATH}/client_secret": SECRET,
        f"{PATH}/linking_client_id": LINKING_ID,
    }
    # It is in use, so nothing of it may be cleaned up.
    await hass.async_block_till_done(wait_background_tasks=True)
    assert list(skill_aws.stacks) == [("eu-west-1", STACK)]
    assert skill_aws.parameters


async def test_languages_of_three_regions_want_three_stacks(
    hass: HomeAssistant, loaded_entry: MockConfigEntry, skill_aws: SkillAws
) -> None:
    skill = {**SKILL, "languages": ["en-US", "de-DE", "fr-FR", "ja-JP"]}

    result = await walk(
        hass, await start(hass, loaded_entry), skill, {"backend": "account_keys"}
    )

    lines = result["description_placeholders"]["endpoints"].splitlines()
    assert lines == [
        f"- **Default endpoint**: `{function_arn('us-east-1')}`",
        f"- **Europe, India**: `{function_arn('eu-west-1')}`",
        f"- **North America**: `{function_arn('us-east-1')}`",
        f"- **Far East**: `{function_arn('us-west-2')}`",
    ]
    assert {region for region, _ in skill_aws.stacks} == {
        "eu-west-1",
        "us-east-1",
        "us-west-2",
    }


@pytest.mark.parametrize(
    ("language", "country", "expected"),
    [
        ("de", "DE", ["de-DE"]),
        ("de", "CH", ["de-DE"]),
        ("en", "GB", ["en-GB"]),
        ("eo", "ZZ", []),
    ],
)
async def test_the_home_s_language_is_suggested(
    hass: HomeAssistant,
    loaded_entry: MockConfigEntry,
    language: str,
    country: str,
    expected: list[str],
) -> None:
    hass.config.language, hass.config.country = language, country

    result = await start(hass, loaded_entry)

    suggested = {
        str(key): (key.description or {}).get("suggested_value")
        for key in result["data_schema"].schema
    }
    assert suggested["languages"] == expected


@pytest.mark.parametrize(
    ("user_input", "errors"),
    [
        ({"skill_id": "my skill"}, {"skill_id": "invalid_skill_id"}),
        ({"skill_id": f"{SKILL_ID}0"}, {"skill_id": "invalid_skill_id"}),
        ({"languages": []}, {"languages": "no_language"}),
    ],
)
async def test_the_skill_s_own_fields_are_checked(
    hass: HomeAssistant,
    loaded_entry: MockConfigEntry,
    user_input: dict[str, Any],
    errors: dict[str, str],
) -> None:
    result = await start(hass, loaded_entry)

    result = await submit(hass, result, {**SKILL, **user_input})

    assert result["errors"] == errors
    result = await walk(hass, result, {**SKILL, "skill_id": f" {SKILL_ID.upper()} "})
    assert result["step_id"] == "backend"


async def test_progress_is_shown_while_aws_is_at_work(
    hass: HomeAssistant, loaded_entry: MockConfigEntry, skill_aws: SkillAws
) -> None:
    skill_aws.may_make.clear()
    result = await walk(hass, await start(hass, loaded_entry), SKILL)

    result = await hass.config_entries.subentries.async_configure(
        result["flow_id"], {"backend": "account_keys"}
    )

    assert result["type"] is FlowResultType.SHOW_PROGRESS
    assert result["progress_action"] == "deploy"
    skill_aws.may_make.set()
    result = await wait(hass, result)
    assert result["step_id"] == "endpoint"


async def test_a_failed_stack_says_why_and_is_gone(
    hass: HomeAssistant, loaded_entry: MockConfigEntry, skill_aws: SkillAws
) -> None:
    skill_aws.stack_fails = "Role kinesis already exists"
    result = await walk(hass, await start(hass, loaded_entry), SKILL)

    result = await submit(hass, result, {"backend": "account_keys"})

    assert result["step_id"] == "backend"
    assert result["errors"] == {"base": "stack_failed"}
    reason = result["description_placeholders"]["reason"]
    assert reason == "Role kinesis already exists"
    assert not skill_aws.stacks
    result = await walk(hass, result, {"backend": "account_keys"})
    assert result["step_id"] == "endpoint"


async def test_a_missing_right_is_named_and_other_keys_help(
    hass: HomeAssistant, loaded_entry: MockConfigEntry, skill_aws: SkillAws
) -> None:
    skill_aws.deny("cloudformation:CreateStack")
    result = await walk(hass, await start(hass, loaded_entry), SKILL)

    result = await submit(hass, result, {"backend": "account_keys"})

    assert result["errors"] == {"base": "not_authorized"}
    action = result["description_placeholders"]["action"]
    assert action == "cloudformation:CreateStack"
    way = [{"backend": "other_keys"}, ADMIN_KEYS, {}, PERMISSIONS, LINKING, {}]
    result = await walk(hass, result, *way)
    assert result["type"] is FlowResultType.CREATE_ENTRY
    assert "admin-secret" not in str(loaded_entry.as_dict())


async def test_a_role_that_may_not_be_made_names_the_right(
    hass: HomeAssistant, loaded_entry: MockConfigEntry, skill_aws: SkillAws
) -> None:
    skill_aws.stack_fails = "User x is not authorized to perform: iam:CreateRole on y"
    result = await walk(hass, await start(hass, loaded_entry), SKILL)

    result = await submit(hass, result, {"backend": "account_keys"})

    assert result["errors"] == {"base": "not_authorized"}
    assert result["description_placeholders"]["action"] == "iam:CreateRole"


async def test_keys_of_another_account_are_not_used(
    hass: HomeAssistant,
    loaded_entry: MockConfigEntry,
    skill_aws: SkillAws,
    mock_client: AsyncMock,
) -> None:
    mock_client.get_caller_account.return_value = "999999999999"
    result = await walk(
        hass, await start(hass, loaded_entry), SKILL, {"backend": "other_keys"}
    )

    result = await submit(hass, result, ADMIN_KEYS)

    assert result["errors"] == {"base": "other_account"}
    assert not skill_aws.calls


async def test_empty_keys_are_none(
    hass: HomeAssistant,
    loaded_entry: MockConfigEntry,
    skill_aws: SkillAws,
    mock_client: AsyncMock,
) -> None:
    way = [SKILL, {"backend": "other_keys"}]
    result = await walk(hass, await start(hass, loaded_entry), *way)

    result = await submit(hass, result, {**ADMIN_KEYS, "secret_access_key": " "})

    assert result["errors"] == {"base": "invalid_credentials"}
    mock_client.get_caller_account.assert_not_called()


async def test_aws_away_is_no_dead_end(
    hass: HomeAssistant, loaded_entry: MockConfigEntry, skill_aws: SkillAws
) -> None:
    result = await walk(hass, await start(hass, loaded_entry), SKILL)
    skill_aws.is_away = True
    result = await submit(hass, result, {"backend": "account_keys"})
    assert result["errors"] == {"base": "cannot_connect"}

    skill_aws.is_away = False
    result = await walk(hass, result, {"backend": "account_keys"})

    assert result["step_id"] == "endpoint"


@pytest.mark.parametrize(
    ("step", "errors"),
    [
        ({**PERMISSIONS, "client_id": "me"}, {"client_id": "invalid_client_id"}),
        (
            {**PERMISSIONS, "client_secret": " "},
            {"client_secret": "invalid_client_secret"},
        ),
    ],
)
async def test_the_permission_s_fields_are_checked(
    hass: HomeAssistant,
    loaded_entry: MockConfigEntry,
    skill_aws: SkillAws,
    step: dict[str, str],
    errors: dict[str, str],
) -> None:
    way = [SKILL, {"backend": "account_keys"}, {}]
    result = await walk(hass, await start(hass, loaded_entry), *way)

    result = await submit(hass, result, step)

    assert result["errors"] == errors
    result = await walk(hass, result, PERMISSIONS)
    result = await submit(hass, result, {"linking_client_id": "me"})
    assert result["errors"] == {"linking_client_id": "invalid_client_id"}


@pytest.mark.parametrize("action", ["ssm:PutParameter", "ssm:GetParametersByPath"])
async def test_a_missing_right_to_parameters_is_named(
    hass: HomeAssistant,
    loaded_entry: MockConfigEntry,
    skill_aws: SkillAws,
    action: str,
) -> None:
    skill_aws.deny(action)
    way = [SKILL, {"backend": "account_keys"}, {}, PERMISSIONS]
    result = await walk(hass, await start(hass, loaded_entry), *way)

    result = await submit(hass, result, LINKING)

    assert result["errors"] == {"base": "not_authorized"}
    assert result["description_placeholders"]["action"] == action
    skill_aws.callers[ACCOUNT_KEY].denied.clear()
    assert (await walk(hass, result, LINKING))["step_id"] == "enable"


async def test_one_client_for_both_is_no_other_one(
    hass: HomeAssistant, loaded_entry: MockConfigEntry, skill_aws: SkillAws
) -> None:
    way = [SKILL, {"backend": "account_keys"}, {}, PERMISSIONS]
    result = await walk(hass, await start(hass, loaded_entry), *way)

    await walk(hass, result, {"linking_client_id": CLIENT_ID})

    assert f"{PATH}/linking_client_id" not in skill_aws.parameters


async def test_the_backend_by_hand(
    hass: HomeAssistant, loaded_entry: MockConfigEntry, skill_aws: SkillAws
) -> None:
    skill_aws.deny("cloudformation:DescribeStacks", "cloudformation:CreateStack")
    result = await walk(
        hass, await start(hass, loaded_entry), SKILL, {"backend": "by_hand"}
    )
    placeholders = result["description_placeholders"]
    assert placeholders["name"] == STACK
    assert "authSig=" in placeholders["template"]
    assert "eu-west-1.console.aws.amazon.com" in placeholders["consoles"]

    for arn, error in [
        ("Lambda", "invalid_function_arn"),
        (function_arn("us-east-1"), "function_in_wrong_region"),
        (
            function_arn("eu-west-1", account="999999999999"),
            "function_in_other_account",
        ),
    ]:
        result = await submit(hass, result, {"eu-west-1": arn})
        assert result["errors"] == {"eu-west-1": error}

    arn = f" {function_arn('eu-west-1')}\n"
    way = [{"eu-west-1": arn}, {}, PERMISSIONS, LINKING, {}]
    result = await walk(hass, result, *way)
    (subentry,) = loaded_entry.subentries.values()
    assert subentry.data["stacks"] == [
        {
            "region": "eu-west-1",
            "name": STACK,
            "function_arn": function_arn("eu-west-1"),
            "version": backend_version(),
        }
    ]


async def test_a_flow_that_is_given_up_leaves_nothing(
    hass: HomeAssistant, loaded_entry: MockConfigEntry, skill_aws: SkillAws
) -> None:
    skill_aws.deny("cloudformation:CreateStack", "cloudformation:DeleteStack")
    way = [SKILL, {"backend": "other_keys"}, ADMIN_KEYS, {}, PERMISSIONS, LINKING]
    result = await walk(hass, await start(hass, loaded_entry), *way)
    assert skill_aws.stacks
    assert skill_aws.parameters

    hass.config_entries.subentries.async_abort(result["flow_id"])
    await hass.async_block_till_done(wait_background_tasks=True)

    assert not skill_aws.stacks
    assert not skill_aws.parameters
    assert not list((await async_get_created_stacks(hass)).keys())
    assert not [key for key in ir.async_get(hass).issues if key[0] == DOMAIN]


async def test_what_another_home_assistant_has_made_is_not_taken_away(
    hass: HomeAssistant, loaded_entry: MockConfigEntry, skill_aws: SkillAws
) -> None:
    skill_aws.put_stack("eu-west-1")
    skill_aws.put("client_id", CLIENT_ID)
    skill_aws.put("client_secret", "secret")
    skill_aws.allow("ann")
    way = [SKILL, {"backend": "account_keys"}, {}, PERMISSIONS, LINKING]
    result = await walk(hass, await start(hass, loaded_entry), *way)
    assert result["step_id"] == "enable"

    hass.config_entries.subentries.async_abort(result["flow_id"])
    await hass.async_block_till_done(wait_background_tasks=True)

    assert skill_aws.stacks
    assert skill_aws.owners["allowed"] == ["ann"]


async def test_a_skill_serves_one_account_in_one_region(
    hass: HomeAssistant, loaded_entry: MockConfigEntry, skill_aws: SkillAws
) -> None:
    other = MockConfigEntry(
        domain=DOMAIN,
        unique_id=f"{ACCOUNT}_us-east-1",
        data={**loaded_entry.data, "region": "us-east-1"},
    )
    other.add_to_hass(hass)
    hass.config_entries.async_add_subentry(other, skill_data())
    result = await start(hass, loaded_entry)

    result = await submit(hass, result, SKILL)

    # Or its stack would be led to the other region, away from these cameras.
    assert result["errors"] == {"skill_id": "skill_elsewhere"}


async def test_an_account_has_one_skill(
    hass: HomeAssistant, skill_entry: MockConfigEntry
) -> None:
    result = await start(hass, skill_entry)

    assert result["type"] is FlowResultType.ABORT
    assert result["reason"] == "already_configured"


async def test_an_account_that_is_not_loaded_takes_no_skill(
    hass: HomeAssistant, loaded_entry: MockConfigEntry
) -> None:
    result = await walk(hass, await start(hass, loaded_entry), SKILL)
    await hass.config_entries.async_unload(loaded_entry.entry_id)
    assert loaded_entry.state is ConfigEntryState.NOT_LOADED

    again = await start(hass, loaded_entry)
    result = await submit(hass, result, {"backend": "account_keys"})

    assert again["reason"] == result["reason"] == "entry_not_loaded"


async def test_languages_of_the_same_region_change_nothing_in_aws(
    hass: HomeAssistant, skill_entry: MockConfigEntry, skill_aws: SkillAws
) -> None:
    result = await change(hass, skill_entry, "languages")
    skill_aws.calls.clear()

    assert (await submit(hass, result, {"languages": []}))["errors"] == {
        "languages": "no_language"
    }
    result = await walk(hass, result, {"languages": ["de-DE", "it-IT"]})

    assert result["reason"] == "reconfigure_successful"
    (subentry,) = skill_entry.subentries.values()
    assert subentry.data["languages"] == ["de-DE", "it-IT"]
    await hass.async_block_till_done(wait_background_tasks=True)
    assert not skill_aws.calls


async def test_languages_of_another_region_move_the_backend(
    hass: HomeAssistant, skill_entry: MockConfigEntry, skill_aws: SkillAws
) -> None:
    result = await change(hass, skill_entry, "languages")

    way = [{"languages": ["en-US"]}, {"backend": "account_keys"}, {}]
    result = await walk(hass, result, *way)

    assert result["reason"] == "reconfigure_successful"
    await hass.async_block_till_done(wait_background_tasks=True)
    assert list(skill_aws.stacks) == [("us-east-1", STACK)]
    (subentry,) = skill_entry.subentries.values()
    (stack,) = subentry.data["stacks"]
    assert stack["function_arn"] == function_arn("us-east-1")


async def test_other_keys_take_away_what_the_account_s_may_not(
    hass: HomeAssistant,
    mock_client: AsyncMock,
    mock_config_entry: MockConfigEntry,
    skill_aws: SkillAws,
) -> None:
    mock_config_entry.add_to_hass(hass)
    assert await hass.config_entries.async_setup(mock_config_entry.entry_id)
    skill_aws.deny(
        *(f"cloudformation:{name}Stack" for name in ("Create", "Update", "Delete"))
    )
    other_keys = [{"backend": "other_keys"}, ADMIN_KEYS]
    way = [SKILL, *other_keys, {}, PERMISSIONS, LINKING, {}]
    await walk(hass, await start(hass, mock_config_entry), *way)

    result = await change(hass, mock_config_entry, "languages")
    await walk(hass, result, {"languages": ["en-US"]}, *other_keys, {})

    await skill_aws.reaches(lambda: list(skill_aws.stacks) == [("us-east-1", STACK)])
    await hass.async_block_till_done()
    created = await async_get_created_stacks(hass)
    await created.async_clean_up(
        ACCOUNT, {"access_key_id": "", "secret_access_key": ""}
    )
    issue_id = f"aws_leftovers_{ACCOUNT}"
    assert ir.async_get(hass).async_get_issue(DOMAIN, issue_id) is None
    assert await hass.config_entries.async_unload(mock_config_entry.entry_id)


async def test_other_secrets_are_written(
    hass: HomeAssistant, skill_entry: MockConfigEntry, skill_aws: SkillAws
) -> None:
    (subentry,) = skill_entry.subentries.values()
    before = subentry.data["secrets_written"]
    result = await change(hass, skill_entry, "permissions")

    other = {**PERMISSIONS, "client_secret": "another"}
    result = await walk(hass, result, other, LINKING)

    assert result["reason"] == "reconfigure_successful"
    assert skill_aws.parameters[f"{PATH}/client_secret"] == "another"
    # So that what runs takes notice.
    assert subentry.data["secrets_written"] != before


async def test_the_backend_is_made_anew(
    hass: HomeAssistant, skill_entry: MockConfigEntry, skill_aws: SkillAws
) -> None:
    skill_aws.calls.clear()
    result = await change(hass, skill_entry, "backend")

    result = await walk(hass, result, {"backend": "account_keys"}, {})

    assert result["reason"] == "reconfigure_successful"
    assert ("UpdateStack", "eu-west-1") in skill_aws.calls


async def test_who_was_allowed_can_be_withdrawn(
    hass: HomeAssistant, loaded_entry: MockConfigEntry, skill_aws: SkillAws
) -> None:
    skill_aws.allow("ann", "bob")
    hass.config_entries.async_add_subentry(
        loaded_entry, skill_data(owners={"ann": "Ann (ann@example.org)"})
    )
    result = await change(hass, loaded_entry, "owners")
    options = result["data_schema"].schema["owners"].config["options"]
    assert options == [
        {"value": "ann", "label": "Ann (ann@example.org)"},
        {"value": "bob", "label": "bob"},
    ]

    result = await walk(hass, result, {"owners": ["bob"]})

    assert result["reason"] == "reconfigure_successful"
    assert skill_aws.owners["allowed"] == ["bob"]
    (subentry,) = loaded_entry.subentries.values()
    assert subentry.data["owners"] == {}


async def test_owners_that_cannot_be_read_are_an_error(
    hass: HomeAssistant, loaded_entry: MockConfigEntry, skill_aws: SkillAws
) -> None:
    hass.config_entries.async_add_subentry(loaded_entry, skill_data())
    skill_aws.allow("ann")
    skill_aws.is_away = True

    result = await change(hass, loaded_entry, "owners")

    assert result["errors"] == {"base": "cannot_connect"}
