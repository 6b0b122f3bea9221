"""Tests of what runs for a skill: who asks to look, what Alexa is told, its backend."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from http import HTTPStatus
import json
from typing import Any
from unittest.mock import AsyncMock

from homeassistant.config_entries import ConfigSubentry
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers import issue_registry as ir
from homeassistant.util import dt as dt_util
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry
from pytest_homeassistant_custom_component.test_util.aiohttp import (
    AiohttpClientMocker,
    AiohttpClientMockResponse,
)

from custom_components.kinesis_webrtc import alexa_skill
from custom_components.kinesis_webrtc.alexa_skill import AlexaSkill
from custom_components.kinesis_webrtc.const import CONF_ACCESS_KEY_ID, DOMAIN
from custom_components.kinesis_webrtc.diagnostics import (
    async_get_config_entry_diagnostics,
)

from .conftest import TRANSLATIONS, check_text, make_channel, make_entry
from .skill_aws import (
    ACCOUNT_KEY,
    CLIENT_ID,
    LINKING_ID,
    PATH,
    STACK,
    SkillAws,
    skill_data,
)

TOKEN_URL = "https://api.amazon.com/auth/o2/token"
EVENTS_URL = "https://api.eu.amazonalexa.com/v3/events"
ANN = ("amzn1.account.ANN", "Ann", "ann@example.org")
CHANNEL = make_channel("ha-front-door")
TAGS = {
    "kinesis_webrtc:created_by": "home",
    "kinesis_webrtc:camera_name": "Front door",
}


class Alexa:
    """Amazon's side: takes events as long as it is told."""

    def __init__(self, mocker: AiohttpClientMocker) -> None:
        self.mocker = mocker
        self.came = asyncio.Event()
        self.sent: list[tuple[str, dict[str, Any]]] = []
        self.refuses: dict[str, str] = {}
        # What the gateways say instead of taking an event.
        self.code: str | None = None
        mocker.post(TOKEN_URL, side_effect=self._token)
        for url in (EVENTS_URL, "https://api.amazonalexa.com/v3/events"):
            mocker.post(url, side_effect=self._event)

    async def _token(self, method: str, url: Any, data: Any) -> Any:
        token = data["refresh_token"]
        if error := self.refuses.get(token):
            return await self._answer(url, HTTPStatus.BAD_REQUEST, {"error": error})
        content = {
            "access_token": f"for {token}",
            "refresh_token": token,
            "token_type": "bearer",
            "expires_in": 3600,
        }
        return await self._answer(url, HTTPStatus.OK, content)

    async def _event(self, method: str, url: Any, data: Any) -> Any:
        self.sent.append((url.host, data["event"]))
        self.came.set()
        if self.code is not None:
            content = {"payload": {"code": self.code}}
            return await self._answer(url, HTTPStatus.UNAUTHORIZED, content)
        return await self._answer(url, HTTPStatus.ACCEPTED, {})

    async def _answer(self, url: Any, status: HTTPStatus, content: Any) -> Any:
        return AiohttpClientMockResponse("post", url, status=status, json=content)

    async def hears(self) -> dict[str, Any]:
        """Return the next event."""
        async with asyncio.timeout(10):
            await self.came.wait()
        self.came.clear()
        return self.sent[-1][1]


@pytest.fixture
def alexa(aioclient_mock: AiohttpClientMocker) -> Alexa:
    return Alexa(aioclient_mock)


@pytest.fixture
async def make(
    hass: HomeAssistant, mock_client: AsyncMock, skill_aws: SkillAws, alexa: Alexa
) -> AsyncGenerator[Callable[..., Any]]:
    """Set an account with a skill up, and return the skill."""
    entries: list[MockConfigEntry] = []

    async def make(
        subentry: ConfigSubentry | None = None,
    ) -> tuple[MockConfigEntry, AlexaSkill]:
        entry = make_entry()
        entries.append(entry)
        entry.add_to_hass(hass)
        hass.config_entries.async_add_subentry(entry, subentry or skill_data())
        assert await hass.config_entries.async_setup(entry.entry_id)
        (skill,) = entry.runtime_data.alexa_skills.values()
        return entry, skill

    skill_aws.put_stack("eu-west-1")
    skill_aws.put("client_id", CLIENT_ID)
    skill_aws.put("client_secret", "secret")
    skill_aws.put("linking_client_id", LINKING_ID)
    yield make
    for entry in entries:
        await hass.config_entries.async_unload(entry.entry_id)


