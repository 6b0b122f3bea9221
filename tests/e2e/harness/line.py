"""The line between a master and its channel: what happens to it, and when it is back."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
import json
import time
from uuid import uuid4

from .alexa_lambda import AlexaLambda
from .emulator import Emulator
from .inside import Inside
from .other_master import OtherMaster

# What keeps a master from its channel and leaves it to others.
_CONNECTING = "[CG]*"
# An offer is made so long before the service is back.
_AHEAD = 0.3
# A channel that was made for a shared camera keeps messages for so long.
_MESSAGE_TTL = 5.0
# An answer takes some time, and so does its way.
_LEEWAY = 1.0

type Act = Callable[["Line"], Awaitable[None]]


class Line:
    """The websocket of one channel's master, seen from the service."""

    def __init__(self, emulator: Emulator, arn: str, *, inside: Inside) -> None:
        self.emulator = emulator
        self.arn = arn
        self.inside = inside
        self._channel = arn.rpartition(":channel/")[2].partition("/")[0]

    async def do(self, action: str, **parameters: object) -> None:
        """Do something to the websocket."""
        await self.emulator.act(
            "connections", channel=self.arn, action=action, **parameters
        )

    async def refuse(self, **fault: object) -> None:
        """Let nothing of the master's succeed that a fault hits, and cut it off."""
        await self.emulator.act("faults", operation=_CONNECTING, **fault)
        await self.do("cut")

    async def joined(self, *, after: float, timeout: float = 60) -> float:
        """Return when a master first came after a time, by time.monotonic."""
        async with asyncio.timeout(timeout):
            while True:
                for when, channel in (await self.emulator.state())["joins"]:
                    if channel == self._channel and when > after:
                        return float(when)
                await asyncio.sleep(0.05)

    async def last_join(self) -> float:
        """Return when the last master came."""
        return float((await self.emulator.state())["joins"][-1][0])

    async def attempts(self, *, after: float) -> list[float]:
        """Return when masters tried to connect after a time."""
        return [
            when
            for when, operation in (await self.emulator.state())["attempts"]
            if operation == "ConnectAsMaster" and when > after
        ]


def most_in_a_second(times: list[float]) -> int:
    """Return how many there were in the busiest second."""
    return max(
        (sum(start <= one < start + 1 for one in times) for start in times), default=0
    )


