"""What Alexa learns of a shared camera: the form's fields, and the channel's tags."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final
import unicodedata

from homeassistant.const import ATTR_DEVICE_CLASS, Platform
from homeassistant.core import HomeAssistant, split_entity_id
from homeassistant.helpers import entity_registry as er
from homeassistant.helpers.selector import (
    EntitySelector,
    EntitySelectorConfig,
    SelectSelector,
    SelectSelectorConfig,
    TextSelector,
)
import voluptuous as vol

from .camera_choice import CameraRefused, ChosenCamera, camera_selector, choose_camera
from .const import (
    CHANNEL_NAME_PREFIX,
    CONF_ALEXA_NAME,
    CONF_ALEXA_STREAM,
    CONF_CHANNEL_NAME,
    CONF_DOORBELL,
    CONF_KIND,
    CONF_MOTION,
    CONF_SPEAKER,
    DOMAIN,
    SUBENTRY_TYPE_SHARED_CAMERA,
    TAG_CAMERA_NAME,
    TAG_DUPLEX,
    TAG_KIND,
    TAG_MOTION,
)

ALEXA_FIELDS: Final = (
    CONF_ALEXA_NAME,
    CONF_KIND,
    CONF_DOORBELL,
    CONF_MOTION,
    CONF_SPEAKER,
    CONF_ALEXA_STREAM,
)
# Those that name an entity.
_REFERENCES: Final = (CONF_DOORBELL, CONF_MOTION, CONF_SPEAKER, CONF_ALEXA_STREAM)

# https://developer.amazon.com/docs/device-apis/alexa-discovery-objects.html
_NAME_LENGTH: Final = 128
# Alexa takes the word for its own: "show the doorbell" never reaches a skill.
_SWALLOWED_WORDS: Final = {"doorbell", "doorbells"}
# By itself it means all of them.
_SWALLOWED_NAMES: Final = {"camera", "cameras"}

_DOORBELL: Final = "doorbell"
_MOTION: Final = ("motion", "occupancy")
_PLAY_MEDIA: Final = "media_player.MediaPlayerEntityFeature.PLAY_MEDIA"


class Kind(StrEnum):
    """What a shared camera is to Alexa."""

    CAMERA = "camera"
    DOORBELL = "doorbell"


class FieldsRefused(Exception):
    """The form's input cannot be taken; `errors` says why, by field."""

    def __init__(self, errors: dict[str, str]) -> None:
        """Keep the form's errors."""
        super().__init__(errors)
        self.errors = errors


