"""What happens at a shared camera, as Alexa is told of it."""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any, Final, Protocol

from homeassistant.config_entries import ConfigEntry, ConfigEntryState, ConfigSubentry
from homeassistant.const import STATE_OFF, STATE_ON, STATE_UNAVAILABLE
from homeassistant.core import (
    CALLBACK_TYPE,
    HomeAssistant,
    State,
    callback,
)
from homeassistant.helpers import instance_id
from homeassistant.helpers.event import async_call_later
from homeassistant.util import dt as dt_util

from .alexa_fields import AlexaFields
from .const import (
    CHANNEL_NAME_PREFIX,
    CONF_ALEXA_NAME,
    CONF_CAMERA,
    CONF_CHANNEL_ARN,
    CONF_CHANNEL_NAME,
    CONF_DOORBELL,
    CONF_MOTION,
    DOMAIN,
    TAG_CREATED_BY,
)
from .doorbell import Doorbell
from .entity_watch import EntityWatch

# Seconds: AWS moves a master to another socket now and then, a camera starts anew.
SETTLE: Final = 30.0


class AlexaListener(Protocol):
    """What passes on to Alexa what happens at the cameras; it never blocks."""

    @callback
    def async_doorbell_pressed(self, channel_name: str, at: datetime) -> None:
        """Tell that somebody has rung."""
        ...

    @callback
    def async_motion_changed(
        self, channel_name: str, detected: bool, at: datetime
    ) -> None:
        """Tell whether something moves."""
        ...

    @callback
    def async_health_changed(
        self, channel_name: str, reachable: bool, at: datetime
    ) -> None:
        """Tell whether the camera is within reach."""
        ...

    @callback
    def async_camera_changed(
        self, *, channel_name: str, channel_arn: str, tags: Mapping[str, str]
    ) -> None:
        """Tell of a new camera, or of one that is another than it was."""
        ...

    @callback
    def async_camera_removed(self, channel_name: str) -> None:
        """Tell that a camera is gone."""
        ...


