"""What Home Assistant does to a camera while it is viewed, and what is left after it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
import json
from pathlib import Path
import shutil

import pytest
import pytest_asyncio

from tests.e2e.harness.alexa_lambda import AlexaLambda
from tests.e2e.harness.camera import RtspCamera
from tests.e2e.harness.coturn import Coturn
from tests.e2e.harness.emulator import Emulator, readme_policy
from tests.e2e.harness.flows import ENTRIES, OPTIONS, SUBENTRIES, Flow
from tests.e2e.harness.home_assistant import INTEGRATION, REPOSITORY, HomeAssistant
from tests.e2e.harness.inside import Census, Inside
from tests.e2e.harness.mistakes import rotate_keys
from tests.e2e.harness.scenario import (
    Account,
    SharedCamera,
    add_camera,
    share_a_camera,
    share_camera,
)
from tests.e2e.harness.watcher import Watcher


@asynccontextmanager
async def view(emulator: Emulator, channel: str) -> AsyncIterator[Watcher]:
    """Have somebody watch the camera on a channel."""
    arn = (await emulator.state())["channels"][channel]["ChannelARN"]
    async with Watcher() as watcher:
        answer = await AlexaLambda.of(emulator, arn).answer(watcher.offer)
        assert answer is not None
        await watcher.apply(answer)
        await watcher.see(25)
        yield watcher
        await watcher.hang_up()


@pytest_asyncio.fixture(loop_scope="session")
async def channel(shared: SharedCamera, emulator: Emulator) -> str:
    return str((await emulator.only_channel())["ChannelName"])


async def settle(
    home: HomeAssistant, inside: Inside, camera: RtspCamera, before: Census | None
) -> Census:
    """Wait until nobody views; return what runs then, as soon as it is as before."""
    await camera.wait_until_idle()
    async with asyncio.timeout(30):
        while True:
            now = await inside.census(home)
            if before is None or now == before:
                return now
            # What ends says so to nobody.
            await asyncio.sleep(0.5)


@pytest_asyncio.fixture(autouse=True, loop_scope="session")
async def nothing_left(
    home: HomeAssistant,
    shared: SharedCamera,
    inside: Inside,
    emulator: Emulator,
    camera: RtspCamera,
    channel: str,
) -> AsyncIterator[Census]:
    """Hold that all is as it was: tasks, threads, sockets, channels; and the log clean."""
    await home.client.wait_for_state(shared.viewers, "0", timeout=40)
    before = await settle(home, inside, camera, None)
    yield before
    await home.client.wait_for_state(shared.connected, "on")
    try:
        await settle(home, inside, camera, before)
    except TimeoutError:
        assert await inside.census(home) == before
    state = await emulator.state()
    assert set(state["channels"]) == {channel}
    assert state["channels"][channel]["connections"] == 1
    home.log.assert_clean()


async def test_reloading_ends_views_and_nothing_else(
    home: HomeAssistant, shared: SharedCamera, emulator: Emulator, channel: str
) -> None:
    async with view(emulator, channel) as watcher:
        await home.client.post(
            f"/api/config/config_entries/entry/{shared.entry_id}/reload"
        )
        await watcher.over()

        await home.client.wait_for_state(shared.connected, "on")
        async with view(emulator, channel):
            pass


async def wanted_flow(home: HomeAssistant) -> Flow:
    """Return the flow that Home Assistant asks the user to go through."""
    async with asyncio.timeout(20):
        while True:
            for flow in await home.client.command("config_entries/flow/progress"):
                return Flow(home.client, ENTRIES, flow)
            await asyncio.sleep(0.2)


def given(keys: Account) -> dict[str, object]:
    """Return what is typed into a form that asks for keys."""
    return {
        "access_key_id": keys.access_key_id,
        "secret_access_key": keys.secret_access_key,
    }


@pytest.mark.timeout(180)
async def test_new_keys_are_taken_while_views_go_on(
    home: HomeAssistant, shared: SharedCamera, emulator: Emulator, channel: str
) -> None:
    old = emulator.home_assistant
    async with view(emulator, channel) as watcher:
        since = watcher.mark()
        keys = await rotate_keys(emulator)
        await emulator.act("remove_user", access_key_id=old.access_key_id)
        arn = (await emulator.only_channel())["ChannelARN"]
        await emulator.act("connections", channel=arn, action="cut")

        flow = await wanted_flow(home)
        assert (await flow.submit(given(keys)))["reason"] == "reauth_successful"
        await home.client.wait_for_state(shared.connected, "on")
        async with view(emulator, channel):
            await watcher.see(25)

        await emulator.act(
            "add_user",
            name="home-assistant",
            access_key_id=old.access_key_id,
            secret_access_key=old.secret_access_key,
            policies=[readme_policy()],
        )
        flow = await Flow.start(
            home.client, ENTRIES, INTEGRATION, entry_id=shared.entry_id
        )
        assert (await flow.submit(given(old)))["reason"] == "reconfigure_successful"
        await emulator.act("remove_user", access_key_id=keys.access_key_id)
        async with view(emulator, channel):
            await watcher.see(25)
        assert not watcher.missed(since).disturbed, watcher.missed(since)
    assert await home.client.command("config_entries/flow/progress") == []
    found = await home.client.command("repairs/list_issues")
    assert found["issues"] == []
    home.excuse(
        r"^Signaling channel .* is not connected, trying on: .*: UnrecognizedClient"
    )


async def test_unloading_leaves_nothing(
    home: HomeAssistant,
    shared: SharedCamera,
    emulator: Emulator,
    camera: RtspCamera,
    channel: str,
    inside: Inside,
    nothing_left: Census,
) -> None:
    async with view(emulator, channel) as watcher:
        await home.client.command(
            "config_entries/disable", entry_id=shared.entry_id, disabled_by="user"
        )
        await watcher.over()
    await camera.wait_until_idle()
    state = await emulator.state()
    assert state["channels"][channel]["connections"] == 0
    left = await inside.census(home)
    assert left.tasks == {}
    assert left.udp_sockets <= nothing_left.udp_sockets

    await home.client.command(
        "config_entries/disable", entry_id=shared.entry_id, disabled_by=None
    )
    await home.client.wait_for_entry(shared.entry_id)


@pytest.mark.timeout(180)
async def test_a_camera_that_is_no_longer_shared_takes_its_own_view_along(
    home: HomeAssistant, shared: SharedCamera, emulator: Emulator, channel: str
) -> None:
    async with RtspCamera(number=3) as other, view(emulator, channel) as watcher:
        entity_id = await add_camera(home.client, name="Shed", stream_url=other.url)
        shed = await share_camera(
            home.client, entry_id=shared.entry_id, camera=entity_id
        )
        since = watcher.mark()
        async with view(emulator, "ha-shed") as gone:
            await home.client.command(
                "config_entries/subentries/delete",
                entry_id=shared.entry_id,
                subentry_id=shed.subentry_id,
            )
            await gone.over()
        await watcher.see(25)
        assert not watcher.missed(since).disturbed, watcher.missed(since)
        await other.wait_until_idle()
        await remove_camera(home, entity_id)
        await emulator.only_channel()


async def entry_of(home: HomeAssistant, entity_id: str) -> str:
    """Return the config entry that an entity comes from."""
    entity = await home.client.command(
        "config/entity_registry/get", entity_id=entity_id
    )
    return str(entity["config_entry_id"])


async def remove_camera(home: HomeAssistant, entity_id: str) -> None:
    """Remove a generic camera."""
    entry_id = await entry_of(home, entity_id)
    await home.client.delete(f"/api/config/config_entries/entry/{entry_id}")


async def test_renaming_the_camera_disturbs_no_view(
    home: HomeAssistant, shared: SharedCamera, emulator: Emulator, channel: str
) -> None:
    async with view(emulator, channel) as watcher:
        since = watcher.mark()
        await home.client.command(
            "config/entity_registry/update",
            entity_id=shared.camera,
            new_entity_id="camera.renamed",
            name="Renamed",
        )
        async with view(emulator, channel):
            await watcher.see(25)
        await home.client.command(
            "config/entity_registry/update",
            entity_id="camera.renamed",
            new_entity_id=shared.camera,
            name=None,
        )
        await watcher.see(25)
        assert not watcher.missed(since).disturbed, watcher.missed(since)


@pytest.mark.timeout(180)
async def test_a_camera_may_be_disabled_and_come_back(
    home: HomeAssistant, shared: SharedCamera, emulator: Emulator, channel: str
) -> None:
    owner = await entry_of(home, shared.camera)
    async with view(emulator, channel):
        await home.client.command(
            "config/entity_registry/update",
            entity_id=shared.camera,
            disabled_by="user",
        )
        await home.client.wait_for_no_state(shared.camera)
    await home.client.command(
        "config/entity_registry/update", entity_id=shared.camera, disabled_by=None
    )
    # Home Assistant waits half a minute for more of the kind before it does so itself.
    await home.client.post(f"/api/config/config_entries/entry/{owner}/reload")
    await home.client.wait_for_state(
        shared.camera, lambda state: state["state"] != "unavailable"
    )
    async with view(emulator, channel):
        pass


@pytest.mark.timeout(180)
async def test_a_camera_may_be_deleted_while_it_is_viewed(
    home: HomeAssistant, shared: SharedCamera, emulator: Emulator
) -> None:
    async with RtspCamera(number=3) as other:
        entity_id = await add_camera(home.client, name="Attic", stream_url=other.url)
        attic = await share_camera(
            home.client, entry_id=shared.entry_id, camera=entity_id
        )
        async with view(emulator, "ha-attic"):
            await remove_camera(home, entity_id)
            await home.client.wait_for_no_state(entity_id)
        await home.client.command(
            "config_entries/subentries/delete",
            entry_id=shared.entry_id,
            subentry_id=attic.subentry_id,
        )
        await other.wait_until_idle()
        await emulator.only_channel()


@pytest.mark.timeout(300)
async def test_a_restart_begins_anew_and_removing_the_account_ends_it_all(
    emulator: Emulator, inside: Inside, camera: RtspCamera, tmp_path: Path
) -> None:
    async with Emulator() as other:
        async with HomeAssistant(
            tmp_path, environment=other.environment_by(inside)
        ) as first:
            shared = await share_a_camera(
                first.client,
                other.home_assistant,
                stream_url=camera.url,
                stun_url="stun:127.0.0.1:9",
            )
            (channel,) = (await other.state())["channels"]
            async with view(other, channel) as watcher:
                await first.client.call_service("homeassistant.stop")
                await watcher.over()
                assert await first.wait() == 0
        first.log.assert_clean()
        assert (await other.state())["channels"][channel]["connections"] == 0

        async with HomeAssistant(
            tmp_path, environment=other.environment_by(inside)
        ) as again:
            await again.client.wait_for_state(shared.connected, "on")
            async with view(other, channel) as watcher:
                await again.client.delete(
                    f"/api/config/config_entries/entry/{shared.entry_id}"
                )
                await watcher.over()
            await camera.wait_until_idle()
            assert (await other.state())["channels"] == {}
            left = await inside.census(again)
            assert left.tasks == {}
        again.log.assert_clean()


TEMPLATE = "/api/kinesis_webrtc/alexa_skill_template?" + "&".join(
    f"{name}=x" for name in ("SkillId", "ChannelRegion", "NamePrefix", "SsmPath")
)


def lay_files(components: Path) -> Path:
    """Copy the integration's files into a configuration folder."""
    files = components / INTEGRATION
    shutil.copytree(
        REPOSITORY / "custom_components" / INTEGRATION,
        files,
        ignore=shutil.ignore_patterns("__pycache__"),
    )
    return files


