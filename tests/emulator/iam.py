"""IAM: users and identity-based policies.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
import re
from typing import Any

type Policy = Mapping[str, Any]
type ConditionContext = Mapping[str, str | Sequence[str]]

ALLOW_ALL: Policy = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}],
}

_STATEMENT_KEYS = {
    "Sid",
    "Effect",
    "Action",
    "NotAction",
    "Resource",
    "NotResource",
    "Condition",
}


@dataclass(kw_only=True)
class User:
    """An access key, whose it is and what it may do.

    With a session token it is a role's session; token_expires is a Unix time.
    """

    name: str = "tester"
    access_key_id: str
    secret_access_key: str = field(repr=False)
    session_token: str | None = field(default=None, repr=False)
    token_expires: float | None = None
    account: str | None = None
    policies: Sequence[Policy] = (ALLOW_ALL,)

    def __post_init__(self) -> None:
        """Refuse a policy that could not be evaluated."""
        for policy in self.policies:
            check_policy(policy)

    def arn(self, partition: str) -> str:
        """Return the principal's ARN as STS and error texts show it."""
        if self.session_token is None:
            return f"arn:{partition}:iam::{self.account}:user/{self.name}"
        return f"arn:{partition}:sts::{self.account}:assumed-role/{self.name}/session"

    def may(
        self, action: str, resource: str, context: ConditionContext | None = None
    ) -> bool:
        """Evaluate the policies: an explicit deny wins, else one must allow."""
        effects = {
            statement["Effect"]
            for policy in self.policies
            for statement in _as_list(policy["Statement"])
            if _applies(statement, action, resource, context or {})
        }
        return effects == {"Allow"}


def check_policy(policy: Policy) -> None:
    """Raise ValueError for what AWS would refuse or this evaluation cannot do."""
    if policy.get("Version") != "2012-10-17":
        raise ValueError("Version must be 2012-10-17")
    for statement in _as_list(policy["Statement"]):
        if unknown := set(statement) - _STATEMENT_KEYS:
            raise ValueError(f"unknown in a statement: {sorted(unknown)}")
        if statement.get("Effect") not in ("Allow", "Deny"):
            raise ValueError("Effect must be Allow or Deny")
        if ("Action" in statement) == ("NotAction" in statement):
            raise ValueError("a statement needs either Action or NotAction")
        if ("Resource" in statement) == ("NotResource" in statement):
            raise ValueError("a statement needs either Resource or NotResource")
        for operator in statement.get("Condition", {}):
            _split_operator(operator)


def _applies(
    statement: Mapping[str, Any], action: str, resource: str, context: ConditionContext
) -> bool:
    if "Action" in statement:
        if not _any_like(action.lower(), _as_list(statement["Action"]), fold=True):
            return False
    elif _any_like(action.lower(), _as_list(statement["NotAction"]), fold=True):
        return False
    if "Resource" in statement:
        if not _any_like(resource, _as_list(statement["Resource"])):
            return False
    elif _any_like(resource, _as_list(statement["NotResource"])):
        return False
    return all(
        _condition(operator, key, _as_list(wanted), context)
        for operator, tests in statement.get("Condition", {}).items()
        for key, wanted in tests.items()
    )


def _condition(
    operator: str, key: str, wanted: Sequence[str], context: ConditionContext
) -> bool:
    quantifier, test, if_exists = _split_operator(operator)
    # The part after aws:ResourceTag/ is a tag's key; only the part before it ignores
    # the letter case.
    name, slash, tag = key.partition("/")
    present = context.get(f"{name.lower()}{slash}{tag}")
    if test == "Null":
        return (present is None) == (str(wanted[0]).lower() == "true")
    if present is None:
        return if_exists or quantifier == "ForAllValues" or test.startswith("StringNot")
    values = [present] if isinstance(present, str) else list(present)
    matches = [_matches(test, value, wanted) for value in values]
    return all(matches) if quantifier == "ForAllValues" else any(matches)


def _matches(test: str, value: str, wanted: Sequence[str]) -> bool:
    match test:
        case "StringEquals":
            return value in wanted
        case "StringNotEquals":
            return value not in wanted
        case "StringNotLike":
            return not _any_like(value, wanted)
        case _:
            return _any_like(value, wanted)


def _split_operator(operator: str) -> tuple[str | None, str, bool]:
    quantifier, _, test = operator.rpartition(":")
    if_exists = test.endswith("IfExists")
    test = test.removesuffix("IfExists")
    known = ("StringEquals", "StringNotEquals", "StringLike", "StringNotLike", "Null")
    if test not in known or quantifier not in ("", "ForAllValues", "ForAnyValue"):
        raise ValueError(f"unknown condition operator {operator}")
    return quantifier or None, test, if_exists


def _any_like(value: str, patterns: Iterable[str], *, fold: bool = False) -> bool:
    return any(_like(value, p.lower() if fold else p) for p in patterns)


def _like(value: str, pattern: str) -> bool:
    expression = re.escape(pattern).replace(r"\*", ".*").replace(r"\?", ".")
    return re.fullmatch(expression, value, re.DOTALL) is not None


def _as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
