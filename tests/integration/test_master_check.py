"""A master that does not hear itself connects anew, and then gives way and tells."""

import asyncio
from collections.abc import AsyncIterator
from unittest.mock import AsyncMock, MagicMock, patch

from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers import issue_registry as ir
import pytest

from custom_components.kinesis_webrtc import master_check
from custom_components.kinesis_webrtc.alexa import Ping, parse
from custom_components.kinesis_webrtc.const import DOMAIN
from custom_components.kinesis_webrtc.master_check import MasterCheck
from custom_components.kinesis_webrtc.missing_rights import MissingRights
from custom_components.kinesis_webrtc.signaling import (
    CannotConnectError,
    InvalidArgumentError,
    NotAuthorizedError,
    decode_payload,
)

from .conftest import ACCOUNT, REGION, TRANSLATIONS, Aws, channel_arn, make_entry

ARN = channel_arn("ha-front-door")
ISSUE = f"master_displaced_{ACCOUNT}_{REGION}_ha-front-door"
RIGHT = f"right_missing_check_{ACCOUNT}_{REGION}_ha-front-door"


class Check:
    """A check, with what it has asked for."""

    def __init__(self, hass: HomeAssistant, aws: Aws, arn: str = ARN) -> None:
        self.client: AsyncMock = aws.client
        self.reconnect = MagicMock()
        self.reconnected = asyncio.Event()
        self.reconnect.side_effect = self.reconnected.set
        self.check = MasterCheck(
            hass=hass,
            entry=make_entry(),
            client=aws.client,
            channel_arn=arn,
            reconnect=self.reconnect,
            rights=MissingRights(hass=hass, channel_arn=arn),
        )
        self.task = asyncio.ensure_future(self.check.run())
        self.asked = asyncio.Queue[str]()
        self.echoes = True
        self.client.send_alexa_offer.side_effect = self._answer

    async def _answer(
        self, arn: str, *, sender_client_id: str, message_payload: str
    ) -> str | None:
        assert arn == ARN
        self.asked.put_nowait(message_payload)
        return message_payload if self.echoes else None

    def connect(self) -> None:
        self.check.async_set_connected(connected=True)

    def disconnect(self) -> None:
        self.check.async_set_connected(connected=False)

    async def next_asked(self) -> str:
        async with asyncio.timeout(5):
            return await self.asked.get()

    async def wait_for_reconnect(self) -> None:
        async with asyncio.timeout(5):
            await self.reconnected.wait()
        self.reconnected.clear()

    def reconnects(self) -> None:
        """Play the connection that does as it was told."""
        self.disconnect()
        self.connect()


