"""One shared camera: its signaling channel, its peer and its HA camera, bound together."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
import logging
from typing import Any, override

from homeassistant.config_entries import ConfigEntry, ConfigSubentry
from homeassistant.core import CALLBACK_TYPE, HomeAssistant, callback

from .alexa_camera import AlexaCamera
from .camera_issue import CameraIssue
from .camera_source import CameraSource
from .channel_master import ChannelMaster
from .const import (
    CONF_ALEXA_STREAM,
    CONF_CAMERA,
    CONF_CHANNEL_ARN,
    CONF_SHARING,
    CONF_SPEAKER,
    DOMAIN,
)
from .home_viewers import HomeViewers, is_home_viewer
from .keep_warm import KeepWarm
from .peer import (
    CameraFeed,
    CandidateGathered,
    Connected,
    Ended,
    EndOfCandidates,
    EndReason,
    KeyFrameSent,
    MasterPeer,
    RefusalReason,
    SessionEvent,
)
from .self_test import SelfTest, is_self_test
from .session_log import SessionLog
from .signaling import IceServer, SignalingClient
from .size_issue import SizeIssue
from .subentry_runtime import SubentryRuntime, async_tell_of_failure
from .talkback import Speaker

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


class SharedCamera(SubentryRuntime):
    """A camera that is viewed through a signaling channel and in Home Assistant.

    One peer answers both, and lives as long as the subentry. The master on the channel
    comes and goes with the user's wish to share.
    """

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
        super().__init__(hass=hass, entry=entry, subentry=subentry)
        self._client = client
        self._stun_server = IceServer(urls=(stun_url,))
        self._prepared: asyncio.Task[None] | None = None
        self._channel: ChannelMaster | None = None
        self._stop_following: CALLBACK_TYPE | None = None
        self._viewer_listeners: set[Callable[[ViewerEvent], None]] = set()
        self.sessions = SessionLog()
        self._issue = CameraIssue(hass=hass, subentry=subentry)
        self._size_issue = SizeIssue(hass=hass, subentry=subentry)
        self._alexa = AlexaCamera(
            hass=hass,
            entry=entry,
            subentry=subentry,
            is_sharing=lambda: self.sharing,
            is_connected=lambda: self.connected,
        )
        self.async_add_listener(self._alexa.async_check_health)
        self._keep_warm = KeepWarm(hass=hass, subentry=subentry, hold=self._hold)
        self.self_test = SelfTest(
            camera=self, client=client, on_changed=self._async_changed
        )
        self._bind()

    def _bind(self) -> None:
        """Make what belongs to the camera; the channel's part is made when it starts."""
        self.source = CameraSource(hass=self._hass, camera=self._data[CONF_CAMERA])
        self._speaker = Speaker.of(self._hass, self._entry, self.subentry)
        stream = self._data.get(CONF_ALEXA_STREAM)
        self._peer = MasterPeer(
            source=self.source,
            small_source=(
                CameraSource(hass=self._hass, camera=stream) if stream else None
            ),
            on_event=self._on_session_event,
            on_format=self._async_changed,
            live_only=is_self_test,
            talk_sink=self._speaker,
        )
        self.home_viewers = HomeViewers(
            hass=self._hass,
            peer=self._peer,
            ready=self._async_prepared,
            ice_servers=lambda: self.ice_servers,
            on_refused=self._on_refused,
        )

    @property
    def has_speaker(self) -> bool:
        """Return whether viewers can talk to the camera."""
        return self._speaker is not None

    @property
    def channel_arn(self) -> str:
        """Return the ARN of the channel that the camera is shared on."""
        return str(self._data[CONF_CHANNEL_ARN])

    @property
    def sharing(self) -> bool:
        """Return whether the user wants the camera shared."""
        return bool(self._data.get(CONF_SHARING, True))

    @property
    def connected(self) -> bool:
        """Return whether AWS can deliver offers."""
        return self._channel is not None and self._channel.connected

    @property
    def viewers(self) -> int:
        """Return the number of viewers that receive pictures, by whatever door."""
        return self.sessions.viewers

    @property
    def bytes_sent(self) -> int:
        """Return what this camera's peer has sent to all viewers since it began."""
        return self._peer.bytes_sent

    @property
    def feed(self) -> CameraFeed:
        """Return the camera's media, for what is known of it."""
        return self._peer.feed

    @property
    def alexa_feed(self) -> CameraFeed:
        """Return what Echos get, which is the same or a stream of its own."""
        return self._peer.small_feed

    @property
    def channel(self) -> ChannelMaster | None:
        """Return the master, if the camera is on its channel."""
        return self._channel

    @property
    def ice_servers(self) -> tuple[IceServer, ...]:
        """Return STUN, and the channel's TURN while it is shared and they are valid."""
        if self._channel is None:
            return (self._stun_server,)
        return self._channel.ice_servers

    @callback
    def async_add_viewer_listener(
        self, listener: Callable[[ViewerEvent], None]
    ) -> Callable[[], None]:
        """Call back for each viewer that connects or ends."""
        self._viewer_listeners.add(listener)
        return lambda: self._viewer_listeners.discard(listener)

    @callback
    @override
    def async_start(self) -> None:
        """Prepare the peer, and go on the channel if the camera is to be shared."""
        self._async_start_camera()
        self._alexa.async_start()

    @callback
    def _async_start_camera(self) -> None:
        self._prepared = self._entry.async_create_background_task(
            self._hass, self._peer.prepare(), f"{DOMAIN} peer {self.subentry.title}"
        )
        self._prepared.add_done_callback(async_tell_of_failure)
        self._async_start_channel()
        self._stop_following = self.source.async_follow_orientation(self._peer.reopen)
        self._keep_warm.async_start()

    @callback
    def _async_start_channel(self) -> None:
        if not self.sharing or self._prepared is None:
            return
        self._channel = ChannelMaster(
            hass=self._hass,
            entry=self._entry,
            subentry=self.subentry,
            client=self._client,
            channel_arn=self._data[CONF_CHANNEL_ARN],
            peer=self._peer,
            stun_server=self._stun_server,
            on_changed=self._async_changed,
            on_refused=self._on_refused,
            has_camera=lambda: self._alexa.has_camera,
        )
        self._channel.async_start(prepared=self._prepared)

    @override
    async def async_stop(self) -> None:
        """Take the master off its channel and end every view."""
        self._alexa.async_stop()
        await self._async_stop_camera()

    async def _async_stop_camera(self) -> None:
        self._keep_warm.async_stop()
        if self._stop_following is not None:
            self._stop_following()
            self._stop_following = None
        await self.self_test.async_stop()
        await self._async_stop_channel()
        if self._prepared is not None:
            self._prepared.cancel()
            await asyncio.wait([self._prepared])
            self._prepared = None
        await self._peer.shutdown()
        if self._speaker is not None:
            self._speaker.async_stop()
        await self.home_viewers.async_stop()
        self.sessions.clear_connected()
        self._issue.async_clear()
        self._size_issue.async_clear()
        self._async_changed()

    async def _async_stop_channel(self) -> None:
        """Leave the channel; the views in Home Assistant go on."""
        if self._channel is not None:
            await self._channel.async_stop()
            self._channel = None

    @override
    async def async_exchange_keys(self) -> None:
        if self._channel is not None:
            await self._channel.async_restart()

    @override
    async def _async_follow(self, old: Mapping[str, Any]) -> None:
        new = self._data
        changed = {key for key in {**old, **new} if old.get(key) != new.get(key)}
        if changed & {CONF_CAMERA, CONF_ALEXA_STREAM}:
            await self._async_stop_camera()
            self._bind()
            self._async_start_camera()
        elif CONF_CHANNEL_ARN in changed or old.get(CONF_SHARING, True) != self.sharing:
            await self._async_stop_channel()
            self._async_start_channel()
        if CONF_SPEAKER in changed:
            await self._async_change_speaker()
        self._keep_warm.async_follow()
        await self._alexa.async_follow()

    async def _async_change_speaker(self) -> None:
        """Have viewers' voices played elsewhere, or not at all; the views go on."""
        if (old := self._speaker) is not None:
            await self._peer.set_talk_sink(None)
            old.async_stop()
        self._speaker = Speaker.of(self._hass, self._entry, self.subentry)
        await self._peer.set_talk_sink(self._speaker)
        self._async_changed()

    async def async_set_sharing(self, *, sharing: bool) -> None:
        """Store whether the camera is shared; the entry's listener then acts on it."""
        self._hass.config_entries.async_update_subentry(
            self._entry,
            self.subentry,
            data={**self.subentry.data, CONF_SHARING: sharing},
        )

    def _hold(self) -> Callable[[], None]:
        """Have the camera open, whichever it is now."""
        return self._peer.hold()

    async def _async_prepared(self) -> None:
        """Wait until the peer is prepared; one that is not answers all the same."""
        if self._prepared is not None:
            await asyncio.wait([self._prepared])

    @callback
    def _on_session_event(self, event: SessionEvent) -> None:
        """Pass on what the peer says of a session."""
        self.sessions.record(event)
        match event:
            case CandidateGathered() | EndOfCandidates():
                if is_home_viewer(event.viewer_id):
                    self.home_viewers.async_send_candidate(event)
                elif self._channel is not None:
                    self._channel.async_send_candidate(event)
            case Connected(viewer_id=viewer_id):
                self._async_viewer_event(ViewerEventType.CONNECTED, viewer_id)
            case KeyFrameSent():
                self._issue.async_clear()
                self._size_issue.async_view_began(event, self.alexa_feed)
                self._async_changed()
            case Ended(viewer_id=viewer_id, reason=reason, detail=detail):
                self._issue.async_view_ended(reason, detail)
                if is_home_viewer(viewer_id):
                    self.home_viewers.async_ended(event)
                # What replaced the session belongs to the same viewer.
                elif self._channel is not None and reason is not EndReason.REPLACED:
                    self._channel.async_forget(viewer_id)
                self._async_viewer_event(ViewerEventType.ENDED, viewer_id, reason)

    @callback
    def _on_refused(self, viewer_id: str, reason: RefusalReason) -> None:
        """Tell of an offer that was not answered."""
        self._issue.async_view_ended(reason)
        self.sessions.record_refusal(viewer_id, reason)
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
