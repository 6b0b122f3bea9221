"""Reads one stream, in a thread of its own."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
import logging
import threading
import time
from typing import Any, cast
from urllib.parse import urlsplit

import av
from av.audio.stream import AudioStream
from av.bitstream import BitStreamFilterContext
from av.container import InputContainer
import av.error
from av.video.codeccontext import VideoCodecContext
from av.video.stream import VideoStream

from .assembly import Assembler, Picture
from .cpu import CpuMeter
from .h264 import AccessUnit, ParameterSets, has_b_slice
from .orientation import Orientation
from .sound import SoundCoder, SoundSink
from .source import StreamUrl
from .timeline import CLOCK_RATE, Timeline
from .transcode import ArrivalClock, Transcoder, yield_to_others

_LOGGER = logging.getLogger(__name__)

# FFmpeg's parser holds each picture back until the next one begins. The time to analyse
# is in microseconds; the default of a second or more delays the first picture by as much,
# and so does counting the frames of a second. "nobuffer" must not be among them: it drops
# what probing has read, and with it the first key picture.
_UNPARSED = {"fflags": "noparse", "analyzeduration": "100000", "fpsprobesize": "0"}
# Filling in would give the fragments of a picture different times.
_UNPARSED_RTSP = _UNPARSED | {"fflags": "noparse+nofillin"}
_PARSED_RTSP = {"rtsp_flags": "prefer_tcp", "analyzeduration": "100000"}
_RTSP = ("rtsp", "rtsps")
_LIVE = (*_RTSP, "http", "https", "rtmp", "rtmps")
# Demuxers that know nothing of pictures.
_RAW_FORMATS = frozenset({"h264", "mpeg"})
# The flag of demuxers whose formats have no times, so that FFmpeg makes some up.
_UNTIMED = cast(int, av.format.Flags.no_timestamps.value)
_WALLCLOCK = "use_wallclock_as_timestamps"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How reading ended: by itself (no detail), or by what."""

    detail: str | None = None
    is_unsupported: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamFormat:
    """What is known of the video that viewers get."""

    profile: str | None
    width: int
    height: int
    transcoded_from: str | None = None
    """FFmpeg's name of the camera's codec, where that is not passed through."""


class _BPicturesError(Exception):
    """The stream has pictures that viewers would show out of order."""