def issues(hass: HomeAssistant) -> dict[str, ir.IssueEntry]:
    """Return the skill's repairs by their texts' key."""
    return {
        str(issue.translation_key): issue
        for issue in ir.async_get(hass).issues.values()
        if issue.domain == DOMAIN and issue.active
    }


async def until(hass: HomeAssistant, what: Callable[[], bool]) -> None:
    """Wait until repairs are as they should be, which they tell."""
    changed = asyncio.Event()
    stop = hass.bus.async_listen(
        ir.EVENT_REPAIRS_ISSUE_REGISTRY_UPDATED, callback(lambda _: changed.set())
    )
    async with asyncio.timeout(10):
        while not what():
            await changed.wait()
            changed.clear()
    stop()


async def looked(skill_aws: SkillAws, times: int = 1) -> None:
    """Wait for so many looks, whose last call is for the grants."""
    await skill_aws.reaches(lambda: skill_aws.looks >= times)


def check_issue(issue: ir.IssueEntry) -> None:
    """Fail if a text of a repair names what is not given."""
    texts = TRANSLATIONS["issues"][issue.translation_key]
    placeholders = issue.translation_placeholders or {}
    for key in ("title", "description"):
        check_text(texts.get(key, ""), placeholders)


async def test_whoever_wants_to_look_is_asked_about(
    hass: HomeAssistant, make: Callable[..., Any], skill_aws: SkillAws
) -> None:
    skill_aws.ask(*ANN)
    _, skill = await make()

    await until(hass, lambda: "skill_owner" in issues(hass))

    issue = issues(hass)["skill_owner"]
    check_issue(issue)
    assert issue.is_fixable
    assert issue.translation_placeholders
    assert issue.translation_placeholders["person"] == "Ann (ann@example.org)"
    assert issue.data
    assert issue.data["user_id"] == ANN[0]

    # Somebody has decided elsewhere.
    skill_aws.allow(ANN[0])
    skill.async_look_again()
    await until(hass, lambda: "skill_owner" not in issues(hass))


async def test_events_reach_whoever_was_allowed(
    hass: HomeAssistant, make: Callable[..., Any], skill_aws: SkillAws, alexa: Alexa
) -> None:
    skill_aws.allow(ANN[0])
    skill_aws.grant(ANN[0], "ann")
    skill_aws.grant("amzn1.account.BOB", "bob")
    _, skill = await make()
    await looked(skill_aws)
    now = dt_util.utcnow()

    names = []
    for tell in (
        lambda: skill.async_doorbell_pressed("ha-front-door", now),
        lambda: skill.async_motion_changed("ha-front-door", True, now),
        lambda: skill.async_health_changed("ha-front-door", False, now),
        lambda: skill.async_camera_changed(
            channel_name=CHANNEL.name, channel_arn=CHANNEL.arn, tags=TAGS
        ),
        lambda: skill.async_camera_removed("ha-front-door"),
    ):
        tell()
        names.append((await alexa.hears())["header"]["name"])

    assert names == [
        "DoorbellPress",
        "ChangeReport",
        "ChangeReport",
        "AddOrUpdateReport",
        "DeleteReport",
    ]
    doorbell = alexa.sent[0][1]
    assert doorbell["endpoint"]["endpointId"] == "ha-front-door"
    assert doorbell["endpoint"]["scope"]["token"] == "for ann"
    assert {host for host, _ in alexa.sent} == {"api.eu.amazonalexa.com"}


async def test_what_happens_before_aws_was_asked_is_not_lost(
    hass: HomeAssistant, make: Callable[..., Any], skill_aws: SkillAws, alexa: Alexa
) -> None:
    skill_aws.allow(ANN[0])
    skill_aws.grant(ANN[0], "ann")
    skill_aws.is_away = True
    _, skill = await make()
    await skill_aws.reaches(lambda: skill_aws.tried > 0)

    skill.async_doorbell_pressed("ha-front-door", dt_util.utcnow())
    skill_aws.is_away = False
    skill.async_look_again()

    assert (await alexa.hears())["header"]["name"] == "DoorbellPress"


