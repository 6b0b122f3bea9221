"""The template: what is in it, and that AWS would take it."""

from collections.abc import Callable
import json
from pathlib import Path
import re
import subprocess
import sys
from typing import Any
import zipfile

import pytest
import yaml

from custom_components.kinesis_webrtc.alexa import lambda_function, template
from custom_components.kinesis_webrtc.alexa.template import (
    MAX_TEMPLATE_BODY,
    backend_version,
    resources,
    template_body,
)
from tests.emulator import Channel, KvsEmulator, User
from tests.helpers.moto import PYTHON
from tests.system import ROOT

from .conftest import PATH, REGION, TAGS, Master, Skill, directive, discover, rtc
from .fakes import BOB, LoginWithAmazon, ParameterStore
from .role import ACCOUNT, role_policy

SOURCE = Path(template.__file__).with_name("template.yaml")


def parsed() -> dict[str, Any]:
    content: dict[str, Any] = json.loads(template_body())
    return content


def function() -> dict[str, Any]:
    properties: dict[str, Any] = parsed()["Resources"]["Function"]["Properties"]
    return properties


def test_cfn_lint_finds_nothing(tmp_path: Path) -> None:
    file = tmp_path / "template.json"
    file.write_text(template_body())
    regions = ["us-east-1", "eu-west-1", "us-west-2"]

    done = subprocess.run(
        [PYTHON.with_name("cfn-lint"), file, "--regions", *regions],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )

    assert done.stdout + done.stderr == ""
    assert done.returncode == 0


def test_the_function_travels_in_the_template_unchanged() -> None:
    code = Path(lambda_function.__file__).read_text(encoding="utf-8")

    assert function()["Code"] == {"ZipFile": code}
    assert function()["Handler"] == "index.lambda_handler"
    assert hasattr(lambda_function, "lambda_handler")


def test_the_template_fits_into_a_call() -> None:
    assert len(template_body().encode()) <= MAX_TEMPLATE_BODY


def test_the_function_gets_the_time_that_alexa_waits() -> None:
    assert (function()["Timeout"], function()["MemorySize"]) == (6, 512)


def test_the_environment_is_as_the_function_says() -> None:
    described = re.findall(
        r"^([A-Z_]+) {2,}", lambda_function.__doc__ or "", re.MULTILINE
    )
    given = function()["Environment"]["Variables"]

    # The others are as their defaults everywhere.
    assert set(described) - set(given) == {"TAG_PREFIX", "LWA_URL"}
    assert given == {
        "CHANNEL_REGION": {"Ref": "ChannelRegion"},
        "NAME_PREFIX": {"Ref": "NamePrefix"},
        "SKILL_ID": {"Ref": "SkillId"},
        "SSM_PATH": {"Ref": "SsmPath"},
    }


def test_only_the_skill_may_call_the_function() -> None:
    trigger = parsed()["Resources"]["Trigger"]["Properties"]

    assert trigger["Principal"] == "alexa-connectedhome.amazon.com"
    assert trigger["EventSourceToken"] == {"Ref": "SkillId"}


def test_nothing_secret_is_asked_for_or_shown() -> None:
    content = parsed()

    assert set(content["Parameters"]) == {
        "SkillId",
        "ChannelRegion",
        "NamePrefix",
        "SsmPath",
    }
    assert set(content["Outputs"]) == {"FunctionArn", "Version"}


def test_logs_do_not_stay_for_ever() -> None:
    log = parsed()["Resources"]["Log"]["Properties"]

    assert log["RetentionInDays"] == 30
    assert function()["LoggingConfig"] == {"LogGroup": {"Ref": "Log"}}


def test_a_stack_made_by_hand_has_nothing_to_be_typed() -> None:
    defaults = {"SkillId": "amzn1.ask.skill.1", "ChannelRegion": "eu-central-1"}

    parameters = json.loads(template_body(defaults))["Parameters"]

    assert {name: parameters[name]["Default"] for name in defaults} == defaults
    assert "Default" not in parsed()["Parameters"]["SkillId"]


def test_the_number_of_resources_is_the_templates() -> None:
    assert resources() == len(parsed()["Resources"]) == 4


@pytest.fixture
def changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[str, str], str]:
    """Return the version that the backend would have with another file."""

    def version(name: str, text: str) -> str:
        folder = SOURCE.parent
        for other in ("template.yaml", "lambda_function.py"):
            content = (folder / other).read_text(encoding="utf-8")
            (tmp_path / other).write_text(content, encoding="utf-8")
        (tmp_path / name).write_text(text, encoding="utf-8")
        monkeypatch.setattr(template, "_FOLDER", tmp_path)
        template._template.cache_clear()
        try:
            return backend_version()
        finally:
            monkeypatch.undo()
            template._template.cache_clear()

    return version


