"""The ledger of the Integration Quality Scale is whole, and says why where it is not."""

from pathlib import Path
from typing import Any

import homeassistant.components
from homeassistant.util.yaml import load_yaml_dict
import pytest

OURS = Path("custom_components/kinesis_webrtc")
# An integration of Home Assistant's own that has reached the highest tier.
MODEL = Path(homeassistant.components.__path__[0]) / "google_weather"


def rules(folder: Path) -> dict[str, Any]:
    return load_yaml_dict(str(folder / "quality_scale.yaml"))["rules"]


def test_each_rule_of_the_scale_is_answered() -> None:
    assert rules(OURS).keys() == rules(MODEL).keys()


@pytest.mark.parametrize("rule", rules(OURS))
def test_a_rule_is_kept_or_the_reason_is_told(rule: str) -> None:
    answer = rules(OURS)[rule]
    if answer != "done":
        assert answer.keys() == {"status", "comment"}
        assert answer["status"] == "exempt"
        assert answer["comment"]


def test_each_platform_says_how_many_updates_run_at_once() -> None:
    platforms = [
        path
        for path in OURS.glob("*.py")
        if "AddConfigEntryEntitiesCallback," in path.read_text("utf-8")
        and path.name != "entity.py"
    ]
    assert len(platforms) > 5
    for path in platforms:
        assert "PARALLEL_UPDATES = " in path.read_text("utf-8"), path