async def test_what_is_no_camera_of_alexa_s_is_not_reported(
    hass: HomeAssistant, make: Callable[..., Any], skill_aws: SkillAws, alexa: Alexa
) -> None:
    skill_aws.allow(ANN[0])
    skill_aws.grant(ANN[0], "ann")
    _, skill = await make()
    await looked(skill_aws)

    skill.async_camera_changed(channel_name="cabin", channel_arn=CHANNEL.arn, tags=TAGS)
    skill.async_camera_removed("ha-front-door")

    assert (await alexa.hears())["header"]["name"] == "DeleteReport"


async def test_a_grant_that_is_refused_is_asked_for_anew(
    hass: HomeAssistant, make: Callable[..., Any], skill_aws: SkillAws, alexa: Alexa
) -> None:
    alexa.refuses["ann"] = "invalid_grant"
    skill_aws.allow(ANN[0])
    skill_aws.grant(ANN[0], "ann")
    _, skill = await make(skill_data(owners={ANN[0]: "Ann (ann@example.org)"}))
    await looked(skill_aws)

    skill.async_doorbell_pressed("ha-front-door", dt_util.utcnow())

    await until(hass, lambda: "skill_unlinked" in issues(hass))
    issue = issues(hass)["skill_unlinked"]
    check_issue(issue)
    assert issue.translation_placeholders
    assert issue.translation_placeholders["person"] == "Ann (ann@example.org)"

    skill_aws.grant(ANN[0], "ann-again")
    skill.async_look_again()
    await until(hass, lambda: "skill_unlinked" not in issues(hass))


async def test_who_may_look_no_more_need_not_link_anew(
    hass: HomeAssistant, make: Callable[..., Any], skill_aws: SkillAws, alexa: Alexa
) -> None:
    alexa.refuses["ann"] = "invalid_grant"
    skill_aws.allow(ANN[0])
    skill_aws.grant(ANN[0], "ann")
    _, skill = await make()
    await until(hass, lambda: "skill_unlinked" in issues(hass))

    skill_aws.allow()
    skill.async_look_again()

    await until(hass, lambda: "skill_unlinked" not in issues(hass))
    # It is said again if it is so again.
    skill_aws.allow(ANN[0])
    skill.async_look_again()
    await until(hass, lambda: "skill_unlinked" in issues(hass))


async def test_diagnostics_tell_what_the_gateway_made_of_events(
    hass: HomeAssistant, make: Callable[..., Any], skill_aws: SkillAws, alexa: Alexa
) -> None:
    skill_aws.allow(ANN[0])
    skill_aws.grant(ANN[0], "ann", "eu-west-1")
    entry, skill = await make()
    await looked(skill_aws)
    # The second one is told after the answer to the first.
    for _ in range(2):
        skill.async_doorbell_pressed("ha-front-door", dt_util.utcnow())
        await alexa.hears()

    (told,) = (await async_get_config_entry_diagnostics(hass, entry))["alexa_skills"]

    assert told["error"] is None
    assert told["has_secrets"]
    assert told["gateways"]["EU"]["last_result"] == "taken"
    assert told["grants"] == [{"region": "eu-west-1", "refused": {}}]
    assert told["regions_of_languages"] == {"de-DE": "eu-west-1"}
    assert told["function_regions"] == ["eu-west-1"]
    assert told["mismatches"] == []


async def test_diagnostics_name_a_gateway_of_another_region(
    hass: HomeAssistant, make: Callable[..., Any], skill_aws: SkillAws, alexa: Alexa
) -> None:
    alexa.code = "INVALID_ACCESS_TOKEN_EXCEPTION"
    skill_aws.allow(ANN[0])
    skill_aws.grant(ANN[0], "ann")
    entry, skill = await make()
    await looked(skill_aws)
    skill.async_doorbell_pressed("ha-front-door", dt_util.utcnow())
    await until(hass, lambda: "skill_unlinked" in issues(hass))

    found = await async_get_config_entry_diagnostics(hass, entry)

    (told,) = found["alexa_skills"]
    assert told["gateways"]["EU"]["last_result"] == alexa.code
    assert told["grants"] == [{"region": None, "refused": {"EU": alexa.code}}]
    (named,) = told["mismatches"]
    assert named.startswith(f"the gateway EU refuses a fresh token ({alexa.code})")
    for secret in (*ANN, "for ann", CLIENT_ID, LINKING_ID, ACCOUNT_KEY):
        assert secret not in json.dumps(told)


