"""A camera's sound as frames of 20 ms, for each codec once however many listen."""

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
import logging
from typing import Any, Final, Protocol

import av
from av.audio.stream import AudioStream
import av.error

_LOGGER = logging.getLogger(__name__)

CLOCK_RATE: Final = 90_000
RATES: Final = {"opus": 48_000, "PCMU": 8_000, "PCMA": 8_000}
"""Samples a second of each codec, which is also its RTP clock's rate."""

FRAMES_PER_SECOND: Final = 50

_ENCODERS: Final = {"opus": "libopus", "PCMU": "pcm_mulaw", "PCMA": "pcm_alaw"}
# In bit/s, for each channel.
_BITRATE: Final = 32_000
# In seconds: how far sound may be off its timestamps on average, and at once.
_TOLERANCE: Final = 0.02
_GAP: Final = 0.2
# Over how many packets it is averaged: jitter alone moves nothing.
_AVERAGED: Final = 16
# RFC 6716 section 3.1: frames of so many samples at 48 kHz, by configuration.
_SILK, _HYBRID, _CELT = (480, 960, 1920, 2880), (480, 960), (120, 240, 480, 960)
_OPUS_SIZES: Final = 3 * _SILK + 2 * _HYBRID + 4 * _CELT


@dataclass(frozen=True, slots=True)
class SoundFrame:
    """20 ms of sound, encoded."""

    data: bytes = field(repr=False)
    timestamp: int
    """On the feed's timeline, in samples of the codec's own rate."""


class SoundSink(Protocol):
    """Who takes the sound, in the thread that reads it."""

    @property
    def codecs(self) -> frozenset[str]:
        """The codecs that are listened to, as in `RATES`; it may change at any time."""

    def take(self, codec: str, frame: SoundFrame, /) -> None:
        """Take the next frame."""


