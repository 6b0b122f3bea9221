"""What comes in: an offer is made fit for aiortc, or refused with a reason.

aiortc fails on much that is legal (an m-line without a common codec, H.264
without fmtp, blanks at a line's end) and accepts what fails later. So it never
sees an offer: it sees a text written here, out of what was understood.
"""

from dataclasses import dataclass, field
import re

from .candidates import RemoteCandidate, parse_candidate
from .codecs import AIORTC_PAYLOAD_TYPES, Codec, choose_audio, choose_video
from .refusal import OfferRefused, RefusalReason
from .sdp import Attributes, Description, Section, parse

__all__ = ["Media", "Offer", "OfferRefused", "RefusalReason", "Rejected", "normalise"]

_DIRECTIONS = ("sendrecv", "recvonly", "sendonly", "inactive")
_EXTENSIONS = (
    "urn:ietf:params:rtp-hdrext:sdes:mid",
    "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time",
)
_SETUPS = {"active": "active", "passive": "passive"}
_FINGERPRINT_LENGTHS = {"sha-256": 32, "sha-384": 48, "sha-512": 64}
_HEX_BYTES = re.compile(r"[0-9A-Fa-f]{2}(?::[0-9A-Fa-f]{2})*")
# RFC 8839 asks for 4 to 256 and 22 to 256 letters, digits, + and /; some send
# other characters, which do no harm.
_UFRAG = re.compile(r"[\x21-\x7e]{4,256}")
_PASSWORD = re.compile(r"[\x21-\x7e]{22,256}")
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

    @property
    def answer_direction(self) -> str:
        """What we send, never more than the offer takes (RFC 3264 section 6.1)."""
        return "sendonly" if self.direction in ("sendrecv", "recvonly") else "inactive"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejected:
    """A media section that is answered with port 0."""

    index: int
    kind: str
    mid: str | None
    profile: str
    formats: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """An offer that can be answered."""

    sdp: str = field(repr=False)
    """What aiortc is given."""

    trickle: bool
    """Whether candidates may follow the answer (RFC 8838)."""

    has_end_of_candidates: bool
    video: Media
    audio: Media | None
    rejected: tuple[Rejected, ...]
    candidates: tuple[RemoteCandidate, ...] = field(repr=False)
    ufrag: str = field(repr=False)
    payload_types: dict[int, int] = field(default_factory=dict)
    """Payload types that go to aiortc under another number."""

    @property
    def has_video(self) -> bool:
        """Always so: offers without video are refused."""
        return True

    @property
    def has_audio(self) -> bool:
        """Whether the offer has audio that can be answered."""
        return self.audio is not None

    @property
    def media(self) -> tuple[Media, ...]:
        """The answered sections in the offer's order."""
        return _in_order(self.video, self.audio)


def normalise(
    text: str, *, profile: str | None = None, loopback: bool = False
) -> Offer:
    """Read an offer as Echos, browsers and SDKs write it.

    `profile` is the camera's profile-level-id where it is known, `loopback`
    says that loopback candidates are within reach. Raises OfferRefused.
    """
    description = parse(text)
    index, section = _find_video(description)
    video = _read_video(index, section, profile)
    bundle = description.bundle_of(video.mid)
    audio = _find_audio(description, bundle, video)
    transport = _Transport.read(description, bundle, index)
    lines = _candidate_lines(description, bundle, index)
    trickle = _is_trickle(description, has_candidates=bool(lines))
    candidates = _read_candidates(lines, loopback=loopback)
    if not candidates and not trickle:
        raise OfferRefused(RefusalReason.NO_UDP_CANDIDATE)
    payload_types = _rename([video] if audio is None else [video, audio])
    answered = {video.index} | ({audio.index} if audio is not None else set())
    return Offer(
        sdp=_write(_in_order(video, audio), transport, payload_types),
        trickle=trickle,
        has_end_of_candidates=any(
            part.has("end-of-candidates") for part in _parts(description)
        ),
        video=video,
        audio=audio,
        rejected=tuple(
            Rejected(
                index=number,
                kind=other.kind,
                mid=other.mid,
                profile=other.profile,
                formats=tuple(other.formats),
            )
            for number, other in enumerate(description.sections)
            if number not in answered
        ),
        candidates=candidates,
        ufrag=transport.ufrag,
        payload_types=payload_types,
    )


