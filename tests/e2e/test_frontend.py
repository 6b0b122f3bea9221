"""Remote channels in Home Assistant's frontend, with AWS's own JS SDK as their master."""

import asyncio
from collections.abc import AsyncIterator
from itertools import pairwise

from playwright.async_api import Browser
import pytest
import pytest_asyncio

from tests.system import browser, require

from .harness.browser import chromium_browser, sdk_page
from .harness.clip import FRAMES
from .harness.coturn import Coturn
from .harness.emulator import Emulator
from .harness.flows import SUBENTRIES, Flow
from .harness.frontend import Frontend, frontend
from .harness.home_assistant import HomeAssistant
from .harness.scenario import add_account
from .harness.sdk import SdkMaster, add_device

CAMERA = "camera.cabin"
NUMBER = 9


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def aws(coturn: Coturn) -> AsyncIterator[Emulator]:
    """Start a region of its own, whose users may view channels; the SDK wants TLS."""
    async with Emulator(coturn=coturn, viewing=True) as emulator:
        await add_device(emulator)
        yield emulator


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def channel_arn(aws: Emulator) -> str:
    channel = await aws.act("create_channel", name="cabin", message_ttl=60)
    return str(channel["ChannelARN"])


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def chromium() -> AsyncIterator[Browser]:
    require("node:amazon-kinesis-video-streams-webrtc", "node:esbuild")
    async with chromium_browser(browser()) as chromium:
        yield chromium


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def master(
    chromium: Browser, aws: Emulator, channel_arn: str
) -> AsyncIterator[SdkMaster]:
    """Open the page of the far camera, which is not yet on its channel."""
    async with sdk_page(chromium, "master") as page:
        yield SdkMaster(page, emulator=aws, channel_arn=channel_arn, number=NUMBER)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def house(
    chromium: Browser,
    aws: Emulator,
    coturn: Coturn,
    channel_arn: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[HomeAssistant]:
    """Start a Home Assistant that views the channel, with a dashboard that shows it."""
    async with HomeAssistant(
        tmp_path_factory.mktemp("house"), environment=aws.environment
    ) as house:
        entry_id = await add_account(
            house.client, aws.home_assistant, stun_url=coturn.stun_url
        )
        flow = await Flow.start(house.client, SUBENTRIES, [entry_id, "remote_channel"])
        await flow.finish({"channel": channel_arn})
        await house.client.wait_for_state(CAMERA, "idle")
        await house.client.command(
            "lovelace/dashboards/create",
            url_path="dashboard-cameras",
            title="Cameras",
            mode="storage",
        )
        await house.client.command(
            "lovelace/config/save",
            url_path="dashboard-cameras",
            config={
                "views": [
                    {
                        "title": "Cameras",
                        "cards": [
                            {
                                "type": "picture-entity",
                                "entity": CAMERA,
                                "camera_view": "live",
                            }
                        ],
                    }
                ]
            },
        )
        yield house


@pytest_asyncio.fixture(loop_scope="session")
async def direct(master: SdkMaster) -> AsyncIterator[SdkMaster]:
    """Have the master on its channel."""
    await master.connect()
    yield master
    await master.disconnect()


@pytest_asyncio.fixture(autouse=True, loop_scope="session")
async def quiet(house: HomeAssistant) -> AsyncIterator[None]:
    """Fail every test after which Home Assistant's log has something against us."""
    yield
    house.log.assert_clean()


async def assert_sees(viewer: Frontend) -> None:
    """Hold that a browser shows the far camera's pictures, one after the other."""
    readings = await viewer.readings(12)
    assert {reading.camera for reading in readings} == {NUMBER}
    numbers = [reading.number for reading in readings]
    # A canvas may be filmed twice between two pictures, or not at all.
    steps = [(later - earlier) % FRAMES for earlier, later in pairwise(numbers)]
    assert max(steps) <= 20, numbers
    assert len(set(numbers)) > 6, numbers


async def test_the_details_show_the_masters_pictures(
    house: HomeAssistant, chromium: Browser, direct: SdkMaster
) -> None:
    async with frontend(chromium, house.url) as viewer:
        await viewer.open_more_info(CAMERA)
        await assert_sees(viewer)
        await viewer.screenshot("remote-more-info")
        assert "relay" not in await viewer.selected_pair()
        report = await direct.report()
    assert report["errors"] == []
    assert {one["codec"] for one in report["viewers"]} == {"video/H264"}


async def test_both_sides_may_have_nothing_but_relays(
    house: HomeAssistant, chromium: Browser, master: SdkMaster
) -> None:
    await master.connect(relay_only=True)
    try:
        async with frontend(chromium, house.url, relay_only=True) as viewer:
            await viewer.open_more_info(CAMERA)
            await assert_sees(viewer)
            assert await viewer.selected_pair() == ["relay", "relay"]
            await viewer.screenshot("remote-relayed")
    finally:
        await master.disconnect()


async def test_two_browsers_watch_one_channel(
    house: HomeAssistant, chromium: Browser, direct: SdkMaster
) -> None:
    async with (
        frontend(chromium, house.url) as dashboard,
        frontend(chromium, house.url) as details,
    ):
        await dashboard.open("/dashboard-cameras")
        await details.open_more_info(CAMERA)
        await assert_sees(dashboard)
        await assert_sees(details)
        await dashboard.screenshot("remote-dashboard")


async def test_a_view_goes_on_after_an_ice_restart(
    house: HomeAssistant, chromium: Browser, direct: SdkMaster
) -> None:
    async with frontend(chromium, house.url) as viewer:
        await viewer.open_more_info(CAMERA)
        await assert_sees(viewer)
        before = await direct.offers()
        await viewer.restart_ice()
        # The frontend makes a new offer of it, which is another session.
        await direct.wait_for_another(before)
        await assert_sees(viewer)


async def test_who_talks_in_the_details_is_heard_by_the_master(
    house: HomeAssistant, direct: SdkMaster
) -> None:
    async def preview(*, enabled: bool) -> None:
        await house.client.command(
            "labs/update",
            domain="camera",
            preview_feature="two_way_audio",
            enabled=enabled,
        )

    await preview(enabled=True)
    try:
        async with (
            chromium_browser(browser(), microphone=True) as chromium,
            frontend(chromium, house.url) as viewer,
        ):
            await viewer.open_more_info(CAMERA)
            await assert_sees(viewer)
            assert await direct.heard_energy() == 0
            await viewer.page.get_by_role("button", name="Start talking").click()
            await direct.wait_for_sound()
            await assert_sees(viewer)
            await viewer.screenshot("remote-talking")
        assert (await direct.report())["errors"] == []
    finally:
        await preview(enabled=False)


async def test_a_master_that_is_away_is_named_and_seen_when_it_is_back(
    house: HomeAssistant, chromium: Browser, master: SdkMaster
) -> None:
    async with frontend(chromium, house.url) as viewer:
        await viewer.open_more_info(CAMERA)
        reason = viewer.page.get_by_text("The camera is not connected to its channel")
        await reason.wait_for(timeout=25_000)
        await viewer.screenshot("remote-master-away")

        await master.connect()
        try:
            await viewer.open_more_info(CAMERA)
            await assert_sees(viewer)
        finally:
            await master.disconnect()


async def test_a_browser_closed_before_the_answer_leaves_no_session(
    house: HomeAssistant, chromium: Browser, aws: Emulator
) -> None:
    async def viewers() -> set[str]:
        channel = (await aws.state())["channels"]["cabin"]
        return set(channel["viewers"])

    async def until(condition: bool, *, timeout: float = 8) -> None:
        """Wait until somebody or nobody views the channel, which tells nobody."""
        async with asyncio.timeout(timeout):
            while bool(await viewers()) != condition:  # noqa: ASYNC110
                await asyncio.sleep(0.1)

    await until(False)
    async with frontend(chromium, house.url) as viewer:
        await viewer.open_more_info(CAMERA)
        await until(True, timeout=30)
    # A view that nobody left would end after twelve seconds only.
    await until(False)