class SoundCoder:
    """Makes frames of one stream's packets; for one thread."""

    def __init__(
        self, stream: AudioStream, locate: Callable[[int], int | None]
    ) -> None:
        """Prepare; `locate` places the stream's time on the feed's, both in 1/90000 s."""
        self._stream = stream
        self._decoder = stream.codec_context
        self._locate = locate
        self._passes = self._decoder.name in ("opus", "libopus")
        self._shape: tuple[str, str, int] | None = None
        self._lanes: dict[str, _Lane] = {}
        self._passing: _Labels | None = None
        self._end: int | None = None

    def push(
        self, packet: av.Packet[AudioStream], codecs: Collection[str]
    ) -> Iterator[tuple[str, SoundFrame]]:
        """Take a packet, yield the frames that it completes, each with its codec.

        What cannot be decoded is left out, as is what the pictures have no place for.
        """
        if not codecs or (place := self._place(packet)) is None:
            self._forget()
            return
        wanted = set(codecs)
        if self._passes and "opus" in wanted:
            data = bytes(packet)
            self._passes = opus_samples(data) == RATES["opus"] // FRAMES_PER_SECOND
            if self._passes:
                wanted.remove("opus")
                self._end = place + CLOCK_RATE // FRAMES_PER_SECOND
                if (timestamp := self._label(place)) is not None:
                    yield "opus", SoundFrame(data, timestamp)
        for gone in self._lanes.keys() - wanted:
            del self._lanes[gone]
        if not wanted:
            return
        try:
            yield from self._transcode(packet, place, wanted)
        except (av.error.FFmpegError, ValueError) as err:
            _LOGGER.debug("Sound could not be taken: %s", type(err).__name__)
            self._lanes.clear()

    def _transcode(
        self, packet: av.Packet[AudioStream], place: int, wanted: Collection[str]
    ) -> Iterator[tuple[str, SoundFrame]]:
        for frame in self._decoder.decode(packet):
            shape = frame.format.name, frame.layout.name, frame.sample_rate
            if shape != self._shape:
                self._shape = shape
                self._lanes.clear()
            frame.pts = None
            for codec in sorted(wanted):
                if codec not in self._lanes:
                    channels = min(frame.layout.nb_channels, 2)
                    self._lanes[codec] = _Lane(codec, channels)
                for made in self._lanes[codec].push(frame, place):
                    yield codec, made
            place += frame.samples * CLOCK_RATE // frame.sample_rate
            self._end = place

    def _place(self, packet: av.Packet[AudioStream]) -> int | None:
        value = packet.pts if packet.pts is not None else packet.dts
        base = packet.time_base or self._stream.time_base
        if value is None or base is None:
            # Of several frames in a packet of RTP, FFmpeg times the first.
            return self._end
        return self._locate(value * base.numerator * CLOCK_RATE // base.denominator)

    def _label(self, place: int) -> int | None:
        samples = RATES["opus"] // FRAMES_PER_SECOND
        if self._passing is None:
            self._passing = _Labels(RATES["opus"])
        labels = self._passing
        labels.check(place, 0)
        return None if labels.leave_out(samples) else labels.take(samples)

    def _forget(self) -> None:
        self._lanes.clear()
        self._passing = None
        self._end = None


class _Labels:
    """The timestamps of frames that follow each other without a gap or an overlap.

    They go by the number of samples, and are brought back to the camera's timestamps
    when they stray: forwards by a gap, backwards by samples that are left out.
    """

    def __init__(self, rate: int) -> None:
        """Begin where the first samples are."""
        self._rate = rate
        self._next: int | None = None
        self._stray = 0.0
        self.excess = 0
        """How many samples are to be left out."""

    def check(self, place: int, waiting: int) -> None:
        """Compare with the place of what comes now, after so many samples that wait."""
        at = place * self._rate // CLOCK_RATE
        if self._next is None:
            self._next = at - waiting
        if self.excess:
            return
        difference = at - self._next - waiting
        if abs(difference) < _GAP * self._rate:
            self._stray += (difference - self._stray) / _AVERAGED
            if abs(self._stray) <= _TOLERANCE * self._rate:
                return
            difference = round(self._stray)
        self._stray = 0.0
        if difference > 0:
            self._next += difference
        else:
            self.excess = -difference

    def leave_out(self, samples: int) -> bool:
        """Tell whether so many samples, which cannot be cut, are too much."""
        if self.excess < samples:
            self.excess = 0
            return False
        self.excess -= samples
        return True

    def take(self, samples: int) -> int:
        """Return the timestamp of the next so many samples."""
        assert self._next is not None
        timestamp = self._next
        self._next += samples
        return timestamp


class _Lane:
    """Decoded sound to frames of one codec."""

    def __init__(self, codec: str, channels: int) -> None:
        rate = RATES[codec]
        layout = "stereo" if codec == "opus" and channels == 2 else "mono"
        self._samples = rate // FRAMES_PER_SECOND
        self._base = Fraction(1, rate)
        # What decoders rarely give: the resampler would hand the same frame on, with a
        # layout that may have no name.
        kind = "flt" if codec == "opus" else "s16"
        self._resampler = av.AudioResampler(format=kind, layout=layout, rate=rate)
        self._fifo = av.AudioFifo()
        self._labels = _Labels(rate)
        encoder: Any = av.CodecContext.create(_ENCODERS[codec], "w")
        encoder.sample_rate = rate
        encoder.layout = layout
        encoder.format = kind
        encoder.time_base = self._base
        if codec == "opus":
            encoder.bit_rate = _BITRATE * (2 if layout == "stereo" else 1)
            encoder.options = {"application": "lowdelay", "frame_duration": "20"}
        self._encoder = encoder

    def push(self, frame: av.AudioFrame, place: int) -> Iterator[SoundFrame]:
        labels, fifo = self._labels, self._fifo
        labels.check(place, fifo.samples)
        for part in self._resampler.resample(frame):
            part.pts = None
            fifo.write(part)
        if skipped := min(labels.excess, fifo.samples):
            fifo.read(skipped)
            labels.excess -= skipped
        while (ready := fifo.read(self._samples)) is not None:
            ready.pts = timestamp = labels.take(self._samples)
            ready.time_base = self._base
            for packet in self._encoder.encode(ready):
                yield SoundFrame(bytes(packet), timestamp)


def opus_samples(packet: bytes) -> int:
    """Return how many samples at 48 kHz a packet of Opus is (RFC 6716 section 3)."""
    if not packet:
        return 0
    size, code = _OPUS_SIZES[packet[0] >> 3], packet[0] & 3
    if code < 3:
        return size * (1 if code == 0 else 2)
    return size * (packet[1] & 63) if len(packet) > 1 else 0
