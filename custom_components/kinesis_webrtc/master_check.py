"""Whether a master's websocket still hears its channel.

AWS does not tell a master that another one has taken its place, and a socket may be deaf
although it is open. So the master asks itself something by way of the service.
"""

import asyncio
from collections.abc import Callable
import logging
from typing import Final
from uuid import uuid4

from homeassistant.config_entries import ConfigEntry
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers import issue_registry as ir

from .alexa import Ping, encode, parse
from .const import DOMAIN
from .created_channels import ChannelKey
from .missing_rights import MissingRights
from .signaling import (
    InvalidArgumentError,
    NotAuthorizedError,
    SignalingClient,
    SignalingError,
    decode_payload,
    encode_payload,
)

_LOGGER = logging.getLogger(__name__)

# Seconds. A new websocket is known everywhere in the service after a while.
SETTLE: Final = 5.0
INTERVAL: Final = 3600.0
# A channel keeps a message for 5 s, one that the user has made for 120 s at most.
ECHO_WITHIN: Final = 10.0
BACKOFF_FLOOR: Final = 300.0
BACKOFF_CAP: Final = 6 * 3600.0


class MasterCheck:
    """Has a master send itself a ping after each connect, and each hour.

    Without an echo the master connects anew, once: a socket may go deaf. If that has not
    helped for an hour, another master is on the channel; then the user is told, and the
    channel is taken back ever more rarely, because two masters must not fight.
    """

    def __init__(
        self,
        *,
        hass: HomeAssistant,
        entry: ConfigEntry,
        client: SignalingClient,
        channel_arn: str,
        reconnect: Callable[[], None],
        rights: MissingRights,
    ) -> None:
        """Bind a channel's master; `reconnect` gives it a new websocket."""
        self._hass = hass
        self._client = client
        self._channel_arn = channel_arn
        self._reconnect = reconnect
        self._rights = rights
        self._key = ChannelKey.from_arn(channel_arn)
        self._is_own = self._key == ChannelKey.from_entry(entry, self._key.name)
        self._connects = 0
        self._connected = asyncio.Event()
        self._changed = asyncio.Event()
        self._failures = 0

    @callback
    def async_set_connected(self, *, connected: bool) -> None:
        """Follow the connection; a change of websockets without a gap is none."""
        if connected == self._connected.is_set():
            return
        self._changed.set()
        if connected:
            self._connects += 1
            self._connected.set()
        else:
            self._connected.clear()

    async def run(self) -> None:
        """Check for as long as that makes sense, until cancelled."""
        if not self._is_own:
            return
        try:
            while True:
                await self._check_once()
        finally:
            ir.async_delete_issue(self._hass, DOMAIN, self._issue_id)

    async def _check_once(self) -> None:
        """Wait until a check is due, and act on it."""
        await self._connected.wait()
        self._changed.clear()
        connects = self._connects
        if await self._changes_within(SETTLE):
            return
        while connects == self._connects and self._connected.is_set():
            try:
                echoed = await self._is_echoed() or await self._is_echoed()
            except NotAuthorizedError as err:
                _LOGGER.debug("The master cannot be checked: %s", err)
                self._rights.async_failed("check", err)
                if await self._changes_within(INTERVAL):
                    break
                continue
            except SignalingError as err:
                # It says nothing about the master.
                _LOGGER.debug("The master was not checked: %s", err)
                if await self._changes_within(BACKOFF_FLOOR):
                    break
                continue
            self._rights.async_worked("check")
            if self._changed.is_set():
                break
            if not echoed:
                await self._async_recover()
                break
            _LOGGER.debug("The master of %s hears itself", self._key.name)
            if await self._changes_within(INTERVAL):
                break
            if self._failures:
                # An hour has passed since the last one.
                self._failures = 0
                ir.async_delete_issue(self._hass, DOMAIN, self._issue_id)

    async def _async_recover(self) -> None:
        """Take the channel back: at once, or much later if that did not last."""
        self._failures += 1
        name = self._key.name
        if self._failures > 1:
            self._async_complain()
            delay = min(BACKOFF_FLOOR * 2 ** (self._failures - 2), BACKOFF_CAP)
            if await self._changes_within(delay):
                return
        _LOGGER.debug("The master of %s does not hear itself; it connects anew", name)
        self._reconnect()

    async def _is_echoed(self) -> bool:
        return await async_is_echoed(self._client, self._channel_arn)

    async def _changes_within(self, seconds: float) -> bool:
        """Wait, and return at once with True if the connection changes meanwhile."""
        try:
            async with asyncio.timeout(seconds):
                await self._changed.wait()
        except TimeoutError:
            return False
        return True

    @property
    def _issue_id(self) -> str:
        key = self._key
        return f"master_displaced_{key.account}_{key.region}_{key.name}"

    @callback
    def _async_complain(self) -> None:
        """Say that another master is on the channel."""
        ir.async_create_issue(
            self._hass,
            DOMAIN,
            self._issue_id,
            is_fixable=False,
            severity=ir.IssueSeverity.WARNING,
            translation_key="master_displaced",
            translation_placeholders={
                "channel": self._key.name,
                "account": self._key.account,
                "region": self._key.region,
            },
        )


async def async_is_echoed(client: SignalingClient, channel_arn: str) -> bool:
    """Return whether a ping to the channel's master comes back from us.

    Raises SignalingError where that cannot be found out.
    """
    ping = Ping(session=uuid4().hex)
    try:
        async with asyncio.timeout(ECHO_WITHIN):
            answer = await client.send_alexa_offer(
                channel_arn,
                sender_client_id=f"check-{ping.session}",
                message_payload=encode_payload(encode(ping)),
            )
    except TimeoutError, InvalidArgumentError:
        return False
    try:
        content = decode_payload(answer or "")
    except ValueError:
        return False
    return not isinstance(content, str) and parse(content) == ping
