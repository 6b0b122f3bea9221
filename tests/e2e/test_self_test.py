"""The self-test views a camera as an Echo would, through the service."""

import pytest

from .harness.client import HomeAssistantError
from .harness.emulator import Emulator
from .harness.home_assistant import HomeAssistant
from .harness.scenario import SharedCamera


async def device_of(home: HomeAssistant, entity_id: str) -> str:
    entity = await home.client.command(
        "config/entity_registry/get", entity_id=entity_id
    )
    return str(entity["device_id"])


async def test_a_camera_that_works_passes_every_stage(
    home: HomeAssistant, shared: SharedCamera
) -> None:
    found = await home.client.call_action(
        "kinesis_webrtc.self_test", device_id=await device_of(home, shared.self_test)
    )

    assert {stage["verdict"] for stage in found["stages"]} == {"passed"}, found
    rules = {rule["rule"]: rule for rule in found["alexa"]}
    # The camera's H.264 is of the Main profile.
    profile = rules.pop("alexa_profile")
    assert profile["verdict"] == "failed"
    assert profile["value"].startswith("4d")
    assert profile["value"] in found["advice"]
    assert rules["alexa_size"]["value"] == "1280x720"
    assert {rule["verdict"] for rule in rules.values()} == {"passed"}, found
    assert all(stage["ms"] >= 0 for stage in found["stages"])
    assert found["connection"] in {"direct", "reflexive"}
    await home.client.wait_for_state(shared.self_test_verdict, "alexa_profile")
    await home.client.wait_for_state(shared.viewers, "0")
    home.log.assert_clean()


async def test_the_button_says_what_to_do_when_the_camera_is_not_shared(
    home: HomeAssistant, shared: SharedCamera, emulator: Emulator
) -> None:
    await home.client.call_service("switch.turn_off", entity_id=shared.sharing)
    await home.client.wait_for_state(shared.connected, "off")

    with pytest.raises(HomeAssistantError, match="Switch its Sharing on"):
        await home.client.call_service("button.press", entity_id=shared.self_test)
    await home.client.wait_for_state(shared.self_test_verdict, "master")

    await home.client.call_service("switch.turn_on", entity_id=shared.sharing)
    await home.client.wait_for_state(shared.connected, "on")
    await home.client.call_service("button.press", entity_id=shared.self_test)
    await home.client.wait_for_state(shared.self_test_verdict, "alexa_profile")
