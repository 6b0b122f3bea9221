"""Remote ICE candidates: which of them are worth a check."""

from dataclasses import dataclass, field
import ipaddress
import re

from aiortc import RTCIceCandidate

_MDNS_NAME = re.compile(r"[A-Za-z0-9-]{1,63}\.local")
_TYPES = frozenset({"host", "srflx", "prflx", "relay"})


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteCandidate:
    """A candidate that can be paired: UDP, component 1 (RFC 8839 section 5.1)."""

    foundation: str
    priority: int
    address: str = field(repr=False)
    port: int
    kind: str
    ufrag: str | None = field(default=None, repr=False)

    @property
    def is_name(self) -> bool:
        """Whether the address is a name of multicast DNS."""
        return _MDNS_NAME.fullmatch(self.address) is not None

    def for_aiortc(self) -> RTCIceCandidate:
        """Return the candidate as aiortc takes it."""
        return RTCIceCandidate(
            component=1,
            foundation=self.foundation,
            ip=self.address,
            port=self.port,
            priority=self.priority,
            protocol="udp",
            type=self.kind,
        )


def parse_candidate(text: str, *, loopback: bool = False) -> RemoteCandidate | None:
    """Read a candidate attribute; None for what cannot be used here.

    That is TCP, component 2 (RTCP is multiplexed), the empty end mark, junk, and
    addresses that nobody reaches from here: loopback (but for `loopback`),
    link-local, multicast, unspecified.
    """
    words = text.strip().removeprefix("a=").removeprefix("candidate:").split()
    if len(words) < 8 or words[6].lower() != "typ":
        return None
    foundation, component, transport, priority, address, port, _, kind = words[:8]
    if component != "1" or transport.lower() != "udp" or kind not in _TYPES:
        return None
    if not (_is_number(priority, 2**32 - 1) and _is_number(port, 65535)):
        return None
    if int(port) == 0 or not _is_usable(address, loopback=loopback):
        return None
    extensions = dict(zip(words[8::2], words[9::2], strict=False))
    return RemoteCandidate(
        foundation=foundation[:32],
        priority=int(priority),
        address=address,
        port=int(port),
        # aioice knows no remote prflx candidates.
        kind="srflx" if kind == "prflx" else kind,
        ufrag=extensions.get("ufrag"),
    )


def _is_number(text: str, maximum: int) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 11 and int(text) <= maximum


def _is_usable(address: str, *, loopback: bool) -> bool:
    if _MDNS_NAME.fullmatch(address):
        return True
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return False
    if isinstance(ip, ipaddress.IPv6Address) and (ip.scope_id or ip.ipv4_mapped):
        return False
    if ip.is_loopback:
        return loopback
    return not (ip.is_link_local or ip.is_multicast or ip.is_unspecified)
