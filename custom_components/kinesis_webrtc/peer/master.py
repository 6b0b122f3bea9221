"""The sessions of one camera: who may join, who must leave."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
import functools
import logging
import ssl
import time
from typing import Final

from aiortc.rtcdtlstransport import RTCCertificate

from . import internals, takeover
from .candidates import DEFAULT_RULES, AddressRules, parse_candidate
from .equipment import Equipment
from .events import EndReason, SessionEvent
from .feed import CameraFeed
from .gathering import reaches_loopback
from .limits import Limits
from .offer import Offer, OfferRefused, RefusalReason, normalise
from .servers import IceServer, Resolver, read_servers
from .session import PeerSession
from .source import MediaSource
from .talkback import TalkBack, TalkSink

_LOGGER = logging.getLogger(__name__)

# As many as AWS lets on a channel at once. Each costs upstream bandwidth, which homes have
# little of: beyond these, all would see worse.
VIEWER_LIMIT: Final = 10
# Before the offer it is not known by which door it will come.
_ANY: Final = AddressRules(loopback=True, names=True)


@dataclass(slots=True)
class _Waiting:
    since: float
    candidates: list[str] = field(default_factory=list)


class MasterPeer:
    """Answers the offers of one camera's viewers."""

    def __init__(
        self,
        *,
        source: MediaSource,
        small_source: MediaSource | None = None,
        viewer_limit: int = VIEWER_LIMIT,
        on_event: Callable[[SessionEvent], None],
        on_format: Callable[[], None] = lambda: None,
        live_only: Callable[[str], bool] = lambda _: False,
        limits: Limits | None = None,
        talk_sink: TalkSink | None = None,
    ) -> None:
        """Prepare; `on_event` is called in the event loop and must not block.

        `small_source` is the same camera once more, with smaller pictures: for viewers
        that take no larger ones than an Echo. Where it gives nothing they get the
        source's, made smaller if need be.
        Candidates are told of only after `answer` has returned. `on_format` is called
        when what is known of the pictures has changed. `live_only` tells of a viewer's id
        whether it is to see nothing else than the live stream, also while the camera
        opens. Without a `talk_sink` nothing is taken of what viewers send.
        """
        self._talk_back = TalkBack(talk_sink) if talk_sink is not None else None
        self._limits = limits or Limits()
        self._viewer_limit = viewer_limit
        self._on_event = on_event
        self._live_only = live_only
        self._feed = CameraFeed(source=source, limits=self._limits, on_format=on_format)
        self._small_feed = self._feed
        if small_source is not None:
            self._small_feed = CameraFeed(
                source=small_source,
                fallback=source,
                limits=self._limits,
                fanout=self._feed.fanout,
                on_format=on_format,
            )
        self._resolver = Resolver()
        self._tls: ssl.SSLContext | None = None
        self._is_direct: bool | None = None
        self._sessions: dict[str, PeerSession] = {}
        self._early: dict[str, _Waiting] = {}
        self._cleanups: set[asyncio.Task[None]] = set()
        self._shut_down = False
        self._sent_before = 0

    @property
    def viewers(self) -> int:
        """How many sessions there are, connected or about to be."""
        return len(self._sessions)

    @property
    def bytes_sent(self) -> int:
        """What all viewers were sent, without the headers of UDP and IP; only grows."""
        sessions = self._sessions.values()
        return self._sent_before + sum(session.bytes_sent for session in sessions)

    @property
    def feed(self) -> CameraFeed:
        """The camera's media, for statistics."""
        return self._feed

    @property
    def small_feed(self) -> CameraFeed:
        """The media of an Echo's viewers, which is the camera's own or another one."""
        return self._small_feed

    def hold(self) -> Callable[[], None]:
        """Keep the camera open without a viewer, until what is returned is called."""
        releases = [feed.hold() for feed in self._feeds]

        def release() -> None:
            for each in releases:
                each()

        return release

    def reopen(self) -> None:
        """Open the camera anew, if it is open: a source of it is another one now."""
        for feed in self._feeds:
            feed.reopen()

    async def prepare(self) -> None:
        """Do once what is slow. Raises IncompatibleLibraryError."""
        if moved := internals.missing():
            raise internals.IncompatibleLibraryError(", ".join(moved))
        self._may_send_directly()
        # Reads the trusted certificates from disk.
        self._tls = await asyncio.to_thread(ssl.create_default_context)

    async def resolve(self, ice_servers: Sequence[IceServer]) -> None:
        """Look the names of ICE servers up ahead of the offers that need them."""
        await self._resolver.warm(read_servers(ice_servers).hosts)

    async def answer(
        self,
        viewer_id: str,
        offer_sdp: str,
        ice_servers: Sequence[IceServer],
        *,
        rules: AddressRules = DEFAULT_RULES,
    ) -> str:
        """Return the SDP answer to a viewer's offer. Raises OfferRefused.

        `rules` say where checks may go, for the session's later candidates as well.

        A second offer of the same viewer replaces its session, for restarts of
        ICE and for offers that are delivered twice alike.
        """
        offered_at = time.monotonic()
        rules = replace(rules, loopback=reaches_loopback())
        if self._shut_down:
            raise OfferRefused(RefusalReason.SHUTTING_DOWN)
        try:
            offer = self._read(offer_sdp, rules)
        except OfferRefused:
            raise
        except Exception as err:  # noqa: BLE001
            raise self._unexpected(err) from None
        others = len(self._sessions) - (viewer_id in self._sessions)
        if others >= self._viewer_limit:
            raise OfferRefused(RefusalReason.VIEWER_LIMIT)
        await self.close(viewer_id, EndReason.REPLACED)
        session = PeerSession(
            viewer_id=viewer_id,
            offer=offer,
            servers=read_servers(ice_servers),
            equipment=self._equipment(viewer_id),
            offered_at=offered_at,
            rules=rules,
        )
        self._sessions[viewer_id] = session
        try:
            text = await session.answer()
        except OfferRefused, asyncio.CancelledError:
            session.end(EndReason.REQUESTED)
            raise
        except Exception as err:  # noqa: BLE001
            session.end(EndReason.CONNECTION_FAILED)
            raise self._unexpected(err) from None
        self._apply_early(session)
        return text

    async def add_candidate(
        self,
        viewer_id: str,
        candidate: str,
        sdp_mid: str | None = None,  # noqa: ARG002
        sdp_m_line_index: int | None = None,  # noqa: ARG002
    ) -> None:
        """Try a viewer's candidate; what cannot be used is passed over.

        Candidates that come before their offer wait for it. All media share one
        transport, so it does not matter which section a candidate was for.
        """
        if not candidate.strip() or len(candidate) > 1024 or self._shut_down:
            return
        session = self._sessions.get(viewer_id)
        parsed = parse_candidate(candidate, _ANY)
        if parsed is None:
            return
        if session is not None and parsed.ufrag in (None, session.offer.ufrag):
            self._try_candidate(session, candidate)
        else:
            self._keep_early(viewer_id, candidate)

    async def close(
        self, viewer_id: str, reason: EndReason = EndReason.REQUESTED
    ) -> None:
        """End a viewer's session; it is no error when there is none."""
        session = self._sessions.get(viewer_id)
        if session is not None:
            session.end(reason)

    async def set_talk_sink(self, sink: TalkSink | None) -> None:
        """Have what later viewers say taken by another sink, or by none.

        Nothing more is taken of those who watch already; their pictures go on.
        """
        old, self._talk_back = self._talk_back, None
        if old is not None:
            for session in self._sessions.values():
                if session.microphone is not None:
                    session.microphone.stop()
            old.close()
            await asyncio.to_thread(old.join)
        if not self._shut_down and sink is not None:
            self._talk_back = TalkBack(sink)

    async def shutdown(self) -> None:
        """End all sessions and close the camera; nothing is left behind."""
        self._shut_down = True
        for session in tuple(self._sessions.values()):
            session.end(EndReason.SHUTDOWN)
        while self._cleanups:
            await asyncio.wait(self._cleanups)
        await self.set_talk_sink(None)
        await self._resolver.close()
        await asyncio.gather(*(feed.close() for feed in self._feeds))
        self._early.clear()

    @property
    def _feeds(self) -> list[CameraFeed]:
        if self._small_feed is self._feed:
            return [self._feed]
        return [self._feed, self._small_feed]

    def _read(self, offer_sdp: str, rules: AddressRules) -> Offer:
        """Return an offer, under the profile of the pictures that it is to get."""
        read = functools.partial(
            normalise,
            offer_sdp,
            rules=rules,
            may_talk=self._talk_back is not None,
        )
        offer = read(profile=self._feed.profile)
        profile = self._small_feed.small.profile
        if offer.is_echo and profile != self._feed.profile:
            offer = read(profile=profile)
        return offer

    def _may_send_directly(self) -> bool:
        if self._is_direct is None:
            moved = takeover.moved()
            self._is_direct = not moved
            if moved:
                _LOGGER.warning(
                    "This release of aiortc is not known; viewers cost more than they "
                    "should (%s)",
                    ", ".join(moved),
                )
        return self._is_direct

    def _equipment(self, viewer_id: str) -> Equipment:
        return Equipment(
            # By another one than before a viewer knows, when it restarts ICE, that it
            # has to begin anew with DTLS. It takes a fraction of a millisecond.
            certificate=RTCCertificate.generateCertificate(),
            feed=self._feed,
            small_feed=self._small_feed,
            is_direct=self._may_send_directly(),
            live_only=self._live_only(viewer_id),
            resolver=self._resolver,
            tls=self._tls,
            limits=self._limits,
            talk_back=self._talk_back,
            on_event=self._on_event,
            on_end=self._session_ended,
        )

    def _session_ended(self, session: PeerSession) -> None:
        self._sent_before += session.bytes_sent
        if self._sessions.get(session.viewer_id) is session:
            del self._sessions[session.viewer_id]
        task = asyncio.create_task(session.cleanup(), name="kinesis_webrtc cleanup")
        self._cleanups.add(task)
        task.add_done_callback(self._cleaned_up)

    def _cleaned_up(self, task: asyncio.Task[None]) -> None:
        self._cleanups.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            _LOGGER.error("Closing a session failed: %s", type(error).__name__)

    @staticmethod
    def _try_candidate(session: PeerSession, candidate: str) -> None:
        parsed = parse_candidate(candidate, session.rules)
        if parsed is not None and parsed.ufrag in (None, session.offer.ufrag):
            session.add_candidate(parsed)

    def _keep_early(self, viewer_id: str, candidate: str) -> None:
        now = time.monotonic()
        oldest = now - self._limits.early_candidate_ttl
        for other, waiting in tuple(self._early.items()):
            if waiting.since < oldest:
                del self._early[other]
        if len(self._early) >= self._limits.early_viewers:
            self._early.pop(next(iter(self._early)))
        waiting = self._early.setdefault(viewer_id, _Waiting(now))
        if len(waiting.candidates) < self._limits.early_candidates:
            waiting.candidates.append(candidate)

    def _apply_early(self, session: PeerSession) -> None:
        waiting = self._early.pop(session.viewer_id, None)
        oldest = time.monotonic() - self._limits.early_candidate_ttl
        if waiting is None or waiting.since < oldest:
            return
        for text in waiting.candidates:
            self._try_candidate(session, text)

    @staticmethod
    def _unexpected(err: Exception) -> OfferRefused:
        # Only the type: the text may hold what the offer held.
        _LOGGER.error("An offer failed unexpectedly: %s", type(err).__name__)
        return OfferRefused(RefusalReason.UNEXPECTED)
