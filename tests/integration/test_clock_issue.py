"""A wrong clock is named in a repair for as long as AWS says that it is wrong."""

from collections.abc import Callable
from datetime import timedelta
from unittest.mock import AsyncMock

from homeassistant.core import HomeAssistant
from homeassistant.helpers import issue_registry as ir
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.kinesis_webrtc.const import DOMAIN

from .conftest import TRANSLATIONS, check_text, make_entry


@pytest.fixture
async def entry(hass: HomeAssistant, mock_client: AsyncMock) -> MockConfigEntry:
    entry = make_entry()
    entry.add_to_hass(hass)
    assert await hass.config_entries.async_setup(entry.entry_id)
    await hass.async_block_till_done()
    return entry


@pytest.mark.parametrize(("seconds", "shown"), [(612.4, "612"), (-90, "90")])
async def test_a_wrong_clock_is_named_until_it_is_right(
    hass: HomeAssistant,
    mock_client: AsyncMock,
    entry: MockConfigEntry,
    issue_registry: ir.IssueRegistry,
    seconds: float,
    shown: str,
) -> None:
    told = mock_client.clock.on_correction.call_args.args[0]

    told(timedelta(seconds=seconds))

    issue = issue_registry.async_get_issue(DOMAIN, "clock_skew")
    assert issue is not None
    assert issue.translation_placeholders == {"offset": shown}
    check_text(TRANSLATIONS["issues"]["clock_skew"]["description"], {"offset": shown})

    told(timedelta())
    assert issue_registry.async_get_issue(DOMAIN, "clock_skew") is None


async def test_the_complaint_goes_with_the_account(
    hass: HomeAssistant,
    mock_client: AsyncMock,
    entry: MockConfigEntry,
    issue_registry: ir.IssueRegistry,
) -> None:
    mock_client.clock.on_correction.call_args.args[0](timedelta(minutes=10))
    assert issue_registry.async_get_issue(DOMAIN, "clock_skew")

    await hass.config_entries.async_unload(entry.entry_id)

    assert issue_registry.async_get_issue(DOMAIN, "clock_skew") is None


@pytest.fixture
async def tellers(
    hass: HomeAssistant, mock_client: AsyncMock, entry: MockConfigEntry
) -> list[Callable[[timedelta], None]]:
    """Have a second account notice a wrong clock too; return what tells them."""
    other = make_entry()
    other.add_to_hass(hass)
    assert await hass.config_entries.async_setup(other.entry_id)
    tellers = [call.args[0] for call in mock_client.clock.on_correction.mock_calls]
    for told in tellers:
        told(timedelta(minutes=10))
    return tellers


async def test_the_complaint_of_another_account_stays(
    hass: HomeAssistant,
    entry: MockConfigEntry,
    tellers: list[Callable[[timedelta], None]],
    issue_registry: ir.IssueRegistry,
) -> None:
    await hass.config_entries.async_unload(entry.entry_id)
    assert issue_registry.async_get_issue(DOMAIN, "clock_skew")

    tellers[1](timedelta())
    assert issue_registry.async_get_issue(DOMAIN, "clock_skew") is None


async def test_one_account_that_finds_the_clock_right_is_enough(
    tellers: list[Callable[[timedelta], None]], issue_registry: ir.IssueRegistry
) -> None:
    tellers[0](timedelta())

    assert issue_registry.async_get_issue(DOMAIN, "clock_skew") is None
