"""coturn as the relay and the STUN server of a channel."""

from collections.abc import Sequence
from pathlib import Path
import re
import signal
import tempfile
from typing import override

from .ports import free_port
from .process import Process

# At the end of an allocation coturn tells what went to and came from its peers.
_PEER_USAGE = re.compile(r"peer usage: .*?, rb=(\d+), .*?, sb=(\d+)")


class Coturn(Process):
    """A TURN server that takes credentials made with a shared secret."""

    def __init__(
        self,
        *,
        secret: str,
        host: str = "127.0.0.1",
        relay_host: str | None = None,
        port: int | None = None,
        realm: str = "kinesisvideo",
        prefix: Sequence[str | Path] = (),
    ) -> None:
        self.host = host
        self.port = port or free_port()
        self.secret = secret
        self._scratch = tempfile.TemporaryDirectory(prefix="coturn-")
        scratch = Path(self._scratch.name)
        super().__init__(
            [
                *prefix,
                "turnserver",
                "-n",
                "--no-cli",
                "--no-tls",
                "--no-dtls",
                "--verbose",
                "--log-file=stdout",
                f"--pidfile={scratch / 'pid'}",
                f"--userdb={scratch / 'turndb'}",
                f"--listening-ip={host}",
                f"--listening-port={self.port}",
                f"--relay-ip={relay_host or host}",
                f"--realm={realm}",
                "--use-auth-secret",
                f"--static-auth-secret={secret}",
                "--allow-loopback-peers",
            ],
            name="coturn",
            # It handles SIGTERM only at its next timer; nothing of it must be saved.
            stop_signal=signal.SIGKILL,
        )

    @property
    def stun_url(self) -> str:
        """Return the URL of its STUN service."""
        return f"stun:{self.host}:{self.port}"

    @property
    def turn_url(self) -> str:
        """Return the URL of its TURN service over UDP."""
        return f"turn:{self.host}:{self.port}?transport=udp"

    @override
    async def get_ready(self) -> None:
        await self.wait_for_line(r"UDP listener opened on")
        await self.wait_for_line(r"Total auth threads|IO method \(auth thread\)")

    @override
    async def __aexit__(self, *_: object) -> None:
        await self.stop()
        self._scratch.cleanup()

    @property
    def relayed_bytes(self) -> tuple[int, int]:
        """Return the bytes that ended allocations received from and sent to peers."""
        usage = [match for line in self.lines if (match := _PEER_USAGE.search(line))]
        return (
            sum(int(match[1]) for match in usage),
            sum(int(match[2]) for match in usage),
        )

    async def wait_for_usage(self, *, timeout: float = 30) -> None:
        """Wait until an allocation has ended and its bytes are counted."""
        await self.wait_for_line(_PEER_USAGE.pattern, timeout=timeout)
