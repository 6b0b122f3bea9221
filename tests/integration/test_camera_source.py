"""A camera's stream is looked up when it is needed."""

from collections.abc import AsyncGenerator
from unittest.mock import MagicMock, Mock, PropertyMock, patch

from homeassistant.components import camera as camera_component
from homeassistant.components.stream import Orientation as HomeAssistantOrientation
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers import entity_registry as er
from homeassistant.helpers.entity_platform import EntityPlatform
from homeassistant.setup import async_setup_component
import pytest

from custom_components.kinesis_webrtc.camera_source import CameraSource
from custom_components.kinesis_webrtc.const import DOMAIN
from custom_components.kinesis_webrtc.peer import (
    Orientation,
    SourceError,
    Stills,
    StreamUrl,
    WebRtcCamera,
)

from .conftest import add_camera

MODULE = "custom_components.kinesis_webrtc.camera_source"


class StreamingCamera(camera_component.Camera):
    """A camera with a stream."""

    _attr_supported_features = camera_component.CameraEntityFeature.STREAM

    def __init__(self, url: str | None) -> None:
        super().__init__()
        self.url = url
        self.platform = MagicMock(EntityPlatform, platform_name="demo")

    async def stream_source(self) -> str | None:
        return self.url


@pytest.fixture
async def streaming(hass: HomeAssistant) -> AsyncGenerator[StreamingCamera]:
    camera = StreamingCamera("rtsp://camera/main")
    camera.hass = hass
    with (
        patch(f"{MODULE}.get_camera_from_entity_id", return_value=camera),
        patch(f"{MODULE}.async_get_stream_source", side_effect=lambda *_: camera.url),
    ):
        yield camera


async def test_gives_the_stream_with_the_cameras_own_options(
    hass: HomeAssistant, camera: er.RegistryEntry, streaming: StreamingCamera
) -> None:
    streaming.stream_options = {
        "rtsp_transport": "udp",
        "use_wallclock_as_timestamps": True,
        "extra_part_wait_time": 1.0,
    }

    stream = await CameraSource(hass=hass, camera=camera.id).resolve()

    assert isinstance(stream, StreamUrl)
    assert stream.url == "rtsp://camera/main"
    assert stream.options == {
        "rtsp_transport": "udp",
        "use_wallclock_as_timestamps": "1",
    }


async def test_gives_the_cameras_still_beside_the_stream(
    hass: HomeAssistant, camera: er.RegistryEntry, streaming: StreamingCamera
) -> None:
    stream = await CameraSource(hass=hass, camera=camera.id).resolve()

    assert isinstance(stream, StreamUrl)
    assert stream.still is not None
    with patch(
        f"{MODULE}.async_get_image",
        return_value=camera_component.Image("image/jpeg", b"picture"),
    ) as get:
        assert await stream.still() == b"picture"
    assert get.call_args.args[1] == camera.entity_id


@pytest.mark.parametrize(
    ("platform", "takes_the_stream"), [("demo", True), ("ffmpeg", False)]
)
async def test_a_still_that_would_open_the_camera_twice_is_none(
    hass: HomeAssistant,
    camera: er.RegistryEntry,
    streaming: StreamingCamera,
    platform: str,
    takes_the_stream: bool,
) -> None:
    streaming.platform.platform_name = platform
    source = CameraSource(hass=hass, camera=camera.id)

    with patch.object(StreamingCamera, "use_stream_for_stills", takes_the_stream):
        stream = await source.resolve()

    assert isinstance(stream, StreamUrl)
    assert stream.still is None


async def test_follows_a_camera_that_was_renamed(
    hass: HomeAssistant,
    camera: er.RegistryEntry,
    entity_registry: er.EntityRegistry,
    streaming: StreamingCamera,
) -> None:
    source = CameraSource(hass=hass, camera=camera.id)
    entity_registry.async_update_entity(
        camera.entity_id, new_entity_id="camera.renamed"
    )

    with patch(
        f"{MODULE}.async_get_stream_source", return_value="rtsp://camera/main"
    ) as get:
        await source.resolve()

    assert get.call_args.args[1] == "camera.renamed"


async def test_takes_a_camera_that_is_not_registered(
    hass: HomeAssistant, streaming: StreamingCamera
) -> None:
    source = CameraSource(hass=hass, camera="camera.from_yaml")

    assert (await source.resolve()).url == "rtsp://camera/main"


async def test_a_camera_without_a_stream_gives_its_stills(
    hass: HomeAssistant, camera: er.RegistryEntry, streaming: StreamingCamera
) -> None:
    streaming.url = None
    streaming._attr_frame_interval = 0.1

    stills = await CameraSource(hass=hass, camera=camera.id).resolve()

    assert isinstance(stills, Stills)
    assert stills.interval == 1
    with patch(
        f"{MODULE}.async_get_image",
        return_value=camera_component.Image("image/jpeg", b"picture"),
    ) as get:
        assert await stills.fetch() == b"picture"
    assert get.call_args.args[1] == camera.entity_id


