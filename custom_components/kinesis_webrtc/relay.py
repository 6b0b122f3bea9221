"""AWS's TURN servers, for browsers that view cameras of Home Assistant from outside.

Home Assistant offers registered ICE servers to all of its WebRTC cameras alike, and
does not say for which camera it asks. So while an account's relays are registered,
our own entities leave their channel's out: a browser gets one set, not two, and the
relays of one channel serve any peer connection as well as those of another.
"""

import asyncio
from collections.abc import Sequence
from typing import Final

from homeassistant.components.camera import WebRTCClientConfiguration
from homeassistant.components.web_rtc import async_register_ice_servers
from homeassistant.config_entries import ConfigEntry
from homeassistant.core import CALLBACK_TYPE, HomeAssistant, callback
from homeassistant.helpers import issue_registry as ir
from homeassistant.util.hass_dict import HassKey
from webrtc_models import RTCConfiguration, RTCIceServer

from .account import async_handle_refusal
from .const import DOMAIN
from .created_channels import ChannelKey
from .missing_rights import MissingRights
from .signaling import (
    IceServer,
    IceServerCache,
    ResourceNotFoundError,
    SignalingClient,
    SignalingError,
)

_RELAYS: HassKey[list[Relay]] = HassKey(f"{DOMAIN}.relays")

# Two ways to a relay suffice, and browsers warn of five servers or more: over UDP, and
# over TLS for networks that let nothing else out. AWS gives a third URI for TLS over
# UDP, which no browser speaks (RFC 7065 section 3.1 has the forms).
_WAYS: Final = (("turn:", "transport=tcp"), ("turns:", "transport=udp"))


class Relay:
    """The TURN servers of a channel of their own, for every camera."""

    def __init__(
        self,
        *,
        hass: HomeAssistant,
        entry: ConfigEntry,
        client: SignalingClient,
        channel_arn: str,
    ) -> None:
        """Bind a channel; nothing is fetched."""
        self._hass = hass
        self._entry = entry
        self._rights = MissingRights(hass=hass, channel_arn=channel_arn)
        self._key = ChannelKey.from_arn(channel_arn)
        self._issue_id = f"relays_gone_{entry.entry_id}"
        self._ice_servers = IceServerCache(
            client=client,
            channel_arn=channel_arn,
            on_renewed=lambda _: self._on_renewed(),
            on_failed=self._on_not_renewed,
        )
        self._unregister: CALLBACK_TYPE | None = None
        self._task: asyncio.Task[None] | None = None

    @property
    def ice_cache(self) -> IceServerCache:
        """The channel's TURN servers, and how old they are."""
        return self._ice_servers

    @property
    def servers(self) -> tuple[IceServer, ...]:
        """The TURN servers that a view may begin with now, possibly none."""
        return self._ice_servers.servers

    @callback
    def async_start(self) -> None:
        """Keep the servers fetched, and offer them to every camera."""
        self._hass.data.setdefault(_RELAYS, []).append(self)
        self._unregister = async_register_ice_servers(
            self._hass, self._registered_servers
        )
        self._async_fetch()

    @callback
    def _async_fetch(self) -> None:
        self._task = self._entry.async_create_background_task(
            self._hass, self._ice_servers.run(), f"{DOMAIN} relays"
        )

    async def async_exchange_keys(self) -> None:
        """Fetch the servers at once; those that are known stay offered."""
        await self._async_stop_fetching()
        self._async_fetch()

    async def async_stop(self) -> None:
        """Offer the servers no longer."""
        if self._unregister is not None:
            self._unregister()
            self._unregister = None
            self._hass.data[_RELAYS].remove(self)
        await self._async_stop_fetching()

    async def _async_stop_fetching(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
            self._task = None
        self._rights.async_clear()
        ir.async_delete_issue(self._hass, DOMAIN, self._issue_id)

    @callback
    def _on_renewed(self) -> None:
        self._rights.async_worked("relays")
        ir.async_delete_issue(self._hass, DOMAIN, self._issue_id)

    @callback
    def _on_not_renewed(self, error: SignalingError) -> None:
        """Tell what only the user can mend."""
        async_handle_refusal(self._hass, self._entry, error)
        self._rights.async_failed("relays", error)
        if not isinstance(error, ResourceNotFoundError):
            return
        ir.async_create_issue(
            self._hass,
            DOMAIN,
            self._issue_id,
            is_fixable=False,
            severity=ir.IssueSeverity.ERROR,
            translation_key="relays_gone",
            translation_placeholders={
                "name": self._entry.title,
                "channel": self._key.name,
                "account": self._key.account,
                "region": self._key.region,
            },
        )

    @callback
    def _registered_servers(self) -> list[RTCIceServer]:
        """Return the servers, unless another account's are offered already."""
        if _active_relay(self._hass) is not self:
            return []
        return _for_browsers(self.servers)


@callback
def async_client_configuration(
    hass: HomeAssistant, servers: Sequence[IceServer]
) -> WebRTCClientConfiguration:
    """Return what a browser begins with, out of STUN and a channel's TURN servers.

    Home Assistant appends what is registered with it.
    """
    stun = [
        RTCIceServer(urls=list(server.urls))
        for server in servers
        if server.username is None
    ]
    turn = [] if _active_relay(hass) else _for_browsers(servers)
    return WebRTCClientConfiguration(
        configuration=RTCConfiguration(ice_servers=[*stun, *turn])
    )


@callback
def async_is_relay(hass: HomeAssistant, url: str) -> bool:
    """Return whether a server is one that is offered to every camera from here."""
    relays = hass.data.get(_RELAYS, [])
    return any(url in server.urls for relay in relays for server in relay.servers)


def _active_relay(hass: HomeAssistant) -> Relay | None:
    """Return the relay whose servers every camera is offered now."""
    relays = hass.data.get(_RELAYS, [])
    return next((relay for relay in relays if relay.servers), None)


def _for_browsers(servers: Sequence[IceServer]) -> list[RTCIceServer]:
    """Return at most one TURN server over UDP and one over TLS."""
    found = []
    for scheme, other_transport in _WAYS:
        url, server = next(
            (
                (url, server)
                for server in servers
                for url in server.urls
                if url.startswith(scheme) and not url.endswith(other_transport)
            ),
            (None, None),
        )
        if url is not None and server is not None:
            found.append(
                RTCIceServer(
                    urls=[url], username=server.username, credential=server.credential
                )
            )
    return found
