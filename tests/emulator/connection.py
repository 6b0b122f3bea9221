"""One client's websocket, from the upgrade to the end."""

import asyncio
from collections.abc import Callable, Iterator
import struct

from . import envelope
from .channels import Channel
from .limits import Behaviour, Limits, RateLimiter
from .state import Role

_CONTINUATION, _TEXT, _CLOSE, _PONG = 0x0, 0x1, 0x8, 0xA
_CLOSE_TIMEOUT = 1.0


class Connection:
    """Writes frames by itself, so that they can also be split, late or missing."""

    def __init__(
        self,
        *,
        transport: asyncio.Transport,
        channel: Channel,
        role: Role,
        client_id: str | None,
        limits: Limits,
        behaviour: Behaviour,
    ) -> None:
        """Start the clocks of a connection that has just been upgraded."""
        self.channel = channel
        self.role = role
        self.client_id = client_id
        self.rates = RateLimiter()
        self.displaced = False
        self.closing = False
        self.half_open = False
        self._transport = transport
        self._limits = limits
        self._behaviour = behaviour
        self._loop = asyncio.get_running_loop()
        self.since = self._last_traffic = self._loop.time()
        self._timers: list[asyncio.TimerHandle] = []
        duration, grace = limits.connection_duration, limits.go_away_grace
        if behaviour.go_away_before_close and grace < duration:
            self._later(duration - grace, self.go_away, grace)
        else:
            self._later(duration, self.close, 1001, "Going away")
        self._later(limits.idle_timeout, self._check_idle)

    @property
    def age(self) -> float:
        """Seconds since the upgrade."""
        return self._loop.time() - self.since

    def saw_traffic(self) -> None:
        """Put the idle time-out off."""
        self._last_traffic = self._loop.time()

    def send_text(self, text: str) -> None:
        """Send a text frame, in fragments if the behaviour says so."""
        self.saw_traffic()
        chunks = list(_chunks(text.encode(), self._behaviour.frame_size))
        for index, chunk in enumerate(chunks):
            opcode = _TEXT if index == 0 else _CONTINUATION
            self._write(_frame(opcode, chunk, final=index == len(chunks) - 1))

    def pong(self, data: bytes) -> None:
        """Answer a ping."""
        if self._behaviour.pings_keep_alive:
            self.saw_traffic()
        self._write(_frame(_PONG, data))

    def send_raw(self, data: bytes) -> None:
        """Write bytes as they are, whether they are a frame or not."""
        self._write(data)

    def go_away(self, grace: float | None = None) -> None:
        """Announce the end, which follows after the grace period in seconds."""
        self.send_text(envelope.control("GO_AWAY"))
        delay = self._limits.go_away_grace if grace is None else grace
        self._later(delay, self.close, 1001, "Going away")

    def reconnect_ice_server(self) -> None:
        """Say that the TURN servers are going away."""
        self.send_text(envelope.control("RECONNECT_ICE_SERVER"))

    def close(self, code: int = 1000, reason: str = "") -> None:
        """Begin the closing handshake; cut if the client does not finish it."""
        if self.closing:
            return
        if self.half_open:
            self.closing = True
            return
        self._write(_frame(_CLOSE, struct.pack("!H", code) + reason.encode()))
        self.closing = True
        self._later(_CLOSE_TIMEOUT, self.cut)

    def finish(self) -> None:
        """End the TCP connection once what was written is out."""
        self._transport.close()

    def cut(self) -> None:
        """Reset the TCP connection."""
        self.closing = True
        self._transport.abort()

    def make_half_open(self) -> None:
        """Neither read nor write any more, as if the network had gone."""
        self.half_open = True
        self._transport.pause_reading()

    def stop_timers(self) -> None:
        """Forget all that was to happen later."""
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()

    def _check_idle(self) -> None:
        idle = self._loop.time() - self._last_traffic
        if idle >= self._limits.idle_timeout:
            self.close(1001, "Idle timeout")
        else:
            self._later(self._limits.idle_timeout - idle, self._check_idle)

    def _later[*Ts](
        self, delay: float, call: Callable[[*Ts], object], *args: *Ts
    ) -> None:
        self._timers.append(self._loop.call_later(delay, call, *args))

    def _write(self, data: bytes) -> None:
        if not (self.half_open or self.closing or self._transport.is_closing()):
            self._transport.write(data)


def _chunks(data: bytes, size: int | None) -> Iterator[bytes]:
    if not size or len(data) <= size:
        yield data
        return
    for start in range(0, len(data), size):
        yield data[start : start + size]


def _frame(opcode: int, data: bytes, *, final: bool = True) -> bytes:
    """Return an unmasked frame, RFC 6455 section 5.2."""
    first = (0x80 if final else 0) | opcode
    if len(data) < 126:
        return struct.pack("!BB", first, len(data)) + data
    if len(data) < 65536:
        return struct.pack("!BBH", first, 126, len(data)) + data
    return struct.pack("!BBQ", first, 127, len(data)) + data
