"""One Home Assistant for all tests that can share it, with a camera on a channel."""

from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import pytest
import pytest_asyncio

from tests.system import require

from .harness.alexa_lambda import AlexaLambda
from .harness.camera import RtspCamera
from .harness.coturn import Coturn
from .harness.emulator import Emulator
from .harness.home_assistant import HomeAssistant
from .harness.scenario import SharedCamera, share_a_camera
from .harness.stills import Stills

FOLDER = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run all of them in one event loop: it owns the processes that they share."""
    for item in items:
        if FOLDER in item.path.parents and pytest_asyncio.is_async_test(item):
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)


@pytest.fixture(scope="session")
def system() -> None:
    require("turnserver", "gi:GstRtspServer", "gst:rtph264pay", "gst:h264parse")


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def coturn(system: None) -> AsyncIterator[Coturn]:
    async with Coturn(secret=uuid4().hex) as coturn:
        yield coturn


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def emulator(coturn: Coturn) -> AsyncIterator[Emulator]:
    async with Emulator(coturn=coturn) as emulator:
        yield emulator


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def camera(system: None) -> AsyncIterator[RtspCamera]:
    async with RtspCamera(number=1) as camera:
        yield camera


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def home(
    emulator: Emulator, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[HomeAssistant]:
    """Start a Home Assistant in which nothing is set up yet."""
    async with HomeAssistant(
        tmp_path_factory.mktemp("home-assistant"), environment=emulator.environment
    ) as home:
        yield home


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def stills(camera: RtspCamera) -> AsyncIterator[Stills]:
    async with Stills(number=camera.number) as stills:
        yield stills


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def shared(
    home: HomeAssistant,
    emulator: Emulator,
    coturn: Coturn,
    camera: RtspCamera,
    stills: Stills,
) -> SharedCamera:
    """Share the camera on a new channel by the flows that a user goes through."""
    return await share_a_camera(
        home.client,
        emulator.home_assistant,
        stream_url=camera.url,
        still_url=stills.url,
        stun_url=coturn.stun_url,
    )


@pytest_asyncio.fixture(loop_scope="session")
async def alexa(emulator: Emulator, shared: SharedCamera) -> AlexaLambda:
    channel = await emulator.only_channel()
    alexa = AlexaLambda.of(emulator, channel["ChannelARN"])
    await alexa.prepare()
    return alexa
