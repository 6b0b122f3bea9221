"""Has a shared camera's stream open before anybody asks for it."""

from collections.abc import Callable, Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from homeassistant.config_entries import ConfigSubentry
from homeassistant.const import STATE_UNAVAILABLE
from homeassistant.core import CALLBACK_TYPE, HomeAssistant, State, callback
from homeassistant.helpers.event import async_call_later
from homeassistant.helpers.selector import SelectSelector, SelectSelectorConfig

from .alexa_fields import AlexaFields
from .camera_choice import ChosenCamera
from .const import (
    CONF_ALEXA_NAME,
    CONF_CAMERA,
    CONF_KEEP_WARM,
    CONF_SHARING,
)
from .doorbell import Doorbell, begins
from .entity_watch import EntityWatch

# Seconds. Alexa announces a ring within a few, and who wants to see who is there says
# so, or takes a telephone out, within a minute; later than that the camera opens anew.
HOLD: Final = 60.0


class Warmth(StrEnum):
    """When a camera's stream is open without a viewer."""

    ALWAYS = "always"
    EVENT = "event"
    NEVER = "never"


DEFAULT: Final = Warmth.EVENT

type _OnChange = Callable[[State | None, State | None], None]


def warmth_selector() -> SelectSelector:
    """Return the form's field."""
    return SelectSelector(
        SelectSelectorConfig(options=list(Warmth), translation_key=CONF_KEEP_WARM)
    )


def warmth_of(data: Mapping[str, Any]) -> Warmth:
    """Return what a subentry says, which may be older than the question."""
    return Warmth(data.get(CONF_KEEP_WARM, DEFAULT))


def warmth_data(warmth: Warmth) -> dict[str, str]:
    """Return what the subentry keeps."""
    return {} if warmth is DEFAULT else {CONF_KEEP_WARM: warmth.value}


class KeepWarm:
    """Holds a shared camera open: always, or for a while after its sensors' events.

    A camera that is not shared is left alone, as is one that Home Assistant has not got.
    """

    def __init__(
        self,
        *,
        hass: HomeAssistant,
        subentry: ConfigSubentry,
        hold: Callable[[], Callable[[], None]],
    ) -> None:
        """Bind a subentry; `hold` opens its camera and returns what lets it go."""
        self._hass = hass
        self._subentry = subentry
        self._hold = hold
        self._release: Callable[[], None] | None = None
        self._cancel_timer: CALLBACK_TYPE | None = None
        self._watches: list[EntityWatch] = []
        self._camera: EntityWatch | None = None
        self._doorbell = Doorbell()

    @callback
    def async_start(self) -> None:
        """Begin, as the subentry's data say now."""
        data = self._subentry.data
        if not data.get(CONF_SHARING, True):
            return
        match warmth_of(data):
            case Warmth.ALWAYS:
                self._camera = self._watch(data[CONF_CAMERA], self._on_camera)
                self._on_camera(None, None)
            case Warmth.EVENT:
                doorbell, motion = self._sensors(data)
                if doorbell is not None:
                    self._watch(doorbell, self._on_doorbell)
                if motion is not None:
                    self._watch(motion, self._on_motion)

    @callback
    def async_stop(self) -> None:
        """Let the camera go and listen no more."""
        while self._watches:
            self._watches.pop().async_stop()
        self._camera = None
        self._async_let_go()

    @callback
    def async_follow(self) -> None:
        """Act on the subentry's new data."""
        self.async_stop()
        self.async_start()

    def _sensors(self, data: Mapping[str, Any]) -> tuple[str | None, str | None]:
        """Return the camera's doorbell and motion sensor.

        Where nobody was asked for them, as channels that are not Alexa's have none,
        they are those of the camera's device.
        """
        title = self._subentry.title
        if CONF_ALEXA_NAME in data:
            fields = AlexaFields.from_data(data, title=title)
        else:
            camera = ChosenCamera(id=data[CONF_CAMERA], name=title)
            fields = AlexaFields.suggested(self._hass, camera)
        return fields.doorbell, fields.motion

    def _watch(self, entity: str, on_change: _OnChange) -> EntityWatch:
        watch = EntityWatch(hass=self._hass, entity=entity, on_change=on_change)
        self._watches.append(watch)
        watch.async_start()
        return watch

    @callback
    def _on_camera(self, _old: State | None, _new: State | None) -> None:
        """Leave a camera alone that was removed or disabled, until it comes back."""
        state = self._camera.state if self._camera else None
        if state is None or state.state == STATE_UNAVAILABLE:
            self._async_let_go()
        elif self._release is None:
            self._release = self._hold()

    @callback
    def _on_doorbell(self, old: State | None, new: State | None) -> None:
        if self._doorbell.pressed_at(old, new) is not None:
            self._async_hold_for_a_while()

    @callback
    def _on_motion(self, old: State | None, new: State | None) -> None:
        if begins(old, new):
            self._async_hold_for_a_while()

    @callback
    def _async_hold_for_a_while(self) -> None:
        self._async_stop_timer()
        if self._release is None:
            self._release = self._hold()
        self._cancel_timer = async_call_later(self._hass, HOLD, self._async_time_is_up)

    @callback
    def _async_time_is_up(self, _: datetime) -> None:
        self._cancel_timer = None
        self._async_let_go()

    @callback
    def _async_let_go(self) -> None:
        self._async_stop_timer()
        if self._release is not None:
            self._release()
            self._release = None

    @callback
    def _async_stop_timer(self) -> None:
        if self._cancel_timer is not None:
            self._cancel_timer()
            self._cancel_timer = None
