"""One view of a camera that speaks WebRTC: what comes becomes pictures and sound."""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from fractions import Fraction
import time
from typing import Any, Final, cast

from aiortc.rtp import RtpPacket
import av
from av.audio.stream import AudioStream

from .assembly import Picture
from .camera_connection import Arrivals, CameraConnection
from .camera_sdp import fit_answer, widen_offer
from .h264 import AccessUnit, ParameterSets, has_b_slice
from .limits import Limits
from .picture_buffer import RETRY, Packet, PictureBuffer
from .reader import Outcome, StreamFormat
from .receiving import AnswerUnusableError
from .sender_clock import SOUND_RATE, SenderClock
from .sound import SoundCoder, SoundSink
from .source import SourceError, WebRtcCamera, WebRtcSession
from .timeline import CLOCK_RATE, Timeline

# All in seconds. Cameras that have key pictures on demand only get to have them as often
# as others do by themselves: viewers who join begin with the latest one.
_KEY_INTERVAL: Final = 4.0
_LEAST_KEY_INTERVAL: Final = 1.0
_LOOK_EVERY: Final = 0.25
# Packets of sound: ten seconds of it.
_LATE: Final = 500


@dataclass(slots=True)
class _OpusStream:
    """What a coder has to know of the sound."""

    codec_context: Any
    time_base: Fraction = Fraction(1, CLOCK_RATE)


