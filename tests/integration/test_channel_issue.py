"""A signaling channel that AWS does not know any more is named in a repair."""

from unittest.mock import AsyncMock

from homeassistant.core import HomeAssistant
from homeassistant.helpers import entity_registry as er, issue_registry as ir
import pytest

from custom_components.kinesis_webrtc.channel_issue import ChannelIssue
from custom_components.kinesis_webrtc.const import DOMAIN
from custom_components.kinesis_webrtc.signaling import (
    CannotConnectError,
    ResourceNotFoundError,
)

from .conftest import (
    TRANSLATIONS,
    async_share,
    channel_arn,
    check_text,
    make_entry,
    remote_channel_data,
    shared_camera_data,
)
from .masters import Masters

NAME = "ha-front-door"


def the_issue(issue_registry: ir.IssueRegistry) -> ir.IssueEntry | None:
    return next(
        (each for each in issue_registry.issues.values() if each.domain == DOMAIN),
        None,
    )


async def test_a_shared_cameras_channel_can_be_made_anew(
    hass: HomeAssistant,
    mock_client: AsyncMock,
    masters: Masters,
    camera: er.RegistryEntry,
    issue_registry: ir.IssueRegistry,
) -> None:
    await async_share(hass, camera)
    master = masters[channel_arn(NAME)]

    master.fail(CannotConnectError())
    assert the_issue(issue_registry) is None

    master.fail(ResourceNotFoundError())
    issue = the_issue(issue_registry)
    assert issue is not None
    assert issue.translation_key == "channel_gone"
    assert issue.is_fixable
    assert issue.translation_placeholders is not None
    assert issue.translation_placeholders["channel"] == NAME
    check_text(
        TRANSLATIONS["issues"]["channel_gone"]["title"], issue.translation_placeholders
    )

    # It says nothing of the channel.
    master.fail(CannotConnectError())
    assert the_issue(issue_registry)

    master.connect()
    assert the_issue(issue_registry) is None


async def test_the_complaint_goes_with_the_camera(
    hass: HomeAssistant,
    mock_client: AsyncMock,
    masters: Masters,
    camera: er.RegistryEntry,
    issue_registry: ir.IssueRegistry,
) -> None:
    entry = await async_share(hass, camera)
    masters[channel_arn(NAME)].fail(ResourceNotFoundError())

    await hass.config_entries.async_unload(entry.entry_id)

    assert the_issue(issue_registry) is None


@pytest.mark.parametrize(
    "subentry",
    [
        remote_channel_data("cabin"),
        # Of an account that is not the entry's.
        shared_camera_data("camera.door", NAME)
        | {
            "data": shared_camera_data("camera.door", NAME)["data"]
            | {
                "channel_arn": channel_arn(NAME).replace(
                    channel_arn(NAME).split(":")[4], "999999999999"
                )
            }
        },
    ],
)
async def test_what_is_not_ours_to_make_is_only_named(
    hass: HomeAssistant,
    issue_registry: ir.IssueRegistry,
    subentry: dict[str, object],
) -> None:
    entry = make_entry(subentry)
    entry.add_to_hass(hass)
    (added,) = entry.subentries.values()
    issue = ChannelIssue(hass=hass, entry=entry, subentry=added)

    issue.async_follow(ResourceNotFoundError())

    shown = the_issue(issue_registry)
    assert shown is not None
    assert not shown.is_fixable
    assert shown.translation_key == "channel_gone_elsewhere"
    check_text(
        TRANSLATIONS["issues"]["channel_gone_elsewhere"]["description"],
        shown.translation_placeholders or {},
    )

    issue.async_follow(None)
    assert the_issue(issue_registry) is None
