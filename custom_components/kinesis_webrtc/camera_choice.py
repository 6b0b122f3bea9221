"""The Home Assistant camera that is shared: which may be, and how it is kept."""

from dataclasses import dataclass

from homeassistant.core import HomeAssistant
from homeassistant.helpers import entity_registry as er
from homeassistant.helpers.selector import EntitySelector, EntitySelectorConfig

from .const import DOMAIN


class CameraRefused(Exception):
    """A camera cannot be shared; `key` says why."""

    def __init__(self, key: str) -> None:
        """Keep the form's error."""
        super().__init__(key)
        self.key = key


@dataclass(frozen=True, kw_only=True, slots=True)
class ChosenCamera:
    """A camera and the name under which its user knows it.

    `id` is its id in the entity registry, which no renaming changes, or the entity id
    of a camera that is not registered.
    """

    id: str
    name: str


def choose_camera(hass: HomeAssistant, entity_id_or_uuid: str) -> ChosenCamera:
    """Return the camera that a user chose, or raise CameraRefused."""
    registry = er.async_get(hass)
    entity_id = er.async_resolve_entity_id(registry, entity_id_or_uuid) or ""
    entity = registry.async_get(entity_id)
    state = hass.states.get(entity_id)
    if not entity_id.startswith("camera.") or not (entity or state):
        raise CameraRefused("camera_not_found")
    if entity and entity.platform == DOMAIN:
        raise CameraRefused("own_camera")
    name = state.name if state else entity and (entity.name or entity.original_name)
    return ChosenCamera(id=entity.id if entity else entity_id, name=name or entity_id)


def camera_selector(hass: HomeAssistant) -> EntitySelector:
    """Return a selector of all cameras but those of this integration."""
    registry = er.async_get(hass)
    return EntitySelector(
        EntitySelectorConfig(
            filter={"domain": "camera"},
            exclude_entities=[
                entity.entity_id
                for entity in registry.entities.values()
                if entity.platform == DOMAIN
            ],
        )
    )
