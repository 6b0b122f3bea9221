"""The function's role, as the template gives it."""

from collections.abc import Mapping
import json
import re
from typing import Any

from custom_components.kinesis_webrtc.alexa.template import template_body

ACCOUNT = "123456789012"


def role_policy(
    *, channel_region: str, ssm_path: str, name_prefix: str = "ha-"
) -> dict[str, Any]:
    """Return what the function may do, with the template's functions worked out."""
    values = {
        "AWS::AccountId": ACCOUNT,
        "AWS::Partition": "aws",
        "AWS::StackName": "kinesis-webrtc-1",
        "ChannelRegion": channel_region,
        "NamePrefix": name_prefix,
        "SsmPath": ssm_path,
    }
    role = json.loads(template_body())["Resources"]["Role"]["Properties"]
    (policy,) = role["Policies"]
    resolved: dict[str, Any] = _resolve(policy["PolicyDocument"], values)
    return resolved


def _resolve(value: Any, values: Mapping[str, str]) -> Any:
    match value:
        case {"Fn::Sub": str(text)}:
            return re.sub(r"\${([\w:]+)}", lambda found: values[found[1]], text)
        case {"Fn::GetAtt": ["Log", "Arn"]}:
            name = values["AWS::StackName"]
            return f"arn:aws:logs:us-east-1:{ACCOUNT}:log-group:/aws/lambda/{name}:*"
        case dict():
            return {key: _resolve(item, values) for key, item in value.items()}
        case list():
            return [_resolve(item, values) for item in value]
    return value
