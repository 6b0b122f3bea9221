"""The IAM policies, and parts of them, that the documents give to users."""

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
