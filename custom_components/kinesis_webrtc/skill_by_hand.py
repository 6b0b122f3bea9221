"""A skill's functions whose stacks the user has made by hand."""

from collections.abc import Mapping
import re
from typing import Any, Final

from .const import CONF_FUNCTION_ARN, CONF_NAME, CONF_REGION, CONF_VERSION

_FUNCTION_ARN: Final = re.compile(
    r"arn:aws[a-z-]*:lambda:(?P<region>[a-z0-9-]+):(?P<account>\d{12})"
    r":function:(?P<name>[A-Za-z0-9_-]{1,64})"
)


def stacks_by_hand(
    arns: Mapping[str, str], *, account: str, version: str
) -> tuple[list[dict[str, Any]], dict[str, str]]:
    """Return what a subentry keeps of stacks, by pasted ARNs, and a form's errors.

    `arns` are by region.
    """
    stacks: list[dict[str, Any]] = []
    errors: dict[str, str] = {}
    for region, text in arns.items():
        arn = text.strip()
        if (match := _FUNCTION_ARN.fullmatch(arn)) is None:
            errors[region] = "invalid_function_arn"
        elif match["region"] != region:
            errors[region] = "function_in_wrong_region"
        elif match["account"] != account:
            errors[region] = "function_in_other_account"
        else:
            stacks.append(
                {
                    CONF_REGION: region,
                    # The template names the function after the stack.
                    CONF_NAME: match["name"],
                    CONF_FUNCTION_ARN: arn,
                    CONF_VERSION: version,
                }
            )
    return stacks, errors
