import pytest

from custom_components.kinesis_webrtc import signaling
from custom_components.kinesis_webrtc.signaling import (
    ClockSkewError,
    NotAuthorizedError,
    ServiceError,
    SignalingError,
)

KINDS = [
    kind
    for name in signaling.__all__
    if isinstance(kind := getattr(signaling, name), type)
    and issubclass(kind, SignalingError)
]


def test_each_kind_has_a_key_of_its_own() -> None:
    assert len({kind.key for kind in KINDS}) == len(KINDS) == 19


@pytest.mark.parametrize("kind", KINDS)
def test_text_says_operation_and_reason(kind: type[SignalingError]) -> None:
    error = kind("the reason", operation="GetIceServerConfig")

    assert str(error) == "GetIceServerConfig: the reason"
    assert error.operation == "GetIceServerConfig"


def test_text_falls_back_to_the_key() -> None:
    assert str(signaling.CannotConnectError()) == "cannot connect"


def test_details_are_kept() -> None:
    assert NotAuthorizedError(action="kinesisvideo:X").action == "kinesisvideo:X"
    assert ClockSkewError(offset=-600.0).offset == -600.0
    assert ServiceError(code="Odd").code == "Odd"
