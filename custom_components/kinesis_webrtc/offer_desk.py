"""The offers of a signaling channel: each is answered in a task of its own."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from datetime import datetime
import logging
from typing import Final

from .alexa import (
    SENDER_PREFIX,
    End,
    OfferTerms,
    Ping,
    Refusal,
    encode,
    is_sender_of,
    parse,
    parse_terms,
)
from .offer_rate import OfferRate
from .peer import (
    AddressRules,
    CandidateGathered,
    EndOfCandidates,
    EndReason,
    MasterPeer,
    OfferRefused,
    RefusalReason,
)
from .signaling import (
    IceCandidate,
    IceServer,
    Notice,
    SdpOffer,
    SignalingConnection,
    SignalingError,
)

_LOGGER = logging.getLogger(__name__)

# Nobody waits longer: Alexa gives up after 6 s, and a browser's user reloads. An
# answer after that would leave a peer connection that sends to no one.
ANSWER_WITHIN: Final = 5.0
# A channel has ten viewers; more offers at once than twice that is a flood.
MAX_PENDING_OFFERS: Final = 20


@dataclass(slots=True)
class _Viewer:
    """One sender of offers, from its offer until its session has ended."""

    task: asyncio.Task[None] | None = None
    outgoing: asyncio.Queue[IceCandidate | None] = field(default_factory=asyncio.Queue)


class OfferDesk:
    """Answers the offers of a channel, and sends each session's candidates after its answer."""

    def __init__(
        self,
        *,
        peer: MasterPeer,
        connection: SignalingConnection,
        ice_servers: Callable[[], Sequence[IceServer]],
        on_refused: Callable[[str, RefusalReason], None],
        now: Callable[[], datetime],
        has_camera: Callable[[], bool] = lambda: True,
        rules: AddressRules | None = None,
    ) -> None:
        """Bind the peer that answers to the connection that carries the answers.

        `now` is the time that deadlines are compared with, `has_camera` is whether Alexa
        may take the camera to be there, `rules` say where the peer's checks may go.
        """
        self._peer = peer
        self._connection = connection
        self._ice_servers = ice_servers
        self._on_refused = on_refused
        self._now = now
        self._has_camera = has_camera
        self._rules = rules or AddressRules()
        self._rate = OfferRate()
        self._viewers: dict[str, _Viewer] = {}
        self._answering = 0
        self._echoing = 0
        self._tasks: set[asyncio.Task[None]] = set()

    def take(self, offer: SdpOffer) -> None:
        """Answer an offer in its own task; a newer one of its sender replaces it."""
        viewer_id = offer.sender_client_id
        if viewer_id is None:
            # Only a storage session has no sender; it is no viewer of ours.
            _LOGGER.debug("Ignored an offer without a sender")
            return
        terms = parse_terms(offer.extra)
        if excess := self._rate.count(viewer_id):
            # What is under way for the sender goes on. It is told of once: a flood of
            # offers must not become one of events, and of answers.
            if excess == 1:
                self._refuse(viewer_id, RefusalReason.TOO_MANY_OFFERS, terms)
            return
        if self._answering >= MAX_PENDING_OFFERS:
            self._refuse(viewer_id, RefusalReason.VIEWER_LIMIT, terms)
            return
        if terms is not None:
            self._end(terms.session, EndReason.REPLACED, but=viewer_id)
        self.forget(viewer_id)
        viewer = self._viewers[viewer_id] = _Viewer()
        viewer.task = self._start(self._serve(viewer_id, viewer, offer, terms))

    def take_notice(self, notice: Notice) -> None:
        """Act on a notice of the Alexa skill; what else there may be is ignored."""
        sender = notice.client_id
        content = parse(notice.content)
        if sender is None or not isinstance(content, Ping | End):
            return
        if isinstance(content, End):
            self._end(content.session, EndReason.VIEWER_CLOSED)
        # The skill's function asks for the camera, whoever else for the channel alone.
        elif sender.startswith(SENDER_PREFIX) and not self._has_camera():
            content = Refusal(reason=RefusalReason.CAMERA_OFF.value)
        if self._echoing < MAX_PENDING_OFFERS:
            self._start(self._echo(Notice(content=encode(content), client_id=sender)))

    def take_candidate(self, message: IceCandidate) -> None:
        """Hand a viewer's candidate to its session."""
        if message.client_id is None:
            return
        self._start(
            self._peer.add_candidate(
                message.client_id,
                message.candidate,
                message.sdp_mid,
                message.sdp_m_line_index,
            )
        )

    def send_candidate(self, event: CandidateGathered | EndOfCandidates) -> None:
        """Send a candidate of ours, but never before the answer."""
        viewer = self._viewers.get(event.viewer_id)
        if viewer is None:
            return
        if isinstance(event, EndOfCandidates):
            viewer.outgoing.put_nowait(None)
            return
        viewer.outgoing.put_nowait(
            IceCandidate(
                client_id=event.viewer_id,
                candidate=event.candidate,
                sdp_mid=event.sdp_mid,
                sdp_m_line_index=event.sdp_m_line_index,
            )
        )

    def forget(self, viewer_id: str) -> None:
        """Drop what is under way for a viewer whose session has ended."""
        viewer = self._viewers.pop(viewer_id, None)
        if viewer is None or viewer.task is None:
            return
        # A session that ends while its own task closes it must not cancel that task.
        if viewer.task is not asyncio.current_task():
            viewer.task.cancel()

    async def shutdown(self) -> None:
        """Drop everything that is under way, and end the channel's sessions."""
        viewers = list(self._viewers)
        self._viewers.clear()
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        for viewer_id in viewers:
            await self._peer.close(viewer_id, EndReason.SHUTDOWN)

    async def _serve(
        self,
        viewer_id: str,
        viewer: _Viewer,
        offer: SdpOffer,
        terms: OfferTerms | None,
    ) -> None:
        """Answer one offer, then send the candidates that its session gathers."""
        if not await self._answer(viewer_id, offer, terms):
            if self._viewers.get(viewer_id) is viewer:
                del self._viewers[viewer_id]
            return
        while (candidate := await viewer.outgoing.get()) is not None:
            try:
                await self._connection.send(candidate)
            except SignalingError as err:
                _LOGGER.debug("Candidate for %s was not sent: %s", viewer_id, err)

    async def _answer(
        self, viewer_id: str, offer: SdpOffer, terms: OfferTerms | None
    ) -> bool:
        """Answer one offer in time, or leave nothing behind."""
        left = ANSWER_WITHIN
        if terms is not None:
            left = min(left, terms.deadline - self._now().timestamp())
            if left <= 0:
                self._refuse(viewer_id, RefusalReason.STALE, terms)
                return False
        self._answering += 1
        sdp = None
        try:
            async with asyncio.timeout(left):
                sdp = await self._peer.answer(
                    viewer_id, offer.sdp, self._ice_servers(), rules=self._rules
                )
                await self._connection.send(offer.answer(sdp))
        except OfferRefused as err:
            self._refuse(viewer_id, err.reason, terms)
        except TimeoutError, SignalingError:
            if sdp is None:
                # There is no session of which the peer would tell that it has ended.
                self._refuse(viewer_id, RefusalReason.STALE, terms)
            else:
                await self._peer.close(viewer_id, EndReason.NOT_DELIVERED)
        else:
            return True
        finally:
            self._answering -= 1
        return False

    def _refuse(
        self, viewer_id: str, reason: RefusalReason, terms: OfferTerms | None
    ) -> None:
        """Tell of an offer that is not answered, and the skill's function why."""
        _LOGGER.debug("Refused the offer of %s: %s", viewer_id, reason)
        self._on_refused(viewer_id, reason)
        if terms is not None and self._echoing < MAX_PENDING_OFFERS:
            refusal = encode(Refusal(reason=reason.value))
            self._start(self._echo(Notice(content=refusal, client_id=viewer_id)))

    def _end(self, session: str, reason: EndReason, *, but: str | None = None) -> None:
        """End what a session of Alexa's has with us."""
        for viewer_id in [v for v in self._viewers if is_sender_of(v, session)]:
            if viewer_id != but:
                self.forget(viewer_id)
                self._start(self._peer.close(viewer_id, reason))

    async def _echo(self, notice: Notice) -> None:
        """Send a notice; nobody waits for it for long."""
        self._echoing += 1
        try:
            await self._connection.send(notice)
        except SignalingError as err:
            _LOGGER.debug("Notice for %s was not sent: %s", notice.client_id, err)
        finally:
            self._echoing -= 1

    def _start(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        """Run work until it ends or the desk shuts down."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task