@pytest.fixture(autouse=True)
def times(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no test wait."""
    monkeypatch.setattr(master_check, "SETTLE", 0.01)


@pytest.fixture
async def check(hass: HomeAssistant, aws: Aws) -> AsyncIterator[Check]:
    check = Check(hass, aws)
    yield check
    check.task.cancel()
    await asyncio.wait([check.task])


def issue(hass: HomeAssistant) -> ir.IssueEntry | None:
    return ir.async_get(hass).async_get_issue(DOMAIN, ISSUE)


async def wait_for_issue(
    hass: HomeAssistant, *, there: bool, issue_id: str = ISSUE
) -> None:
    changed = asyncio.Event()
    stop = hass.bus.async_listen(
        ir.EVENT_REPAIRS_ISSUE_REGISTRY_UPDATED, callback(lambda _: changed.set())
    )
    async with asyncio.timeout(5):
        issues = ir.async_get(hass)
        while (issues.async_get_issue(DOMAIN, issue_id) is not None) is not there:
            changed.clear()
            await changed.wait()
    stop()


async def settle() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def test_pings_itself_after_a_connect(check: Check) -> None:
    await settle()
    assert check.asked.empty()
    check.connect()

    content = decode_payload(await check.next_asked())

    assert not isinstance(content, str)
    assert isinstance(parse(content), Ping)
    await settle()
    assert not check.reconnect.called


async def test_a_change_of_websockets_is_no_connect(check: Check) -> None:
    check.connect()
    await check.next_asked()
    check.connect()
    await asyncio.sleep(0.05)

    assert check.asked.empty()


async def test_pings_itself_after_each_connect(check: Check) -> None:
    for _ in range(2):
        check.reconnects()
        await check.next_asked()


async def test_pings_itself_every_hour(
    check: Check, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(master_check, "INTERVAL", 0.01)
    check.connect()
    for _ in range(3):
        await check.next_asked()


async def test_a_master_without_an_echo_connects_anew(
    hass: HomeAssistant, check: Check
) -> None:
    check.echoes = False
    check.connect()

    await check.wait_for_reconnect()

    # A single ping may be lost.
    assert check.asked.qsize() == 2
    assert issue(hass) is None


async def test_one_lost_ping_changes_nothing(check: Check) -> None:
    answer = check.client.send_alexa_offer.side_effect
    check.client.send_alexa_offer.side_effect = [None, "bm90aGluZw=="]
    check.connect()
    await check.wait_for_reconnect()

    check.client.send_alexa_offer.side_effect = answer
    check.reconnects()
    await check.next_asked()
    await settle()
    assert check.reconnect.call_count == 1


async def test_a_displaced_master_tells_and_backs_off(
    hass: HomeAssistant, check: Check, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(master_check, "BACKOFF_FLOOR", 3600)
    check.echoes = False
    check.connect()
    await check.wait_for_reconnect()
    check.reconnects()
    for _ in range(4):
        await check.next_asked()
    await settle()

    found = issue(hass)
    assert found is not None
    assert found.translation_key == "master_displaced"
    text = TRANSLATIONS["issues"]["master_displaced"]["description"]
    assert text.format(**found.translation_placeholders or {})
    assert check.reconnect.call_count == 1


async def test_a_displaced_master_takes_the_channel_back_later(
    hass: HomeAssistant, check: Check, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(master_check, "BACKOFF_FLOOR", 0.01)
    monkeypatch.setattr(master_check, "INTERVAL", 0.05)
    check.echoes = False
    check.connect()
    await check.wait_for_reconnect()
    check.reconnects()
    await check.wait_for_reconnect()
    assert issue(hass) is not None

    check.echoes = True
    check.reconnects()
    await wait_for_issue(hass, there=False)


async def test_the_message_goes_with_the_master(
    hass: HomeAssistant, check: Check, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(master_check, "BACKOFF_FLOOR", 3600)
    check.echoes = False
    check.connect()
    await check.wait_for_reconnect()
    check.reconnects()
    await wait_for_issue(hass, there=True)

    check.task.cancel()
    await asyncio.wait([check.task])

    assert issue(hass) is None


async def test_no_answer_within_the_time_is_no_echo(
    check: Check, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(master_check, "ECHO_WITHIN", 0.01)
    never = asyncio.get_running_loop().create_future()

    async def answer(*_: object, **__: object) -> None:
        await asyncio.shield(never)

    check.client.send_alexa_offer.side_effect = answer
    check.connect()

    await check.wait_for_reconnect()


async def test_an_offer_that_expired_in_the_service_is_no_echo(check: Check) -> None:
    check.client.send_alexa_offer.side_effect = InvalidArgumentError("expired")
    check.connect()

    await check.wait_for_reconnect()


async def test_an_outage_says_nothing_about_the_master(
    check: Check, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(master_check, "BACKOFF_FLOOR", 0.01)
    answer = check.client.send_alexa_offer.side_effect
    check.client.send_alexa_offer.side_effect = CannotConnectError()
    check.connect()
    await asyncio.sleep(0.05)
    check.client.send_alexa_offer.side_effect = answer

    await check.next_asked()

    assert not check.reconnect.called


async def test_a_connection_that_is_lost_while_it_is_asked_says_nothing(
    check: Check,
) -> None:
    async def answer(*_: object, **__: object) -> None:
        check.disconnect()

    check.client.send_alexa_offer.side_effect = answer
    check.connect()
    await asyncio.sleep(0.05)

    assert not check.reconnect.called


async def test_a_right_to_ask_that_is_missing_is_named_until_it_is_there(
    hass: HomeAssistant, check: Check, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(master_check, "INTERVAL", 0.01)
    answer = check.client.send_alexa_offer.side_effect
    check.client.send_alexa_offer.side_effect = NotAuthorizedError(
        operation="SendAlexaOfferToMaster",
        action="kinesisvideo:SendAlexaOfferToMaster",
    )
    check.connect()

    await wait_for_issue(hass, there=True, issue_id=RIGHT)
    found = ir.async_get(hass).async_get_issue(DOMAIN, RIGHT)
    assert found is not None
    assert found.translation_placeholders is not None
    action = found.translation_placeholders["action"]
    assert action == "kinesisvideo:SendAlexaOfferToMaster"
    assert not check.reconnect.called

    check.client.send_alexa_offer.side_effect = answer
    await wait_for_issue(hass, there=False, issue_id=RIGHT)


async def test_another_accounts_channel_is_not_asked(
    hass: HomeAssistant, aws: Aws
) -> None:
    check = Check(hass, aws, channel_arn("ha-front-door", account="210987654321"))
    check.connect()

    async with asyncio.timeout(5):
        await check.task

    assert check.asked.empty()


async def test_a_check_that_ends_leaves_no_task(hass: HomeAssistant, aws: Aws) -> None:
    with patch.object(master_check, "SETTLE", 3600):
        check = Check(hass, aws)
        check.connect()
        await settle()
        check.task.cancel()
        await asyncio.wait([check.task])
    assert check.task.cancelled()
