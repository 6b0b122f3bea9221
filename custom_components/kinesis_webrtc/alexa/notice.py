"""What the skill's backend and Home Assistant tell each other through a channel.

A channel carries offers, answers and candidates, and takes their payloads as they are.
So the backend's offers have one more member, which says until when an answer is of use
and which of Alexa's sessions it is for; and there are messages in an offer's or in an
answer's place that have no SDP at all. The Lambda function, which travels alone, repeats
these constants.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

# The type of a message without SDP, and the name of the member of an offer.
NOTICE_TYPE: Final = "kinesis_webrtc"
VERSION: Final = 1
KIND_END: Final = "end"
KIND_PING: Final = "ping"
SENDER_PREFIX: Final = "alexa-"

_MAX_SESSION = 64
_MAX_DEADLINE = 10**15


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferTerms:
    """What the backend says with an offer.

    `deadline` is a Unix time in seconds: an answer after it reaches nobody. `session` is
    a digest of Alexa's session id.
    """

    deadline: float
    session: str


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """The view of a session was closed."""

    session: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Ping:
    """Are you there? It is answered with itself, or a Refusal if the camera is away."""

    session: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """An offer is not answered; `reason` is from the peer's closed list."""

    reason: str


type Notice = End | Ping | Refusal


def parse_terms(extra: Mapping[str, object]) -> OfferTerms | None:
    """Return what an offer's other members say, or None if they are none of ours."""
    member = extra.get(NOTICE_TYPE)
    if not isinstance(member, Mapping) or not _is_version(member):
        return None
    deadline, session = member.get("deadline_ms"), _session(member)
    if type(deadline) is not int or session is None:
        return None
    if not 0 < deadline < _MAX_DEADLINE:
        return None
    return OfferTerms(deadline=deadline / 1000, session=session)


def encode_terms(terms: OfferTerms) -> dict[str, object]:
    """Return the members that an offer has besides its SDP."""
    return {
        NOTICE_TYPE: {
            "v": VERSION,
            "deadline_ms": round(terms.deadline * 1000),
            "session": terms.session,
        }
    }


def parse(content: Mapping[str, object]) -> Notice | None:
    """Return the notice in a payload, or None if it is none of ours."""
    if content.get("type") != NOTICE_TYPE or not _is_version(content):
        return None
    if isinstance(reason := content.get("error"), str):
        return Refusal(reason=reason)
    if (session := _session(content)) is None:
        return None
    match content.get("kind"):
        case "end":
            return End(session=session)
        case "ping":
            return Ping(session=session)
    return None


def encode(notice: Notice) -> dict[str, object]:
    """Return the payload of a notice."""
    envelope: dict[str, object] = {"type": NOTICE_TYPE, "v": VERSION}
    match notice:
        case Refusal(reason=reason):
            return {**envelope, "error": reason}
        case End(session=session):
            return {**envelope, "kind": KIND_END, "session": session}
        case Ping(session=session):
            return {**envelope, "kind": KIND_PING, "session": session}


def is_sender_of(sender_client_id: str, session: str) -> bool:
    """Return whether a sender is one that the backend made for a session.

    Each of a session's offers comes from a sender of its own:
    `alexa-SESSION-NUMBER`.
    """
    return sender_client_id.startswith(f"{SENDER_PREFIX}{session}-")


def _is_version(content: Mapping[str, object]) -> bool:
    version = content.get("v")
    return type(version) is int and version == VERSION


def _session(content: Mapping[str, object]) -> str | None:
    session = content.get("session")
    if not isinstance(session, str) or not 1 <= len(session) <= _MAX_SESSION:
        return None
    return session