def test_the_version_tells_another_backend(
    changed: Callable[[str, str], str],
) -> None:
    text = SOURCE.read_text(encoding="utf-8")
    other = yaml.safe_load(text)
    other["Resources"]["Function"]["Properties"]["MemorySize"] = 1024

    assert parsed()["Outputs"]["Version"]["Value"] == backend_version()
    assert changed("lambda_function.py", "print()") != backend_version()
    assert changed("template.yaml", yaml.safe_dump(other)) != backend_version()
    assert changed("template.yaml", f"# Another comment\n{text}") == backend_version()


def test_a_template_that_has_grown_too_large_is_noticed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(template, "MAX_TEMPLATE_BODY", 40_000)

    with pytest.raises(AssertionError, match="too large"):
        template_body()


async def test_the_role_allows_what_the_function_asks_and_no_more(
    skill: Skill,
    emulator: KvsEmulator,
    store: ParameterStore,
    lwa: LoginWithAmazon,
    master: Master,
) -> None:
    """The function runs under its role: one of each directive uses up every action."""
    lwa.issue("bob-token", BOB)
    lwa.codes["code-1"] = "Atzr|refresh"
    grant = {"type": "OAuth2.AuthorizationCode", "code": "code-1"}
    grantee = {"type": "BearerToken", "token": "ann-token"}
    masters = emulator.journal.calls.copy()
    for event in (
        rtc("InitiateSessionWithOffer"),
        discover(),
        discover(token="bob-token"),
        rtc("SessionDisconnected"),
        directive("Alexa", "ReportState"),
        directive(
            "Alexa.Authorization",
            "AcceptGrant",
            {"grant": grant, "grantee": grantee},
            token=None,
            endpoint_id=None,
        ),
    ):
        assert (await skill(event))["event"]["header"]["name"] != "ErrorResponse"

    asked = {f"kinesisvideo:{name}" for name in emulator.journal.calls - masters}
    asked |= {f"ssm:{name}" for name in store.calls}
    policy = role_policy(channel_region=REGION, ssm_path=PATH)
    allowed = {
        action
        for statement in policy["Statement"]
        for action in (
            [statement["Action"]]
            if isinstance(statement["Action"], str)
            else statement["Action"]
        )
    }
    assert allowed - asked == {"logs:CreateLogStream", "logs:PutLogEvents"}
    assert not {code for _, code in emulator.journal.errors}


ARN = f"arn:aws:kinesisvideo:{REGION}:{ACCOUNT}:channel"
SSM = f"arn:aws:ssm:{REGION}:{ACCOUNT}:parameter"


@pytest.mark.parametrize(
    ("action", "resource"),
    [
        ("kinesisvideo:SendAlexaOfferToMaster", f"{ARN}/front-door/1"),
        (
            "kinesisvideo:SendAlexaOfferToMaster",
            f"{ARN}/ha-front-door/1".replace(REGION, "us-east-1"),
        ),
        ("kinesisvideo:ConnectAsMaster", f"{ARN}/ha-front-door/1"),
        ("kinesisvideo:DeleteSignalingChannel", f"{ARN}/ha-front-door/1"),
        ("kinesisvideo:TagResource", f"{ARN}/ha-front-door/1"),
        ("ssm:PutParameter", f"{SSM}{PATH}/owners"),
        ("ssm:PutParameter", f"{SSM}{PATH}/client_id"),
        ("ssm:PutParameter", f"{SSM}/other/pending/1"),
        ("ssm:GetParametersByPath", f"{SSM}/kinesis-webrtc"),
        ("ssm:GetParametersByPath", f"{SSM}{PATH}2"),
        ("ssm:GetParametersByPath", f"{SSM}{PATH}/grants"),
        ("ssm:GetParameter", f"{SSM}{PATH}/grants/1"),
        ("ssm:DeleteParameter", f"{SSM}{PATH}/pending/1"),
        ("logs:CreateLogGroup", "*"),
        ("kms:Decrypt", "*"),
    ],
)
def test_the_role_does_not_allow(action: str, resource: str) -> None:
    role = User(
        access_key_id="A",
        secret_access_key="-",
        policies=[role_policy(channel_region=REGION, ssm_path=PATH)],
    )

    assert not role.may(action, resource)


async def test_a_channel_outside_of_the_role_is_refused(
    skill: Skill, emulator: KvsEmulator, channel: Channel
) -> None:
    other = emulator.create_channel("other-door", message_ttl=5, tags=TAGS)

    kind = await skill.error(
        rtc(
            "InitiateSessionWithOffer",
            endpoint_id="other-door",
            cookie={"arn": other.arn},
        )
    )

    assert kind == "NO_SUCH_ENDPOINT"


def test_the_package_carries_the_template(tmp_path: Path) -> None:
    output = tmp_path / "package.zip"
    subprocess.run(
        [sys.executable, ROOT / "scripts" / "package", output],
        check=True,
        capture_output=True,
    )

    with zipfile.ZipFile(output) as archive:
        names = archive.namelist()
    assert {"alexa/template.yaml", "alexa/lambda_function.py"} <= set(names)
