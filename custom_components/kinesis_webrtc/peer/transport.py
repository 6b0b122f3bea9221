"""What the answered sections of an offer share: ICE credentials and DTLS."""

from dataclasses import dataclass, field
import re

from .refusal import OfferRefused, RefusalReason
from .sdp import Attributes, Description

_SETUPS = {"active": "active", "passive": "passive"}
_FINGERPRINT_LENGTHS = {"sha-256": 32, "sha-384": 48, "sha-512": 64}
_HEX_BYTES = re.compile(r"[0-9A-Fa-f]{2}(?::[0-9A-Fa-f]{2})*")
# RFC 8839 asks for 4 to 256 and 22 to 256 letters, digits, + and /; some send
# other characters, which do no harm.
_UFRAG = re.compile(r"[\x21-\x7e]{4,256}")
_PASSWORD = re.compile(r"[\x21-\x7e]{22,256}")


@dataclass(frozen=True, slots=True)
class Transport:
    """The far end of the one transport that all media take."""

    ufrag: str = field(repr=False)
    password: str = field(repr=False)
    fingerprints: tuple[str, ...]
    setup: str
    is_lite: bool

    @classmethod
    def read(cls, description: Description, bundle: list[str], index: int) -> Transport:
        """Read what the bundled sections share.

        Each section may hold it, or the tagged one alone (RFC 8843 section 7.1),
        or the session for all. Raises OfferRefused.
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


def _read_fingerprints(part: Attributes) -> tuple[str, ...]:
    fingerprints = []
    for value in part.values("fingerprint"):
        algorithm, _, digest = value.partition(" ")
        digest = digest.strip()
        length = _FINGERPRINT_LENGTHS.get(algorithm.lower())
        if length and len(digest) == 3 * length - 1 and _HEX_BYTES.fullmatch(digest):
            fingerprints.append(f"{algorithm.lower()} {digest.upper()}")
    return tuple(dict.fromkeys(fingerprints))
