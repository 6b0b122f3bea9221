"""A camera that gives its viewers nothing to see is named in a repair."""

from homeassistant.core import HomeAssistant
from homeassistant.helpers import issue_registry as ir
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.kinesis_webrtc.const import DOMAIN
from custom_components.kinesis_webrtc.peer import (
    Ended,
    EndReason,
    KeyFrameSent,
    OfferRefused,
    RefusalReason,
    Timings,
)
from custom_components.kinesis_webrtc.signaling import SdpOffer

from .conftest import TRANSLATIONS, async_speak_german, check_text
from .masters import Master


def ended(reason: EndReason, detail: str | None = None) -> Ended:
    return Ended(viewer_id="echo-1", reason=reason, timings=Timings(), detail=detail)


def issues(issue_registry: ir.IssueRegistry) -> list[ir.IssueEntry]:
    return [issue for issue in issue_registry.issues.values() if issue.domain == DOMAIN]


@pytest.mark.parametrize(
    ("reason", "detail", "key"),
    [
        (EndReason.SOURCE_FAILED, "HTTPUnauthorizedError", "camera_failed"),
        (EndReason.UNSUPPORTED_CODEC, "unknown_codec", "camera_unsupported"),
    ],
)
async def test_a_view_without_pictures_is_complained_of(
    master: Master,
    issue_registry: ir.IssueRegistry,
    reason: EndReason,
    detail: str,
    key: str,
) -> None:
    master.on_event(ended(reason, detail))

    (issue,) = issues(issue_registry)
    assert issue.translation_key == key
    placeholders = issue.translation_placeholders or {}
    assert placeholders == {"camera": "Front door", "cause": detail}
    check_text(TRANSLATIONS["issues"][key]["title"], placeholders)
    check_text(TRANSLATIONS["issues"][key]["description"], placeholders)


async def test_an_offer_that_is_refused_for_the_cameras_sake_is_too(
    hass: HomeAssistant, master: Master, issue_registry: ir.IssueRegistry
) -> None:
    master.peer.answer.side_effect = OfferRefused(RefusalReason.SOURCE_FAILED)
    master.deliver(SdpOffer(sdp="offer", sender_client_id="echo-1"))
    await hass.async_block_till_done()

    (issue,) = issues(issue_registry)
    assert issue.translation_key == "camera_failed"


async def test_what_we_know_of_the_cause_is_said_in_words(
    hass: HomeAssistant, master: Master, issue_registry: ir.IssueRegistry
) -> None:
    texts = await async_speak_german(hass)
    master.on_event(ended(EndReason.SOURCE_FAILED, "camera_removed"))

    (issue,) = issues(issue_registry)
    assert issue.translation_placeholders == {
        "camera": "Front door",
        "cause": texts["exceptions"]["camera_removed"]["message"],
    }


async def test_the_next_picture_takes_the_complaint_back(
    master: Master, issue_registry: ir.IssueRegistry
) -> None:
    master.on_event(ended(EndReason.SOURCE_FAILED))

    master.on_event(KeyFrameSent(viewer_id="echo-2"))

    assert not issues(issue_registry)


@pytest.mark.parametrize(
    "reason", [EndReason.CAMERA_OFF, EndReason.VIEWER_LOST, EndReason.SHUTDOWN]
)
async def test_other_ends_are_no_fault_of_the_camera(
    master: Master, issue_registry: ir.IssueRegistry, reason: EndReason
) -> None:
    master.on_event(ended(reason))

    assert not issues(issue_registry)


async def test_nothing_is_left_of_a_camera_that_is_not_shared_any_more(
    hass: HomeAssistant,
    entry: MockConfigEntry,
    master: Master,
    issue_registry: ir.IssueRegistry,
) -> None:
    master.on_event(ended(EndReason.SOURCE_FAILED))

    await hass.config_entries.async_unload(entry.entry_id)

    assert not issues(issue_registry)
