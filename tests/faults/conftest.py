"""One Home Assistant for all faults, with a camera on a channel.

The processes are those of the end-to-end tests, started anew for these: nothing that is
done to them here reaches the others.
"""

from pathlib import Path

import pytest
import pytest_asyncio

from tests.e2e.conftest import (
    alexa,
    camera,
    coturn,
    emulator,
    home,
    shared,
    stills,
    system,
)

__all__ = [
    "alexa",
    "camera",
    "coturn",
    "emulator",
    "home",
    "shared",
    "stills",
    "system",
]

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
