"""Probes by which the kernel finds out that the way to the other side is dead."""

from asyncio.trsock import TransportSocket
import socket
from typing import Final

# Seconds, but for the last, which is in ms and for what was sent and never confirmed. As
# AWS's own C SDK has them. Of a way that died silently they tell after 3 to 6 s; pings
# as often could be charged for as messages, and these are none.
_OPTIONS: Final = {
    "TCP_KEEPIDLE": 3,
    "TCP_KEEPINTVL": 1,
    "TCP_KEEPCNT": 3,
    "TCP_USER_TIMEOUT": 6000,
}


def keep_probing(connection: TransportSocket | socket.socket | None) -> None:
    """Have a connection end when nothing comes back any more, where the system can."""
    if connection is None:
        return
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in _OPTIONS.items():
        if (option := getattr(socket, name, None)) is not None:
            connection.setsockopt(socket.IPPROTO_TCP, option, value)
