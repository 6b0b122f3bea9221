"""One Home Assistant for all faults, with a camera on a channel.

The processes are those of the end-to-end tests, started anew for these: nothing that is
done to them here reaches the others.
"""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.e2e.conftest import alexa, camera, coturn, emulator, shared, stills, system
from tests.e2e.harness.emulator import Emulator
from tests.e2e.harness.home_assistant import HomeAssistant
from tests.e2e.harness.inside import Inside

__all__ = ["alexa", "camera", "coturn", "emulator", "shared", "stills", "system"]

FOLDER = Path(__file__).parent
# What these give belongs to the session's event loop.
_PROCESSES = frozenset({"camera", "coturn", "emulator", "home", "stills"})


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run all that use the shared processes in one event loop, others in their own."""
    for item in items:
        if FOLDER not in item.path.parents or not pytest_asyncio.is_async_test(item):
            continue
        assert isinstance(item, pytest.Function)
        if _PROCESSES.intersection(item.fixturenames):
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)


@pytest.fixture(scope="session")
def inside(tmp_path_factory: pytest.TempPathFactory) -> Inside:
    return Inside(tmp_path_factory.mktemp("inside"))


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def home(
    emulator: Emulator, inside: Inside, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[HomeAssistant]:
    """Start a Home Assistant that knows the service by a name, with nothing set up."""
    async with HomeAssistant(
        tmp_path_factory.mktemp("home-assistant"),
        environment=emulator.environment_by(inside),
    ) as home:
        yield home
