"""What is secret in a run, and where of all that it has left behind a secret is."""

import base64
from collections.abc import Iterable, Mapping
from functools import cache
import re
from urllib.parse import quote

_CREDENTIALS = re.compile(
    r"^a=(?:ice-ufrag:|ice-pwd:|fingerprint:\S+ )(\S+)", re.MULTILINE
)
_ADDRESS = re.compile(r"candidate:\S+ \d+ \S+ \d+ (\S+) ")
# What goes before a secret that a test cannot know: the signature of a request, and what
# the other side of a view has offered or answered.
MARKS = frozenset(
    {
        "Signature=",
        "X-Amz-Security-Token",
        "a=candidate:",
        "a=fingerprint:",
        "a=ice-pwd:",
        "typ host",
        "typ relay",
        "typ srflx",
    }
)
# An ICE user name has four characters: those may be a part of any word.
_LONG = 12


def credentials_of(sdp: str) -> set[str]:
    """Return an SDP's ICE credentials and fingerprints."""
    found = set(_CREDENTIALS.findall(sdp))
    assert len(found) >= 3, sdp
    return found


def addresses_of(text: str) -> set[str]:
    """Return the addresses in an SDP's candidates, or in a candidate."""
    return set(_ADDRESS.findall(text))


def find_secrets(texts: Mapping[str, str], secrets: Iterable[str]) -> list[str]:
    """Return where each secret is, in plain, quoted for a URL or in base64.

    `texts` are by their places. A finding names the place, and how the secret begins.
    """
    known = {secret: _expression(secret) for secret in secrets}
    return [
        f"{place}: {secret[:4]}…"
        for place, text in texts.items()
        for secret, expression in known.items()
        if expression.search(text)
    ]


@cache
def _expression(secret: str) -> re.Pattern[str]:
    if len(secret) < _LONG:
        return re.compile(rf"(?<![\w+/]){re.escape(secret)}(?![\w+/])")
    forms = {secret, quote(secret, safe=""), *_in_base64(secret)}
    return re.compile("|".join(map(re.escape, forms)))


def _in_base64(secret: str) -> Iterable[str]:
    """Yield what is the same of a secret in base64, whatever stands around it."""
    data = secret.encode()
    for before in range(3):
        encoded = base64.b64encode(bytes(before) + data).decode()
        first = (before * 8 + 5) // 6
        last = (before + len(data)) * 8 // 6
        yield encoded[first:last]
