"""How many viewers a shared camera has, and how they are served."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
import time
from typing import Final, cast, override

from homeassistant.components.sensor import (
    RestoreSensor,
    SensorDeviceClass,
    SensorEntity,
    SensorEntityDescription,
    SensorStateClass,
)
from homeassistant.const import (
    PERCENTAGE,
    EntityCategory,
    UnitOfDataRate,
    UnitOfTime,
)
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback
from homeassistant.helpers.event import async_track_time_interval
from homeassistant.helpers.typing import StateType

from .coordinator import KinesisWebRTCConfigEntry
from .entity import SharedCameraEntity, async_add_shared_camera_entities
from .self_test_report import PASSED, AlexaRule, Stage
from .session_log import ConnectionKind
from .shared_camera import SharedCamera
from .video_path import VideoPath, encoding_load, video_path

PARALLEL_UPDATES = 0
# Of what is measured, which is in memory; the others are told of changes.
SCAN_INTERVAL = timedelta(seconds=10)


@dataclass(frozen=True, kw_only=True)
class SharedCameraSensorDescription(SensorEntityDescription):
    """A sensor of a shared camera."""

    value: Callable[[SharedCamera], StateType]


SENSORS: Final = (
    SharedCameraSensorDescription(
        key="viewers",
        entity_category=EntityCategory.DIAGNOSTIC,
        state_class=SensorStateClass.MEASUREMENT,
        value=lambda camera: camera.viewers,
    ),
    SharedCameraSensorDescription(
        key="connection",
        device_class=SensorDeviceClass.ENUM,
        entity_category=EntityCategory.DIAGNOSTIC,
        options=[str(kind) for kind in ConnectionKind],
        value=lambda camera: camera.sessions.connection,
    ),
    SharedCameraSensorDescription(
        key="video",
        device_class=SensorDeviceClass.ENUM,
        entity_category=EntityCategory.DIAGNOSTIC,
        options=[str(path) for path in VideoPath],
        value=lambda camera: video_path(camera.feed, camera.alexa_feed),
    ),
    SharedCameraSensorDescription(
        key="answer_time",
        device_class=SensorDeviceClass.DURATION,
        entity_category=EntityCategory.DIAGNOSTIC,
        entity_registry_enabled_default=False,
        native_unit_of_measurement=UnitOfTime.MILLISECONDS,
        state_class=SensorStateClass.MEASUREMENT,
        suggested_display_precision=0,
        value=lambda camera: camera.sessions.answer_ms,
    ),
)
SELF_TEST: Final = SharedCameraSensorDescription(
    key="self_test",
    device_class=SensorDeviceClass.ENUM,
    entity_category=EntityCategory.DIAGNOSTIC,
    options=[PASSED, *map(str, Stage), *map(str, AlexaRule)],
    value=lambda camera: (
        camera.self_test.report.verdict if camera.self_test.report else None
    ),
)
ENCODING_LOAD: Final = SharedCameraSensorDescription(
    key="encoding_load",
    entity_category=EntityCategory.DIAGNOSTIC,
    native_unit_of_measurement=PERCENTAGE,
    state_class=SensorStateClass.MEASUREMENT,
    suggested_display_precision=0,
    value=lambda camera: encoding_load(camera.feed, camera.alexa_feed),
)
BITRATE: Final = SensorEntityDescription(
    key="bitrate",
    device_class=SensorDeviceClass.DATA_RATE,
    entity_category=EntityCategory.DIAGNOSTIC,
    entity_registry_enabled_default=False,
    native_unit_of_measurement=UnitOfDataRate.KILOBITS_PER_SECOND,
    state_class=SensorStateClass.MEASUREMENT,
    suggested_display_precision=0,
)


async def async_setup_entry(
    hass: HomeAssistant,
    entry: KinesisWebRTCConfigEntry,
    async_add_entities: AddConfigEntryEntitiesCallback,
) -> None:
    """Set up the sensors of each shared camera."""
    async_add_shared_camera_entities(
        entry,
        async_add_entities,
        lambda camera: [
            *(
                SharedCameraSensor(camera=camera, description=description)
                for description in SENSORS
            ),
            SelfTestSensor(camera=camera, description=SELF_TEST),
            EncodingLoadSensor(camera=camera, description=ENCODING_LOAD),
            BitrateSensor(camera=camera, description=BITRATE),
        ],
    )


class SharedCameraSensor(SharedCameraEntity, SensorEntity):
    """Something that a shared camera tells when it changes."""

    entity_description: SharedCameraSensorDescription

    def __init__(
        self, *, camera: SharedCamera, description: SharedCameraSensorDescription
    ) -> None:
        """Bind the sensor to its shared camera."""
        super().__init__(camera=camera, key=description.key)
        self.entity_description = description

    @property
    @override
    def native_value(self) -> StateType:
        """Return what the shared camera says now."""
        return self.entity_description.value(self.shared_camera)


class SelfTestSensor(SharedCameraSensor, RestoreSensor):
    """The verdict of the last self-test, also of one before Home Assistant's start."""

    @override
    async def async_added_to_hass(self) -> None:
        """Take up the verdict that was shown last."""
        await super().async_added_to_hass()
        last = await self.async_get_last_sensor_data()
        # Another release may have known verdicts that this one does not.
        if last is not None and last.native_value in (SELF_TEST.options or ()):
            self._attr_native_value = last.native_value

    @property
    @override
    def native_value(self) -> StateType:
        """Return the last verdict that there is."""
        return super().native_value or cast(StateType, self._attr_native_value)


class EncodingLoadSensor(SharedCameraSensor):
    """What encoding takes, as the mean of the last seconds."""

    @override
    async def async_added_to_hass(self) -> None:
        """Look again and again; a camera that is removed ends that by itself."""
        await super().async_added_to_hass()

        @callback
        def async_look(_: datetime) -> None:
            self.async_write_ha_state()

        self.async_on_remove(
            async_track_time_interval(self.hass, async_look, SCAN_INTERVAL)
        )


class BitrateSensor(SharedCameraEntity, SensorEntity):
    """What all viewers together are sent, as the mean since the last update."""

    _attr_should_poll = True

    def __init__(
        self, *, camera: SharedCamera, description: SensorEntityDescription
    ) -> None:
        """Bind the sensor to its shared camera."""
        super().__init__(camera=camera, key=description.key)
        self.entity_description = description
        self._sent_at, self._sent = time.monotonic(), camera.bytes_sent

    async def async_update(self) -> None:
        """Count what was sent since the last time."""
        now, sent = time.monotonic(), self.shared_camera.bytes_sent
        elapsed, amount = now - self._sent_at, sent - self._sent
        self._sent_at, self._sent = now, sent
        # A camera that is exchanged begins again at nothing.
        if elapsed > 0 and amount >= 0:
            self._attr_native_value = amount * 8 / 1000 / elapsed
