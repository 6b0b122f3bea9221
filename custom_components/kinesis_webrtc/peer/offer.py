"""What comes in: an offer is made fit for aiortc, or refused with a reason.

aiortc fails on much that is legal (an m-line without a common codec, H.264
without fmtp, blanks at a line's end) and accepts what fails later. So it never
sees an offer: it sees a text written here, out of what was understood.
"""

from dataclasses import dataclass, field

from .candidates import (
    DEFAULT_RULES,
    AddressRules,
    RemoteCandidate,
    parse_candidate,
)
from .codecs import AIORTC_PAYLOAD_TYPES, Codec, has_only_h264
from .media import Media, find_audio, find_video, read_video
from .refusal import OfferRefused, RefusalReason
from .sdp import Attributes, Description, parse
from .transport import Transport

__all__ = ["Media", "Offer", "OfferRefused", "RefusalReason", "Rejected", "normalise"]


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

    is_echo: bool
    """Whether it has the shape of an Echo's, which takes small pictures alone: complete,
    and with H.264 only. Browsers and SDKs that do not trickle offer other codecs too."""

    has_end_of_candidates: bool
    is_bundled: bool
    """Whether the video is in a group, and so may be in one in the answer."""

    video: Media
    audio: Media | None
    rejected: tuple[Rejected, ...]
    candidates: tuple[RemoteCandidate, ...] = field(repr=False)
    ufrag: str = field(repr=False)
    payload_types: dict[int, int] = field(default_factory=dict)
    """Payload types that go to aiortc under another number."""

    @property
    def media(self) -> tuple[Media, ...]:
        """The answered sections in the offer's order."""
        return _in_order(self.video, self.audio)


def normalise(
    text: str,
    *,
    profile: str | None = None,
    rules: AddressRules = DEFAULT_RULES,
    may_talk: bool = False,
) -> Offer:
    """Read an offer as Echos, browsers and SDKs write it.

    `profile` is the camera's profile-level-id where it is known, `rules`
    say where checks may go, `may_talk` that the viewer's sound
    is wanted. Raises OfferRefused.
    """
    description = parse(text)
    index, section = find_video(description)
    video = read_video(index, section, profile)
    bundle = description.bundle_of(video.mid)
    audio = find_audio(description, bundle, video, may_talk=may_talk)
    transport = Transport.read(description, bundle, index)
    lines = _candidate_lines(description, bundle, index)
    trickle = _is_trickle(description, has_candidates=bool(lines))
    candidates = _read_candidates(lines, rules)
    if not candidates and not trickle:
        raise OfferRefused(RefusalReason.NO_UDP_CANDIDATE)
    payload_types = _rename([video] if audio is None else [video, audio])
    answered = {video.index} | ({audio.index} if audio is not None else set())
    return Offer(
        sdp=_write(_in_order(video, audio), transport, payload_types),
        trickle=trickle,
        is_echo=not trickle and has_only_h264(section),
        has_end_of_candidates=any(
            part.has("end-of-candidates") for part in _parts(description)
        ),
        is_bundled=description.has_bundle(video.mid),
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
    lines: list[str], rules: AddressRules
) -> tuple[RemoteCandidate, ...]:
    found: dict[tuple[str, int], RemoteCandidate] = {}
    for line in lines:
        candidate = parse_candidate(line, rules)
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
    medias: tuple[Media, ...], transport: Transport, payload_types: dict[int, int]
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