class AlexaCamera:
    """Listens to a shared camera's sensors and health, and tells every Alexa skill."""

    def __init__(
        self,
        *,
        hass: HomeAssistant,
        entry: ConfigEntry,
        subentry: ConfigSubentry,
        is_sharing: Callable[[], bool],
        is_connected: Callable[[], bool],
    ) -> None:
        """Bind a subentry; nothing is listened to yet."""
        self._hass = hass
        self._entry = entry
        self._subentry = subentry
        self._is_sharing = is_sharing
        self._is_connected = is_connected
        self._data: Mapping[str, Any] = {}
        self._camera: EntityWatch | None = None
        self._motion: EntityWatch | None = None
        self._watches: list[EntityWatch] = []
        # What Alexa was told last; None is nothing yet.
        self._detected: bool | None = None
        self._reachable: bool | None = None
        self._doorbell = Doorbell()
        self._cancel_settling: CALLBACK_TYPE | None = None

    @callback
    def async_start(self) -> None:
        """Begin to listen, and tell of a camera that was added just now."""
        self._async_watch()
        # While Home Assistant starts, the cameras are those that there were.
        if self._entry.state is ConfigEntryState.LOADED:
            self._entry.async_create_task(
                self._hass, self._async_announce(), f"{DOMAIN} announcement"
            )

    @callback
    def async_stop(self) -> None:
        """Listen no more, and tell of a camera that is shared no more."""
        self._async_stop_watching()
        if self._subentry.subentry_id not in self._entry.subentries:
            self._async_tell_removed(self._data)

    async def async_follow(self) -> None:
        """Act on the subentry's new data, and tell of what is another for Alexa."""
        old = self._data
        self._async_stop_watching()
        is_other_channel = (
            old[CONF_CHANNEL_ARN] != self._subentry.data[CONF_CHANNEL_ARN]
        )
        if is_other_channel:
            self._reachable = None
            self._async_tell_removed(old)
        if is_other_channel or old.get(CONF_MOTION) != self._subentry.data.get(
            CONF_MOTION
        ):
            self._detected = None
        self._async_watch()
        if is_other_channel or self._tags(old) != self._tags(self._data):
            await self._async_announce()

    @callback
    def async_check_health(self) -> None:
        """Tell whether the camera is within reach, if that is not for a moment only."""
        if self._camera is None:
            return
        reachable = self._is_reachable(self._camera)
        if reachable == self._reachable:
            self._async_stop_settling()
        elif self._reachable is not None and (reachable or not self._is_sharing()):
            self._async_tell_health()
        elif self._cancel_settling is None:
            self._cancel_settling = async_call_later(
                self._hass, SETTLE, self._async_settled
            )

    @callback
    def _async_settled(self, _: datetime) -> None:
        self._cancel_settling = None
        self._async_tell_health()
        # What Alexa was told before Home Assistant started anew may be wrong by now.
        state = self._motion.state if self._motion else None
        if self._detected is None and state is not None and state.state == STATE_OFF:
            self._async_tell_motion(detected=False, at=dt_util.utcnow())

    @property
    def has_camera(self) -> bool:
        """Return whether the camera is there; one that Alexa does not know is."""
        return self._camera is None or _is_there(self._camera.state)

    def _is_reachable(self, camera: EntityWatch) -> bool:
        return self._is_sharing() and self._is_connected() and _is_there(camera.state)

    @callback
    def _async_watch(self) -> None:
        """Listen to what the subentry names, if Alexa can know of its channel."""
        self._data = self._subentry.data
        if not _may_be_alexas(self._data):
            return
        self._camera = self._watch(CONF_CAMERA, self._on_camera)
        if CONF_DOORBELL in self._data:
            self._watch(CONF_DOORBELL, self._on_doorbell)
        if CONF_MOTION in self._data:
            self._motion = self._watch(CONF_MOTION, self._on_motion)
        self.async_check_health()

    def _watch(
        self, key: str, on_change: Callable[[State | None, State | None], None]
    ) -> EntityWatch:
        watch = EntityWatch(
            hass=self._hass, entity=self._data[key], on_change=on_change
        )
        self._watches.append(watch)
        watch.async_start()
        return watch

    @callback
    def _async_stop_watching(self) -> None:
        self._async_stop_settling()
        self._camera = self._motion = None
        while self._watches:
            self._watches.pop().async_stop()

    @callback
    def _async_stop_settling(self) -> None:
        if self._cancel_settling is not None:
            self._cancel_settling()
            self._cancel_settling = None

    @callback
    def _on_camera(self, _old: State | None, _new: State | None) -> None:
        self.async_check_health()

    @callback
    def _on_doorbell(self, old: State | None, new: State | None) -> None:
        """Tell of a press."""
        at = self._doorbell.pressed_at(old, new)
        if at is None:
            return
        for listener in self._listeners:
            listener.async_doorbell_pressed(self._data[CONF_CHANNEL_NAME], at)

    @callback
    def _on_motion(self, old: State | None, new: State | None) -> None:
        """Tell of a change; a sensor that comes back with a motion has not seen it."""
        if new is None or new.state not in (STATE_ON, STATE_OFF):
            return
        detected = new.state == STATE_ON
        if detected == self._detected:
            return
        if detected and (old is None or old.state != STATE_OFF):
            return
        self._async_tell_motion(detected=detected, at=new.last_changed)

    @callback
    def _async_tell_motion(self, *, detected: bool, at: datetime) -> None:
        self._detected = detected
        for listener in self._listeners:
            listener.async_motion_changed(self._data[CONF_CHANNEL_NAME], detected, at)

    @callback
    def _async_tell_health(self) -> None:
        self._async_stop_settling()
        if self._camera is None:
            return
        self._reachable = self._is_reachable(self._camera)
        for listener in self._listeners:
            listener.async_health_changed(
                self._data[CONF_CHANNEL_NAME], self._reachable, dt_util.utcnow()
            )

    async def _async_announce(self) -> None:
        """Tell what the camera is now, where its channel's tags say so too."""
        if CONF_ALEXA_NAME not in self._data:
            return
        made_by = await instance_id.async_get(self._hass)
        for listener in self._listeners:
            listener.async_camera_changed(
                channel_name=self._data[CONF_CHANNEL_NAME],
                channel_arn=self._data[CONF_CHANNEL_ARN],
                tags={TAG_CREATED_BY: made_by, **self._tags(self._data)},
            )

    @callback
    def _async_tell_removed(self, data: Mapping[str, Any]) -> None:
        if _may_be_alexas(data):
            for listener in self._listeners:
                listener.async_camera_removed(data[CONF_CHANNEL_NAME])

    def _tags(self, data: Mapping[str, Any]) -> Mapping[str, str]:
        return AlexaFields.from_data(data, title=self._subentry.title).tags

    @property
    def _listeners(self) -> Iterable[AlexaListener]:
        skills: Iterable[AlexaListener] = self._entry.runtime_data.alexa_skills.values()
        return skills


def _is_there(state: State | None) -> bool:
    return state is not None and state.state != STATE_UNAVAILABLE


def _may_be_alexas(data: Mapping[str, Any]) -> bool:
    """Return whether the skill lists channels of this name."""
    name: str = data[CONF_CHANNEL_NAME]
    return name.startswith(CHANNEL_NAME_PREFIX) and "." not in name
