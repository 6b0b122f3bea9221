"""The CloudFormation template of the skill's backend, with the function's code in it.

All functions here read files when they are called first.
"""

from collections.abc import Mapping
from functools import cache
import hashlib
import json
from pathlib import Path
from typing import Any, Final

import yaml

_FOLDER: Final = Path(__file__).parent
# https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cloudformation-limits.html
MAX_TEMPLATE_BODY: Final = 51_200


def template_body(defaults: Mapping[str, str] | None = None) -> str:
    """Return the template as JSON, of 51,200 bytes at most.

    `defaults` are for the parameters of a stack that is made by hand.
    """
    template = _template()
    parameters = (
        {
            name: {
                **parameter,
                **({"Default": defaults[name]} if name in defaults else {}),
            }
            for name, parameter in template["Parameters"].items()
        }
        if defaults
        else template["Parameters"]
    )
    body = json.dumps(
        {**template, "Parameters": parameters},
        ensure_ascii=False,
        separators=(",", ":"),
    )
    assert len(body.encode()) <= MAX_TEMPLATE_BODY, "the template has grown too large"
    return body


def backend_version() -> str:
    """Return the digest of the template and the code: another one is a newer backend."""
    version: str = _template()["Outputs"]["Version"]["Value"]
    return version


@cache
def resources() -> int:
    """Return how many resources a stack has."""
    return len(_template()["Resources"])


@cache
def _template() -> dict[str, Any]:
    text = (_FOLDER / "template.yaml").read_text(encoding="utf-8")
    template: dict[str, Any] = yaml.safe_load(text)
    code = (_FOLDER / "lambda_function.py").read_text(encoding="utf-8")
    template["Resources"]["Function"]["Properties"]["Code"]["ZipFile"] = code
    digest = hashlib.sha256(json.dumps(template, sort_keys=True).encode())
    template["Outputs"]["Version"]["Value"] = digest.hexdigest()[:16]
    return template
