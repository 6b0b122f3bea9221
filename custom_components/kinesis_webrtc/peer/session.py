"""One viewer, from its offer to its end."""

import asyncio
from collections.abc import Coroutine
import functools
import logging
import time
from typing import Any

from aiortc import RTCPeerConnection, RTCSessionDescription
from aiortc.rtcdtlstransport import RTCDtlsTransport
from aiortc.rtcrtptransceiver import RTCRtpTransceiver

from . import internals
from .answer import LocalCandidate, compose
from .candidates import DEFAULT_RULES, AddressRules, RemoteCandidate
from .care import Care
from .equipment import Equipment
from .events import (
    CandidateGathered,
    Connected,
    Ended,
    EndOfCandidates,
    EndReason,
    SessionEvent,
    Timings,
)
from .gathering import Gathering
from .media_stream import MediaStream
from .microphone import Microphone
from .offer import Media, Offer, OfferRefused, RefusalReason
from .refusal import refusal_of
from .relays import Relays
from .servers import Servers
from .sound_track import SoundPacker, SoundTrack
from .video import VideoTrack

_LOGGER = logging.getLogger(__name__)


class PeerSession:
    """A peer connection that sends the feed to one viewer."""

    def __init__(
        self,
        *,
        viewer_id: str,
        offer: Offer,
        servers: Servers,
        equipment: Equipment,
        offered_at: float,
        rules: AddressRules = DEFAULT_RULES,
    ) -> None:
        """Prepare; `offered_at` is the monotonic time of the offer's receipt."""
        self.viewer_id = viewer_id
        self.rules = rules
        self.offer = offer
        self._equipment = equipment
        self._limits = equipment.limits
        self._servers = servers
        self._offered_at = offered_at
        self._answered_ms: float | None = None
        self._connected_ms: float | None = None
        self._key_frame_ms: float | None = None
        self._pc: RTCPeerConnection | None = None
        self._dtls: RTCDtlsTransport | None = None
        self._gathering: Gathering | None = None
        self._streams: list[MediaStream] = []
        self._sound: SoundTrack | None = None
        self.microphone: Microphone | None = None
        self._answering: asyncio.Task[str] | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._remote_candidates = 0
        self._held: list[SessionEvent] | None = []
        self._end_reason: EndReason | None = None
        self._feed = equipment.small_feed if offer.is_echo else equipment.feed
        self._subscription = self._feed.subscribe(
            self.end, live_only=equipment.live_only
        )
        self.care = Care(equipment, offer, self._start)

    @property
    def timings(self) -> Timings:
        """What has taken how long."""
        return Timings(
            answered_ms=self._answered_ms,
            connected_ms=self._connected_ms,
            key_frame_ms=self._key_frame_ms,
        )

    @property
    def bytes_sent(self) -> int:
        """What the viewer was sent, without the headers of UDP and IP."""
        return 0 if self._dtls is None else internals.bytes_sent(self._dtls)

    @property
    def has_ended(self) -> bool:
        """Whether the session is over, or never came to be."""
        return self._end_reason is not None

    async def answer(self) -> str:
        """Return the answer; raises OfferRefused when the session ends meanwhile."""
        self._answering = asyncio.create_task(
            self._answer(), name="kinesis_webrtc answer"
        )
        try:
            text = await self._answering
        except asyncio.CancelledError:
            current = asyncio.current_task()
            if self.has_ended and current is not None and not current.cancelling():
                raise OfferRefused(refusal_of(self._end_reason)) from None
            raise
        # The caller gets the answer before it hears of what came later, also when
        # it runs this in a task of its own, which takes a turn of the loop more.
        loop = asyncio.get_running_loop()
        loop.call_soon(loop.call_soon, self._release)
        return text

    def add_candidate(self, candidate: RemoteCandidate) -> None:
        """Try one more remote candidate, up to a bound."""
        if self._dtls is None or self.has_ended:
            return
        self._remote_candidates += 1
        if self._remote_candidates > self._limits.remote_candidates:
            return
        self._start(self._add_remote(self._dtls, candidate))

    def end(self, reason: EndReason, detail: str | None = None) -> None:
        """End the session; what it holds is given back by `cleanup`."""
        if self.has_ended:
            return
        self._end_reason = reason
        if self._timer is not None:
            self._timer.cancel()
        self._subscription.may_return = reason is not EndReason.VIEWER_LOST
        self._subscription.close()
        self.care.close()
        for stream in self._streams:
            stream.stop()
        if self._sound is not None:
            self._sound.stop()
        if self.microphone is not None:
            self.microphone.stop()
        if self._answering is not None and not self._answering.done():
            self._answering.cancel()
        self._equipment.on_end(self)
        if self._answered_ms is not None:
            self._emit(
                Ended(
                    viewer_id=self.viewer_id,
                    reason=reason,
                    timings=self.timings,
                    detail=detail,
                    bytes_sent=self.bytes_sent,
                    congested_seconds=self.care.congested_seconds,
                    is_encoded=self.care.is_encoded,
                )
            )

    async def cleanup(self) -> None:
        """Say goodbye and close everything, within bounds."""
        if self._answering is not None:
            await asyncio.wait({self._answering})
        if self._gathering is not None:
            await self._gathering.halt()
        if self._pc is not None:
            try:
                async with asyncio.timeout(self._limits.close_patience):
                    await self._pc.close()
            except TimeoutError:
                _LOGGER.debug("Closing a peer connection took too long")
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._gathering is not None:
            await self._gathering.free_relays()

    async def _answer(self) -> str:
        equipment, offer = self._equipment, self.offer
        pc = internals.new_connection(equipment.certificate, self._track)
        self._pc = pc
        await pc.setRemoteDescription(RTCSessionDescription(offer.sdp, "offer"))
        transceivers = {each.mid: each for each in pc.getTransceivers()}
        for media in offer.media:
            self._equip(transceivers[media.mid], media)
        self._dtls = transceivers[offer.video.mid].receiver.transport
        self._dtls.on("statechange", self._dtls_changed)
        internals.guard_media(self._dtls, takes_rtp=self.microphone is not None)
        pc.on("connectionstatechange", self._connection_changed)
        connection = internals.ice_connection(self._dtls)
        relays = Relays(
            connection=connection,
            limits=self._limits,
            on_moved=self._path_changed,
            on_expired=functools.partial(self.end, EndReason.RELAY_EXPIRED),
        )
        self._gathering = Gathering(
            connection=connection,
            relays=relays,
            servers=self._servers,
            resolver=equipment.resolver,
            tls=equipment.tls,
            limits=self._limits,
            trickle=offer.trickle,
            on_candidate=self._candidate_gathered,
            on_end=self._gathering_ended,
        )
        internals.set_gatherer(connection, self._gathering.run)
        for candidate in offer.candidates:
            self.add_candidate(candidate)
        await pc.setLocalDescription()
        candidates = self._gathering.answer_candidates()
        if not candidates:
            raise OfferRefused(RefusalReason.NO_NETWORK)
        text = compose(pc.localDescription.sdp, offer, candidates)
        self._answered_ms = self._elapsed()
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(
            self._limits.connect_timeout, self.end, EndReason.NEVER_CONNECTED
        )
        return text

    def _equip(self, transceiver: RTCRtpTransceiver, media: Media) -> None:
        for real, renamed in self.offer.payload_types.items():
            if real in media.codec.payload_types:
                internals.set_payload_type(transceiver, renamed, real)
        transceiver.direction = "sendonly"
        if media.is_heard and (talk_back := self._equipment.talk_back) is not None:
            transceiver.direction = media.answer_direction
            self.microphone = Microphone(
                viewer_id=self.viewer_id,
                media=media,
                receiver=transceiver.receiver,
                talk_back=talk_back,
            )
            self._start(self.microphone.run())
        if self._equipment.is_direct:
            stream = self._feed.send(
                transceiver.sender,
                media,
                live_only=self._equipment.live_only,
                is_small=self.offer.is_echo,
                on_key_frame=self._key_frame_sent,
                on_failure=functools.partial(self.end, EndReason.CONNECTION_FAILED),
            )
            self._streams.append(stream)
            self.care.watch(stream)
        elif media.kind == "video":
            if self.offer.is_echo:
                self._feed.small.add(self._subscription)
            transceiver.sender.replaceTrack(
                VideoTrack(self._subscription, self._key_frame_sent)
            )
        else:
            self._sound = SoundTrack(media.codec.name, self._feed.sound)
            internals.set_packer(transceiver.sender, SoundPacker())
            transceiver.sender.replaceTrack(self._sound)

    async def _add_remote(
        self, dtls: RTCDtlsTransport, candidate: RemoteCandidate
    ) -> None:
        # aioice looks names of multicast DNS up, which takes its time.
        await dtls.transport.addRemoteCandidate(candidate.for_aiortc())

    def _dtls_changed(self) -> None:
        if self._dtls is None or self.has_ended:
            return
        state = self._dtls.state
        if state == "connected":
            self._connected(self._dtls)
        elif state == "failed":
            self.end(EndReason.CONNECTION_FAILED)
        elif state == "closed":
            lost = internals.has_lost_consent(internals.ice_connection(self._dtls))
            self.end(EndReason.VIEWER_LOST if lost else EndReason.VIEWER_CLOSED)

    def _path_changed(self) -> None:
        # Nor can the viewer be heard by the path that it still sends by.
        for stream in self._streams:
            stream.request_key_frame()

    def _connection_changed(self) -> None:
        if self._pc is not None and self._pc.connectionState == "failed":
            self.end(EndReason.CONNECTION_FAILED)

    def _connected(self, dtls: RTCDtlsTransport) -> None:
        types = internals.selected_types(internals.ice_connection(dtls))
        self._connected_ms = self._elapsed()
        if self._timer is not None:
            self._timer.cancel()
        if self._gathering is not None:
            self._gathering.stop()
        self._emit(
            Connected(
                viewer_id=self.viewer_id,
                local_type=types[0],
                remote_type=types[1],
                timings=self.timings,
            )
        )

    def _key_frame_sent(self) -> None:
        if self.has_ended:
            return
        self._key_frame_ms = self._elapsed()
        self._emit(self.care.key_frame_sent(self.viewer_id))

    def _candidate_gathered(self, candidate: LocalCandidate) -> None:
        if not self.offer.trickle or self.has_ended:
            return
        first = self.offer.media[0]
        self._emit(
            CandidateGathered(
                viewer_id=self.viewer_id,
                candidate=candidate.text,
                sdp_mid=first.mid,
                sdp_m_line_index=first.index,
            )
        )

    def _gathering_ended(self) -> None:
        if self.offer.trickle and not self.has_ended:
            self._emit(EndOfCandidates(viewer_id=self.viewer_id))

    def _emit(self, event: SessionEvent) -> None:
        if self._held is not None:
            self._held.append(event)
            return
        self._equipment.on_event(event)

    def _release(self) -> None:
        held, self._held = self._held or [], None
        for event in held:
            self._equipment.on_event(event)

    def _elapsed(self) -> float:
        return (time.monotonic() - self._offered_at) * 1000

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        self._track(asyncio.create_task(work, name="kinesis_webrtc session"))

    def _track(self, task: asyncio.Task[None]) -> None:
        self._tasks.add(task)
        task.add_done_callback(self._finished)

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            _LOGGER.debug("A task of a session failed: %s", type(error).__name__)
