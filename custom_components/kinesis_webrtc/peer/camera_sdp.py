"""What a camera that speaks WebRTC is offered, and what its answer comes to.

aiortc takes fewer answers than browsers do: it knows the Baseline profiles of H.264
alone, wants the transport's particulars in each section, and one of its codecs also in
those that were rejected. Pictures of any profile pass through here undecoded.
"""

import base64
from dataclasses import dataclass, field
import re
from typing import Final

from .candidates import AddressRules, parse_candidate
from .receiving import AnswerUnusableError
from .refusal import OfferRefused
from .sdp import Attributes, Description, Section, parse

# Beside those that aiortc offers by itself: Main, High and Constrained High, which
# browsers offer as well.
_PROFILES: Final = {120: "4d001f", 121: "64001f", 122: "640c1f"}
_FORMAT: Final = "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id="
_BASELINE: Final = "42e01f"
_FEEDBACK: Final = ("nack", "nack pli")
_RTPMAP: Final = re.compile(r"(\d+)\s+([^/\s]+)/")
_HASHES: Final = ("sha-256 ", "sha-384 ", "sha-512 ")
# The codec of each kind, as it is offered, and a payload type where none was agreed on.
_CODECS: Final = {"audio": ("opus/48000/2", 96), "video": ("H264/90000", 99)}
# A camera is the user's own, and may well be a program on this machine.
CAMERA_RULES: Final = AddressRules(loopback=True, names=True)
_START: Final = b"\x00\x00\x00\x01"


@dataclass(frozen=True, slots=True, kw_only=True)
class CameraAnswer:
    """An answer as aiortc takes it, and what else is in it."""

    sdp: str = field(repr=False)
    has_video: bool
    """Whether the camera will send H.264."""

    parameter_sets: bytes = field(repr=False)
    """In Annex B form: those that the camera may not send with its pictures."""


def widen_offer(offer: str) -> str:
    """Add the profiles of H.264 that only a decoder would mind."""
    lines: list[str] = []
    is_video = False
    for line in offer.splitlines():
        if is_video and line.startswith("m="):
            lines += _profile_lines()
        if line.startswith("m="):
            is_video = line.startswith("m=video ")
        extra = "".join(f" {number}" for number in _PROFILES)
        lines.append(line + extra if line.startswith("m=video ") else line)
    if is_video:
        lines += _profile_lines()
    return "".join(f"{line}\r\n" for line in lines)


def _profile_lines() -> list[str]:
    lines = []
    for number, profile in _PROFILES.items():
        lines.append(f"a=rtpmap:{number} {_CODECS['video'][0]}")
        lines += (f"a=rtcp-fb:{number} {feedback}" for feedback in _FEEDBACK)
        lines.append(f"a=fmtp:{number} {_FORMAT}{profile}")
    return lines


def fit_answer(answer: str) -> CameraAnswer:
    """Return the answer in a form that aiortc takes. Raises AnswerUnusableError."""
    try:
        description = parse(answer)
    except OfferRefused as err:
        raise AnswerUnusableError(str(err.reason)) from None
    sections = description.sections
    video = next((each for each in sections if each.kind == "video"), None)
    if video is None:
        raise AnswerUnusableError("no_video_section")
    transport = _transport(description, video)
    lines = ["v=0", "o=- 0 0 IN IP4 0.0.0.0", "s=-", "t=0 0"]
    if description.session.has("ice-lite"):
        lines.append("a=ice-lite")
    lines.append(" ".join(["a=group:BUNDLE", *map(str, range(len(sections)))]))
    for index, section in enumerate(sections):
        if section.kind == "application":
            lines += _application(section)
        else:
            lines += _media(section, is_usable=_shares(description, video, section))
        lines += (f"a=mid:{index}", *transport)
    return CameraAnswer(
        sdp="".join(f"{line}\r\n" for line in lines),
        has_video=_agreed(video) is not None and _is_sending(video),
        parameter_sets=_parameter_sets(video),
    )