@dataclass(frozen=True, kw_only=True)
class Fault:
    """Something that happens to the line.

    seconds: how long it lasts; without an `end` it is over at once, and the master back
    as soon as it is up to it. after: what puts things right when the master is back.
    offers: whether others can reach the service meanwhile. within: how long the master
    may take at the most. ages: whether the service does so to old sockets only. joins:
    whether it is another master's coming.
    """

    name: str
    begin: Act
    end: Act | None = None
    after: Act | None = None
    seconds: float = 0.0
    offers: bool = True
    within: float = 10.0
    ages: bool = False
    joins: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How a fault ended.

    reconnect_ms: from the service's return to the master's. answered: whether an offer
    made during the fault was; deliverable: whether it still could be when the master
    was back; None without an offer. attempts: most connects in any second.
    """

    reconnect_ms: float
    answered: bool | None
    deliverable: bool | None
    attempts: int

    @property
    def lost(self) -> bool:
        """Whether an offer came to nothing that need not have."""
        return self.answered is False and bool(self.deliverable)

    @property
    def expired(self) -> bool:
        """Whether an offer came to nothing for want of time."""
        return self.answered is False and not self.deliverable


async def suffer(
    fault: Fault, line: Line, alexa: AlexaLambda, offer: str, *, seconds: float
) -> Outcome:
    """Let a fault happen for so long if it lasts, with an offer during it."""
    started = time.monotonic()
    sending: asyncio.Task[tuple[float, str | None]] | None = None
    await fault.begin(line)
    if fault.end is None:
        returned = await line.last_join() if fault.joins else started
        if fault.offers:
            sending = asyncio.create_task(_offered(alexa, offer))
    else:
        await asyncio.sleep(max(seconds - _AHEAD, 0))
        if fault.offers:
            sending = asyncio.create_task(_offered(alexa, offer))
        await asyncio.sleep(_AHEAD)
        await fault.end(line)
        returned = time.monotonic()
    joined = await line.joined(after=returned, timeout=fault.within + 30)
    if fault.after is not None:
        await fault.after(line)
    answered = deliverable = None
    if sending is not None:
        sent, answer = await sending
        answered, deliverable = (
            answer is not None,
            joined < sent + _MESSAGE_TTL - _LEEWAY,
        )
    return Outcome(
        reconnect_ms=round((joined - returned) * 1000, 1),
        answered=answered,
        deliverable=deliverable,
        attempts=most_in_a_second(await line.attempts(after=started)),
    )


async def _offered(alexa: AlexaLambda, offer: str) -> tuple[float, str | None]:
    """Make an offer, and end its session; return when it was made, and its answer."""
    session = uuid4().hex
    sent = time.monotonic()
    answer = await alexa.answer(offer, sender=f"alexa-{session}-1")
    if answer is not None:
        await alexa.end(session)
    return sent, answer


async def _cut(line: Line) -> None:
    await line.do("cut")


async def _half_open(line: Line) -> None:
    await line.do("half_open")


async def _go_away(line: Line) -> None:
    await line.do("go_away", grace=5)


async def _close(line: Line) -> None:
    await line.do("close", code=1001, reason="Going away")


async def _expired_token(line: Line) -> None:
    await line.refuse(kind="expired_token")


async def _not_found(line: Line) -> None:
    await line.emulator.act(
        "faults",
        kind="error",
        operation="ConnectAsMaster",
        status=404,
        code="ResourceNotFoundException",
    )
    await line.do("cut")


async def _server_error(line: Line) -> None:
    await line.refuse(kind="error", status=503)


async def _throttled(line: Line) -> None:
    await line.refuse(kind="throttle")


async def _clear(line: Line) -> None:
    await line.emulator.act("clear_faults")


async def _offline(line: Line) -> None:
    await line.emulator.act("offline")


async def _online(line: Line) -> None:
    await line.emulator.act("online")


async def _names_gone(line: Line) -> None:
    line.inside.lose_names()
    # Home Assistant remembers an address for ten seconds.
    await asyncio.sleep(11)
    await line.do("cut")


async def _names_back(line: Line) -> None:
    line.inside.find_names()


async def _clock_wrong(line: Line) -> None:
    await line.emulator.act("behaviour", clock_offset=600)
    await line.do("cut")


async def _clock_right(line: Line) -> None:
    await line.emulator.act("behaviour", clock_offset=0)


async def _other_master(line: Line) -> None:
    await line.emulator.act("behaviour", displaced_master="close")
    async with OtherMaster(line.emulator, line.arn) as other:
        await other.take_over()


async def _no_other_master(line: Line) -> None:
    await line.emulator.act("behaviour", displaced_master="deaf")


async def _garbage(line: Line) -> None:
    for text in ("", "{", "[]", json.dumps({"messageType": "SDP_OFFER"})):
        await line.do("send", text=text)
    # An opcode that there is not.
    await line.do("send", base64="jwA=")


CUT = Fault(name="socket_cut", begin=_cut)
FAULTS: tuple[Fault, ...] = (
    CUT,
    Fault(name="garbage", begin=_garbage),
    # Whoever else would make an offer shares the clock.
    Fault(name="clock_off", begin=_clock_wrong, after=_clock_right, offers=False),
    Fault(name="clock_right_again", begin=_cut),
    Fault(name="expired_token_403", begin=_expired_token, end=_clear, seconds=20),
    Fault(name="not_found_404", begin=_not_found, end=_clear, seconds=20),
    Fault(name="server_error_5xx", begin=_server_error, end=_clear, seconds=20),
    Fault(name="throttled", begin=_throttled, end=_clear, seconds=20),
    Fault(name="offline", begin=_offline, end=_online, seconds=20, offers=False),
    Fault(name="dns_gone", begin=_names_gone, end=_names_back, seconds=60),
    Fault(name="go_away", begin=_go_away, ages=True),
    Fault(name="close_1001", begin=_close, ages=True),
    Fault(
        name="other_master",
        begin=_other_master,
        after=_no_other_master,
        within=15,
        ages=True,
        joins=True,
    ),
    # An offer that goes into such a socket is lost to the service already.
    Fault(name="half_open", begin=_half_open, offers=False, within=30),
)
