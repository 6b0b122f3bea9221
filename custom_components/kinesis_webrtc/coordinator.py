"""What an account's config entry keeps while it is loaded."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from homeassistant.config_entries import ConfigEntry, ConfigSubentry
from homeassistant.core import HomeAssistant, callback

from .account import async_create_client
from .const import (
    CONF_RELAY_CHANNEL_ARN,
    CONF_STUN_SERVER,
    SUBENTRY_TYPE_SHARED_CAMERA,
)
from .relay import Relay
from .shared_camera import SharedCamera
from .signaling import SignalingClient

type KinesisWebRTCConfigEntry = ConfigEntry[AccountRuntime]
type SharedCameraAdded = Callable[[SharedCamera], None]


@dataclass(kw_only=True, slots=True)
class AccountRuntime:
    """The AWS client of an account, and the cameras that it shares."""

    client: SignalingClient
    data: Mapping[str, Any]
    options: Mapping[str, Any]
    shared_cameras: dict[str, SharedCamera] = field(default_factory=dict)
    relay: Relay | None = None
    platforms: list[SharedCameraAdded] = field(default_factory=list)
    # Home Assistant runs the update listeners of two quick changes side by side.
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    @classmethod
    def create(
        cls, hass: HomeAssistant, entry: KinesisWebRTCConfigEntry
    ) -> AccountRuntime:
        """Create the runtime of an entry; no request is made."""
        return cls(
            client=async_create_client(hass, entry.data),
            data=entry.data,
            options=entry.options,
        )

    @callback
    def async_add_platform(self, added: SharedCameraAdded) -> None:
        """Call back for each shared camera that there is or will be."""
        self.platforms.append(added)
        for camera in self.shared_cameras.values():
            added(camera)

    @callback
    def async_start_relay(
        self, hass: HomeAssistant, entry: KinesisWebRTCConfigEntry
    ) -> None:
        """Offer AWS's relays to every camera, if the user wants that."""
        if channel_arn := self.options.get(CONF_RELAY_CHANNEL_ARN):
            self.relay = Relay(
                hass=hass, entry=entry, client=self.client, channel_arn=channel_arn
            )
            self.relay.async_start()

    @callback
    def async_start_cameras(
        self, hass: HomeAssistant, entry: KinesisWebRTCConfigEntry
    ) -> None:
        """Start what is in the entry's subentries and not running yet."""
        for subentry in entry.subentries.values():
            if subentry.subentry_type != SUBENTRY_TYPE_SHARED_CAMERA:
                continue
            if subentry.subentry_id in self.shared_cameras:
                continue
            self._async_start_camera(hass, entry, subentry)

    @callback
    def _async_start_camera(
        self,
        hass: HomeAssistant,
        entry: KinesisWebRTCConfigEntry,
        subentry: ConfigSubentry,
    ) -> None:
        """Start one shared camera and announce it to the platforms."""
        camera = SharedCamera(
            hass=hass,
            entry=entry,
            subentry=subentry,
            client=self.client,
            stun_url=self.options.get(CONF_STUN_SERVER) or self.client.stun_url,
        )
        self.shared_cameras[subentry.subentry_id] = camera
        camera.async_start()
        for added in self.platforms:
            added(camera)

    async def async_update(
        self, hass: HomeAssistant, entry: KinesisWebRTCConfigEntry
    ) -> None:
        """Bring the running cameras in line with the entry's subentries.

        Only what was added, changed or removed is touched: the pictures and the
        sockets of the other cameras go on.
        """
        async with self.lock:
            for subentry_id, camera in list(self.shared_cameras.items()):
                if subentry_id in entry.subentries:
                    await camera.async_update()
                    continue
                del self.shared_cameras[subentry_id]
                await camera.async_stop()
            self.async_start_cameras(hass, entry)

    async def async_stop(self) -> None:
        """Stop every shared camera, and the relays."""
        async with self.lock:
            if self.relay is not None:
                await self.relay.async_stop()
                self.relay = None
            while self.shared_cameras:
                _, camera = self.shared_cameras.popitem()
                await camera.async_stop()
