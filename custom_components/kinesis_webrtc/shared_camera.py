"""One shared camera: its signaling channel, its peer and its HA camera, bound together."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
import logging

from homeassistant.config_entries import ConfigEntry, ConfigSubentry
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers import device_registry as dr
from homeassistant.helpers.aiohttp_client import async_get_clientsession

from .account import async_handle_refusal
from .camera_source import CameraSource
from .const import CONF_CAMERA, CONF_CHANNEL_ARN, CONF_SHARING, DOMAIN
from .offer_desk import OfferDesk
from .peer import (
    CandidateGathered,
    Connected,
    Ended,
    EndOfCandidates,
    EndReason,
    MasterPeer,
    RefusalReason,
    SessionEvent,
)
from .signaling import (
    ConnectionState,
    IceCandidate,
    IceServer,
    IceServerCache,
    Message,
    ReconnectIceServer,
    Role,
    SdpOffer,
    SignalingClient,
    SignalingConnection,
)

_LOGGER = logging.getLogger(__name__)


class ViewerEventType(StrEnum):
    """What an automation can learn of a viewer."""

    CONNECTED = "connected"
    ENDED = "ended"


@dataclass(frozen=True, kw_only=True, slots=True)
class ViewerEvent:
    """Something that happened to one viewer of a shared camera."""

    type: ViewerEventType
    attributes: Mapping[str, str | int] = field(default_factory=dict)


class SharedCamera:
    """A camera that AWS's signaling channel hands viewers to."""

    def __init__(
        self,
        *,
        hass: HomeAssistant,
        entry: ConfigEntry,
        subentry: ConfigSubentry,
        client: SignalingClient,
        stun_url: str,
    ) -> None:
        """Bind a subentry's camera and channel; nothing is started."""
        self.subentry = subentry
        self._title = subentry.title
        self._data = subentry.data
        self.connected = False
        self._hass = hass
        self._entry = entry
        self._client = client
        self._stun_server = IceServer(urls=(stun_url,))
        self._task: asyncio.Task[None] | None = None
        self._listeners: set[Callable[[], None]] = set()
        self._viewer_listeners: set[Callable[[ViewerEvent], None]] = set()
        self._connected_viewers: set[str] = set()
        self._bind()

    def _bind(self) -> None:
        """Make the parts that the subentry's data decide."""
        channel_arn = self._data[CONF_CHANNEL_ARN]
        self.ice_servers = IceServerCache(client=self._client, channel_arn=channel_arn)
        self.peer = MasterPeer(
            source=CameraSource(
                hass=self._hass, camera=self.subentry.data[CONF_CAMERA]
            ),
            on_event=self._on_session_event,
        )
        self.connection = SignalingConnection(
            client=self._client,
            session=async_get_clientsession(self._hass),
            channel_arn=channel_arn,
            role=Role.MASTER,
            on_message=self._on_message,
            on_state=self._on_state,
        )
        self._desk = OfferDesk(
            peer=self.peer,
            connection=self.connection,
            ice_servers=self._current_ice_servers,
            on_refused=self._on_refused,
        )

    @property
    def sharing(self) -> bool:
        """Return whether the user wants the camera shared."""
        return bool(self._data.get(CONF_SHARING, True))

    @property
    def viewers(self) -> int:
        """Return the number of viewers that receive pictures."""
        return len(self._connected_viewers)

    @callback
    def async_add_listener(self, listener: Callable[[], None]) -> Callable[[], None]:
        """Call back at each change of the state that entities show."""
        self._listeners.add(listener)
        return lambda: self._listeners.discard(listener)

    @callback
    def async_add_viewer_listener(
        self, listener: Callable[[ViewerEvent], None]
    ) -> Callable[[], None]:
        """Call back for each viewer that connects or ends."""
        self._viewer_listeners.add(listener)
        return lambda: self._viewer_listeners.discard(listener)

    @callback
    def async_start(self) -> None:
        """Connect the master in the background, if the camera is to be shared."""
        if not self.sharing or self._task is not None:
            return
        self._task = self._entry.async_create_background_task(
            self._hass, self._run(), f"{DOMAIN} master {self.subentry.title}"
        )

    async def async_stop(self) -> None:
        """Take the master off its channel and end every view."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
            self._task = None
        await self._desk.shutdown()
        await self.peer.shutdown()
        self._connected_viewers.clear()
        self.connected = False
        self._async_changed()

    async def async_update(self) -> None:
        """Follow the changed subentry, and touch only what the change is about.

        Home Assistant changes a subentry in place.
        """
        if self.subentry.title != self._title:
            self._title = self.subentry.title
            self._async_rename_device()
        if self.subentry.data == self._data:
            return
        self._data = self.subentry.data
        await self.async_stop()
        self._bind()
        self.async_start()
        self._async_changed()

    async def async_set_sharing(self, *, sharing: bool) -> None:
        """Store whether the camera is shared; the entry's listener then acts on it."""
        self._hass.config_entries.async_update_subentry(
            self._entry,
            self.subentry,
            data={**self.subentry.data, CONF_SHARING: sharing},
        )

    async def _run(self) -> None:
        """Keep the master on its channel, with fresh ICE servers, until cancelled."""
        await self.peer.prepare()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.ice_servers.run())
            tasks.create_task(self.connection.run())

    @callback
    def _current_ice_servers(self) -> Sequence[IceServer]:
        """Return what a new session gathers with: STUN, and TURN while it is valid."""
        return (self._stun_server, *self.ice_servers.servers)

    @callback
    def _on_message(self, message: Message) -> None:
        """Dispatch a message of the channel; never waits."""
        match message:
            case SdpOffer():
                self._desk.take(message)
            case IceCandidate():
                self._desk.take_candidate(message)
            case ReconnectIceServer():
                self.ice_servers.refresh()

    @callback
    def _on_state(self, state: ConnectionState) -> None:
        """Show a change of the connection."""
        self.connected = state.connected
        async_handle_refusal(self._hass, self._entry, state.error)
        self._async_changed()

    @callback
    def _on_session_event(self, event: SessionEvent) -> None:
        """Pass on what the peer says of a session."""
        match event:
            case CandidateGathered() | EndOfCandidates():
                self._desk.send_candidate(event)
            case Connected(viewer_id=viewer_id):
                self._connected_viewers.add(viewer_id)
                self._async_viewer_event(ViewerEventType.CONNECTED, viewer_id)
            case Ended(viewer_id=viewer_id, reason=reason):
                self._connected_viewers.discard(viewer_id)
                # What replaced the session belongs to the same viewer.
                if reason is not EndReason.REPLACED:
                    self._desk.forget(viewer_id)
                self._async_viewer_event(ViewerEventType.ENDED, viewer_id, reason)

    @callback
    def _on_refused(self, viewer_id: str, reason: RefusalReason) -> None:
        """Tell of an offer that was not answered."""
        self._async_viewer_event(ViewerEventType.ENDED, viewer_id, reason)

    @callback
    def _async_viewer_event(
        self,
        event_type: ViewerEventType,
        viewer_id: str,
        reason: EndReason | RefusalReason | None = None,
    ) -> None:
        """Tell the listeners of a viewer's event."""
        attributes: dict[str, str | int] = {"viewer": viewer_id}
        if reason is not None:
            attributes["reason"] = str(reason)
        _LOGGER.debug("%s: viewer %s %s", self.subentry.title, event_type, attributes)
        event = ViewerEvent(type=event_type, attributes=attributes)
        for listener in list(self._viewer_listeners):
            listener(event)
        self._async_changed()

    @callback
    def _async_changed(self) -> None:
        """Let the entities write their state."""
        for listener in list(self._listeners):
            listener()

    @callback
    def _async_rename_device(self) -> None:
        """Give the device the subentry's new title."""
        registry = dr.async_get(self._hass)
        device = registry.async_get_device_by_identifier(
            (DOMAIN, self.subentry.subentry_id), self._entry.entry_id
        )
        if device is not None:
            registry.async_update_device(device.id, name=self.subentry.title)
