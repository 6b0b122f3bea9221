"""The checks against the service models."""

from typing import Any

import pytest

from .models import is_arn, operations_by_path, output_problems

ICE = operations_by_path("kinesis-video-signaling")["/v1/get-ice-server-config"]
TAGS = operations_by_path("kinesisvideo")["/ListTagsForResource"]


@pytest.mark.parametrize(
    ("server", "fits"),
    [
        ({"Uris": ["turn:x"], "Username": "1:a=", "Password": "+/=", "Ttl": 30}, True),
        ({"Ttl": 29}, False),
        ({"Ttl": 86_401}, False),
        ({"Ttl": True}, False),
        ({"Ttl": "300"}, False),
        ({"Uris": [""]}, False),
        ({"Uris": "turn:x"}, False),
    ],
)
def test_an_answer_is_held_to_the_model(server: dict[str, Any], fits: bool) -> None:
    assert (output_problems(ICE, {"IceServerList": [server]}) == []) is fits


def test_maps_are_checked_too() -> None:
    assert output_problems(TAGS, {"Tags": {"good": "value"}}) == []
    assert output_problems(TAGS, {"Tags": {"": "value"}})
    assert output_problems(TAGS, {"Tags": {"bad": "#"}})
    assert output_problems(TAGS, {"Tags": {}})


@pytest.mark.parametrize("partition", ["aws", "aws-cn", "aws-us-gov", "aws-eusc"])
def test_arns_of_every_partition_are_arns(partition: str) -> None:
    arn = f"arn:{partition}:kinesisvideo:x-y-1:123456789012:channel/a.b-c_d/1"
    assert is_arn(arn)
    assert not is_arn(arn.removesuffix("/1"))
    assert not is_arn(arn.replace("a.b", "a b"))
