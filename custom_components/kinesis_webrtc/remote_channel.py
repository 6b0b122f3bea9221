"""A signaling channel whose master is elsewhere: a camera that Home Assistant views."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
import logging
from typing import Any, Final, override

from homeassistant.config_entries import ConfigEntry, ConfigSubentry
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers.aiohttp_client import async_get_clientsession

from .account import async_handle_refusal
from .channel_issue import ChannelIssue
from .const import CONF_CHANNEL_ARN, DOMAIN
from .missing_rights import MissingRights
from .remote_still import RemoteStill
from .signaling import (
    CannotConnectError,
    ClockSkewError,
    ExpiredTokenError,
    IceCandidate,
    IceServer,
    IceServerCache,
    InvalidCredentialsError,
    Pacer,
    ResourceNotFoundError,
    Role,
    SignalingClient,
    SignalingError,
    UnsupportedRegionError,
    connection_of,
)
from .subentry_runtime import SubentryRuntime
from .viewer_session import ViewerCallbacks, ViewerSession, new_client_id

_LOGGER = logging.getLogger(__name__)

# A channel takes 3 connections a second, of all its clients together; the rest of the
# period is for those that are on their way to AWS longer than others:
# https://docs.aws.amazon.com/kinesisvideostreams-webrtc-dg/latest/devguide/kvswebrtc-limits.html
_CONNECTS: Final = 3
_CONNECTS_PERIOD: Final = 1.5
# With these nobody views anything; without TURN servers alone, most still do.
_FATAL: Final = (
    CannotConnectError,
    ClockSkewError,
    ExpiredTokenError,
    InvalidCredentialsError,
    ResourceNotFoundError,
    UnsupportedRegionError,
)


@dataclass(slots=True, eq=False, kw_only=True)
class _View:
    """One peer connection of a viewer, over all its offers.

    It offers again to restart ICE, which for Home Assistant is another session. The
    master has to know it for the same client and drop its first peer, since a browser
    may otherwise choose that one's candidates, which still answer, for the second.
    """

    connection: str | None
    session_id: str
    client_id: str = field(default_factory=new_client_id)
    session: ViewerSession | None = None


class RemoteChannel(SubentryRuntime):
    """Viewers of one channel, and what they find ready when they come.

    The ICE servers are kept fetched, and with them the channel's endpoints, so that
    an offer waits for a websocket and the master alone.
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
        """Bind a subentry's channel; nothing is started."""
        super().__init__(hass=hass, entry=entry, subentry=subentry)
        self.available = True
        self._client = client
        self._stun_server = IceServer(urls=(stun_url,))
        self._task: asyncio.Task[None] | None = None
        # By the ids of all sessions that Home Assistant has not closed.
        self._views: dict[str, _View] = {}
        # With those that say goodbye to AWS, whose viewers have left.
        self._sessions: set[ViewerSession] = set()
        self._bind()

    def _bind(self) -> None:
        """Make the parts that the subentry's data decide."""
        self._connects = Pacer(limit=_CONNECTS, period=_CONNECTS_PERIOD)
        self._ice_servers = IceServerCache(
            client=self._client,
            channel_arn=self._data[CONF_CHANNEL_ARN],
            role=Role.VIEWER,
            on_renewed=lambda _: self._on_fetched(None),
            on_failed=self._on_fetched,
        )
        self._rights = MissingRights(
            hass=self._hass, channel_arn=self._data[CONF_CHANNEL_ARN]
        )
        self._issue = ChannelIssue(
            hass=self._hass, entry=self._entry, subentry=self.subentry
        )
        self.still = RemoteStill(channel=self)

    @property
    def ice_cache(self) -> IceServerCache:
        """The channel's TURN servers, and how old they are."""
        return self._ice_servers

    @property
    def views(self) -> int:
        """The number of views that Home Assistant has not closed."""
        return len({id(view) for view in self._views.values()})

    @property
    def ice_servers(self) -> tuple[IceServer, ...]:
        """What a viewer begins with: STUN, and TURN while it is valid."""
        return (self._stun_server, *self._ice_servers.servers)

    @callback
    @override
    def async_start(self) -> None:
        """Keep endpoints and ICE servers ready, in the background."""
        self._task = self._entry.async_create_background_task(
            self._hass, self._ice_servers.run(), f"{DOMAIN} viewer"
        )

    @override
    async def async_exchange_keys(self) -> None:
        """Fetch ICE servers at once; the views go on."""
        await self._async_stop_fetching()
        self.async_start()

    async def _async_stop_fetching(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
            self._task = None

    @override
    async def async_stop(self) -> None:
        """End every view's signaling."""
        await self._async_stop_fetching()
        self._rights.async_clear()
        self._issue.async_clear()
        await self.still.async_stop()
        await asyncio.gather(*(session.async_close() for session in self._sessions))

    @override
    async def _async_follow(self, old: Mapping[str, Any]) -> None:
        await self.async_stop()
        self.available = True
        self._bind()
        self.async_start()

    async def async_answer(
        self,
        session_id: str,
        offer_sdp: str,
        on_candidate: Callable[[IceCandidate], None],
    ) -> str:
        """Return the master's answer to an offer.

        `on_candidate` gets the master's candidates, none before this has returned.
        Raises MasterAbsentError, SessionClosedError, and the errors of the signaling
        package.
        """
        self.async_close(session_id)
        connection = connection_of(offer_sdp)
        view = self._view_of(connection)
        is_restart = view is not None
        if view is None:
            view = _View(connection=connection, session_id=session_id)
        previous = view.session

        async def admit() -> None:
            if previous is not None:
                await previous.async_close()
            await self._connects.wait()

        session = ViewerSession(
            client=self._client,
            session=async_get_clientsession(self._hass),
            channel_arn=self._data[CONF_CHANNEL_ARN],
            offer_sdp=offer_sdp,
            admit=admit,
            callbacks=ViewerCallbacks(
                on_candidate=on_candidate,
                on_ice_servers_gone=self._ice_servers.refresh,
                on_ended=lambda: self._forget(view, session),
            ),
            client_id=view.client_id,
            is_restart=is_restart,
        )
        self._sessions.add(session)
        view.session, view.session_id = session, session_id
        self._views[session_id] = view
        try:
            return await session.async_open()
        except SignalingError as err:
            async_handle_refusal(self._hass, self._entry, err)
            raise

    @callback
    def async_add_candidate(self, session_id: str, candidate: IceCandidate) -> None:
        """Send a viewer's candidate, unless its session's signaling is over.

        The frontend sends those after a restart to its first session, until it knows
        of the second.
        """
        view = self._views.get(session_id)
        if view is not None and view.session is not None:
            view.session.add_candidate(candidate)

    @callback
    def async_close(self, session_id: str) -> None:
        """End the signaling of a viewer that has left; unknown ones are no error."""
        view = self._views.pop(session_id, None)
        if view is None or view.session is None or view.session_id != session_id:
            return
        view.session.close()

    def _view_of(self, connection: str | None) -> _View | None:
        """Return the view that a peer connection has already."""
        if connection is None:
            return None
        views = self._views.values()
        return next((view for view in views if view.connection == connection), None)

    @callback
    def _forget(self, view: _View, session: ViewerSession) -> None:
        self._sessions.discard(session)
        if view.session is not session:
            return
        view.session = None
        if view.connection is None and self._views.get(view.session_id) is view:
            del self._views[view.session_id]

    @callback
    def _on_fetched(self, error: SignalingError | None) -> None:
        """Show whether AWS can be reached, and knows the channel."""
        async_handle_refusal(self._hass, self._entry, error)
        self._issue.async_follow(error)
        self._rights.async_failed("relays", error)
        if error is None:
            self._rights.async_worked("relays")
        available = not isinstance(error, _FATAL)
        if available == self.available:
            return
        self.available = available
        if error is not None and not available:
            _LOGGER.warning("%s cannot be viewed: %s", self.subentry.title, error)
        else:
            _LOGGER.info("%s can be viewed again", self.subentry.title)
        self._async_changed()
