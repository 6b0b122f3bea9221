"""What a user does in Home Assistant before a camera can be viewed, over REST."""

import asyncio
from dataclasses import dataclass

from .client import HomeAssistantClient
from .flows import ENTRIES, OPTIONS, SUBENTRIES, Flow, FlowError
from .home_assistant import INTEGRATION

_ENTITIES = {
    "binary_sensor.connected",
    "button.self_test",
    "camera.live_view",
    "event.session",
    "sensor.self_test",
    "sensor.viewers",
    "switch.sharing",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """An AWS account as its user knows it."""

    access_key_id: str
    secret_access_key: str
    region: str = "us-east-1"


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedCamera:
    """A camera that is shared, and the entities that tell about it."""

    entry_id: str
    subentry_id: str
    camera: str
    connected: str
    viewers: str
    session: str
    sharing: str
    live_view: str
    self_test: str
    self_test_verdict: str


async def add_camera(
    client: HomeAssistantClient, *, name: str, stream_url: str = "", still_url: str = ""
) -> str:
    """Add a generic camera, of a stream or stills or both; return its entity id."""
    flow = await Flow.start(client, ENTRIES, "generic")
    user_input: dict[str, object] = {
        "advanced": {"framerate": 2.0, "verify_ssl": True, "rtsp_transport": "tcp"},
    }
    if stream_url:
        user_input["stream_source"] = stream_url
    if still_url:
        user_input["still_image_url"] = still_url
    shown = await flow.submit(user_input)
    assert shown["step_id"] == "user_confirm", shown
    result = await flow.finish({"confirmed_ok": True})
    entry_id = result["result"]["entry_id"]
    entities = await client.command("config/entity_registry/list")
    (entity,) = (one for one in entities if one["config_entry_id"] == entry_id)
    await client.command(
        "config/device_registry/update",
        device_id=entity["device_id"],
        name_by_user=name,
    )
    entity_id = f"camera.{name.lower().replace(' ', '_')}"
    await client.command(
        "config/entity_registry/update",
        entity_id=entity["entity_id"],
        new_entity_id=entity_id,
    )
    await client.wait_for_state(entity_id, lambda _: True)
    return entity_id


async def add_account(
    client: HomeAssistantClient, account: Account, *, stun_url: str | None = None
) -> str:
    """Set the integration up with an account and return the entry's id."""
    flow = await Flow.start(client, ENTRIES, INTEGRATION)
    result = await flow.finish(
        {
            "region": account.region,
            "access_key_id": account.access_key_id,
            "secret_access_key": account.secret_access_key,
        }
    )
    entry_id = str(result["result"]["entry_id"])
    if stun_url:
        flow = await Flow.start(client, OPTIONS, entry_id)
        await flow.finish({"stun_server": stun_url})
    await client.wait_for_entry(entry_id)
    return entry_id


async def share_camera(
    client: HomeAssistantClient,
    *,
    entry_id: str,
    camera: str,
    channel: str | None = None,
    keep_warm: str = "event",
    motion: str | None = None,
    speaker: str | None = None,
) -> SharedCamera:
    """Share a camera on a new channel or on an existing one; wait for its master."""
    before = await subentries_of(client, entry_id)
    flow = await Flow.start(client, SUBENTRIES, [entry_id, "shared_camera"])
    choice = {"camera": camera, "keep_warm": keep_warm}
    answer = await flow.submit(choice | ({"channel": channel} if channel else {}))
    if answer.get("step_id") == "alexa":
        chosen = {"motion": motion, "speaker": speaker}
        given = {name: entity for name, entity in chosen.items() if entity}
        await flow.finish(flow.suggested | given)
    elif answer["type"] != "create_entry":
        raise FlowError(str(answer))
    (subentry_id,) = await subentries_of(client, entry_id) - before
    entities = await entities_of(client, subentry_id)
    shared = SharedCamera(
        entry_id=entry_id,
        subentry_id=subentry_id,
        camera=camera,
        connected=entities["binary_sensor.connected"],
        viewers=entities["sensor.viewers"],
        session=entities["event.session"],
        sharing=entities["switch.sharing"],
        live_view=entities["camera.live_view"],
        self_test=entities["button.self_test"],
        self_test_verdict=entities["sensor.self_test"],
    )
    await client.wait_for_state(shared.connected, "on")
    return shared


async def subentries_of(client: HomeAssistantClient, entry_id: str) -> set[str]:
    """Return the ids of an account's subentries."""
    subentries = await client.command(
        "config_entries/subentries/list", entry_id=entry_id
    )
    return {subentry["subentry_id"] for subentry in subentries}


async def share_a_camera(
    client: HomeAssistantClient,
    account: Account,
    *,
    stream_url: str,
    still_url: str = "",
    stun_url: str | None = None,
    name: str = "Front door",
) -> SharedCamera:
    """Go the whole way: camera, account, STUN server, share; wait for the channel."""
    camera = await add_camera(
        client, name=name, stream_url=stream_url, still_url=still_url
    )
    entry_id = await add_account(client, account, stun_url=stun_url)
    return await share_camera(client, entry_id=entry_id, camera=camera)


async def entities_of(client: HomeAssistantClient, subentry_id: str) -> dict[str, str]:
    """Return a subentry's entities by domain and key, when all platforms have theirs."""
    async with (
        asyncio.timeout(20),
        client.subscribe(
            "subscribe_events", event_type="entity_registry_updated"
        ) as changes,
    ):
        while True:
            entities = {
                _key(entity): entity["entity_id"]
                for entity in await client.command("config/entity_registry/list")
                if entity["config_subentry_id"] == subentry_id
            }
            if set(entities) >= _ENTITIES:
                return entities
            await changes.get()


def _key(entity: dict[str, str]) -> str:
    return f"{entity['entity_id'].partition('.')[0]}.{entity['translation_key']}"
