"""Makes clips with sound, and tells what is heard."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np

FLASH_SECONDS = 0.08


def make_sound_clip(
    path: Path,
    *,
    codec: str = "aac",
    rate: int = 48_000,
    layout: str = "mono",
    pitch: float = 440.0,
    seconds: float = 4.0,
    beeps: bool = False,
    gap: tuple[float, float] | None = None,
    gop: int = 25,
    options: dict[str, str] | None = None,
) -> Path:
    """Write a clip with a tone; its container follows from the path's suffix.

    `beeps`: the tone is heard only in the first moment of each second, when the picture
    is white; else that is black. `gap`: between these seconds there are no samples.
    """
    fps = 25
    step = rate // fps
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=fps)
        video.width, video.height, video.pix_fmt = 320, 240, "yuv420p"
        video.gop_size = gop
        video.profile = "Baseline"
        video.options = {
            "preset": "ultrafast",
            "tune": "zerolatency",
            "x264-params": f"scenecut=0:keyint={gop}:min-keyint={gop}:sliced-threads=0",
        }
        audio = container.add_stream(codec, rate=rate, options=options or {})
        audio.layout = layout
        channels = audio.codec_context.layout.nb_channels
        for number in range(round(seconds * fps)):
            at = number / fps
            is_on = at % 1 < FLASH_SECONDS
            picture = np.full((240, 320, 3), 235 if is_on else 16, dtype=np.uint8)
            if not beeps:
                picture[:, : 4 + number * 4 % 300] = 128
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, fps)
            container.mux(video.encode(frame))
            if gap is not None and gap[0] <= at < gap[1]:
                continue
            times = (number * step + np.arange(step)) / rate
            wave = np.sin(2 * np.pi * pitch * times) * (is_on or not beeps)
            samples = np.repeat((wave * 16_000).astype(np.int16), channels)
            sound = av.AudioFrame.from_ndarray(
                samples.reshape(1, -1), format="s16", layout=layout
            )
            sound.sample_rate = rate
            sound.pts, sound.time_base = number * step, Fraction(1, rate)
            container.mux(audio.encode(sound))
        container.mux(video.encode(None))
        container.mux(audio.encode(None))
    return path


class Ear:
    """Decodes frames of Opus or G.711, in mono."""

    def __init__(self, codec: str = "opus") -> None:
        """Speak the codec, as in the SDP."""
        names = {"opus": "libopus", "PCMU": "pcm_mulaw", "PCMA": "pcm_alaw"}
        self.rate = 48_000 if codec == "opus" else 8_000
        self._decoder = av.CodecContext.create(names[codec], "r")
        self._decoder.sample_rate = self.rate
        self._decoder.layout = "mono"

    def hear(self, frame: bytes) -> np.ndarray:
        """Return the samples of a frame, between -1 and 1."""
        parts = []
        for decoded in self._decoder.decode(av.Packet(frame)):
            samples = decoded.to_ndarray()
            scale = 1.0 if samples.dtype.kind == "f" else 32_768.0
            if not decoded.format.is_planar:
                samples = samples.reshape(-1, decoded.layout.nb_channels).T
            parts.append(samples[0] / scale)
        return np.concatenate(parts) if parts else np.zeros(0)


def pitch_of(samples: np.ndarray, rate: int) -> float:
    """Return the strongest frequency, in Hz."""
    window = samples * np.hanning(len(samples))
    spectrum = np.abs(np.fft.rfft(window, 8 * len(samples)))
    return float(np.argmax(spectrum) * rate / (8 * len(samples)))


def loudness(samples: np.ndarray) -> float:
    """Return the root of the mean square; full scale is 1."""
    return float(np.sqrt(np.mean(np.square(samples)))) if len(samples) else 0.0
