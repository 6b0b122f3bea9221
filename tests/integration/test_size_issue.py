"""A camera whose pictures are too large for Alexa is named in a repair, if she shows it."""

from homeassistant.core import HomeAssistant
from homeassistant.helpers import issue_registry as ir
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.kinesis_webrtc.const import DOMAIN, SELF_TEST_PREFIX
from custom_components.kinesis_webrtc.peer import KeyFrameSent

from .conftest import TRANSLATIONS, check_text
from .masters import Master

LARGE = (2560, 1440)
SHOWN = KeyFrameSent(viewer_id="echo-1", is_small=True, shrunk_from=LARGE)


@pytest.fixture
def master(master: Master) -> Master:
    """Return the far sides of a camera whose pictures are too large for an Echo."""
    master.peer.feed.small.is_large = True
    return master


def issues(issue_registry: ir.IssueRegistry) -> list[ir.IssueEntry]:
    return [issue for issue in issue_registry.issues.values() if issue.domain == DOMAIN]


async def test_what_alexa_shows_and_is_too_large_is_named(
    master: Master, issue_registry: ir.IssueRegistry
) -> None:
    master.on_event(SHOWN)

    (issue,) = issues(issue_registry)
    assert issue.translation_key == "camera_too_large"
    assert issue.severity is ir.IssueSeverity.WARNING
    placeholders = issue.translation_placeholders or {}
    assert placeholders == {"camera": "Front door", "size": "2560x1440"}
    check_text(TRANSLATIONS["issues"]["camera_too_large"]["title"], placeholders)
    check_text(TRANSLATIONS["issues"]["camera_too_large"]["description"], placeholders)


@pytest.mark.parametrize(
    "event",
    [
        KeyFrameSent(viewer_id="browser", shrunk_from=LARGE),
        KeyFrameSent(
            viewer_id=f"{SELF_TEST_PREFIX}1", is_small=True, shrunk_from=LARGE
        ),
    ],
    ids=["a browser", "a self-test"],
)
async def test_who_never_shows_it_on_an_echo_is_not_bothered(
    master: Master, issue_registry: ir.IssueRegistry, event: KeyFrameSent
) -> None:
    master.on_event(event)
    assert not issues(issue_registry)

    master.on_event(SHOWN)
    master.on_event(event)
    assert issues(issue_registry)


async def test_smaller_pictures_take_the_complaint_back(
    master: Master, issue_registry: ir.IssueRegistry
) -> None:
    master.on_event(SHOWN)

    master.peer.feed.small.is_large = False
    master.on_event(KeyFrameSent(viewer_id="browser"))

    assert not issues(issue_registry)


async def test_a_sub_stream_that_gives_nothing_is_named(
    master: Master, issue_registry: ir.IssueRegistry
) -> None:
    master.peer.feed.is_fallback = True
    master.on_event(SHOWN)

    (issue,) = issues(issue_registry)
    assert issue.translation_key == "alexa_stream_failed"
    placeholders = issue.translation_placeholders or {}
    text = TRANSLATIONS["issues"]["alexa_stream_failed"]
    check_text(text["title"], placeholders)
    check_text(text["description"], placeholders)

    master.peer.feed.is_fallback = False
    master.peer.feed.small.is_large = False
    master.on_event(KeyFrameSent(viewer_id="echo-2", is_small=True))
    assert not issues(issue_registry)


async def test_nothing_is_left_of_a_camera_that_is_not_shared_any_more(
    hass: HomeAssistant,
    entry: MockConfigEntry,
    master: Master,
    issue_registry: ir.IssueRegistry,
) -> None:
    master.on_event(SHOWN)

    await hass.config_entries.async_unload(entry.entry_id)

    assert not issues(issue_registry)