async def use_everything(
    home: HomeAssistant, shared: SharedCamera, emulator: Emulator, channel: str
) -> bytes:
    """Open a view, test, look and configure; return what the skill's backend would be."""
    client = home.client
    async with view(emulator, channel):
        pass
    entity = await client.command(
        "config/entity_registry/get", entity_id=shared.self_test
    )
    found = await client.call_action(
        "kinesis_webrtc.self_test", device_id=entity["device_id"]
    )
    assert {stage["verdict"] for stage in found["stages"]} == {"passed"}, found
    async with client.subscribe("system_health/info") as told:
        health = (await told.get())["data"][INTEGRATION]["info"]
    assert health["masters_connected"] == "1/1"
    told = await client.get(f"/api/diagnostics/config_entry/{shared.entry_id}")
    assert told["data"]["shared_cameras"]
    for path, handler, extra in (
        (ENTRIES, INTEGRATION, {"entry_id": shared.entry_id}),
        (OPTIONS, shared.entry_id, {}),
        (SUBENTRIES, [shared.entry_id, "shared_camera"], {}),
        (SUBENTRIES, [shared.entry_id, "remote_channel"], {}),
        (SUBENTRIES, [shared.entry_id, "alexa_skill"], {}),
    ):
        flow = await Flow.start(client, path, handler, **extra)
        assert flow.fields
        await client.delete(f"{path}/{flow.answer['flow_id']}")
    return await client.get_bytes(TEMPLATE)


