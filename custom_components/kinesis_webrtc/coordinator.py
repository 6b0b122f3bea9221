"""What an account's config entry keeps while it is loaded."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from homeassistant.config_entries import ConfigEntry, ConfigSubentry
from homeassistant.core import HomeAssistant, callback

from .account import async_create_client, credentials_of
from .alexa_skill import AlexaSkill
from .clock_issue import ClockIssue
from .const import (
    CONF_REGION,
    CONF_RELAY_CHANNEL_ARN,
    CONF_STUN_SERVER,
    SUBENTRY_TYPE_ALEXA_SKILL,
    SUBENTRY_TYPE_REMOTE_CHANNEL,
    SUBENTRY_TYPE_SHARED_CAMERA,
)
from .relay import Relay
from .remote_channel import RemoteChannel
from .shared_camera import SharedCamera
from .signaling import SignalingClient
from .subentry_runtime import SubentryRuntime

type KinesisWebRTCConfigEntry = ConfigEntry[AccountRuntime]


class Roster[T: SubentryRuntime](dict[str, T]):
    """What runs for the subentries of one type, by subentry, and who is told of it."""

    def __init__(
        self, *, subentry_type: str, create: Callable[[ConfigSubentry], T]
    ) -> None:
        """Start empty; `create` makes what is to run, and starts nothing."""
        super().__init__()
        self._subentry_type = subentry_type
        self._create = create
        self._platforms: list[Callable[[T], None]] = []

    @callback
    def async_add_platform(self, added: Callable[[T], None]) -> None:
        """Call back for each that there is or will be."""
        self._platforms.append(added)
        for runtime in self.values():
            added(runtime)

    @callback
    def async_start(self, entry: ConfigEntry) -> None:
        """Start what is in the entry's subentries and not running yet."""
        for subentry_id, subentry in entry.subentries.items():
            if subentry.subentry_type != self._subentry_type or subentry_id in self:
                continue
            runtime = self[subentry_id] = self._create(subentry)
            runtime.async_start()
            for added in self._platforms:
                added(runtime)

    async def async_update(self, entry: ConfigEntry) -> None:
        """Start, change or stop what the entry's subentries tell, and nothing else."""
        for subentry_id, runtime in list(self.items()):
            if subentry_id in entry.subentries:
                await runtime.async_update()
                continue
            del self[subentry_id]
            await runtime.async_stop()
        self.async_start(entry)

    async def async_stop(self) -> None:
        """Stop all side by side: each waits for viewers and for AWS to hear of it."""
        runtimes = list(self.values())
        self.clear()
        await asyncio.gather(*(runtime.async_stop() for runtime in runtimes))


@dataclass(kw_only=True, slots=True)
class AccountRuntime:
    """The AWS client of an account, the cameras it shares or views, and its skill."""

    client: SignalingClient
    clock_issue: ClockIssue
    data: Mapping[str, Any]
    options: Mapping[str, Any]
    shared_cameras: Roster[SharedCamera]
    remote_channels: Roster[RemoteChannel]
    alexa_skills: Roster[AlexaSkill]
    relay: Relay | None = None
    has_stopped: bool = False
    # Home Assistant runs the update listeners of two quick changes side by side.
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    @classmethod
    def create(
        cls, hass: HomeAssistant, entry: KinesisWebRTCConfigEntry
    ) -> AccountRuntime:
        """Create the runtime of an entry; no request is made."""
        client = async_create_client(hass, entry.data)
        clock_issue = ClockIssue(hass=hass)
        client.clock.on_correction(clock_issue.async_corrected)
        stun_url = entry.options.get(CONF_STUN_SERVER) or client.stun_url

        def create[T](kind: Callable[..., T]) -> Callable[[ConfigSubentry], T]:
            return lambda subentry: kind(
                hass=hass,
                entry=entry,
                subentry=subentry,
                client=client,
                stun_url=stun_url,
            )

        return cls(
            client=client,
            clock_issue=clock_issue,
            data=entry.data,
            options=entry.options,
            shared_cameras=Roster(
                subentry_type=SUBENTRY_TYPE_SHARED_CAMERA, create=create(SharedCamera)
            ),
            remote_channels=Roster(
                subentry_type=SUBENTRY_TYPE_REMOTE_CHANNEL,
                create=create(RemoteChannel),
            ),
            alexa_skills=Roster(
                subentry_type=SUBENTRY_TYPE_ALEXA_SKILL, create=create(AlexaSkill)
            ),
        )

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
    def async_start_channels(self, entry: KinesisWebRTCConfigEntry) -> None:
        """Start what the entry's subentries tell; cameras have news for the skill."""
        self.alexa_skills.async_start(entry)
        self.shared_cameras.async_start(entry)
        self.remote_channels.async_start(entry)

    @callback
    def async_must_reload(self, entry: KinesisWebRTCConfigEntry) -> bool:
        """Return whether more has changed than what is followed while all goes on."""
        return (self.data[CONF_REGION], self.options) != (
            entry.data[CONF_REGION],
            entry.options,
        )

    async def async_update(self, entry: KinesisWebRTCConfigEntry) -> None:
        """Bring what runs in line with the entry's keys and subentries.

        Only what was added, changed or removed is touched: the pictures and the
        sockets of the other cameras go on. New keys end no picture either. A change that
        comes while all is stopped is for the next set-up.
        """
        async with self.lock:
            if self.has_stopped:
                return
            if self.data != entry.data:
                await self._async_exchange_keys(entry)
            await self.alexa_skills.async_update(entry)
            await self.shared_cameras.async_update(entry)
            await self.remote_channels.async_update(entry)

    async def _async_exchange_keys(self, entry: KinesisWebRTCConfigEntry) -> None:
        self.data = entry.data
        self.client.exchange_credentials(credentials_of(entry.data))
        holders: list[SubentryRuntime | Relay] = [
            *self.alexa_skills.values(),
            *self.shared_cameras.values(),
            *self.remote_channels.values(),
            *([self.relay] if self.relay is not None else []),
        ]
        await asyncio.gather(*(holder.async_exchange_keys() for holder in holders))

    async def async_stop(self) -> None:
        """Stop every channel, and the relays, for good."""
        async with self.lock:
            self.has_stopped = True
            if self.relay is not None:
                await self.relay.async_stop()
                self.relay = None
            await self.shared_cameras.async_stop()
            await self.remote_channels.async_stop()
            await self.alexa_skills.async_stop()
            self.clock_issue.async_clear()
