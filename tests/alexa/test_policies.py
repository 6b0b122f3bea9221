"""The IAM statements that the documents give Home Assistant's keys for the Alexa skill."""

import json
import re
import subprocess

import pytest

from tests.emulator import User
from tests.helpers.moto import PYTHON
from tests.helpers.policies import DEPLOYMENT, RUNNING, policy

# What CloudFormation calls only where the template asks for it, and ours does not.
_UNUSED = re.compile(
    r"ec2:|elasticfilesystem:|s3files:|s3:|kms:|firehose:"
    r"|lambda:(PutFunctionConcurrency|DeleteFunctionConcurrency|.*CodeSigningConfig"
    r"|PutRuntimeManagementConfig|PutFunctionRecursionConfig|PutFunctionScalingConfig"
    r"|PassCapacityProvider|AssociateRuntimeAlias|PublishVersion)$"
    r"|iam:(AttachRolePolicy|DetachRolePolicy|.*PermissionsBoundary)$"
    r"|logs:(CreateLogDelivery|.*KmsKey|PutDataProtectionPolicy"
    r"|DeleteDataProtectionPolicy|PutIndexPolicy|DeleteIndexPolicy|PutResourcePolicy"
    r"|DeleteResourcePolicy|PutBearerTokenAuthentication"
    r"|PutLogGroupDeletionProtection)$"
)
_READ_SCHEMAS = """
import json, pathlib, cfnlint
folder = pathlib.Path(cfnlint.__file__).parent / "data" / "schemas" / "resources"
kinds = {"AWS::Lambda::Function", "AWS::Lambda::Permission", "AWS::IAM::Role",
         "AWS::Logs::LogGroup"}
found = {}
for path in folder.glob("*.json"):
    schema = json.loads(path.read_text())
    if schema.get("typeName") in kinds:
        found[schema["typeName"]] = {
            name: handler["permissions"] for name, handler in schema["handlers"].items()
        }
print(json.dumps(found))
"""
NAME = "kinesis-webrtc-1"


def test_a_users_policy_holds_them() -> None:
    """https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html."""
    text = json.dumps(policy(*DEPLOYMENT, *RUNNING), separators=(",", ":"))

    assert len(text) <= 6144


def test_cloudformation_may_do_what_its_resources_need() -> None:
    """It works with the caller's rights: those of each resource's own schema."""
    done = subprocess.run(
        [PYTHON, "-c", _READ_SCHEMAS], capture_output=True, text=True, check=True
    )
    schemas = json.loads(done.stdout)
    assert len(schemas) == 4
    arns = {
        "lambda": f"arn:aws:lambda:eu-west-1:1:function:{NAME}",
        "iam": f"arn:aws:iam::1:role/{NAME}-Role-1A2B",
        "logs": f"arn:aws:logs:eu-west-1:1:log-group:/aws/lambda/{NAME}",
    }
    home = User(
        access_key_id="A", secret_access_key="-", policies=[policy(*DEPLOYMENT)]
    )

    missing = {
        action
        for handlers in schemas.values()
        for name, actions in handlers.items()
        if name != "list"
        for action in actions
        if not _UNUSED.match(action)
        and not home.may(
            action,
            "*"
            if action.startswith("logs:Describe")
            else arns[action.partition(":")[0]],
            {"iam:passedtoservice": "lambda.amazonaws.com"},
        )
    }

    assert missing == set()


@pytest.mark.parametrize(
    ("action", "resource"),
    [
        ("iam:CreateRole", "arn:aws:iam::1:role/admin"),
        ("iam:PutRolePolicy", "arn:aws:iam::1:role/admin"),
        ("iam:AttachRolePolicy", f"arn:aws:iam::1:role/{NAME}-Role-1A2B"),
        ("iam:PassRole", f"arn:aws:iam::1:role/{NAME}-Role-1A2B"),
        ("lambda:UpdateFunctionCode", "arn:aws:lambda:eu-west-1:1:function:other"),
        ("lambda:InvokeFunction", f"arn:aws:lambda:eu-west-1:1:function:{NAME}"),
        ("cloudformation:DeleteStack", "arn:aws:cloudformation:eu-west-1:1:stack/x/1"),
        ("ssm:GetParametersByPath", "arn:aws:ssm:eu-west-1:1:parameter/other"),
        ("ssm:PutParameter", "arn:aws:ssm:eu-west-1:1:parameter/kinesis-webrtc"),
    ],
)
def test_what_is_not_the_skills_is_not_allowed(action: str, resource: str) -> None:
    home = User(
        access_key_id="A",
        secret_access_key="-",
        policies=[policy(*DEPLOYMENT, *RUNNING)],
    )

    assert not home.may(action, resource, {"iam:passedtoservice": "ec2.amazonaws.com"})


@pytest.mark.parametrize("kind", ["Create", "Update", "Delete", "Put", "Add"])
def test_running_changes_parameters_only(kind: str) -> None:
    changing = [
        action
        for statement in RUNNING
        for action in statement["Action"]
        if action.partition(":")[2].startswith(kind)
    ]

    assert all(action.startswith("ssm:") for action in changing)
