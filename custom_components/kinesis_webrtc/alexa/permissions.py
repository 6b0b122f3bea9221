"""What Home Assistant's keys have to be allowed for a skill: IAM statements."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

type Statement = Mapping[str, Any]

_STACKS: Final = "arn:aws:cloudformation:*:*:stack/kinesis-webrtc-*/*"
_FUNCTIONS: Final = "arn:aws:lambda:*:*:function:kinesis-webrtc-*"
_ROLES: Final = "arn:aws:iam::*:role/kinesis-webrtc-*"

# All the time: owners, grants and secrets, and whether the backend is as it should be.
# What is encrypted with the key aws/ssm needs no permission of its own.
RUNNING: Final[Sequence[Statement]] = (
    {
        "Sid": "AlexaParameters",
        "Effect": "Allow",
        "Action": [
            "ssm:GetParametersByPath",
            "ssm:PutParameter",
            "ssm:DeleteParameters",
        ],
        "Resource": "arn:aws:ssm:*:*:parameter/kinesis-webrtc/*",
    },
    {
        "Sid": "AlexaBackend",
        "Effect": "Allow",
        "Action": [
            "cloudformation:DescribeStacks",
            "lambda:GetFunctionConfiguration",
            "lambda:GetPolicy",
        ],
        "Resource": [_STACKS, _FUNCTIONS],
    },
)

# To make, update and delete the stacks besides. Whoever may make roles may give
# themselves any right, so these are better those of keys that are used once.
DEPLOYMENT: Final[Sequence[Statement]] = (
    {
        "Sid": "AlexaStacks",
        "Effect": "Allow",
        "Action": [
            "cloudformation:CreateStack",
            "cloudformation:UpdateStack",
            "cloudformation:DeleteStack",
            "cloudformation:DescribeStacks",
            "cloudformation:DescribeStackEvents",
        ],
        "Resource": _STACKS,
    },
    {
        "Sid": "AlexaFunctions",
        "Effect": "Allow",
        "Action": [
            "lambda:CreateFunction",
            "lambda:UpdateFunctionCode",
            "lambda:UpdateFunctionConfiguration",
            "lambda:DeleteFunction",
            "lambda:AddPermission",
            "lambda:RemovePermission",
            "lambda:Get*",
            "lambda:ListTags",
            "lambda:TagResource",
            "lambda:UntagResource",
        ],
        "Resource": _FUNCTIONS,
    },
    {
        "Sid": "AlexaRoles",
        "Effect": "Allow",
        "Action": [
            "iam:CreateRole",
            "iam:UpdateRole",
            "iam:UpdateRoleDescription",
            "iam:UpdateAssumeRolePolicy",
            "iam:DeleteRole",
            "iam:GetRole",
            "iam:PutRolePolicy",
            "iam:DeleteRolePolicy",
            "iam:GetRolePolicy",
            "iam:ListRolePolicies",
            "iam:ListAttachedRolePolicies",
            "iam:TagRole",
            "iam:UntagRole",
        ],
        "Resource": _ROLES,
    },
    {
        "Sid": "AlexaPassRole",
        "Effect": "Allow",
        "Action": "iam:PassRole",
        "Resource": _ROLES,
        "Condition": {"StringEquals": {"iam:PassedToService": "lambda.amazonaws.com"}},
    },
    {
        "Sid": "AlexaLogs",
        "Effect": "Allow",
        "Action": [
            "logs:CreateLogGroup",
            "logs:DeleteLogGroup",
            "logs:PutRetentionPolicy",
            "logs:DeleteRetentionPolicy",
            "logs:GetDataProtectionPolicy",
            "logs:ListTagsForResource",
            "logs:TagResource",
            "logs:UntagResource",
        ],
        "Resource": "arn:aws:logs:*:*:log-group:/aws/lambda/kinesis-webrtc-*",
    },
    {
        "Sid": "AlexaLogGroups",
        "Effect": "Allow",
        "Action": [
            "logs:DescribeLogGroups",
            "logs:DescribeIndexPolicies",
            "logs:DescribeResourcePolicies",
        ],
        "Resource": "*",
    },
)


def policy(*statements: Statement) -> dict[str, Any]:
    """Return an IAM policy of statements."""
    return {"Version": "2012-10-17", "Statement": list(statements)}
