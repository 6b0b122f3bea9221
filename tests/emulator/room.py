"""What belongs to one channel: its connections and what waits for them."""

import asyncio
from collections import defaultdict
from dataclasses import dataclass, field

from .connection import Connection
from .envelope import SDP_TYPES

type Answer = asyncio.Future[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A message on its way; sender and recipient are None for the master.

    expires: loop time. answer: where SendAlexaOfferToMaster waits.
    """

    type: str
    sender: str | None
    recipient: str | None
    payload: str = field(repr=False)
    expires: float
    answer: Answer | None = None


class Room:
    """What belongs to one channel."""

    def __init__(self) -> None:
        """Begin empty."""
        self.master: Connection | None = None
        self.viewers: dict[str, Connection] = {}
        self.all: set[Connection] = set()
        self.stored: defaultdict[str | None, list[Message]] = defaultdict(list)
        self.answers: defaultdict[str, list[Answer]] = defaultdict(list)

    def connection_of(self, client_id: str | None) -> Connection | None:
        """Return where a message for a viewer, or for the master, has to go."""
        found = self.master if client_id is None else self.viewers.get(client_id)
        return None if found is None or found.closing else found

    def has_place(self, client_id: str, limit: int) -> bool:
        """Whether a viewer may come; one who comes again always may."""
        live = {key for key, viewer in self.viewers.items() if not viewer.closing}
        return client_id in live or len(live) < limit

    def place(self, connection: Connection) -> Connection | None:
        """Put a connection in its predecessor's place; return the predecessor."""
        self.all.add(connection)
        if connection.client_id is None:
            displaced, self.master = self.master, connection
            return displaced
        displaced = self.viewers.get(connection.client_id)
        self.viewers[connection.client_id] = connection
        return displaced

    def remove(self, connection: Connection) -> None:
        """Forget a connection that has ended."""
        self.all.discard(connection)
        if self.master is connection:
            self.master = None
        client_id = connection.client_id
        if client_id is not None and self.viewers.get(client_id) is connection:
            del self.viewers[client_id]

    def store(self, message: Message) -> list[Message]:
        """Keep an undelivered message; return the SDP that it replaces."""
        box = self.stored[message.recipient]
        replaced = [
            old
            for old in box
            if old.type in SDP_TYPES
            and message.type in SDP_TYPES
            and old.sender == message.sender
        ]
        self.stored[message.recipient] = [
            *(old for old in box if old not in replaced),
            message,
        ]
        return replaced

    def expect(self, message: Message) -> None:
        """Remember who waits for the answer to an offer that has been delivered."""
        if message.answer is not None and message.sender is not None:
            waiting = self.answers[message.sender]
            if message.answer not in waiting:
                waiting.append(message.answer)

    def resolve(self, message: Message) -> bool:
        """Give an answer to whoever asked last for it, if anybody waits.

        That the newest counts is how the service treats connections with one id.
        """
        if message.recipient is None or message.type != "SDP_ANSWER":
            return False
        for answer in reversed(self.answers[message.recipient]):
            if not answer.done():
                answer.set_result(message.payload)
                return True
        return False

    def close(self) -> None:
        """Cut all connections and let nobody wait any longer."""
        for connection in list(self.all):
            connection.cut()
        stored = [message for box in self.stored.values() for message in box]
        waiting = [answer for answers in self.answers.values() for answer in answers]
        for answer in [*waiting, *(m.answer for m in stored if m.answer is not None)]:
            answer.cancel()
