"""What was made in AWS: a list that outlives restarts, and who is at what of it."""

from abc import abstractmethod
from collections.abc import Hashable
from dataclasses import asdict, dataclass, fields
from typing import Any

from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers.storage import Store

from .const import DOMAIN

_STORAGE_VERSION = 1


@dataclass(frozen=True, kw_only=True, slots=True)
class CreatedRecord[KeyT: Hashable]:
    """Something that was made here, or was about to be."""

    account: str
    region: str
    name: str
    entry_id: str
    created: str

    @property
    @abstractmethod
    def key(self) -> KeyT:
        """What is unique to it at any one time."""


class CreatedList[KeyT: Hashable, RecordT: CreatedRecord[Any]]:
    """The stored list of what was made here of one kind.

    A claim keeps everybody else's hands off something: a flow holds one from before it
    asks AWS until its subentry exists, the clean-up while it deletes.
    """

    def __init__(
        self, hass: HomeAssistant, *, file: str, field: str, record: type[RecordT]
    ) -> None:
        """Prepare an empty list, and the field of the file that it is kept in."""
        self._hass = hass
        self._field = field
        self._record = record
        self._store: Store[dict[str, list[dict[str, Any]]]] = Store(
            hass, _STORAGE_VERSION, f"{DOMAIN}.{file}"
        )
        self._records: dict[KeyT, RecordT] = {}
        self._claims: dict[KeyT, object] = {}

    async def async_load(self) -> None:
        """Read the list from the disk, but for what only a newer release knows."""
        stored = await self._store.async_load() or {self._field: []}
        known = {field.name for field in fields(self._record)}
        records = [
            self._record(**{name: item[name] for name in item.keys() & known})
            for item in stored[self._field]
        ]
        self._records = {record.key: record for record in records}

    async def _async_save(self) -> None:
        await self._store.async_save(
            {self._field: [asdict(record) for record in self._records.values()]}
        )

    @callback
    def claim(self, key: KeyT, holder: object) -> bool:
        """Take hold of something; false if someone else has it."""
        return self._claims.setdefault(key, holder) is holder

    @callback
    def release(self, holder: object) -> None:
        """Let go of all that a holder has claimed."""
        self._claims = {
            key: other for key, other in self._claims.items() if other is not holder
        }