async def test_a_camera_that_has_pictures_seldom_is_asked_seldom(
    hass: HomeAssistant, camera: er.RegistryEntry, streaming: StreamingCamera
) -> None:
    streaming.url = None
    streaming._attr_frame_interval = 30

    stills = await CameraSource(hass=hass, camera=camera.id).resolve()

    assert isinstance(stills, Stills)
    assert stills.interval == 30


@pytest.fixture
async def with_provider(
    hass: HomeAssistant, streaming: StreamingCamera
) -> AsyncGenerator[None]:
    """Have a provider of WebRTC that takes the camera's stream."""
    assert await async_setup_component(hass, "web_rtc", {})
    types = {camera_component.StreamType.HLS, camera_component.StreamType.WEB_RTC}
    with patch.object(
        StreamingCamera, "camera_capabilities", new_callable=PropertyMock
    ) as capabilities:
        capabilities.return_value.frontend_stream_types = types
        yield


async def test_a_stream_that_can_be_opened_comes_before_webrtc(
    hass: HomeAssistant,
    camera: er.RegistryEntry,
    streaming: StreamingCamera,
    with_provider: None,
) -> None:
    source = CameraSource(hass=hass, camera=camera.id)
    for url in ("rtsp://camera/main", "/media/clip.mp4"):
        streaming.url = url
        assert await source.resolve() == StreamUrl(url=url)


@pytest.mark.parametrize("url", [None, "tapo://camera", "ffmpeg:rtsp://camera#video"])
async def test_a_camera_that_only_speaks_webrtc_is_joined(
    hass: HomeAssistant,
    camera: er.RegistryEntry,
    streaming: StreamingCamera,
    with_provider: None,
    url: str | None,
) -> None:
    streaming.url = url

    joined = await CameraSource(hass=hass, camera=camera.id).resolve()

    assert isinstance(joined, WebRtcCamera)
    assert isinstance(joined.stills, Stills)


async def test_a_strange_stream_is_tried_where_nothing_else_is_there(
    hass: HomeAssistant, camera: er.RegistryEntry, streaming: StreamingCamera
) -> None:
    streaming.url = "strange://camera"

    source = await CameraSource(hass=hass, camera=camera.id).resolve()

    assert source == StreamUrl(url="strange://camera")


async def test_a_camera_of_our_own_goes_in_no_circle(
    hass: HomeAssistant,
    entity_registry: er.EntityRegistry,
    streaming: StreamingCamera,
) -> None:
    own = add_camera(hass, entity_registry, "live_view", "Live view", platform=DOMAIN)

    with pytest.raises(SourceError) as raised:
        await CameraSource(hass=hass, camera=own.id).resolve()

    assert raised.value.reason == "own_camera"


async def test_says_why_there_is_no_stream(
    hass: HomeAssistant,
    camera: er.RegistryEntry,
    entity_registry: er.EntityRegistry,
    streaming: StreamingCamera,
) -> None:
    source = CameraSource(hass=hass, camera=camera.id)

    with (
        patch(
            f"{MODULE}.get_camera_from_entity_id", side_effect=HomeAssistantError("off")
        ),
        pytest.raises(SourceError) as raised,
    ):
        await source.resolve()
    assert raised.value.reason == "camera_off"

    entity_registry.async_remove(camera.entity_id)
    with pytest.raises(SourceError) as raised:
        await source.resolve()
    assert raised.value.reason == "camera_removed"


def turn(
    entity_registry: er.EntityRegistry, camera: er.RegistryEntry, orientation: int
) -> None:
    """Have a user turn a camera's stream, as its preferences keep it."""
    entity_registry.async_update_entity_options(
        camera.entity_id, "camera", {"orientation": orientation}
    )


async def test_the_stream_is_turned_as_the_user_wants_it(
    hass: HomeAssistant,
    camera: er.RegistryEntry,
    entity_registry: er.EntityRegistry,
    streaming: StreamingCamera,
) -> None:
    source = CameraSource(hass=hass, camera=camera.id)
    assert (await source.resolve()).orientation is Orientation.NONE
    for wanted in HomeAssistantOrientation:
        turn(entity_registry, camera, wanted)
        stream = await source.resolve()
        assert isinstance(stream, StreamUrl)
        assert stream.orientation == wanted


async def test_it_is_told_when_the_stream_is_turned_otherwise(
    hass: HomeAssistant,
    camera: er.RegistryEntry,
    entity_registry: er.EntityRegistry,
) -> None:
    told = Mock()
    source = CameraSource(hass=hass, camera=camera.id)
    stop = source.async_follow_orientation(told)
    turn(entity_registry, camera, 3)
    assert told.call_count == 1
    turn(entity_registry, camera, 3)
    entity_registry.async_update_entity(camera.entity_id, new_entity_id="camera.other")
    await hass.async_block_till_done()
    assert told.call_count == 1
    stop()
    entity_registry.async_update_entity_options(
        "camera.other", "camera", {"orientation": 1}
    )
    await hass.async_block_till_done()
    assert told.call_count == 1