async def test_diagnostics_name_what_the_parameters_are_kept_from_us_by(
    hass: HomeAssistant, make: Callable[..., Any], skill_aws: SkillAws
) -> None:
    skill_aws.deny("ssm:GetParametersByPath")
    entry, _ = await make()
    await until(hass, lambda: "skill_no_access" in issues(hass))

    (told,) = (await async_get_config_entry_diagnostics(hass, entry))["alexa_skills"]

    assert told["error"] == "AccessRefusedError"
    assert not told["has_secrets"]


async def test_secrets_that_are_refused_are_asked_for_anew(
    hass: HomeAssistant, make: Callable[..., Any], skill_aws: SkillAws, alexa: Alexa
) -> None:
    alexa.refuses["ann"] = "invalid_client"
    skill_aws.allow(ANN[0])
    skill_aws.grant(ANN[0], "ann")
    entry, skill = await make()
    await looked(skill_aws)
    skill.async_doorbell_pressed("ha-front-door", dt_util.utcnow())
    await until(hass, lambda: "skill_secrets_refused" in issues(hass))
    check_issue(issues(hass)["skill_secrets_refused"])

    alexa.refuses.clear()
    hass.config_entries.async_update_subentry(
        entry, skill.subentry, data={**skill.subentry.data, "secrets_written": "now"}
    )

    await until(hass, lambda: "skill_secrets_refused" not in issues(hass))
    await looked(skill_aws, skill_aws.looks + 1)
    skill.async_doorbell_pressed("ha-front-door", dt_util.utcnow())
    assert (await alexa.hears())["header"]["name"] == "DoorbellPress"


