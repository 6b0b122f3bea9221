"""The media sections of an offer that are answered (RFC 8829 section 5.3.1)."""

from dataclasses import dataclass
import re

from .codecs import Codec, choose_audio, choose_video
from .refusal import OfferRefused, RefusalReason
from .sdp import Description, Section

_DIRECTIONS = ("sendrecv", "recvonly", "sendonly", "inactive")
_EXTENSIONS = (
    "urn:ietf:params:rtp-hdrext:sdes:mid",
    "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time",
)
_TOKEN = re.compile(r"[\x21-\x7e]{1,64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Media:
    """A media section that is answered."""

    index: int
    kind: str
    mid: str
    profile: str
    direction: str
    codec: Codec
    extensions: tuple[tuple[int, str], ...]
    may_talk: bool = False
    """Whether what the viewer sends is wanted."""

    @property
    def is_heard(self) -> bool:
        """Whether what the viewer sends is taken."""
        return self.may_talk and self.direction in ("sendrecv", "sendonly")

    @property
    def answer_direction(self) -> str:
        """What we do, never more than the offer takes (RFC 3264 section 6.1)."""
        if self.direction in ("sendrecv", "recvonly"):
            return "sendrecv" if self.is_heard else "sendonly"
        return "recvonly" if self.is_heard else "inactive"


def find_video(description: Description) -> tuple[int, Section]:
    """Return the video section to answer, with its index; raises OfferRefused."""
    videos = [
        (index, section)
        for index, section in enumerate(description.sections)
        if section.kind == "video" and not section.is_rejected
    ]
    if not videos:
        raise OfferRefused(RefusalReason.NO_VIDEO)
    for index, section in videos:
        if choose_video(section, None) is not None:
            return index, section
    return videos[0]


def read_video(index: int, section: Section, profile: str | None) -> Media:
    """Return a video section as it is answered; raises OfferRefused."""
    if "SAVP" not in section.profile:
        raise OfferRefused(RefusalReason.NOT_ENCRYPTED)
    direction = _direction(section)
    if direction not in ("sendrecv", "recvonly"):
        raise OfferRefused(RefusalReason.VIDEO_NOT_WANTED)
    codec = choose_video(section, profile)
    if codec is None:
        raise OfferRefused(RefusalReason.NO_H264)
    mid = section.mid
    if mid is None or not _TOKEN.fullmatch(mid):
        raise OfferRefused(RefusalReason.NO_MID)
    return Media(
        index=index,
        kind="video",
        mid=mid,
        profile=section.profile,
        direction=direction,
        codec=codec,
        extensions=_extensions(section),
    )


def find_audio(
    description: Description, bundle: list[str], video: Media, *, may_talk: bool
) -> Media | None:
    """Return the audio section that can be answered beside the video, if any."""
    for index, section in enumerate(description.sections):
        mid = section.mid
        if (
            section.kind != "audio"
            or section.is_rejected
            or "SAVP" not in section.profile
            or mid is None
            or mid not in bundle
            or mid == video.mid
            or not _TOKEN.fullmatch(mid)
        ):
            continue
        if (codec := choose_audio(section)) is not None:
            return Media(
                index=index,
                kind="audio",
                mid=mid,
                profile=section.profile,
                direction=_direction(section),
                codec=codec,
                extensions=_extensions(section),
                may_talk=may_talk,
            )
    return None


def _direction(section: Section) -> str:
    return next((name for name in _DIRECTIONS if section.has(name)), "sendrecv")


def _extensions(section: Section) -> tuple[tuple[int, str], ...]:
    extensions: dict[int, str] = {}
    for value in section.values("extmap"):
        number, _, rest = value.partition(" ")
        number = number.partition("/")[0]
        uri = rest.split()[0] if rest.split() else ""
        # Higher numbers need the two-byte form (RFC 8285 section 4.3).
        is_short = number.isascii() and number.isdigit() and 1 <= int(number[:4]) <= 14
        if is_short and uri in _EXTENSIONS and uri not in extensions.values():
            extensions[int(number)] = uri
    return tuple(extensions.items())
