"""A tolerant reader of session descriptions (RFC 8866)."""

from dataclasses import dataclass, field
import re

from .refusal import OfferRefused, RefusalReason

# A signaling channel carries 10,000 characters, and what comes from a browser by Home
# Assistant has twice as many, in hundreds of lines and a handful of sections. What is much
# larger is no offer, and reading it would hold up the event loop.
MAX_CHARACTERS = 65_536
MAX_LINES = 2_000
MAX_SECTIONS = 32

_LINE_END = re.compile(r"\r\n|\n|\r")
_MEDIA = re.compile(r"m=(\S+)\s+(\d{1,5})(?:/\d+)?\s+(\S+)((?:\s+\S+)+)")


@dataclass(slots=True)
class Attributes:
    """The a= lines of a session or a media section, in their order."""

    lines: list[tuple[str, str]] = field(default_factory=list)

    def values(self, name: str) -> list[str]:
        """Return the values of all attributes of that name."""
        return [value for key, value in self.lines if key == name]

    def value(self, name: str) -> str | None:
        """Return the first value that is not empty."""
        return next((value for value in self.values(name) if value), None)

    def has(self, name: str) -> bool:
        """Tell whether there is an attribute of that name."""
        return any(key == name for key, _ in self.lines)


@dataclass(slots=True)
class Section(Attributes):
    """One m= line with its attributes."""

    kind: str = ""
    port: int = 0
    profile: str = ""
    formats: list[str] = field(default_factory=list)

    @property
    def mid(self) -> str | None:
        """The identification tag (RFC 5888)."""
        return self.value("mid")

    @property
    def is_rejected(self) -> bool:
        """Whether the offerer itself has switched this section off (RFC 8843)."""
        return self.port == 0 and not self.has("bundle-only")


@dataclass(slots=True)
class Description:
    """A parsed session description."""

    session: Attributes
    sections: list[Section]

    def has_bundle(self, mid: str) -> bool:
        """Tell whether this tag is in a group that shares a transport (RFC 8843)."""
        return self._find_bundle(mid) is not None

    def bundle_of(self, mid: str) -> list[str]:
        """Return the tags that share a transport with this one."""
        return self._find_bundle(mid) or [mid]

    def _find_bundle(self, mid: str) -> list[str] | None:
        for value in self.session.values("group"):
            semantics, _, mids = value.partition(" ")
            if semantics == "BUNDLE" and mid in mids.split():
                return mids.split()
        return None


def parse(text: str) -> Description:
    """Read a session description.

    Line ends are CR, LF or both; lines of types that do not matter to a peer
    connection are skipped, wherever they stand. Raises OfferRefused.
    """
    if len(text) > MAX_CHARACTERS:
        raise OfferRefused(RefusalReason.TOO_LARGE)
    lines = [line.strip() for line in _LINE_END.split(text.lstrip("\ufeff"))]
    lines = [line for line in lines if line]
    if not lines or not lines[0].startswith("v="):
        raise OfferRefused(RefusalReason.NOT_SDP)
    if len(lines) > MAX_LINES:
        raise OfferRefused(RefusalReason.TOO_LARGE)
    session = Attributes()
    sections: list[Section] = []
    current = session
    for number, line in enumerate(lines):
        if line.startswith("m="):
            current = _read_media(line, is_last=number == len(lines) - 1)
            sections.append(current)
        elif line.startswith("a="):
            name, _, value = line[2:].partition(":")
            current.lines.append((name.strip(), value.strip()))
    if not sections:
        raise OfferRefused(RefusalReason.TRUNCATED)
    if len(sections) > MAX_SECTIONS:
        raise OfferRefused(RefusalReason.TOO_LARGE)
    return Description(session, sections)


def _read_media(line: str, *, is_last: bool) -> Section:
    match = _MEDIA.fullmatch(line)
    if match is None:
        raise OfferRefused(
            RefusalReason.TRUNCATED if is_last else RefusalReason.MALFORMED
        )
    kind, port, profile, formats = match.groups()
    return Section(
        kind=kind.lower(), port=int(port), profile=profile, formats=formats.split()
    )
