"""Viewers in Home Assistant itself: its frontend, and its own Alexa skill.

Their offers come to the camera entity, not over a signaling channel:
https://developers.home-assistant.io/docs/core/entity/camera#webrtc-streams
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from homeassistant.components.camera import (
    WebRTCAnswer,
    WebRTCCandidate,
    WebRTCError,
    WebRTCMessage,
    WebRTCSendMessage,
)
from homeassistant.core import HomeAssistant, callback
from webrtc_models import RTCIceCandidateInit

from .errors import as_view_error, async_text
from .peer import (
    AddressRules,
    CandidateGathered,
    Ended,
    EndOfCandidates,
    EndReason,
    IceServer,
    MasterPeer,
    OfferRefused,
    RefusalReason,
)
from .signaling import connection_of

# No client of a signaling channel has a colon in its id, so none is taken for one of
# these: https://docs.aws.amazon.com/kinesisvideostreams-webrtc-dg/latest/devguide/kvswebrtc-websocket-apis-1.html
_PREFIX: Final = "home:"
# Core's Alexa gives a camera five seconds, and a browser's user reloads.
_ANSWER_WITHIN: Final = 5.0
# Browsers of this home, whose users Home Assistant knows, hide their addresses behind
# names of multicast DNS.
_RULES: Final = AddressRules(names=True)
# The viewer knows, has moved on to another session, or was told already.
_SILENT_ENDS: Final = frozenset(
    {
        EndReason.VIEWER_CLOSED,
        EndReason.VIEWER_LOST,
        EndReason.REPLACED,
        EndReason.NOT_DELIVERED,
    }
)


def is_home_viewer(viewer_id: str) -> bool:
    """Return whether a viewer is one of Home Assistant itself."""
    return viewer_id.startswith(_PREFIX)


@dataclass(slots=True, eq=False, kw_only=True)
class _Session:
    """One view, from its offer until it ends or its viewer leaves."""

    session_id: str
    send: WebRTCSendMessage
    is_answered: bool = False
    held: list[WebRTCMessage] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Viewer:
    """One peer connection of a viewer, and its name for all its offers.

    It offers again to restart ICE, which for Home Assistant is another session. What
    answered it first has to go, since a browser may otherwise choose that one's
    candidates, which still answer, for the second.
    """

    viewer_id: str
    connection: str | None


class HomeViewers:
    """Answers Home Assistant's own viewers by a camera's peer."""

    def __init__(
        self,
        *,
        hass: HomeAssistant,
        peer: MasterPeer,
        ready: Callable[[], Awaitable[object]],
        ice_servers: Callable[[], Sequence[IceServer]],
        on_refused: Callable[[str, RefusalReason], None],
    ) -> None:
        """Bind the peer; an offer waits until `ready` returns, whatever it returns."""
        self._hass = hass
        self._peer = peer
        self._ready = ready
        self._ice_servers = ice_servers
        self._on_refused = on_refused
        self._sessions: dict[str, _Session] = {}
        # By the ids of all sessions that Home Assistant has not closed.
        self._viewers: dict[str, _Viewer] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def async_answer(
        self, session_id: str, offer_sdp: str, send_message: WebRTCSendMessage
    ) -> None:
        """Send the answer, or why there is none; candidates only after the answer."""
        viewer_id = self._viewer_of(session_id, offer_sdp).viewer_id
        session = _Session(session_id=session_id, send=send_message)
        self._sessions[viewer_id] = session
        try:
            async with asyncio.timeout(_ANSWER_WITHIN):
                await self._ready()
                if self._sessions.get(viewer_id) is not session:
                    return
                answer = await self._peer.answer(
                    viewer_id, offer_sdp, self._ice_servers(), rules=_RULES
                )
        except OfferRefused as err:
            if self._forget(viewer_id, session):
                self._on_refused(viewer_id, err.reason)
                session.send(self._error(err.reason))
        except TimeoutError:
            await self._peer.close(viewer_id, EndReason.NOT_DELIVERED)
            if self._forget(viewer_id, session):
                session.send(self._error(EndReason.NOT_DELIVERED))
        except asyncio.CancelledError:
            self._forget(viewer_id, session)
            raise
        else:
            await self._async_deliver(viewer_id, session, answer)

    async def _async_deliver(
        self, viewer_id: str, session: _Session, answer: str
    ) -> None:
        """Send the answer and what was held back for it, unless the viewer has left."""
        if self._sessions.get(viewer_id) is not session:
            return
        session.is_answered = True
        session.send(WebRTCAnswer(answer))
        if "a=ice-options:trickle" not in answer:
            # All candidates are in the answer: core's Alexa need not wait for others.
            session.send(WebRTCCandidate(RTCIceCandidateInit("")))
        for message in session.held:
            session.send(message)
        session.held.clear()

    async def async_add_candidate(
        self, session_id: str, candidate: RTCIceCandidateInit
    ) -> None:
        """Hand a viewer's candidate to its session.

        The frontend sends those after a restart to its first session, until it knows
        of the second.
        """
        viewer = self._viewers.get(session_id)
        if viewer is not None and viewer.viewer_id in self._sessions:
            await self._peer.add_candidate(
                viewer.viewer_id,
                candidate.candidate,
                candidate.sdp_mid,
                candidate.sdp_m_line_index,
            )

    @callback
    def async_close(self, session_id: str) -> None:
        """End the session of a viewer that has left; unknown ones are no error."""
        viewer = self._viewers.pop(session_id, None)
        session = self._sessions.get(viewer.viewer_id) if viewer else None
        if viewer is None or session is None or session.session_id != session_id:
            return
        del self._sessions[viewer.viewer_id]
        self._start(self._peer.close(viewer.viewer_id, EndReason.VIEWER_CLOSED))

    @callback
    def async_send_candidate(self, event: CandidateGathered | EndOfCandidates) -> None:
        """Send a candidate of ours, but never before the answer."""
        session = self._sessions.get(event.viewer_id)
        if session is None:
            return
        match event:
            case CandidateGathered():
                candidate = RTCIceCandidateInit(
                    event.candidate,
                    sdp_mid=event.sdp_mid,
                    sdp_m_line_index=event.sdp_m_line_index,
                )
            case EndOfCandidates():
                candidate = RTCIceCandidateInit("")
        message = WebRTCCandidate(candidate)
        if session.is_answered:
            session.send(message)
        else:
            session.held.append(message)

    @callback
    def async_ended(self, event: Ended) -> None:
        """Tell a viewer that is still there why its session has ended."""
        if event.reason is EndReason.REPLACED:
            # What replaced it belongs to the same viewer.
            return
        session = self._sessions.pop(event.viewer_id, None)
        if session is not None and event.reason not in _SILENT_ENDS:
            session.send(self._error(event.reason))

    async def async_stop(self) -> None:
        """Wait for what is under way; the peer itself ends the sessions."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    def _viewer_of(self, session_id: str, offer_sdp: str) -> _Viewer:
        """Return the viewer whose session this is, a new one or one that was there."""
        connection = connection_of(offer_sdp)
        viewers = self._viewers.values()
        known = (one for one in viewers if connection and one.connection == connection)
        viewer = next(known, None) or _Viewer(
            viewer_id=f"{_PREFIX}{session_id}", connection=connection
        )
        self._viewers[session_id] = viewer
        return viewer

    def _forget(self, viewer_id: str, session: _Session) -> bool:
        """Drop a session; false if its viewer had left, or made another offer."""
        if self._sessions.get(viewer_id) is not session:
            return False
        del self._sessions[viewer_id]
        return True

    def _error(self, reason: RefusalReason | EndReason) -> WebRTCError:
        return WebRTCError(str(reason), async_text(self._hass, as_view_error(reason)))

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
