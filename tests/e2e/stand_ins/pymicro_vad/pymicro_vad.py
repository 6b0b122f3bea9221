"""Stand-in for the voice activity detector of the same name."""


class MicroVad:
    """A detector that hears nothing."""

    def Process10ms(self, audio: bytes) -> float:
        """Return the probability of speech."""
        return 0.0
