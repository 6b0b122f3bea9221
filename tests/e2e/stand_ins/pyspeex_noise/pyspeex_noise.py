"""Stand-in for the noise suppression of the same name."""

from types import SimpleNamespace


class AudioProcessor:
    """A processor that leaves audio as it is."""

    def __init__(self, auto_gain: float, noise_suppression: float) -> None:
        """Take what the real one takes."""

    def Process10ms(self, audio: bytes) -> SimpleNamespace:
        """Return the audio."""
        return SimpleNamespace(audio=audio)
