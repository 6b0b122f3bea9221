"""Remote ICE candidates: which of them are worth a check."""

from dataclasses import dataclass, field
import ipaddress
import re
from typing import Final

from aiortc import RTCIceCandidate

_MDNS_NAME = re.compile(r"[A-Za-z0-9-]{1,63}\.local")
_TYPES = frozenset({"host", "srflx", "prflx", "relay"})
# What listens below is a service: clients have ports above, NATs keep them there
# (RFC 4787, REQ-3), and relays allocate none of them (RFC 8656 section 7.2).
_FIRST_PORT: Final = 1024
_NOBODYS: Final = tuple(
    map(
        ipaddress.ip_network,
        (
            # "This network", link-local (and clouds' metadata), multicast, reserved,
            # and broadcast.
            "0.0.0.0/8",
            "169.254.0.0/16",
            "224.0.0.0/4",
            "240.0.0.0/4",
            # IPv4 in another dress: compatible, mapped, translated, 6to4, Teredo. Of
            # these only NAT64's leads anywhere, to what the viewer can name itself.
            "::/96",
            "::ffff:0:0/96",
            "::ffff:0:0:0/96",
            "64:ff9b::/96",
            "64:ff9b:1::/48",
            "2001::/32",
            "2002::/16",
            # Link-local, site-local, multicast.
            "fe80::/10",
            "fec0::/10",
            "ff00::/8",
        ),
    )
)


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteCandidate:
    """A candidate that can be paired: UDP, component 1 (RFC 8839 section 5.1)."""

    foundation: str
    priority: int
    address: str = field(repr=False)
    port: int
    kind: str
    ufrag: str | None = field(default=None, repr=False)

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


@dataclass(frozen=True, slots=True, kw_only=True)
class AddressRules:
    """Where checks may go: whoever offers says where we send datagrams to.

    Never go they to this machine itself (`loopback` is for peers that are bound to it),
    to many at once, or to a link's own addresses.
    """

    loopback: bool = False
    private: bool = True
    """Addresses of private networks: a viewer at home has none but those."""

    names: bool = False
    """Names of multicast DNS: looking one up tells this network of it, and whoever
    offers whether there is such a machine."""


DEFAULT_RULES: Final = AddressRules()


def parse_candidate(
    text: str, rules: AddressRules = DEFAULT_RULES
) -> RemoteCandidate | None:
    """Read a candidate attribute; None for what cannot be used here.

    That is TCP, component 2 (RTCP is multiplexed), the empty end mark, junk, and
    addresses that nobody can have, or that the rules leave out.
    """
    words = text.strip().removeprefix("a=").removeprefix("candidate:").split()
    if len(words) < 8 or words[6].lower() != "typ":
        return None
    foundation, component, transport, priority, address, port, _, kind = words[:8]
    if component != "1" or transport.lower() != "udp" or kind not in _TYPES:
        return None
    if not (_is_number(priority, 2**32 - 1) and _is_number(port, 65535)):
        return None
    if int(port) < _FIRST_PORT or not _is_usable(address, rules):
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


def _is_usable(address: str, rules: AddressRules) -> bool:
    if _MDNS_NAME.fullmatch(address):
        return rules.names
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return False
    if isinstance(ip, ipaddress.IPv6Address) and ip.scope_id:
        return False
    if ip.is_loopback:
        return rules.loopback
    if any(ip in network for network in _NOBODYS if network.version == ip.version):
        return False
    return rules.private or ip.is_global
