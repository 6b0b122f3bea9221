"""A shared camera's master: what runs while the camera is on its signaling channel."""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Final

from homeassistant.config_entries import ConfigEntry, ConfigSubentry
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers.aiohttp_client import async_get_clientsession
from homeassistant.util import dt as dt_util

from .account import async_handle_refusal
from .channel_issue import ChannelIssue
from .const import CONF_PRIVATE_ADDRESSES, DOMAIN
from .home_viewers import is_home_viewer
from .master_check import MasterCheck
from .missing_rights import MissingRights
from .offer_desk import OfferDesk
from .peer import (
    AddressRules,
    CandidateGathered,
    EndOfCandidates,
    MasterPeer,
    RefusalReason,
)
from .signaling import (
    ConnectionState,
    IceCandidate,
    IceServer,
    IceServerCache,
    Message,
    Notice,
    ReconnectIceServer,
    Role,
    SdpOffer,
    SignalingClient,
    SignalingConnection,
    SignalingError,
)
from .subentry_runtime import async_tell_of_failure

# A Date header is cut to whole seconds and is old when it is read: a smaller offset
# would make a good clock worse.
CLOCK_TOLERANCE: Final = timedelta(seconds=2)


class ChannelMaster:
    """Answers a channel's viewers by a camera's peer, which outlives it."""

    def __init__(
        self,
        *,
        hass: HomeAssistant,
        entry: ConfigEntry,
        subentry: ConfigSubentry,
        client: SignalingClient,
        channel_arn: str,
        peer: MasterPeer,
        stun_server: IceServer,
        on_changed: Callable[[], None],
        on_refused: Callable[[str, RefusalReason], None],
        has_camera: Callable[[], bool],
    ) -> None:
        """Bind a channel to a peer; nothing is started."""
        self.connected = False
        self.error: SignalingError | None = None
        self._hass = hass
        self._entry = entry
        self._title = subentry.title
        self._client = client
        self._peer = peer
        self._prepared: asyncio.Future[None] | None = None
        self._stun_server = stun_server
        self._on_changed = on_changed
        self._task: asyncio.Task[None] | None = None
        self._look_ups: set[asyncio.Task[None]] = set()
        self._issue = ChannelIssue(hass=hass, entry=entry, subentry=subentry)
        self._rights = MissingRights(hass=hass, channel_arn=channel_arn)
        self._ice_servers = IceServerCache(
            client=client,
            channel_arn=channel_arn,
            on_renewed=self._on_renewed,
            on_failed=self._on_not_renewed,
        )
        self._connection = SignalingConnection(
            client=client,
            session=async_get_clientsession(hass),
            channel_arn=channel_arn,
            role=Role.MASTER,
            on_message=self._on_message,
            on_state=self._on_state,
        )
        self._desk = OfferDesk(
            peer=peer,
            connection=self._connection,
            ice_servers=lambda: self.ice_servers,
            on_refused=on_refused,
            now=self._service_time,
            has_camera=has_camera,
            rules=AddressRules(private=entry.options.get(CONF_PRIVATE_ADDRESSES, True)),
        )
        self._until = asyncio.timeout(None)
        self._check = MasterCheck(
            hass=hass,
            entry=entry,
            client=client,
            channel_arn=channel_arn,
            reconnect=self._reconnect,
            rights=self._rights,
        )

    @property
    def ice_cache(self) -> IceServerCache:
        """The channel's TURN servers, and how old they are."""
        return self._ice_servers

    @property
    def ice_servers(self) -> tuple[IceServer, ...]:
        """What a new session gathers with: STUN, and TURN while it is valid."""
        return (self._stun_server, *self._ice_servers.servers)

    @callback
    def async_start(self, *, prepared: asyncio.Future[None]) -> None:
        """Go on the channel in the background, as soon as the peer is prepared."""
        self._prepared = prepared
        self._task = self._entry.async_create_background_task(
            self._hass, self._run(prepared), f"{DOMAIN} master {self._title}"
        )
        self._task.add_done_callback(async_tell_of_failure)

    async def async_restart(self) -> None:
        """Begin anew on the channel, as one who may have other rights; the views go on."""
        if self._prepared is not None:
            await self._async_leave()
            self._rights.async_clear()
            self.async_start(prepared=self._prepared)

    async def async_stop(self) -> None:
        """Leave the channel, and end the views of its viewers."""
        await self._async_leave()
        for task in self._look_ups:
            task.cancel()
        await self._desk.shutdown()
        self._rights.async_clear()
        self._issue.async_clear()
        self.connected = False

    async def _async_leave(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    @callback
    def async_send_candidate(self, event: CandidateGathered | EndOfCandidates) -> None:
        """Send a candidate of ours to its viewer, after the answer."""
        self._desk.send_candidate(event)

    @callback
    def async_forget(self, viewer_id: str) -> None:
        """Drop what is under way for a viewer whose session has ended."""
        self._desk.forget(viewer_id)

    async def _run(self, prepared: asyncio.Future[None]) -> None:
        """Stay on the channel, with fresh ICE servers, until cancelled."""
        await asyncio.shield(prepared)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._ice_servers.run())
            tasks.create_task(self._stay_on_channel())
            tasks.create_task(self._check.run())

    async def _stay_on_channel(self) -> None:
        """Hold a connection, and another one when that is wanted, until cancelled."""
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(None) as self._until:
                    await self._connection.run()

    @callback
    def _reconnect(self) -> None:
        """Give the connection up for a new one; the views go on."""
        with suppress(RuntimeError):  # it is being given up already
            self._until.reschedule(asyncio.get_running_loop().time())

    def _service_time(self) -> datetime:
        """Return the time by the service's clock, which the senders' clocks follow."""
        now, offset = dt_util.utcnow(), self._client.clock.offset
        return now + offset if abs(offset) > CLOCK_TOLERANCE else now

    @callback
    def _on_renewed(self, servers: tuple[IceServer, ...]) -> None:
        """Have the new servers' names looked up before an offer needs them."""
        self._rights.async_worked("relays")
        self._issue.async_follow(None)
        self._start(self._peer.resolve((self._stun_server, *servers)))

    @callback
    def _on_not_renewed(self, error: SignalingError) -> None:
        """Tell what is wrong, which the open websocket may hear of in an hour only."""
        async_handle_refusal(self._hass, self._entry, error)
        self._rights.async_failed("relays", error)
        self._issue.async_follow(error)

    @callback
    def _on_message(self, message: Message) -> None:
        """Dispatch a message of the channel; never waits."""
        match message:
            case SdpOffer(sender_client_id=str(sender)) if is_home_viewer(sender):
                return
            case IceCandidate(client_id=str(sender)) if is_home_viewer(sender):
                return
            case SdpOffer():
                self._desk.take(message)
            case IceCandidate():
                self._desk.take_candidate(message)
            case Notice():
                self._desk.take_notice(message)
            case ReconnectIceServer():
                self._ice_servers.refresh()

    @callback
    def _on_state(self, state: ConnectionState) -> None:
        """Show a change of the connection."""
        self.connected, self.error = state.connected, state.error
        self._check.async_set_connected(connected=state.connected)
        async_handle_refusal(self._hass, self._entry, state.error)
        self._rights.async_failed("master", state.error)
        if state.connected or state.error:
            self._issue.async_follow(state.error)
        if state.connected:
            self._rights.async_worked("master")
        self._on_changed()

    def _start(self, work: Coroutine[None, None, None]) -> None:
        """Run work until it ends or the master stops."""
        task = asyncio.get_running_loop().create_task(work)
        self._look_ups.add(task)
        task.add_done_callback(self._look_ups.discard)
