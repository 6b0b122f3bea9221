"""The control plane, `kinesisvideo`.

https://docs.aws.amazon.com/kinesisvideostreams/latest/dg/API_Operations_Amazon_Kinesis_Video_Streams.html
"""

import base64
import binascii
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from .channels import Channel
from .errors import error, invalid_argument, not_found
from .state import Caller, Endpoint, Protocol, Role, State

type Params = Mapping[str, Any]
type Handler = Callable[[Caller, Params], Awaitable[dict[str, Any]]]
type AddressOf = Callable[[Endpoint, str], Awaitable[str]]


class ControlPlane:
    """The operations on signaling channels; address_of opens an endpoint."""

    def __init__(self, state: State, address_of: AddressOf) -> None:
        """Serve the operations of the developer guide that concern channels."""
        self._state = state
        self._address_of = address_of
        self.handlers: Mapping[str, Handler] = {
            "CreateSignalingChannel": self._create,
            "DescribeSignalingChannel": self._describe,
            "ListSignalingChannels": self._list,
            "UpdateSignalingChannel": self._update,
            "DeleteSignalingChannel": self._delete,
            "GetSignalingChannelEndpoint": self._get_endpoint,
            "TagResource": self._tag,
            "UntagResource": self._untag,
            "ListTagsForResource": self._list_tags,
            "DescribeMediaStorageConfiguration": self._describe_storage,
            "UpdateMediaStorageConfiguration": self._update_storage,
            "DescribeMappedResourceConfiguration": self._describe_mapping,
        }

    def _resolve(self, caller: Caller, operation: str, params: Params) -> Channel:
        """Find the channel that a request names, once the caller may ask."""
        arn = params.get("ChannelARN") or params.get("ResourceARN")
        name = params.get("ChannelName")
        if arn is None and name is None:
            raise invalid_argument("Either ChannelARN or ChannelName is needed.")
        channels = self._state.channels
        channel = channels.find(caller.account, arn=arn, name=name)
        resource = arn or (
            channel.arn if channel else channels.name_arn(caller.account, name or "")
        )
        self._state.authorise(caller, operation, resource, channel=channel)
        self._state.throttle(caller, operation, resource)
        if channel is None:
            raise not_found(f"The requested channel {arn or name} is not found.")
        if name is not None and channel.name != name:
            raise invalid_argument("ChannelARN and ChannelName do not agree.")
        return channel

    async def _create(self, caller: Caller, params: Params) -> dict[str, Any]:
        state, name = self._state, params["ChannelName"]
        tags = _tags_of(params.get("Tags", []))
        arn = state.channels.new_arn(caller.account, name)
        state.authorise(
            caller,
            "CreateSignalingChannel",
            arn,
            request_tags=tags,
            tag_keys=list(tags),
        )
        if tags and state.behaviour.create_needs_tag_permission:
            state.authorise(
                caller, "TagResource", arn, request_tags=tags, tag_keys=list(tags)
            )
        state.throttle(caller, "CreateSignalingChannel")
        if params.get("ChannelType", "SINGLE_MASTER") != "SINGLE_MASTER":
            raise invalid_argument("Only the channel type SINGLE_MASTER is supported.")
        self._check_tag_count(tags)
        channel = state.channels.create(
            account=caller.account,
            arn=arn,
            name=name,
            message_ttl=_ttl(params),
            tags=tags,
        )
        return {"ChannelARN": channel.arn}

    async def _describe(self, caller: Caller, params: Params) -> dict[str, Any]:
        channel = self._resolve(caller, "DescribeSignalingChannel", params)
        return {"ChannelInfo": channel.info()}

    async def _list(self, caller: Caller, params: Params) -> dict[str, Any]:
        self._state.authorise(caller, "ListSignalingChannels", "*")
        self._state.throttle(caller, "ListSignalingChannels")
        condition = params.get("ChannelNameCondition", {})
        prefix = condition.get("ComparisonValue", "")
        names = {
            channel.name: channel
            for channel in self._state.channels
            if channel.account == caller.account and channel.name.startswith(prefix)
        }
        page, token = _page(list(names), params, params.get("MaxResults", 500))
        answer: dict[str, Any] = {"ChannelInfoList": [names[n].info() for n in page]}
        return answer | token

    async def _update(self, caller: Caller, params: Params) -> dict[str, Any]:
        channel = self._resolve(caller, "UpdateSignalingChannel", params)
        self._state.channels.update(channel, params["CurrentVersion"], _ttl(params))
        return {}

    async def _delete(self, caller: Caller, params: Params) -> dict[str, Any]:
        channel = self._resolve(caller, "DeleteSignalingChannel", params)
        self._state.channels.delete(channel, params.get("CurrentVersion"))
        return {}

    async def _get_endpoint(self, caller: Caller, params: Params) -> dict[str, Any]:
        channel = self._resolve(caller, "GetSignalingChannelEndpoint", params)
        if not channel.usable:
            raise error("ResourceInUseException", f"The channel is {channel.status}.")
        wanted = params.get("SingleMasterChannelEndpointConfiguration", {})
        role = Role(wanted.get("Role", Role.VIEWER))
        protocols = [Protocol(item) for item in wanted.get("Protocols", ["WSS"])]
        if len(set(protocols)) != len(protocols):
            raise invalid_argument("Protocols must be unique.")
        if Protocol.WEBRTC in protocols and channel.storage_stream is None:
            raise invalid_argument("The channel has no media storage.")
        return {
            "ResourceEndpointList": [
                {
                    "Protocol": protocol.value,
                    "ResourceEndpoint": await self._address_of(
                        Endpoint(channel.arn, role, protocol), caller.host
                    ),
                }
                for protocol in protocols
            ]
        }

    async def _tag(self, caller: Caller, params: Params) -> dict[str, Any]:
        tags = _tags_of(params["Tags"])
        channel = self._resolve_tagging(caller, "TagResource", params, tags)
        self._check_tag_count(channel.tags | tags)
        channel.tags |= tags
        return {}

    async def _untag(self, caller: Caller, params: Params) -> dict[str, Any]:
        keys = dict.fromkeys(params["TagKeyList"], "")
        channel = self._resolve_tagging(caller, "UntagResource", params, keys)
        for key in keys:
            channel.tags.pop(key, None)
        return {}

    async def _list_tags(self, caller: Caller, params: Params) -> dict[str, Any]:
        channel = self._resolve(caller, "ListTagsForResource", params)
        keys, token = _page(sorted(channel.tags), params, self._state.limits.tags_page)
        tags = {"Tags": {key: channel.tags[key] for key in keys}} if keys else {}
        return tags | token

    def _resolve_tagging(
        self, caller: Caller, operation: str, params: Params, tags: dict[str, str]
    ) -> Channel:
        arn = params["ResourceARN"]
        self._state.authorise(
            caller,
            operation,
            arn,
            channel=self._state.channels.find(caller.account, arn=arn),
            request_tags=tags if operation == "TagResource" else None,
            tag_keys=list(tags),
        )
        self._state.throttle(caller, operation, arn)
        channel = self._state.channels.find(caller.account, arn=arn)
        if channel is None:
            raise not_found(f"The requested channel {arn} is not found.")
        return channel

    def _check_tag_count(self, tags: Mapping[str, str]) -> None:
        if len(tags) > self._state.limits.tags:
            raise error(
                "TagsPerResourceExceededLimitException",
                f"A resource has at most {self._state.limits.tags} tags.",
            )

    async def _describe_storage(self, caller: Caller, params: Params) -> dict[str, Any]:
        operation = "DescribeMediaStorageConfiguration"
        channel = self._resolve(caller, operation, params)
        stream = channel.storage_stream
        if stream is None:
            return {"MediaStorageConfiguration": {"Status": "DISABLED"}}
        return {"MediaStorageConfiguration": {"Status": "ENABLED", "StreamARN": stream}}

    async def _update_storage(self, caller: Caller, params: Params) -> dict[str, Any]:
        operation = "UpdateMediaStorageConfiguration"
        channel = self._resolve(caller, operation, params)
        if not channel.usable:
            raise error("ResourceInUseException", f"The channel is {channel.status}.")
        wanted = params["MediaStorageConfiguration"]
        if wanted["Status"] == "DISABLED":
            channel.storage_stream = None
            return {}
        stream = wanted.get("StreamARN")
        if stream is None:
            raise invalid_argument("StreamARN is needed to enable media storage.")
        if stream not in self._state.streams:
            raise not_found(f"The requested stream {stream} is not found.")
        if self._state.streams[stream] <= 0:
            raise error("NoDataRetentionException", "The stream retains no data.")
        channel.storage_stream = stream
        return {}

    async def _describe_mapping(self, caller: Caller, params: Params) -> dict[str, Any]:
        operation, name = (
            "DescribeMappedResourceConfiguration",
            params.get("StreamName"),
        )
        arn = params.get("StreamARN") or next(
            (item for item in self._state.streams if item.split("/")[1] == name), None
        )
        if arn is None and name is None:
            raise invalid_argument("Either StreamARN or StreamName is needed.")
        self._state.authorise(caller, operation, arn or "*")
        self._state.throttle(caller, operation, arn)
        if arn not in self._state.streams:
            raise not_found(f"The requested stream {arn or name} is not found.")
        mapped = [
            {"Type": "SIGNALING_CHANNEL", "ARN": channel.arn}
            for channel in self._state.channels
            if channel.storage_stream == arn
        ]
        return {"MappedResourceConfigurationList": mapped[:1]}


def _ttl(params: Params) -> int | None:
    configuration = params.get("SingleMasterConfiguration", {})
    ttl: int | None = configuration.get("MessageTtlSeconds")
    return ttl


def _tags_of(items: list[dict[str, str]]) -> dict[str, str]:
    tags = {item["Key"]: item["Value"] for item in items}
    if len(tags) != len(items):
        raise invalid_argument("Tag keys must be unique.")
    if any(key.lower().startswith("aws:") for key in tags):
        raise invalid_argument("Tag keys must not begin with aws:.")
    return tags


def _page(
    keys: list[str], params: Params, size: int
) -> tuple[list[str], dict[str, str]]:
    """Return a page of sorted keys and, if more follow, the NextToken."""
    start = 0
    if token := params.get("NextToken"):
        try:
            after = base64.b64decode(token, validate=True).decode()
        except binascii.Error, UnicodeDecodeError:
            raise invalid_argument("NextToken is not valid.") from None
        start = sum(key <= after for key in keys)
    page = keys[start : start + size]
    if start + size >= len(keys):
        return page, {}
    return page, {"NextToken": base64.b64encode(page[-1].encode()).decode()}
