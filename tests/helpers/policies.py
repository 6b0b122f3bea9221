"""The IAM policies, and parts of them, that the documents give to users."""

from collections.abc import Mapping
import json
import re
from typing import Any

from tests.system import ROOT

_DOCUMENTS = ("README.md", "docs/alexa-iam.md")


def documented(name: str) -> Any:
    """Return the block of this name."""
    text = "\n".join((ROOT / one).read_text(encoding="utf-8") for one in _DOCUMENTS)
    found = re.search(
        rf"<!-- {name}:begin -->\s*```json\s*(.*?)```\s*<!-- {name}:end -->",
        text,
        re.DOTALL,
    )
    assert found
    return json.loads(found[1])


def policy(*statements: Mapping[str, Any]) -> dict[str, Any]:
    """Return an IAM policy of statements."""
    return {"Version": "2012-10-17", "Statement": list(statements)}


# For the Alexa skill: what is needed all the time, and to make, update and delete stacks.
RUNNING: list[dict[str, Any]] = documented("alexa-running")
DEPLOYMENT: list[dict[str, Any]] = documented("alexa-deployment")["Statement"]
