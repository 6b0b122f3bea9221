"""The HTTP front: what fits the models, and what is served where."""

from typing import Any

from botocore.model import OperationModel

from . import KvsEmulator
from .conftest import Aws, call, failure
from .models import operations_by_path, output_problems


async def test_every_answer_fits_the_model(
    aws: Aws, arn: str, emulator: KvsEmulator
) -> None:
    checked: dict[str, list[str]] = {}
    operations: dict[str, OperationModel] = {
        model.name: model for model in operations_by_path("kinesisvideo").values()
    }
    stream = emulator.add_stream("stream")
    control = aws.control

    def check(parsed: dict[str, Any], model: OperationModel, **_: object) -> None:
        body = {k: v for k, v in parsed.items() if k != "ResponseMetadata"}
        for item in [body.get("ChannelInfo"), *body.get("ChannelInfoList", [])]:
            if item:
                item["CreationTime"] = item["CreationTime"].timestamp()
        checked[model.name] = output_problems(model, body)

    control.meta.events.register("after-call.kinesis-video.*", check)
    tags = [{"Key": "key-0", "Value": "value"}]
    version = emulator.channel(arn).version
    storage = {"Status": "ENABLED", "StreamARN": stream}
    for operation, params in (
        (control.create_signaling_channel, {"ChannelName": "new"}),
        (control.describe_signaling_channel, {"ChannelARN": arn}),
        (control.list_signaling_channels, {}),
        (control.tag_resource, {"ResourceARN": arn, "Tags": tags}),
        (control.list_tags_for_resource, {"ResourceARN": arn}),
        (control.untag_resource, {"ResourceARN": arn, "TagKeyList": ["key-0"]}),
        (control.get_signaling_channel_endpoint, {"ChannelARN": arn}),
        (
            control.update_media_storage_configuration,
            {"ChannelARN": arn, "MediaStorageConfiguration": storage},
        ),
        (control.describe_media_storage_configuration, {"ChannelARN": arn}),
        (control.describe_mapped_resource_configuration, {"StreamARN": stream}),
        (
            control.update_signaling_channel,
            {"ChannelARN": arn, "CurrentVersion": version},
        ),
        (control.delete_signaling_channel, {"ChannelARN": arn}),
    ):
        await call(operation, **params)
    assert set(checked) == {
        name for name in operations if name in emulator.journal.calls
    }
    assert len(checked) == 12
    assert not any(checked.values()), checked


async def test_the_regional_host_serves_no_channel(
    aws: Aws, arn: str, emulator: KvsEmulator
) -> None:
    assert await failure(
        aws.signaling(emulator.url).get_ice_server_config, ChannelARN=arn
    ) == (404, "UnknownOperationException")


async def test_only_posts_of_json_are_taken(aws: Aws, emulator: KvsEmulator) -> None:
    async with aws.session.get(f"{emulator.url}/listSignalingChannels") as response:
        assert response.status == 404

    def spoil(request: Any, **_: object) -> None:
        request.data = b"{not json"

    control = aws.control
    control.meta.events.register_first("before-sign.kinesis-video.*", spoil)
    assert await failure(control.list_signaling_channels) == (
        400,
        "SerializationException",
    )
