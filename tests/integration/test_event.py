"""The session event tells of viewers in words that everybody reads."""

import pytest

from custom_components.kinesis_webrtc.peer import EndReason, RefusalReason
from custom_components.kinesis_webrtc.shared_camera import ViewerEventType

from .conftest import TRANSLATIONS

SESSION = TRANSLATIONS["entity"]["event"]["session"]["state_attributes"]


@pytest.mark.parametrize("reasons", [EndReason, RefusalReason])
def test_each_reason_has_words(reasons: type[EndReason | RefusalReason]) -> None:
    assert {str(reason) for reason in reasons} <= SESSION["reason"]["state"].keys()


def test_no_words_are_left_over() -> None:
    reasons = {str(reason) for reason in (*EndReason, *RefusalReason)}
    assert SESSION["reason"]["state"].keys() == reasons
    assert SESSION["event_type"]["state"].keys() == set(ViewerEventType)