class CameraView:
    """Joins a camera; for the event loop in which it is made.

    The session belongs to another event loop, that of `home`.
    """

    def __init__(
        self,
        *,
        camera: WebRtcCamera,
        session: WebRtcSession,
        home: asyncio.AbstractEventLoop,
        timeline: Timeline,
        on_format: Callable[[StreamFormat], None],
        on_unit: Callable[[AccessUnit], None],
        limits: Limits,
        sound: SoundSink | None,
    ) -> None:
        """Prepare; the callbacks are called in the event loop of the view."""
        self._camera = camera
        self._session = session
        self._home = home
        self._timeline = timeline
        self._on_format = on_format
        self._on_unit = on_unit
        self._limits = limits
        self._sound = sound
        self._coder = _coder(timeline)
        self._loop = asyncio.get_running_loop()
        self._ended: asyncio.Future[Outcome] = self._loop.create_future()
        self._clock = SenderClock()
        self._connection = CameraConnection(
            on_candidate=self._gathered,
            arrivals=Arrivals(
                on_picture_packet=self._picture_packet_came,
                on_sound_packet=self._sound_packet_came,
                on_picture_report=self._clock.report_picture,
                on_sound_report=self._clock.report_sound,
                on_end=lambda: self.end(Outcome(detail="camera_ended_view")),
            ),
            data_channel=camera.data_channel,
            limits=limits,
        )
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_answered = False
        self._early: list[tuple[str, str, int]] = []
        self._early_remote: list[str] = []
        self._buffer = PictureBuffer()
        self._sets = ParameterSets()
        self._format: StreamFormat | None = None
        self._ssrc: int | None = None
        self._last_sound: int | None = None
        self._looking: asyncio.TimerHandle | None = None
        self._came_at: float | None = None
        self._key_at = self._asked_at = float("-inf")
        self._is_key_wanted = False

    async def run(self) -> Outcome:
        """View until the camera ends it, fails, or `end` is called."""
        self._timeline.restart()
        watching = asyncio.create_task(self._watch())
        try:
            await asyncio.wait(
                {watching, self._ended}, return_when=asyncio.FIRST_COMPLETED
            )
            return self._ended.result() if self._ended.done() else watching.result()
        finally:
            if self._looking is not None:
                self._looking.cancel()
            tasks = [watching, *self._tasks]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self._connection.close()

    def tell(self, what: Callable[[], None]) -> None:
        """Have something called in the event loop of the view; for any thread.

        Raises RuntimeError when the view is over.
        """
        self._loop.call_soon_threadsafe(what)

    def end(self, outcome: Outcome) -> None:
        """Have `run` return this."""
        if not self._ended.done():
            self._ended.set_result(outcome)

    def add_candidate(self, candidate: str) -> None:
        """Try one more candidate of the camera."""
        if self._is_answered:
            self._connection.add_candidate(candidate)
        else:
            self._early_remote.append(candidate)

    def want_key_frame(self) -> None:
        """Ask for a key picture, unless one has just come."""
        self._is_key_wanted = True
        self._ask(time.monotonic())

    async def _watch(self) -> Outcome:
        try:
            async with asyncio.timeout(self._limits.open_timeout):
                refusal = await self._join()
        except TimeoutError:
            return Outcome(detail="no_answer")
        except SourceError as err:
            return Outcome(detail=err.reason)
        except AnswerUnusableError:
            return Outcome(detail="unusable_answer")
        if refusal is not None:
            return refusal
        began = time.monotonic()
        while True:
            await asyncio.sleep(_LOOK_EVERY)
            now = time.monotonic()
            self._ask(now)
            if self._came_at is None:
                is_silent = now - began > self._limits.open_timeout
            else:
                is_silent = now - self._came_at > self._limits.read_timeout
            if is_silent:
                return Outcome(detail="no_picture")

    async def _join(self) -> Outcome | None:
        """Exchange offer and answer; return why there will be no pictures, if so."""
        offer = await self._connection.offer(self._camera.ice_servers)
        answering = self._at_home(self._session.offer(widen_offer(offer)))
        answer = fit_answer(await answering)
        if not answer.has_video:
            return Outcome(detail="no_h264", is_unsupported=True)
        self._sets = ParameterSets(answer.parameter_sets)
        await self._connection.accept(answer.sdp)
        self._is_answered = True
        for candidate in self._early_remote:
            self._connection.add_candidate(candidate)
        for gathered in self._early:
            self._gathered(*gathered)
        return None

    def _gathered(self, candidate: str, mid: str, index: int) -> None:
        # Some forget what comes before they have answered.
        if not self._is_answered:
            self._early.append((candidate, mid, index))
            return
        sending = self._session.add_candidate(candidate, mid, index)
        self._start(self._at_home(sending))

    async def _at_home[T](self, work: Coroutine[Any, Any, T]) -> T:
        return await asyncio.wrap_future(
            asyncio.run_coroutine_threadsafe(work, self._home)
        )

    def _picture_packet_came(self, packet: RtpPacket, data: bytes) -> None:
        now = time.monotonic()
        if packet.ssrc != self._ssrc:
            if self._ssrc is not None:
                self._buffer = PictureBuffer()
                self._timeline.restart()
            self._ssrc = packet.ssrc
        lost = self._buffer.lost
        known = Packet(
            packet.sequence_number, packet.timestamp, bool(packet.marker), data
        )
        for picture in self._buffer.push(known, now):
            self._take(picture, now)
        self._follow_up(lost, now)

    def _look(self) -> None:
        """See after packets that are missing."""
        self._looking = None
        now = time.monotonic()
        lost = self._buffer.lost
        for picture in self._buffer.look(now):
            self._take(picture, now)
        self._follow_up(lost, now)

    def _follow_up(self, lost: int, now: float) -> None:
        buffer = self._buffer
        if buffer.lost != lost:
            self._ask(now)
        if (missing := buffer.missing(now)) and self._ssrc is not None:
            self._start(self._connection.request_packets(self._ssrc, missing))
        if buffer.is_waiting and self._looking is None:
            self._looking = self._loop.call_later(RETRY, self._look)

    def _take(self, picture: Picture, now: float) -> None:
        data, is_key = picture.data, False
        if has_b_slice(data):
            self.end(Outcome(detail="b_pictures", is_unsupported=True))
        if self._ended.done():
            return
        self._came_at = now
        if picture.is_part:
            place = self._timeline.last
        else:
            assert picture.timestamp is not None
            place = self._timeline.place(picture.timestamp)
            self._clock.picture_came(picture.timestamp, now)
            data, is_key = self._sets.complete(data, is_key=picture.is_key)
        if is_key:
            self._key_at = now
            self._is_key_wanted = False
            self._tell_format()
        self._on_unit(AccessUnit(data, place, is_key))

    def _tell_format(self) -> None:
        shape = self._sets.sequence
        current = StreamFormat(
            profile=self._sets.profile,
            width=shape.width if shape is not None else 0,
            height=shape.height if shape is not None else 0,
        )
        if current != self._format:
            self._format = current
            self._on_format(current)

    def _sound_packet_came(self, packet: RtpPacket, data: bytes) -> None:
        number = packet.sequence_number
        last, self._last_sound = self._last_sound, number
        # Sound that comes late is of no use any more; by more than that it is not late,
        # but counted anew.
        if last is not None and (last - number) & 0xFFFF < _LATE:
            self._last_sound = last
            return
        sound = self._sound
        place = self._clock.place_sound(packet.timestamp, time.monotonic())
        if sound is None or place is None or not data:
            return
        heard = av.Packet(data)
        heard.pts, heard.time_base = place, Fraction(1, CLOCK_RATE)
        for codec, frame in self._coder.push(
            cast("av.Packet[AudioStream]", heard), sound.codecs
        ):
            sound.take(codec, frame)

    def _ask(self, now: float) -> None:
        """Ask for a key picture if there is a reason, and not too often."""
        if self._is_key_wanted and now - self._key_at < _LEAST_KEY_INTERVAL:
            self._is_key_wanted = False
        since = now - self._asked_at
        is_old = min(now - self._key_at, since) >= _KEY_INTERVAL
        is_wanted = self._is_key_wanted or self._buffer.is_broken
        if is_old or (is_wanted and since >= _LEAST_KEY_INTERVAL):
            self._asked_at = now
            self._start(self._connection.request_key_frame())

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work, name="kinesis_webrtc camera view")
        self._tasks.add(task)
        task.add_done_callback(self._finished)

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            # A candidate that the camera does not want is no reason to leave.
            task.exception()


def _coder(timeline: Timeline) -> SoundCoder:
    decoder: Any = av.CodecContext.create("libopus", "r")
    decoder.sample_rate = SOUND_RATE
    decoder.layout = "stereo"
    return SoundCoder(cast(AudioStream, _OpusStream(decoder)), timeline.locate)
