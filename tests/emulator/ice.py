"""ICE servers as GetIceServerConfig gives them, for a real coturn.

The credentials are those of coturn's --use-auth-secret:
https://github.com/coturn/coturn/blob/master/README.turnserver
"""

import base64
from collections.abc import Sequence
from dataclasses import dataclass, field
import hashlib
import hmac
import time
from typing import Any


def uris_of_host(host: str) -> list[str]:
    """Return the three URIs that the service gives for a TURN host (with port)."""
    return [
        f"turn:{host}?transport=udp",
        f"turns:{host}?transport=udp",
        f"turns:{host}?transport=tcp",
    ]


@dataclass(kw_only=True)
class TurnConfig:
    """Where the TURN servers are.

    uris: each list becomes one entry of the answer; without any there are two entries
    for hosts where nothing listens. secret: coturn's static-auth-secret. ttl: seconds,
    30 to 86400 at AWS.
    """

    uris: Sequence[Sequence[str]] = ()
    secret: str = field(default="no coturn knows this", repr=False)
    ttl: int = 300
    unused_port: int = 9

    @classmethod
    def of_uris(cls, uris: Sequence[str], *, secret: str, ttl: int = 300) -> TurnConfig:
        """Group URIs by their host: one entry for each, as the service does."""
        hosts: dict[str, list[str]] = {}
        for uri in uris:
            address = uri.partition(":")[2].partition("?")[0]
            host = address.rpartition(":")[0] or address
            hosts.setdefault(host, []).append(uri)
        return cls(uris=list(hosts.values()), secret=secret, ttl=ttl)

    def servers(self, channel_arn: str) -> list[dict[str, Any]]:
        """Return the IceServerList with credentials that expire after the TTL."""
        entries = self.uris or [
            uris_of_host(f"127.0.0.{number}:{self.unused_port}") for number in (1, 2)
        ]
        subject = base64.b64encode(f"v1:{channel_arn}".encode()).decode()
        username = f"{int(time.time()) + self.ttl}:{subject}"
        digest = hmac.digest(self.secret.encode(), username.encode(), hashlib.sha1)
        password = base64.b64encode(digest).decode()
        return [
            {
                "Uris": list(uris),
                "Username": username,
                "Password": password,
                "Ttl": self.ttl,
            }
            for uris in entries
        ]
