"""Audio for viewers of a camera without audio: a frame of 20 ms in each codec."""

# One frame of 20 ms: CELT, full band, mono, and nothing in it (RFC 6716 section 3.1).
_OPUS_SILENCE = bytes.fromhex("f8fffe")
FRAMES = {
    "opus": (48000, _OPUS_SILENCE),
    # The code words of zero in ITU-T G.711.
    "PCMU": (8000, b"\xff" * 160),
    "PCMA": (8000, b"\xd5" * 160),
}