class StreamReader:
    """Opens a stream and hands its access units on until told to stop."""

    def __init__(
        self,
        stream: StreamUrl,
        *,
        timeline: Timeline,
        on_format: Callable[[StreamFormat], None],
        on_unit: Callable[[AccessUnit], None],
        open_timeout: float,
        read_timeout: float,
        sound: SoundSink | None = None,
        cpu: CpuMeter | None = None,
    ) -> None:
        """Prepare; the callbacks are called in the thread that runs `run`.

        `sound` gets the camera's sound in the codecs that it asks for, in that thread.
        `cpu` is told what transcoding takes.
        """
        self._stream = stream
        self._timeline = timeline
        self._on_format = on_format
        self._on_unit = on_unit
        self._sound = sound
        self._cpu = cpu or CpuMeter()
        self._timeouts = open_timeout, read_timeout
        self._stopped = threading.Event()
        self._format: StreamFormat | None = None
        self._has_b_pictures = False
        self._is_damaged = False
        self._is_turned = stream.orientation is not Orientation.NONE
        scheme = urlsplit(stream.url).scheme
        self._is_rtsp = scheme in _RTSP
        self._is_live = scheme in _LIVE
        self._is_paced = False
        self._arrivals: ArrivalClock | None = None
        self._loops = 0
        self._pace: float | None = None

    def stop(self) -> None:
        """Have `run` return at its next picture or time-out."""
        self._stopped.set()

    def run(self) -> Outcome:
        """Read until the stream ends, fails, or is not wanted any more."""
        try:
            while not self._stopped.is_set():
                try:
                    with self._open() as container:
                        return self._read(container)
                except _BPicturesError:
                    self._has_b_pictures = True
            return Outcome()
        except (av.error.FFmpegError, OSError, ValueError) as err:
            # The text of these names the URL, which may hold a password.
            return Outcome(detail=type(err).__name__)

    def _open(self) -> InputContainer:
        url = self._stream.url
        is_local = urlsplit(url).scheme == "file" or "://" not in url
        options = dict(self._stream.options)
        self._is_paced = options.pop("re", "1" if is_local else "0") == "1"
        self._loops = int(options.pop("stream_loop", "0"))
        parsed: dict[str, str] = {}
        if self._is_rtsp:
            timeout = str(int(self._timeouts[1] * 1_000_000))
            parsed = _PARSED_RTSP | {"timeout": timeout}
        if self._is_live and not self._is_turned:
            unparsed = _UNPARSED_RTSP if self._is_rtsp else _UNPARSED
            container = av.open(
                url, options=parsed | unparsed | options, timeout=self._timeouts
            )
            is_fit = not (self._has_b_pictures or _needs_parser(container))
            if is_fit or self._stopped.is_set():
                return container
            container.close()
        return av.open(url, options=parsed | options, timeout=self._timeouts)

    def _read(self, container: InputContainer) -> Outcome:
        if not container.streams.video:
            return Outcome(detail="no_video_stream")
        stream = container.streams.video[0]
        context = _codec_context(stream)
        if context is None:
            return Outcome(detail="unknown_codec", is_unsupported=True)
        codec = context.name
        if self._is_live and container.format.flags & _UNTIMED:
            self._arrivals = ArrivalClock()
        passes = codec == "h264" and not (self._has_b_pictures or self._is_turned)
        if not passes:
            b_pictures = " with B pictures" if self._has_b_pictures else ""
            turned = ", to be turned" if self._is_turned else ""
            _LOGGER.debug(
                "The stream is %s%s%s: transcoding", codec, b_pictures, turned
            )
            yield_to_others()
        while not self._stopped.is_set():
            self._timeline.restart()
            if passes:
                self._read_once(container, stream)
            else:
                with self._cpu.measuring():
                    self._transcode_once(container, stream, codec)
            if self._loops == 0:
                break
            self._loops -= 1
            container.seek(0)
        return Outcome()

    def _read_once(self, container: InputContainer, stream: VideoStream) -> None:
        extradata = stream.codec_context.extradata or b""
        # The first byte of an avcC box is 1 (ISO/IEC 14496-15), that of Annex B 0.
        is_boxed = extradata[:1] == b"\x01"
        sets = ParameterSets(b"" if is_boxed else extradata)
        pictures = (
            _unboxed(self._packets(container, stream), stream)
            if is_boxed
            else self._assembled(container, stream, extradata)
        )
        for picture in pictures:
            if picture.is_part:
                place = self._timeline.last
            else:
                place = self._timeline.place(picture.timestamp)
            if self._is_paced:
                self._wait_until(place)
            if self._stopped.is_set():
                return
            data, is_key = picture.data, False
            if has_b_slice(data):
                raise _BPicturesError
            if not picture.is_part:
                data, is_key = sets.complete(data, is_key=picture.is_key)
            if self._is_damaged and not is_key:
                continue
            self._is_damaged = False
            if is_key:
                # Unlike the demuxer's word, the set's is known unparsed, and never old.
                shape = sets.sequence or stream.codec_context
                self._tell_format(sets.profile, shape.width, shape.height)
            self._on_unit(AccessUnit(data, place, is_key))

    def _assembled(
        self, container: InputContainer, stream: VideoStream, extradata: bytes
    ) -> Iterator[Picture]:
        arrivals = self._arrivals
        assembler = Assembler(
            fragments=self._is_rtsp,
            # The time of day is that of each piece, not of its picture.
            timestamps=not arrivals
            and self._stream.options.get(_WALLCLOCK, "0") == "0",
            extradata=extradata,
        )
        for packet in self._packets(container, stream):
            if self._stopped.is_set():
                return
            if packet.is_corrupt:
                # A demuxer that counts, as that of MPEG-TS does, has missed some of it.
                yield from assembler.flush()
                self._is_damaged = True
            elif packet.size:
                came = arrivals.read() if arrivals else _timestamp(packet, stream)
                yield from assembler.push(bytes(packet), came)
        yield from assembler.flush()

    def _transcode_once(
        self, container: InputContainer, stream: VideoStream, codec: str
    ) -> None:
        transcoder = Transcoder(
            stream,
            orientation=self._stream.orientation,
            clock=self._arrivals,
            timeout=self._timeouts[1],
        )
        sets = ParameterSets()
        for packet in self._packets(container, stream):
            self._cpu.lap()
            for picture in transcoder.push(packet):
                place = self._timeline.place(picture.timestamp)
                if self._is_paced:
                    self._wait_until(place)
                if self._stopped.is_set():
                    return
                data, is_key = sets.complete(picture.data, is_key=picture.is_key)
                if is_key:
                    width, height = transcoder.size
                    self._tell_format(sets.profile, width, height, codec)
                self._on_unit(AccessUnit(data, place, is_key))

    def _packets(
        self, container: InputContainer, stream: VideoStream
    ) -> Iterator[av.Packet[VideoStream]]:
        """Yield the packets of the video; those of the sound are taken on the way.

        All are looked at: where only others come any more, as sound or the metadata of
        ONVIF, no time-out of FFmpeg's ends the waiting, nor does being told to stop.
        """
        sound = self._sound
        audio = container.streams.audio[0] if container.streams.audio else None
        coder = None
        if sound is not None and audio is not None and cast(Any, audio).codec_context:
            coder = SoundCoder(audio, self._timeline.locate)
        seen = time.monotonic()
        for packet in container.demux():
            if self._stopped.is_set():
                return
            if packet.stream_index == stream.index:
                yield cast("av.Packet[VideoStream]", packet)
                seen = time.monotonic()
                continue
            if time.monotonic() - seen > self._timeouts[1]:
                raise TimeoutError
            if not (coder and sound and audio) or packet.stream_index != audio.index:
                continue
            if packet.size:
                heard = cast("av.Packet[AudioStream]", packet)
                for codec, frame in coder.push(heard, sound.codecs):
                    sound.take(codec, frame)

    def _wait_until(self, place: int) -> None:
        now = time.monotonic()
        if self._pace is None:
            self._pace = now - place / CLOCK_RATE
        self._stopped.wait(max(0.0, self._pace + place / CLOCK_RATE - now))

    def _tell_format(
        self,
        profile: str | None,
        width: int,
        height: int,
        transcoded_from: str | None = None,
    ) -> None:
        current = StreamFormat(
            profile=profile,
            width=width,
            height=height,
            transcoded_from=transcoded_from,
        )
        if current != self._format:
            self._format = current
            self._on_format(current)


