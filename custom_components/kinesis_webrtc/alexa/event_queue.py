"""Events that wait to be told to one customer's Alexa."""

from collections.abc import Iterator
from dataclasses import dataclass, field
import logging
import uuid

from .events import Delete, Event

_LOGGER = logging.getLogger(__name__)

type Lane = tuple[str, bool]


@dataclass(slots=True, eq=False)
class Waiting:
    """An event that waits until `expires`, a time of the loop.

    Each attempt to tell it has the same id, so that it can be told from another event.
    """

    event: Event
    expires: float
    message_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    under_way: bool = False

    @property
    def lane(self) -> Lane:
        """What keeps to its order: a camera's presses, and all else of it.

        A press never waits for what else happens to the camera.
        """
        return self.event.endpoint_id, self.event.subject is None


class EventQueue:
    """Events in order, at most `limit` of them; of a state only the newest waits."""

    def __init__(self, limit: int) -> None:
        """Start empty."""
        self._limit = limit
        self._waiting: list[Waiting] = []

    def __iter__(self) -> Iterator[Waiting]:
        return iter(list(self._waiting))

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, event: Event, expires: float) -> Waiting:
        """Let an event wait, in the place of an older one where it makes that void."""
        added = Waiting(event, expires)
        if isinstance(event, Delete):
            self._waiting = [
                item
                for item in self._waiting
                if item.under_way or item.event.endpoint_id != event.endpoint_id
            ]
        for index, item in enumerate(self._waiting):
            if not item.under_way and _is_voided(item, added):
                self._waiting[index] = added
                return added
        if len(self._waiting) >= self._limit:
            dropped = self._waiting.pop(0)
            _LOGGER.debug("Too many events wait, dropped %s", describe(dropped))
        self._waiting.append(added)
        return added

    def first(self, lane: Lane, now: float) -> Waiting | None:
        """Return what comes next in a lane; what is stale is dropped."""
        for item in [item for item in self._waiting if item.lane == lane]:
            if item.expires > now:
                return item
            _LOGGER.debug("Dropped as stale: %s", describe(item))
            self.remove(item)
        return None

    def give_back(self, item: Waiting) -> None:
        """Let an event wait again that could not be told, unless a newer one does."""
        item.under_way = False
        if any(_is_voided(item, newer) for newer in self._waiting if newer is not item):
            self.remove(item)

    def remove(self, item: Waiting) -> None:
        """Forget an event; one that is not there any more is fine."""
        self._waiting = [other for other in self._waiting if other is not item]

    def clear(self) -> None:
        """Forget all."""
        self._waiting.clear()


def describe(item: Waiting) -> str:
    """Return what an event is, for the log."""
    return f"{type(item.event).__name__} of {item.event.endpoint_id}"


def _is_voided(older: Waiting, newer: Waiting) -> bool:
    return (
        newer.event.subject is not None
        and older.event.subject == newer.event.subject
        and older.event.endpoint_id == newer.event.endpoint_id
    )