@dataclass(frozen=True, kw_only=True, slots=True)
class AlexaFields:
    """A camera's name and kind for Alexa, and the entities that belong to it.

    They are kept as cameras are: by its id in the entity registry, or by its entity
    id where it is not registered.
    """

    name: str
    kind: Kind = Kind.CAMERA
    doorbell: str | None = None
    motion: str | None = None
    speaker: str | None = None
    stream: str | None = None
    """The camera once more, with pictures that an Echo takes."""

    @classmethod
    def from_data(cls, data: Mapping[str, Any], *, title: str) -> AlexaFields:
        """Return what a subentry says, which may know nothing of Alexa."""
        return cls(
            name=data.get(CONF_ALEXA_NAME) or spoken_name(title),
            kind=Kind(data.get(CONF_KIND, Kind.CAMERA)),
            doorbell=data.get(CONF_DOORBELL),
            motion=data.get(CONF_MOTION),
            speaker=data.get(CONF_SPEAKER),
            stream=data.get(CONF_ALEXA_STREAM),
        )

    @classmethod
    def suggested(cls, hass: HomeAssistant, camera: ChosenCamera) -> AlexaFields:
        """Return what a camera's name and its device suggest."""
        name = spoken_name(camera.name)
        registry = er.async_get(hass)
        entity = registry.async_get(camera.id)
        if entity is None or entity.device_id is None:
            return cls(name=name)
        neighbours = sorted(
            er.async_entries_for_device(registry, entity.device_id),
            key=lambda neighbour: neighbour.entity_id,
        )
        doorbell = _first(neighbours, Platform.EVENT, _DOORBELL)
        return cls(
            name=name,
            kind=Kind.DOORBELL if doorbell else Kind.CAMERA,
            doorbell=doorbell,
            motion=_first(neighbours, Platform.BINARY_SENSOR, *_MOTION),
        )

    @property
    def data(self) -> dict[str, str]:
        """Return what the subentry keeps."""
        return {
            CONF_ALEXA_NAME: self.name,
            CONF_KIND: self.kind.value,
            **({CONF_DOORBELL: self.doorbell} if self.doorbell else {}),
            **({CONF_MOTION: self.motion} if self.motion else {}),
            **({CONF_SPEAKER: self.speaker} if self.speaker else {}),
            **({CONF_ALEXA_STREAM: self.stream} if self.stream else {}),
        }

    @property
    def tags(self) -> dict[str, str]:
        """Return what the skill reads of the channel.

        Each tag is there in any case: so nothing is ever to be taken away, for which
        the keys would need one more right.
        """
        return {
            TAG_CAMERA_NAME: self.name,
            TAG_KIND: self.kind.value,
            TAG_MOTION: "true" if self.motion else "false",
            TAG_DUPLEX: "true" if self.speaker else "false",
        }

    def shown(self, hass: HomeAssistant) -> dict[str, Any]:
        """Return the values that the form begins with."""
        registry = er.async_get(hass)
        return self.data | {
            key: er.async_resolve_entity_id(registry, self.data[key])
            for key in _REFERENCES
            if key in self.data
        }


def alexa_schema(hass: HomeAssistant) -> vol.Schema:
    """Return the form's fields."""
    return vol.Schema(
        {
            vol.Required(CONF_ALEXA_NAME): TextSelector(),
            vol.Required(CONF_KIND): SelectSelector(
                SelectSelectorConfig(options=list(Kind), translation_key=CONF_KIND)
            ),
            # Not every integration has an event for its button, and those that have a
            # binary sensor instead give it any device class or none.
            vol.Optional(CONF_DOORBELL): EntitySelector(
                EntitySelectorConfig(
                    filter=[
                        {"domain": Platform.EVENT, ATTR_DEVICE_CLASS: _DOORBELL},
                        {"domain": Platform.BINARY_SENSOR},
                    ]
                )
            ),
            vol.Optional(CONF_MOTION): EntitySelector(
                EntitySelectorConfig(
                    filter={
                        "domain": Platform.BINARY_SENSOR,
                        ATTR_DEVICE_CLASS: list(_MOTION),
                    }
                )
            ),
            vol.Optional(CONF_SPEAKER): EntitySelector(
                EntitySelectorConfig(
                    filter={
                        "domain": Platform.MEDIA_PLAYER,
                        "supported_features": [_PLAY_MEDIA],
                    }
                )
            ),
            vol.Optional(CONF_ALEXA_STREAM): camera_selector(hass),
        }
    )