def _needs_parser(container: InputContainer) -> bool:
    if not container.streams.video:
        return False
    context = _codec_context(container.streams.video[0])
    return container.format.name in _RAW_FORMATS or (
        context is not None and context.name != "h264"
    )


def _codec_context(stream: VideoStream) -> VideoCodecContext | None:
    # PyAV's types do not say that there is none where FFmpeg has no decoder.
    return cast(VideoCodecContext | None, stream.codec_context)


def _unboxed(
    packets: Iterator[av.Packet[VideoStream]], stream: VideoStream
) -> Iterator[Picture]:
    """Yield pictures of containers that have each in a packet, as Annex B."""
    convert = BitStreamFilterContext("h264_mp4toannexb", stream)
    for packet in packets:
        for part in convert.filter(packet):
            if part.size:
                timestamp = _timestamp(part, stream)
                yield Picture(bytes(part), timestamp, part.is_keyframe, is_part=False)


def _timestamp(packet: av.Packet[VideoStream], stream: VideoStream) -> int | None:
    # Decoding order never goes back, which is what RTP receivers count on.
    value = packet.dts if packet.dts is not None else packet.pts
    if value is None or stream.time_base is None:
        return None
    base = stream.time_base
    return value * base.numerator * CLOCK_RATE // base.denominator