@dataclass(frozen=True, slots=True)
class _Transport:
    ufrag: str
    password: str
    fingerprints: tuple[str, ...]
    setup: str
    is_lite: bool

    @classmethod
    def read(
        cls, description: Description, bundle: list[str], index: int
    ) -> _Transport:
        """Read what the bundled sections share.

        Each section may hold it, or the tagged one alone (RFC 8843 section 7.1),
        or the session for all.
        """
        parts: list[Attributes] = [
            description.sections[index],
            *(part for part in description.sections if part.mid in bundle),
            description.session,
        ]
        fingerprints = next(filter(None, map(_read_fingerprints, parts)), ())
        if not fingerprints:
            raise OfferRefused(RefusalReason.NO_FINGERPRINT)
        for part in parts:
            ufrag, password = part.value("ice-ufrag"), part.value("ice-pwd")
            if ufrag is not None and password is not None:
                break
        if not (
            ufrag
            and password
            and _UFRAG.fullmatch(ufrag)
            and _PASSWORD.fullmatch(password)
        ):
            raise OfferRefused(RefusalReason.NO_ICE_CREDENTIALS)
        setup = next(filter(None, (part.value("setup") for part in parts)), "")
        return cls(
            ufrag=ufrag,
            password=password,
            fingerprints=fingerprints,
            setup=_SETUPS.get(setup, "actpass"),
            is_lite=description.session.has("ice-lite"),
        )


def _find_video(description: Description) -> tuple[int, Section]:
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


def _read_video(index: int, section: Section, profile: str | None) -> Media:
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


def _find_audio(
    description: Description, bundle: list[str], video: Media
) -> Media | None:
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


def _parts(description: Description) -> list[Attributes]:
    return [description.session, *description.sections]


def _candidate_lines(
    description: Description, bundle: list[str], index: int
) -> list[str]:
    lines = list(description.session.values("candidate"))
    for number, section in enumerate(description.sections):
        if number == index or section.mid in bundle:
            lines += section.values("candidate")
    return list(dict.fromkeys(lines))


def _read_candidates(
    lines: list[str], *, loopback: bool
) -> tuple[RemoteCandidate, ...]:
    found: dict[tuple[str, int], RemoteCandidate] = {}
    for line in lines:
        candidate = parse_candidate(line, loopback=loopback)
        if candidate is not None:
            found.setdefault((candidate.address, candidate.port), candidate)
    return tuple(found.values())


def _is_trickle(description: Description, *, has_candidates: bool) -> bool:
    options = [
        option
        for part in _parts(description)
        for value in part.values("ice-options")
        for option in value.split()
    ]
    if "trickle" in options:
        return True
    # Browsers and the SDKs that follow them write this line, an Echo does not.
    return not has_candidates and description.session.has("msid-semantic")


def _read_fingerprints(part: Attributes) -> tuple[str, ...]:
    fingerprints = []
    for value in part.values("fingerprint"):
        algorithm, _, digest = value.partition(" ")
        digest = digest.strip()
        length = _FINGERPRINT_LENGTHS.get(algorithm.lower())
        if length and len(digest) == 3 * length - 1 and _HEX_BYTES.fullmatch(digest):
            fingerprints.append(f"{algorithm.lower()} {digest.upper()}")
    return tuple(dict.fromkeys(fingerprints))


def _rename(medias: list[Media]) -> dict[int, int]:
    """Give payload types that aiortc would overwrite a number that it leaves."""
    used = [number for media in medias for number in media.codec.payload_types]
    free = iter(n for n in AIORTC_PAYLOAD_TYPES if n not in used)
    return {
        number: next(free)
        for media in medias
        for number in media.codec.payload_types
        if number not in AIORTC_PAYLOAD_TYPES
        and media.codec.name not in ("PCMU", "PCMA")
    }


def _in_order(video: Media, audio: Media | None) -> tuple[Media, ...]:
    both = [video] if audio is None else [video, audio]
    return tuple(sorted(both, key=lambda media: media.index))


def _write(
    medias: tuple[Media, ...], transport: _Transport, payload_types: dict[int, int]
) -> str:
    lines = ["v=0", "o=- 0 0 IN IP4 0.0.0.0", "s=-", "t=0 0"]
    if transport.is_lite:
        lines.append("a=ice-lite")
    lines.append("a=group:BUNDLE " + " ".join(media.mid for media in medias))
    for media in medias:
        numbers = [payload_types.get(n, n) for n in media.codec.payload_types]
        lines += [
            f"m={media.kind} 9 UDP/TLS/RTP/SAVPF {' '.join(map(str, numbers))}",
            "c=IN IP4 0.0.0.0",
            f"a=mid:{media.mid}",
            f"a={media.direction}",
            *(f"a=extmap:{number} {uri}" for number, uri in media.extensions),
            *_for_aiortc(media.codec).lines(payload_types),
            "a=rtcp-mux",
            f"a=ice-ufrag:{transport.ufrag}",
            f"a=ice-pwd:{transport.password}",
            *(f"a=fingerprint:{value}" for value in transport.fingerprints),
            f"a=setup:{transport.setup}",
        ]
    return "\r\n".join(lines) + "\r\n"


def _for_aiortc(codec: Codec) -> Codec:
    """Name the one profile that aiortc knows: it sends bytes, whatever they are."""
    if codec.name != "H264":
        return codec
    return Codec(
        name=codec.name,
        clock=codec.clock,
        payload_type=codec.payload_type,
        fmtp="level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f",
        feedback=codec.feedback,
        rtx=codec.rtx,
    )
