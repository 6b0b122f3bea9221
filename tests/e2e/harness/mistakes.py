"""What people do wrong in the flows, and what happens under their hands meanwhile."""

from .client import HomeAssistantClient
from .emulator import Emulator, readme_policy
from .flows import SUBENTRIES, Flow
from .frontend import FlowDialog
from .refusals import CODES, Refusals
from .scenario import Account

ELSEWHERE = "arn:aws:kinesisvideo:us-east-2:123456789012:channel/barn/1700000000000"


async def view_by_rest(
    client: HomeAssistantClient, entry_id: str, channel: str
) -> None:
    """View a remote channel without the frontend."""
    flow = await Flow.start(client, SUBENTRIES, [entry_id, "remote_channel"])
    await flow.finish({"channel": channel})


async def refuse_users(dialog: FlowDialog, refusals: Refusals, aws: Emulator) -> None:
    """Try users whose token has expired, and who may do nothing."""
    await aws.act(
        "add_user",
        name="temporary",
        access_key_id="ASIATEMPORARY0000000",
        secret_access_key="temporary-secret",
        session_token="temporary-token",
        token_expires=1,
    )
    await dialog.type("access_key_id", "ASIATEMPORARY0000000")
    await dialog.type("secret_access_key", "temporary-secret")
    await dialog.type("session_token", "temporary-token")
    await refusals.submit("expired_token")
    await aws.act(
        "add_user",
        name="poor",
        access_key_id="AKIAPOOR000000000000",
        secret_access_key="poor-secret",
        policies=[],
    )
    await dialog.type("access_key_id", "AKIAPOOR000000000000")
    await dialog.type("secret_access_key", "poor-secret")
    await dialog.type("session_token", "")
    await refusals.submit("not_authorized")
    await dialog.says("kinesisvideo:ListSignalingChannels").first.wait_for()


async def rotate_keys(aws: Emulator) -> Account:
    """Make a second key of Home Assistant's user, as AWS advises every 90 days."""
    rotated = Account(
        region=aws.home_assistant.region,
        access_key_id="AKIAROTATED000000000",
        secret_access_key="rotated-secret-0123456789-abcdefghijklmn",
    )
    await aws.act(
        "add_user",
        name="rotated",
        access_key_id=rotated.access_key_id,
        secret_access_key=rotated.secret_access_key,
        policies=[readme_policy(viewing=True)],
    )
    return rotated


async def refuse_cameras(
    client: HomeAssistantClient, aws: Emulator, entry_id: str, refusals: Refusals
) -> None:
    """Choose what is no camera to share, some of which only came or went just now."""
    await aws.act("create_channel", name="barn", message_ttl=60)
    await view_by_rest(client, entry_id, "barn")
    await client.wait_for_state("camera.barn", "idle")
    await refusals.dialog.choose_first("barn")
    await refusals.submit("own_camera")
    await refusals.dialog.choose_first("Front door")
    await refusals.submit("camera_already_shared")
    await refusals.dialog.choose_first("Shed")
    entities = await client.command("config/entity_registry/list")
    (shed,) = (one for one in entities if one["entity_id"] == "camera.shed")
    await client.delete(f"/api/config/config_entries/entry/{shed['config_entry_id']}")
    await refusals.submit("camera_not_found")


async def refuse_channels(aws: Emulator, refusals: Refusals, *, in_use: str) -> None:
    """Choose channels that cannot be used, then a good one while AWS refuses it."""
    for choice, key in (
        ("not a channel", "invalid_channel"),
        ("nowhere", "channel_not_found"),
        (ELSEWHERE, "wrong_region"),
        (in_use, "channel_in_use"),
        ("stored", "media_storage_enabled"),
    ):
        await refusals.dialog.choose("Signaling channel", choice)
        await refusals.submit(key)
    await refusals.dialog.choose("Signaling channel", "orchard")
    await refusals.submit_unheard(aws, operation="DescribeSignalingChannel")
    # A channel that is not found when it is looked for has a text of its own.
    await refusals.submit_with(
        aws, "resource_not_found", operation="DescribeMediaStorageConfiguration"
    )
    for key in sorted(refusals.unseen() & set(CODES)):
        await refusals.submit_with(aws, key, operation="DescribeSignalingChannel")


async def refuse_fields_for_alexa(
    client: HomeAssistantClient, refusals: Refusals, *, camera: str, taken: str
) -> None:
    """Give a camera what cannot be spoken, sensors that are not there, and itself."""
    dialog = refusals.dialog
    for name, key in (
        ("  ", "alexa_name_missing"),
        ("a" * 129, "alexa_name_too_long"),
        ("Door & gate", "alexa_name_characters"),
        ("Front doorbell", "alexa_name_swallowed"),
        (taken, "alexa_name_taken"),
    ):
        await dialog.type("alexa_name", name)
        await refusals.submit(key)
    await dialog.type("alexa_name", "Entrance")
    await dialog.pick("Doorbell")
    await refusals.submit("doorbell_missing")
    await dialog.pick("Camera")
    # A sensor that goes while the form is open.
    sensor = "/api/states/binary_sensor.porch"
    await client.post(
        sensor,
        {
            "state": "off",
            "attributes": {"device_class": "motion", "friendly_name": "Porch"},
        },
    )
    await dialog.choose_last("Porch", before=2)
    await client.delete(sensor)
    await refusals.submit("sensor_not_found")
    # And a loudspeaker, likewise.
    speaker = "/api/states/media_player.porch"
    attributes = {"supported_features": 512, "friendly_name": "Loudspeaker"}
    await client.post(speaker, {"state": "idle", "attributes": attributes})
    await dialog.choose_last("Loudspeaker", before=1)
    await client.delete(speaker)
    await refusals.submit("speaker_not_found")
    await dialog.choose_last(camera)
    await refusals.submit("alexa_stream_same")


async def refuse_unloaded(
    client: HomeAssistantClient, entry_id: str, refusals: Refusals
) -> None:
    """Switch the account off while a form of it is open."""
    await client.command(
        "config_entries/disable", entry_id=entry_id, disabled_by="user"
    )
    await refusals.submit("entry_not_loaded", "abort")
    await client.command("config_entries/disable", entry_id=entry_id, disabled_by=None)
    await client.wait_for_entry(entry_id)
