"""Who is connected to a channel, and how messages find them."""

import asyncio
import base64
from collections import defaultdict
from dataclasses import replace

from . import envelope
from .channels import Channel
from .connection import Connection
from .envelope import SDP_TYPES, Envelope, NotAnEnvelopeError
from .errors import ApiError, limit_exceeded
from .faults import FaultKind
from .journal import SeenMessage
from .room import Answer, Message, Room
from .state import Role, State

_GARBLE = base64.b64encode(b'{"type": "offer", "sdp": 1').decode()


class Hub:
    """All channels' connections and undelivered messages."""

    def __init__(self, state: State) -> None:
        """Begin without connections."""
        self._state = state
        self._rooms: defaultdict[str, Room] = defaultdict(Room)
        self._delayed: set[asyncio.TimerHandle] = set()

    def room(self, channel: Channel) -> Room:
        """Return what belongs to a channel."""
        return self._rooms[channel.arn]

    def has_place(self, channel: Channel, client_id: str) -> bool:
        """Whether another viewer may come; one who comes again always may."""
        return self.room(channel).has_place(client_id, self._state.limits.viewers)

    def join(self, connection: Connection) -> None:
        """Put a connection in its predecessor's place and deliver what waits."""
        room = self.room(connection.channel)
        displaced = room.place(connection)
        if displaced is not None:
            self._displace(displaced)
        now = asyncio.get_running_loop().time()
        for message in room.stored.pop(connection.client_id, []):
            if message.expires > now:
                self._deliver(connection, message)
            else:
                self._note(connection.channel, message, "expired")
        if connection.role is Role.MASTER:
            self._state.journal.join(connection.channel.name)
        self._state.journal.notify()

    def leave(self, connection: Connection) -> None:
        """Forget a connection that has ended."""
        connection.stop_timers()
        self.room(connection.channel).remove(connection)
        self._state.journal.notify()

    def receive(self, connection: Connection, text: str) -> None:
        """Take a client's frame: refuse it or send it on."""
        limits, is_master = self._state.limits, connection.role is Role.MASTER
        try:
            received = envelope.parse(
                text, from_master=is_master, max_payload=limits.payload
            )
        except NotAnEnvelopeError as refused:
            self._see(connection, "", None, "", f"refused: {refused}")
            return
        problem = received.problem or self._limit_problem(connection, received)
        if problem is not None:
            self._refuse(connection, received, problem)
            return
        if (
            is_master
            and received.action == "SDP_OFFER"
            and (not self._state.behaviour.master_offers)
        ):
            self._see(
                connection,
                received.action,
                received.recipient,
                received.payload,
                "swallowed",
            )
            return
        self.post(
            connection.channel,
            kind=received.action,
            sender=None if is_master else connection.client_id,
            recipient=received.recipient,
            payload=received.payload,
        )

    async def ask_master(
        self, channel: Channel, sender: str, payload: str
    ) -> str | None:
        """Send an offer on behalf of Alexa; return the answer, None if none came."""
        answer: Answer = asyncio.get_running_loop().create_future()
        self.post(
            channel,
            kind="SDP_OFFER",
            sender=sender,
            recipient=None,
            payload=payload,
            answer=answer,
        )
        try:
            async with asyncio.timeout(self._ttl(channel)):
                return await answer
        except TimeoutError:
            return None
        finally:
            waiting = self.room(channel).answers[sender]
            if answer in waiting:
                waiting.remove(answer)

    def post(
        self,
        channel: Channel,
        *,
        kind: str,
        sender: str | None,
        recipient: str | None,
        payload: str,
        answer: Answer | None = None,
    ) -> None:
        """Deliver a message or keep it for the channel's message TTL."""
        message = Message(
            type=kind,
            sender=sender,
            recipient=recipient,
            payload=payload,
            expires=asyncio.get_running_loop().time() + self._ttl(channel),
            answer=answer,
        )
        copies, delay = 1, 0.0
        for fault in self._state.faults.take_for_message(kind, channel.name):
            match fault.kind:
                case FaultKind.SWALLOW:
                    copies = 0
                case FaultKind.DUPLICATE:
                    copies = 2
                case FaultKind.GARBLE:
                    message = replace(message, payload=_GARBLE)
                case FaultKind.DELAY:
                    delay = fault.delay
        if copies == 0 or channel.storage_stream is not None:
            self._note(channel, message, "swallowed")
            return
        for _ in range(copies):
            if delay:
                self._delay(delay, channel, message)
            else:
                self._route(channel, message)

    def close(self) -> None:
        """Cut all connections and let nobody wait any longer."""
        for timer in self._delayed:
            timer.cancel()
        for room in self._rooms.values():
            room.close()

    def close_channel(self, channel: Channel) -> None:
        """End the connections of a channel that has been deleted."""
        for connection in list(self.room(channel).all):
            connection.close(1001, "Going away")

    def _ttl(self, channel: Channel) -> float:
        return channel.message_ttl * self._state.limits.message_ttl_scale

    def _displace(self, connection: Connection) -> None:
        connection.displaced = True
        is_master = connection.role is Role.MASTER
        if not is_master or self._state.behaviour.displaced_master == "close":
            connection.close(1001, "Going away")

    def _limit_problem(
        self, connection: Connection, received: Envelope
    ) -> ApiError | None:
        limits, behaviour = self._state.limits, self._state.behaviour
        if connection.displaced and not behaviour.displaced_master_may_send:
            return ApiError(
                "InvalidClientException", "Another connection has taken over."
            )
        is_sdp = received.action in SDP_TYPES
        rate = limits.sdp_rate if is_sdp else limits.candidate_rate
        if not connection.rates.allow(("sdp" if is_sdp else "candidate",), rate):
            return limit_exceeded(f"Rate exceeded for {received.action}.")
        return None

    def _refuse(
        self, connection: Connection, received: Envelope, problem: ApiError
    ) -> None:
        self._see(
            connection,
            received.action,
            received.recipient,
            received.payload,
            f"refused: {problem}",
        )
        if received.correlation_id is not None:
            connection.send_text(
                envelope.status_response(received.correlation_id, problem)
            )

    def _route(self, channel: Channel, message: Message) -> None:
        room = self.room(channel)
        if room.resolve(message):
            self._note(channel, message, "answered")
            return
        connection = room.connection_of(message.recipient)
        if connection is not None:
            self._deliver(connection, message)
            return
        for old in room.store(message):
            self._note(channel, old, "replaced")
        self._note(channel, message, "stored")

    def _deliver(self, connection: Connection, message: Message) -> None:
        self.room(connection.channel).expect(message)
        connection.send_text(
            envelope.delivery(message.type, message.payload, message.sender)
        )
        if message.type == "ICE_CANDIDATE" and self._state.behaviour.empty_frames:
            connection.send_text("")
        self._note(connection.channel, message, "delivered")

    def _delay(self, delay: float, channel: Channel, message: Message) -> None:
        timer: asyncio.TimerHandle

        def due() -> None:
            self._delayed.discard(timer)
            self._route(channel, message)

        timer = asyncio.get_running_loop().call_later(delay, due)
        self._delayed.add(timer)

    def _note(self, channel: Channel, message: Message, outcome: str) -> None:
        self._state.journal.see(
            SeenMessage(
                channel=channel.name,
                type=message.type,
                sender=message.sender,
                recipient=message.recipient,
                payload=message.payload,
                outcome=outcome,
            )
        )

    def _see(
        self,
        connection: Connection,
        kind: str,
        recipient: str | None,
        payload: str,
        outcome: str,
    ) -> None:
        self._state.journal.see(
            SeenMessage(
                channel=connection.channel.name,
                type=kind,
                sender=connection.client_id,
                recipient=recipient,
                payload=payload,
                outcome=outcome,
            )
        )
