"""The endpoint of a camera is the one that the backend's discovery answers with."""

from typing import Any

from hypothesis import HealthCheck, given, settings, strategies as st
import pytest

from custom_components.kinesis_webrtc.alexa.endpoints import endpoint
from custom_components.kinesis_webrtc.alexa.lambda_function import Backend, Camera

from .conftest import TAGS, Skill, discover
from .schemas import HOME

NAME = "ha-front-door"
ARN = f"arn:aws:kinesisvideo:eu-west-1:123456789012:channel/{NAME}/1"
P = "kinesis_webrtc:"


def discovered(name: str, tags: dict[str, str]) -> dict[str, Any] | None:
    """Return what the backend's discovery has for a channel."""
    backend = Backend({"CHANNEL_REGION": "eu-west-1"})
    camera = Camera(name, ARN, tags)
    return backend._endpoint(camera) if backend._is_shown(camera) else None


@pytest.mark.parametrize(
    ("name", "tags"),
    [
        (NAME, {}),
        (NAME, {"camera_name": "Tür & Tor — „Straße“ 🚪"}),
        (NAME, {"camera_name": "N" * 256}),
        (NAME, {"camera_name": ""}),
        (NAME, {"kind": "doorbell"}),
        (NAME, {"kind": "camera"}),
        (NAME, {"kind": "toaster"}),
        (NAME, {"duplex": "true"}),
        (NAME, {"duplex": "True"}),
        (NAME, {"motion": "true"}),
        (NAME, {"motion": "false"}),
        (NAME, {"kind": "doorbell", "duplex": "true", "motion": "true"}),
        ("ha-" + "x" * 253, {"kind": "doorbell"}),
        ("ha-front__door--2", {"camera_name": ""}),
        ("ha-", {"camera_name": ""}),
    ],
)
def test_it_is_what_discovery_answers(name: str, tags: dict[str, str]) -> None:
    tags = TAGS | {P + key: value for key, value in tags.items()}

    found = endpoint(channel_name=name, channel_arn=ARN, tags=tags)

    assert found is not None
    assert found == discovered(name, tags)
    HOME.evolve(
        schema={"$ref": "urn:kinesis-webrtc:smart-home#/definitions/endpoint"}
    ).validate(found)


_TEXTS = st.text(max_size=256)


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(
    tags=st.dictionaries(
        st.sampled_from(
            [
                P + key
                for key in ("created_by", "camera_name", "kind", "duplex", "motion")
            ]
            + ["camera_name", "other"]
        ),
        _TEXTS | st.sampled_from(["doorbell", "true"]),
    )
)
def test_it_is_what_discovery_answers_whatever_the_tags(tags: dict[str, str]) -> None:
    assert endpoint(channel_name=NAME, channel_arn=ARN, tags=tags) == discovered(
        NAME, tags
    )


async def test_a_real_discovery_answers_with_it(skill: Skill, channel: Any) -> None:
    response = await skill(discover())

    assert response["event"]["payload"]["endpoints"] == [
        endpoint(channel_name=channel.name, channel_arn=channel.arn, tags=TAGS)
    ]


@pytest.mark.parametrize(
    ("name", "tags"),
    [
        ("other-camera", TAGS),
        ("ha-with.dot", TAGS),
        ("ha-türe", TAGS),
        (NAME, {}),
        (NAME, {f"{P}created_by": "home"}),
        (NAME, {f"{P}camera_name": "Front door"}),
    ],
)
def test_alexa_is_not_told_of_what_discovery_passes_over(
    name: str, tags: dict[str, str]
) -> None:
    assert endpoint(channel_name=name, channel_arn=ARN, tags=tags) is None


def test_the_names_may_begin_otherwise() -> None:
    found = endpoint(
        channel_name="home2-gate", channel_arn=ARN, tags=TAGS, name_prefix="home2-"
    )

    assert found is not None
    assert found["endpointId"] == "home2-gate"