def read_fields(
    hass: HomeAssistant, user_input: Mapping[str, Any], *, camera_id: str
) -> AlexaFields:
    """Return what a user has filled in for a camera, or raise FieldsRefused."""
    name = _plain(user_input[CONF_ALEXA_NAME])
    kind = Kind(user_input[CONF_KIND])
    errors = {}
    if not name:
        errors[CONF_ALEXA_NAME] = "alexa_name_missing"
    elif len(name) > _NAME_LENGTH:
        errors[CONF_ALEXA_NAME] = "alexa_name_too_long"
    elif name != spoken_name(name):
        errors[CONF_ALEXA_NAME] = "alexa_name_characters"
    doorbell = motion = speaker = stream = None
    # What was suggested for a doorbell may still be there.
    if kind is Kind.DOORBELL:
        doorbell = _reference(
            hass, user_input.get(CONF_DOORBELL), Platform.EVENT, Platform.BINARY_SENSOR
        )
        if doorbell is None:
            errors[CONF_DOORBELL] = "doorbell_missing"
    if CONF_MOTION in user_input:
        motion = _reference(hass, user_input[CONF_MOTION], Platform.BINARY_SENSOR)
        if motion is None:
            errors[CONF_MOTION] = "sensor_not_found"
    if CONF_SPEAKER in user_input:
        speaker = _reference(hass, user_input[CONF_SPEAKER], Platform.MEDIA_PLAYER)
        if speaker is None:
            errors[CONF_SPEAKER] = "speaker_not_found"
    if CONF_ALEXA_STREAM in user_input:
        try:
            stream = choose_camera(hass, user_input[CONF_ALEXA_STREAM]).id
        except CameraRefused as err:
            errors[CONF_ALEXA_STREAM] = err.key
        if stream == camera_id:
            errors[CONF_ALEXA_STREAM] = "alexa_stream_same"
    if errors:
        raise FieldsRefused(errors)
    return AlexaFields(
        name=name,
        kind=kind,
        doorbell=doorbell,
        motion=motion,
        speaker=speaker,
        stream=stream,
    )


def doubts(
    hass: HomeAssistant, name: str, *, except_subentry_id: str | None
) -> list[str]:
    """Return why Alexa may not do as asked with a name; the user may still want it."""
    found = []
    heard = name.casefold()
    if heard in _SWALLOWED_NAMES or _SWALLOWED_WORDS & set(heard.split()):
        found.append("alexa_name_swallowed")
    if heard in _other_names(hass, except_subentry_id):
        found.append("alexa_name_taken")
    return found


def spoken_name(text: str) -> str:
    """Return a text as a name that Alexa hears and AWS takes: letters, digits, blanks.

    https://docs.aws.amazon.com/kinesisvideostreams/latest/dg/API_Tag.html
    """
    kept = []
    for character in unicodedata.normalize("NFC", text):
        if (category := unicodedata.category(character)[0]) in "LN":
            kept.append(character)
        elif category != "M" and character not in "'\u2019":
            kept.append(" ")
    return _plain("".join(kept))[:_NAME_LENGTH].rstrip()


def _plain(text: str) -> str:
    return " ".join(unicodedata.normalize("NFC", text).split())


def _other_names(hass: HomeAssistant, except_subentry_id: str | None) -> set[str]:
    """Return the names of the other cameras that Alexa can find, in all accounts."""
    return {
        AlexaFields.from_data(subentry.data, title=subentry.title).name.casefold()
        for entry in hass.config_entries.async_entries(DOMAIN)
        for subentry in entry.subentries.values()
        if subentry.subentry_type == SUBENTRY_TYPE_SHARED_CAMERA
        and subentry.subentry_id != except_subentry_id
        and subentry.data[CONF_CHANNEL_NAME].startswith(CHANNEL_NAME_PREFIX)
    }


def _first(
    entities: Iterable[er.RegistryEntry], domain: Platform, *device_classes: str
) -> str | None:
    """Return the first entity of a device class, the classes by their order."""
    for device_class in device_classes:
        for entity in entities:
            if (
                entity.domain == domain
                and entity.disabled_by is None
                and (entity.device_class or entity.original_device_class)
                == device_class
            ):
                return entity.id
    return None


def _reference(
    hass: HomeAssistant, entity_id_or_uuid: str | None, *domains: Platform
) -> str | None:
    """Return what an entity is kept by, or None if there is none of these domains."""
    registry = er.async_get(hass)
    entity_id = er.async_resolve_entity_id(registry, entity_id_or_uuid or "")
    if entity_id is None or split_entity_id(entity_id)[0] not in domains:
        return None
    if entity := registry.async_get(entity_id):
        return entity.id
    return entity_id if hass.states.get(entity_id) else None