@pytest.mark.timeout(480)
async def test_an_update_waits_for_the_restart(
    coturn: Coturn, inside: Inside, camera: RtspCamera, tmp_path: Path
) -> None:
    """Whoever updates the integration replaces its files long before that."""
    components = tmp_path / "custom_components"
    files = lay_files(components)
    async with Emulator(coturn=coturn) as emulator:
        environment = emulator.environment_by(inside)
        async with HomeAssistant(tmp_path, environment=environment) as home:
            shared = await share_a_camera(
                home.client,
                emulator.home_assistant,
                stream_url=camera.url,
                stun_url=coturn.stun_url,
            )
            (channel,) = (await emulator.state())["channels"]
            async with view(emulator, channel) as watcher:
                since = watcher.mark()
                shutil.rmtree(files)
                backend = await use_everything(home, shared, emulator, channel)

                lay_files(components)
                manifest = files / "manifest.json"
                content = json.loads(manifest.read_text())
                manifest.write_text(json.dumps(content | {"version": "99.0.0"}))
                function = files / "alexa" / "lambda_function.py"
                function.write_text(f"{function.read_text()}# new\n")
                again = await use_everything(home, shared, emulator, channel)
                assert again == backend
                await watcher.see(25)
                assert not watcher.missed(since).disturbed, watcher.missed(since)

                await home.client.call_service("homeassistant.stop")
                await watcher.over()
                assert await home.wait() == 0
        home.log.assert_clean()
        async with HomeAssistant(tmp_path, environment=environment) as home:
            await home.client.wait_for_state(shared.connected, "on")
            newer = await use_everything(home, shared, emulator, channel)
            assert newer != backend
            integrations = await home.client.command("manifest/list")
            (version,) = (
                one["version"] for one in integrations if one["domain"] == INTEGRATION
            )
            assert version == "99.0.0"
        home.log.assert_clean()
