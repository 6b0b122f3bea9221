"""What runs for one subentry while its account is loaded."""

from abc import ABC, abstractmethod
import asyncio
from collections.abc import Callable, Mapping
import logging
from typing import Any

from homeassistant.config_entries import ConfigEntry, ConfigSubentry
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers import device_registry as dr

from .const import DOMAIN
from .peer import IncompatibleLibraryError

_LOGGER = logging.getLogger(__name__)


@callback
def async_tell_of_failure(task: asyncio.Task[None]) -> None:
    """Log why a task has failed that nobody awaits while the account is loaded."""
    if task.cancelled() or (error := task.exception()) is None:
        return
    if isinstance(error, IncompatibleLibraryError):
        _LOGGER.error(
            "%s cannot go on: the installed aiortc or aioice is not one that this"
            " release knows (%s)",
            task.get_name(),
            error,
        )
        return
    # Only the types: the texts may hold what must not be told.
    errors = error.exceptions if isinstance(error, ExceptionGroup) else (error,)
    kinds = ", ".join(type(each).__name__ for each in errors)
    _LOGGER.error("%s has failed unexpectedly: %s", task.get_name(), kinds)


class SubentryRuntime(ABC):
    """Follows its subentry, and tells its entities when their state has changed."""

    def __init__(
        self, *, hass: HomeAssistant, entry: ConfigEntry, subentry: ConfigSubentry
    ) -> None:
        """Bind a subentry; nothing is started."""
        self.subentry = subentry
        self._hass = hass
        self._entry = entry
        self._title = subentry.title
        self._data: Mapping[str, Any] = subentry.data
        self._listeners: set[Callable[[], None]] = set()

    @callback
    @abstractmethod
    def async_start(self) -> None:
        """Start in the background."""

    @abstractmethod
    async def async_stop(self) -> None:
        """Stop, and leave nothing behind."""

    @abstractmethod
    async def async_exchange_keys(self) -> None:
        """Use the account's new keys wherever old ones may have been refused."""

    @abstractmethod
    async def _async_follow(self, old: Mapping[str, Any]) -> None:
        """Act on the subentry's new data, and touch only what the change is about."""

    async def async_update(self) -> None:
        """Follow the changed subentry, which Home Assistant changes in place."""
        if self.subentry.title != self._title:
            self._title = self.subentry.title
            self._async_rename_device()
        if self.subentry.data == self._data:
            return
        old, self._data = self._data, self.subentry.data
        await self._async_follow(old)
        self._async_changed()

    @callback
    def async_add_listener(self, listener: Callable[[], None]) -> Callable[[], None]:
        """Call back at each change of the state that entities show."""
        self._listeners.add(listener)
        return lambda: self._listeners.discard(listener)

    @callback
    def _async_changed(self) -> None:
        """Let the entities write their state."""
        for listener in list(self._listeners):
            listener()

    @callback
    def _async_rename_device(self) -> None:
        """Give the device the subentry's new title."""
        registry = dr.async_get(self._hass)
        device = registry.async_get_device_by_identifier(
            (DOMAIN, self.subentry.subentry_id), self._entry.entry_id
        )
        if device is not None:
            registry.async_update_device(device.id, name=self.subentry.title)
