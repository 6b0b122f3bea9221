"""The answer as it goes out: aiortc's, cleaned and completed."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass, field
import json

from .offer import Media, Offer, Rejected
from .sdp import Section, parse

# The limit of a signaling message's payload, see "MessagePayload" of
# https://docs.aws.amazon.com/kinesisvideostreams-webrtc-dg/latest/devguide/kvswebrtc-websocket-apis7.html
MAX_PAYLOAD = 10_000

_KEPT = frozenset(
    {
        "extmap",
        "mid",
        "msid",
        "rtcp",
        "rtcp-mux",
        "ssrc",
        "ssrc-group",
        "ice-ufrag",
        "ice-pwd",
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalCandidate:
    """A candidate of ours, as it is signalled."""

    kind: str
    address: str = field(repr=False)
    port: int
    priority: int
    foundation: str
    related: tuple[str, int] | None = field(default=None, repr=False)

    @property
    def text(self) -> str:
        """The candidate attribute (RFC 8839 section 5.1)."""
        text = (
            f"candidate:{self.foundation} 1 udp {self.priority} "
            f"{self.address} {self.port} typ {self.kind}"
        )
        if self.related is None:
            return text
        return f"{text} raddr {self.related[0]} rport {self.related[1]}"


def compose(local_sdp: str, offer: Offer, candidates: Sequence[LocalCandidate]) -> str:
    """Write the answer to an offer, out of aiortc's local description.

    Every section of the offer has its own (RFC 3264 section 6), H.264 stands
    under the offer's own parameters, the fingerprint is the sha-256 one. As many
    candidates stay, from the first on, as fit into a signaling message.
    """
    kept = list(candidates)
    while True:
        text = _write(local_sdp, offer, kept)
        if not kept or _payload_length(text) <= MAX_PAYLOAD:
            return text
        kept.pop()


def _payload_length(text: str) -> int:
    return len(base64.b64encode(json.dumps({"type": "answer", "sdp": text}).encode()))


def _write(local_sdp: str, offer: Offer, candidates: Sequence[LocalCandidate]) -> str:
    local = parse(local_sdp)
    sections = {section.mid: section for section in local.sections}
    mids = " ".join(media.mid for media in offer.media)
    origin = next(line for line in local_sdp.split("\r\n") if line.startswith("o="))
    lines = ["v=0", origin, "s=-", "t=0 0"]
    if offer.is_bundled:
        # Never without having been offered (RFC 8843 section 7.3).
        lines.append(f"a=group:BUNDLE {mids}")
    lines.append("a=msid-semantic: WMS *")
    parts: list[Media | Rejected] = [*offer.media, *offer.rejected]
    for part in sorted(parts, key=lambda part: part.index):
        if isinstance(part, Rejected):
            lines += _write_rejected(part)
        else:
            lines += _write_media(part, sections[part.mid], offer, candidates)
    return "\r\n".join(lines) + "\r\n"


def _write_rejected(part: Rejected) -> list[str]:
    lines = [f"m={part.kind} 0 {part.profile} {' '.join(part.formats)}"]
    lines.append("c=IN IP4 0.0.0.0")
    if part.mid is not None:
        lines.append(f"a=mid:{part.mid}")
    return [*lines, "a=inactive"]


def _write_media(
    media: Media, section: Section, offer: Offer, candidates: Sequence[LocalCandidate]
) -> list[str]:
    port, address = 9, "0.0.0.0"  # noqa: S104
    if candidates and not offer.trickle:
        # The default candidate, for those who look there (RFC 8839 section 4.2.1).
        port, address = candidates[0].port, candidates[0].address
    formats = " ".join(map(str, media.codec.payload_types))
    lines = [
        f"m={media.kind} {port} {media.profile} {formats}",
        f"c=IN IP{6 if ':' in address else 4} {address}",
        f"a={media.answer_direction}",
        *(_attribute(name, value) for name, value in section.lines if name in _KEPT),
        *media.codec.lines(),
        *(f"a={candidate.text}" for candidate in candidates),
    ]
    if offer.trickle:
        lines.append("a=ice-options:trickle")
    elif offer.has_end_of_candidates:
        lines.append("a=end-of-candidates")
    lines += [
        f"a=fingerprint:{value}"
        for value in section.values("fingerprint")
        if value.startswith("sha-256 ")
    ]
    return [*lines, f"a=setup:{section.value('setup')}"]


def _attribute(name: str, value: str) -> str:
    return f"a={name}:{value}" if value else f"a={name}"
