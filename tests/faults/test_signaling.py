"""What the way to a channel's master may suffer, and what is kept all the same."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.e2e.harness.alexa_lambda import AlexaLambda
from tests.e2e.harness.emulator import Emulator
from tests.e2e.harness.home_assistant import HomeAssistant
from tests.e2e.harness.scenario import SharedCamera
from tests.e2e.harness.watcher import Watcher


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def watcher(shared: SharedCamera, emulator: Emulator) -> AsyncIterator[Watcher]:
    """Give one viewer that watches through all of this module."""
    channel = await emulator.only_channel()
    async with Watcher() as watcher:
        answer = await AlexaLambda.of(emulator, channel["ChannelARN"]).answer(
            watcher.offer
        )
        assert answer is not None
        await watcher.apply(answer)
        await watcher.see(50)
        yield watcher
        await watcher.hang_up()


@pytest_asyncio.fixture(autouse=True, loop_scope="session")
async def undisturbed(
    home: HomeAssistant, shared: SharedCamera, watcher: Watcher
) -> AsyncIterator[None]:
    """Hold that no fault costs a running view a single picture."""
    since = watcher.mark()
    yield
    await watcher.see(25)
    missed = watcher.missed(since)
    assert not missed.disturbed, missed


@pytest.mark.timeout(60)
async def test_a_cut_socket_is_back_at_once(
    home: HomeAssistant, shared: SharedCamera, emulator: Emulator
) -> None:
    channel = await emulator.only_channel()
    before = await home.client.state(shared.connected)
    await emulator.act("connections", channel=channel["ChannelARN"], action="cut")
    # It may be back before anybody has seen it gone.
    await home.client.wait_for_state(
        shared.connected,
        lambda state: (
            state["state"] == "on" and state["last_changed"] > before["last_changed"]
        ),
        timeout=10,
    )
