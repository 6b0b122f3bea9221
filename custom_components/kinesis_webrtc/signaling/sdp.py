"""Session descriptions on their way to a master and back (RFC 8866)."""

from collections.abc import Iterator
import re

from .errors import PayloadTooLargeError
from .messages import encode_payload

_LINE_END = re.compile(r"\r\n|\n|\r")
# An attribute's name is a token. What Home Assistant's frontend appends of candidates
# that it gathered early, a=[object RTCIceCandidate], has none.
_PARSABLE = re.compile(r"[b-z]=.*|a=[!#-'*+\-.0-9A-Z^-~]+(:.*)?")
_ORIGIN = re.compile(r"o=\S+ \S+ \S+ IN IP[46] \S+")
_DIRECTIONS = frozenset({"a=sendrecv", "a=sendonly", "a=recvonly", "a=inactive"})
_NUMBERED = re.compile(r"a=(?:rtpmap|fmtp|rtcp-fb):(\d+)\s")
# What the SDKs of AWS, and devices made with them, encode:
# https://github.com/awslabs/amazon-kinesis-video-streams-webrtc-sdk-c
_SPOKEN = frozenset({"h264", "h265", "vp8", "opus", "pcmu", "pcma"})
# RFC 3551, table 4: these need no rtpmap.
_STATIC = {"0": "pcmu", "8": "pcma"}


def is_trickled(offer: str) -> bool:
    """Return whether candidates follow an offer, or more of them than it holds.

    Those of an Echo are all in its offer, and it says nothing of trickling
    (RFC 8838 section 4.1).
    """
    lines = _lines(offer)
    return _has_trickle(lines) or not _has_candidates(lines)


def is_complete(answer: str) -> bool:
    """Return whether no candidate follows an answer."""
    lines = _lines(answer)
    return "a=end-of-candidates" in lines or (
        _has_candidates(lines) and not _has_trickle(lines)
    )


def connection_of(offer: str) -> str | None:
    """Return what all offers of one peer connection have in common, and no others.

    None if that cannot be told: candidates are in the offer, or it does not say. A
    browser keeps the origin's session id (RFC 8829 section 5.2.2) and its certificate,
    both of which it makes anew for each peer connection.
    """
    lines = _lines(offer)
    origins = [line.split()[1] for line in lines if _ORIGIN.fullmatch(line)]
    prints = {line.casefold() for line in lines if line.startswith("a=fingerprint:")}
    if not (origins and prints and is_trickled(offer)):
        return None
    return " ".join((origins[0], *sorted(prints)))


def prepare_offer(offer: str) -> str:
    """Return an offer as a master is to get it.

    A trickled offer says so, since AWS's C SDK gathers for seconds otherwise; loses
    lines that do not parse; and loses the codecs that no master speaks if it does not
    fit into a message with them. One that is not trickled is returned as it is.
    """
    if not is_trickled(offer):
        return offer
    lines = [line for line in _lines(offer) if _PARSABLE.fullmatch(line)]
    sections = [_with_trickle(section) for section in _sections(lines)]
    if not _has_trickle(lines):
        lines = [line for section in sections for line in section]
    if not _fits(_join(lines)):
        lines = [line for section in _sections(lines) for line in _spoken_only(section)]
    return _join(lines)


def repair_answer(answer: str, *, offer: str) -> str:
    """Return an answer that a browser takes, or the same one if it would anyway.

    AWS's C SDK answers `sendrecv` to an offer of `recvonly`, which is no answer to it
    (RFC 3264 section 6.1), and which Chrome refuses since version 143.
    """
    offered = _sections(_lines(offer))[1:]
    session, *answered = _sections(_lines(answer))
    wrong = [
        _direction(session, section) in {"a=sendrecv", "a=recvonly"}
        and _direction([], wanted) == "a=recvonly"
        for section, wanted in zip(answered, offered, strict=False)
    ]
    if not any(wrong):
        return answer
    wrong += [False] * (len(answered) - len(wrong))
    lines = list(session)
    for section, is_wrong in zip(answered, wrong, strict=True):
        lines += _sending(section) if is_wrong else section
    return _join(lines)


def _lines(sdp: str) -> list[str]:
    return [line for line in _LINE_END.split(sdp) if line.strip()]


def _join(lines: list[str]) -> str:
    return "".join(f"{line}\r\n" for line in lines)


def _sections(lines: list[str]) -> list[list[str]]:
    """Return the session's lines, then those of each media section."""
    sections: list[list[str]] = [[]]
    for line in lines:
        if line.startswith("m="):
            sections.append([])
        sections[-1].append(line)
    return sections


def _has_trickle(lines: list[str]) -> bool:
    return any(
        line.startswith("a=ice-options:")
        and "trickle" in line.partition(":")[2].split()
        for line in lines
    )


def _has_candidates(lines: list[str]) -> bool:
    return any(line.startswith("a=candidate:") for line in lines)


def _with_trickle(section: list[str]) -> list[str]:
    """Return a media section with the option where browsers have it."""
    if not section or not section[0].startswith("m="):
        return section
    for number, line in enumerate(section):
        if line.startswith("a=ice-options:"):
            return [*section[:number], f"{line} trickle", *section[number + 1 :]]
    return [*section, "a=ice-options:trickle"]


def _fits(offer: str) -> bool:
    try:
        encode_payload({"type": "offer", "sdp": offer})
    except PayloadTooLargeError:
        return False
    return True


def _spoken_only(section: list[str]) -> list[str]:
    """Return a media section without the codecs that no master speaks."""
    if not section or not section[0].startswith(("m=audio ", "m=video ")):
        return section
    words = section[0].split()
    formats = words[3:]
    kept = _spoken_formats(section, formats)
    if not kept:
        return section
    dropped = set(formats) - set(kept)
    lines = [" ".join((*words[:3], *kept))]
    for line in section[1:]:
        match = _NUMBERED.match(line)
        if match is None or match[1] not in dropped:
            lines.append(line)
    return lines


def _spoken_formats(section: list[str], formats: list[str]) -> list[str]:
    names = dict(_STATIC)
    names.update(_attribute_of(section, "rtpmap"))
    spoken = {
        number
        for number in formats
        if names.get(number, "").partition("/")[0].lower() in _SPOKEN
    }
    # Retransmissions belong to a format (RFC 4588 section 8.6).
    spoken |= {
        number
        for number, parameters in _attribute_of(section, "fmtp")
        if names.get(number, "").lower().startswith("rtx/")
        and parameters.removeprefix("apt=") in spoken
    }
    return [number for number in formats if number in spoken]


def _attribute_of(section: list[str], name: str) -> Iterator[tuple[str, str]]:
    """Yield the formats that an attribute is about, and what it says of them."""
    for line in section:
        if line.startswith(f"a={name}:"):
            number, _, value = line.partition(":")[2].partition(" ")
            yield number, value.strip()


def _direction(session: list[str], section: list[str]) -> str | None:
    """Return a media section's direction, None if it is switched off."""
    if section[0].split()[1:2] in ([], ["0"]):
        return None
    for line in (*section, *session):
        if line in _DIRECTIONS:
            return line
    # RFC 8866 section 6.7.
    return "a=sendrecv"


def _sending(section: list[str]) -> list[str]:
    lines = [line for line in section if line not in _DIRECTIONS]
    number = next(
        (number for number, line in enumerate(section) if line in _DIRECTIONS),
        len(section),
    )
    return [*lines[:number], "a=sendonly", *lines[number:]]
