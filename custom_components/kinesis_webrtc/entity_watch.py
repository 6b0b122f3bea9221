"""Another integration's entity, followed through its renamings."""

from collections.abc import Callable
from typing import Any

from homeassistant.core import (
    CALLBACK_TYPE,
    Event,
    EventStateChangedData,
    HomeAssistant,
    State,
    callback,
)
from homeassistant.helpers import entity_registry as er
from homeassistant.helpers.event import async_track_state_change_event


class EntityWatch:
    """Tells of an entity's states, under whatever entity id it has."""

    def __init__(
        self,
        *,
        hass: HomeAssistant,
        entity: str,
        on_change: Callable[[State | None, State | None], None],
    ) -> None:
        """Name the entity by its entity registry id, or by its entity id."""
        self._hass = hass
        self._entity = entity
        self._on_change = on_change
        self._entity_id: str | None = None
        self._stop_states: CALLBACK_TYPE | None = None
        self._stop_registry: CALLBACK_TYPE | None = None

    @property
    def state(self) -> State | None:
        """Return the entity's state as of now."""
        return self._hass.states.get(self._entity_id) if self._entity_id else None

    @callback
    def async_start(self) -> None:
        """Begin to listen."""
        self._stop_registry = self._hass.bus.async_listen(
            er.EVENT_ENTITY_REGISTRY_UPDATED, self._async_resolve
        )
        self._async_resolve()

    @callback
    def async_stop(self) -> None:
        """Listen no more."""
        for stop in (self._stop_registry, self._stop_states):
            if stop is not None:
                stop()
        self._stop_registry = self._stop_states = None

    @callback
    def _async_resolve(self, event: Event[Any] | None = None) -> None:
        """Listen under the entity id that the entity has now, and tell of another."""
        entity_id = er.async_resolve_entity_id(er.async_get(self._hass), self._entity)
        if entity_id == self._entity_id:
            return
        if self._stop_states is not None:
            self._stop_states()
            self._stop_states = None
        self._entity_id = entity_id
        if entity_id is not None:
            self._stop_states = async_track_state_change_event(
                self._hass, entity_id, self._async_changed
            )
        if event is not None:
            self._on_change(None, self.state)

    @callback
    def _async_changed(self, event: Event[EventStateChangedData]) -> None:
        self._on_change(event.data["old_state"], event.data["new_state"])