async def test_an_outage_is_told_once(
    hass: HomeAssistant,
    make: Callable[..., Any],
    skill_aws: SkillAws,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(alexa_skill, "INTERVAL_EXPECTING", 0.01)
    skill_aws.is_away = True
    await make()
    await skill_aws.reaches(lambda: skill_aws.tried >= 5)

    skill_aws.is_away = False
    await looked(skill_aws, 3)

    texts = [
        record.message
        for record in caplog.records
        if "parameters can" in record.message
        and record.levelname in ("INFO", "WARNING")
    ]
    assert texts == [
        "The Alexa skill's parameters cannot be read: AWS was not reached (AWS)",
        "The Alexa skill's parameters can be read again",
    ]


async def test_a_defect_is_not_the_end_of_all_looking(
    hass: HomeAssistant,
    make: Callable[..., Any],
    skill_aws: SkillAws,
    caplog: pytest.LogCaptureFixture,
) -> None:
    # A time that is none.
    skill_aws.put(
        "pending/1",
        {"user_id": "eve", "name": "Eve", "email": "-", "asked_ms": "yesterday"},
    )
    _, skill = await make()
    await skill_aws.reaches(lambda: skill_aws.paths.count(f"{PATH}/pending") == 1)

    skill_aws.parameters.pop(f"{PATH}/pending/1")
    skill_aws.ask(*ANN)
    skill.async_look_again()

    await until(hass, lambda: "skill_owner" in issues(hass))
    assert "Unexpected error" in caplog.text


async def test_a_missing_right_is_named(
    hass: HomeAssistant, make: Callable[..., Any], skill_aws: SkillAws
) -> None:
    skill_aws.deny("ssm:GetParametersByPath")
    _, skill = await make()
    await until(hass, lambda: "skill_no_access" in issues(hass))
    issue = issues(hass)["skill_no_access"]
    check_issue(issue)
    assert issue.translation_placeholders
    assert issue.translation_placeholders["action"] == "ssm:GetParametersByPath"

    skill_aws.callers[ACCOUNT_KEY].denied.clear()
    skill.async_look_again()

    await until(hass, lambda: "skill_no_access" not in issues(hass))


async def test_keys_that_are_refused_are_asked_for(
    hass: HomeAssistant, make: Callable[..., Any], skill_aws: SkillAws
) -> None:
    del skill_aws.callers[ACCOUNT_KEY]
    entry, _ = await make()

    await until(hass, lambda: any(entry.async_get_active_flows(hass, {"reauth"})))


async def test_keys_that_are_exchanged_are_used_at_once(
    hass: HomeAssistant, make: Callable[..., Any], skill_aws: SkillAws
) -> None:
    skill_aws.callers["AKIAOTHER"] = skill_aws.callers.pop(ACCOUNT_KEY)
    entry, skill = await make()
    await until(hass, lambda: skill.state.error == "KeysRefusedError")

    hass.config_entries.async_update_entry(
        entry, data={**entry.data, CONF_ACCESS_KEY_ID: "AKIAOTHER"}
    )
    async with asyncio.timeout(5):
        while skill.state.error is not None:
            await hass.async_block_till_done()
    assert skill.state.has_secrets


async def test_somebody_who_has_just_linked_is_seen_soon(
    hass: HomeAssistant,
    make: Callable[..., Any],
    skill_aws: SkillAws,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(alexa_skill, "INTERVAL_EXPECTING", 0.01)
    await make()
    await looked(skill_aws)

    skill_aws.ask(*ANN)

    await until(hass, lambda: "skill_owner" in issues(hass))


@pytest.mark.parametrize(
    ("happens", "issue"),
    [
        (lambda aws: aws.stacks.clear(), "skill_backend_missing"),
        (lambda aws: aws.change_code("eu-west-1"), "skill_backend_drifted"),
        (lambda aws: aws.make_old("eu-west-1"), "skill_backend_outdated"),
    ],
)
async def test_a_backend_that_is_not_as_it_should_be_is_told(
    hass: HomeAssistant,
    make: Callable[..., Any],
    skill_aws: SkillAws,
    happens: Callable[[SkillAws], None],
    issue: str,
) -> None:
    happens(skill_aws)
    await make()

    await until(hass, lambda: issue in issues(hass))

    check_issue(issues(hass)[issue])
    assert issues(hass)[issue].is_fixable


async def test_a_backend_that_cannot_be_seen_now_is_as_it_was_and_looked_at_soon(
    hass: HomeAssistant, make: Callable[..., Any], skill_aws: SkillAws
) -> None:
    skill_aws.change_code("eu-west-1")
    entry, skill = await make()
    await until(hass, lambda: "skill_backend_drifted" in issues(hass))
    skill_aws.fails.add("lambda:GetFunctionConfiguration")

    hass.config_entries.async_update_subentry(
        entry, skill.subentry, data={**skill.subentry.data, "owners": {}}
    )
    await skill_aws.reaches(
        lambda: "lambda:GetFunctionConfiguration" in skill_aws.failed
    )
    skill.async_look_again()
    await looked(skill_aws, skill_aws.looks + 1)

    assert "skill_backend_drifted" in issues(hass)
    skill_aws.fails.clear()
    skill_aws.stacks["eu-west-1", STACK].pop("code")
    skill.async_look_again()
    await until(hass, lambda: "skill_backend_drifted" not in issues(hass))


async def test_an_old_backend_is_known_without_rights_to_look(
    hass: HomeAssistant, make: Callable[..., Any], skill_aws: SkillAws
) -> None:
    skill_aws.deny("cloudformation:DescribeStacks")

    await make(skill_data(version="an older one"))

    await until(hass, lambda: "skill_backend_outdated" in issues(hass))


async def test_nothing_is_wrong_with_a_new_backend(
    hass: HomeAssistant, make: Callable[..., Any], skill_aws: SkillAws
) -> None:
    _, skill = await make()
    await looked(skill_aws)
    skill.async_look_again()
    await looked(skill_aws, 2)

    assert not issues(hass)
    # The stacks are looked at once a day.
    assert skill_aws.calls.count(("DescribeStacks", "eu-west-1")) == 1


async def test_a_skill_that_is_removed_leaves_nothing(
    hass: HomeAssistant, make: Callable[..., Any], skill_aws: SkillAws
) -> None:
    skill_aws.ask(*ANN)
    entry, skill = await make()
    await until(hass, lambda: "skill_owner" in issues(hass))

    hass.config_entries.async_remove_subentry(entry, skill.subentry.subentry_id)
    await hass.async_block_till_done()

    assert not issues(hass)
    assert not entry.runtime_data.alexa_skills