def _shares(description: Description, video: Section, section: Section) -> bool:
    """Tell whether a section has the transport of the pictures."""
    if section is video or section.mid is None or video.mid is None:
        return True
    return section.mid in description.bundle_of(video.mid)


def _transport(description: Description, video: Section) -> list[str]:
    """Return what there is to know of the one transport, from wherever it stands."""
    bundle = description.bundle_of(video.mid or "")
    places: list[Attributes] = [video]
    places += (each for each in description.sections if each.mid in bundle)
    places.append(description.session)
    lines = []
    for name in ("ice-ufrag", "ice-pwd"):
        value = next(filter(None, (place.value(name) for place in places)), None)
        if value is None:
            raise AnswerUnusableError("no_ice")
        lines.append(f"a={name}:{value}")
    prints = next(filter(None, map(_fingerprints, places)), None)
    if prints is None:
        raise AnswerUnusableError("no_fingerprint")
    lines += prints
    setup = next(filter(None, (place.value("setup") for place in places)), None)
    lines.append(f"a=setup:{setup or 'active'}")
    candidates = dict.fromkeys(
        value
        for section in description.sections
        for value in section.values("candidate")
        if parse_candidate(value, CAMERA_RULES) is not None
    )
    return [*lines, *(f"a=candidate:{value}" for value in candidates)]


def _fingerprints(place: Attributes) -> list[str]:
    return [
        f"a=fingerprint:{value}"
        for value in place.values("fingerprint")
        if value.lower().startswith(_HASHES)
    ]


def _application(section: Section) -> list[str]:
    return [
        "m=application 9 UDP/DTLS/SCTP webrtc-datachannel",
        "c=IN IP4 0.0.0.0",
        f"a=sctp-port:{section.value('sctp-port') or 5000}",
    ]


def _media(section: Section, *, is_usable: bool) -> list[str]:
    codec, stand_in = _CODECS.get(section.kind, _CODECS["audio"])
    agreed = _agreed(section) if is_usable else None
    number = stand_in if agreed is None else agreed
    is_sending = agreed is not None and _is_sending(section)
    lines = [
        f"m={section.kind} 9 UDP/TLS/RTP/SAVPF {number}",
        "c=IN IP4 0.0.0.0",
        "a=rtcp-mux",
        "a=sendonly" if is_sending else "a=inactive",
        f"a=rtpmap:{number} {codec}",
    ]
    if section.kind == "video":
        lines.append(f"a=fmtp:{number} {_FORMAT}{_BASELINE}")
        lines += (f"a=rtcp-fb:{number} {feedback}" for feedback in _FEEDBACK)
    if is_sending:
        lines += (f"a=extmap:{value}" for value in section.values("extmap"))
        lines += (f"a=ssrc:{value}" for value in section.values("ssrc"))
    return lines


def _is_sending(section: Section) -> bool:
    return not any(map(section.has, ("recvonly", "inactive")))


def _agreed(section: Section) -> int | None:
    """Return the payload type of the codec that was offered, if it was taken."""
    if section.is_rejected or section.kind not in _CODECS:
        return None
    wanted = _CODECS[section.kind][0].partition("/")[0].lower()
    names = {}
    for value in section.values("rtpmap"):
        if (match := _RTPMAP.match(value)) is not None:
            names[match[1]] = match[2].lower()
    return next(
        (int(each) for each in section.formats if names.get(each) == wanted), None
    )


def _parameter_sets(video: Section) -> bytes:
    """Return what `sprop-parameter-sets` says (RFC 6184 section 8.1)."""
    number = _agreed(video)
    for value in video.values("fmtp"):
        which, _, parameters = value.partition(" ")
        if which != str(number):
            continue
        for parameter in parameters.split(";"):
            name, _, sets = parameter.strip().partition("=")
            if name.lower() == "sprop-parameter-sets":
                return _decoded(sets)
    return b""


def _decoded(sets: str) -> bytes:
    try:
        units = [base64.b64decode(each, validate=True) for each in sets.split(",")]
    except ValueError:
        return b""
    return b"".join(_START + unit for unit in units if unit)
