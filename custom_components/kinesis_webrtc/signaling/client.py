"""The control plane and the HTTPS API of signaling channels, for asyncio."""

import asyncio
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from .api import ALEXA_PATIENCE, ONCE, AwsApi, Execute
from .backoff import Backoff
from .clock import ServiceClock, utcnow
from .endpoints import EndpointCache
from .errors import (
    CannotConnectError,
    ResourceInUseError,
    ResourceNotFoundError,
    ServiceError,
)
from .models import (
    Channel,
    Credentials,
    Endpoints,
    IceServerConfig,
    Role,
)
from .partition import partition_of
from .presign import presign
from .translation import reading

_CONTROL_PLANE = "kinesisvideo"
_SIGNALING = "kinesis-video-signaling"
_DELETE_ATTEMPTS = 6


class SignalingClient:
    """One AWS account in one region, seen through its signaling channels.

    Every method that reaches the network raises a SignalingError when it fails:
    https://docs.aws.amazon.com/kinesisvideostreams/latest/dg/API_Operations_Amazon_Kinesis_Video_Streams.html
    """

    def __init__(
        self,
        *,
        region: str,
        credentials: Credentials,
        execute: Execute,
        utcnow: Callable[[], datetime] = utcnow,
        poll_interval: float = 0.5,
        active_timeout: float = 60,
    ) -> None:
        """Prepare, without touching network or files.

        `execute` runs every blocking call. A channel that is created or changed is
        asked for each `poll_interval` seconds, for `active_timeout` seconds.
        """
        self.region = region
        self._clock = ServiceClock(now=utcnow)
        self._poll_interval = poll_interval
        self._active_timeout = active_timeout
        self._api = AwsApi(
            region=region,
            credentials=credentials,
            execute=execute,
            clock=self._clock,
            throttle_delay=poll_interval,
        )
        self._endpoint_cache = EndpointCache(self._api)
        self._partition = partition_of(region)

    @property
    def credentials(self) -> Credentials:
        """The keys in use."""
        return self._api.credentials

    def exchange_credentials(self, credentials: Credentials) -> None:
        """Sign with other keys of the same account from now on."""
        self._api.credentials = credentials

    @property
    def partition(self) -> str:
        """The region's partition, such as `aws` or `aws-cn`."""
        return self._partition.name

    @property
    def dns_suffix(self) -> str:
        """The partition's domain, such as `amazonaws.com`."""
        return self._partition.dns_suffix

    @property
    def stun_url(self) -> str:
        """The URL of the region's STUN server."""
        return f"stun:stun.kinesisvideo.{self.region}.{self.dns_suffix}:443"

    @property
    def clock(self) -> ServiceClock:
        """The service's time; its `offset` is known after the first call."""
        return self._clock

    async def get_caller_account(self) -> str:
        """Return the id of the account that the credentials belong to."""
        response = await self._api.call("sts", "GetCallerIdentity", {})
        with reading("GetCallerIdentity"):
            account: str = response["Account"]
        return account

    async def list_channels(self, *, name_prefix: str | None = None) -> list[Channel]:
        """Return all channels, or those whose names begin with the prefix."""
        params: dict[str, object] = {}
        if name_prefix:
            params["ChannelNameCondition"] = {
                "ComparisonOperator": "BEGINS_WITH",
                "ComparisonValue": name_prefix,
            }
        channels: list[Channel] = []
        while True:
            response = await self._control("ListSignalingChannels", params)
            with reading("ListSignalingChannels"):
                channels += map(_channel, response.get("ChannelInfoList", ()))
            if not (token := response.get("NextToken")):
                return channels
            params["NextToken"] = token

    async def describe_channel(
        self, *, arn: str | None = None, name: str | None = None
    ) -> Channel:
        """Return a channel by its ARN or by its name."""
        params = {"ChannelARN": arn} if arn else {"ChannelName": name}
        response = await self._control("DescribeSignalingChannel", params)
        with reading("DescribeSignalingChannel"):
            return _channel(response["ChannelInfo"])

    async def create_channel(
        self, *, name: str, message_ttl: int, tags: Mapping[str, str]
    ) -> Channel:
        """Create a channel and return it when it is active.

        `message_ttl` is 5 to 120 seconds. Raises ResourceInUseError if the name is
        taken.
        """
        params: dict[str, object] = {
            "ChannelName": name,
            "ChannelType": "SINGLE_MASTER",
            "SingleMasterConfiguration": {"MessageTtlSeconds": message_ttl},
        }
        if tags:
            params["Tags"] = _tag_list(tags)
        response = await self._control("CreateSignalingChannel", params)
        with reading("CreateSignalingChannel"):
            arn: str = response["ChannelARN"]
        return await self._wait_until_active(arn)

    async def update_message_ttl(self, channel: Channel, message_ttl: int) -> Channel:
        """Change how long messages are kept and return the channel when it is active.

        Raises VersionMismatchError if the channel has changed since it was described.
        """
        await self._control(
            "UpdateSignalingChannel",
            {
                "ChannelARN": channel.arn,
                "CurrentVersion": channel.version,
                "SingleMasterConfiguration": {"MessageTtlSeconds": message_ttl},
            },
        )
        return await self._wait_until_active(channel.arn)

    async def delete_channel(self, arn: str) -> None:
        """Delete a channel; one that is gone already is a success."""
        self.forget_endpoints(arn)
        backoff = Backoff(floor=self._poll_interval, cap=self._poll_interval * 8)
        for attempt in range(1, _DELETE_ATTEMPTS + 1):
            try:
                await self._control("DeleteSignalingChannel", {"ChannelARN": arn})
            except ResourceNotFoundError:
                return
            except ResourceInUseError:
                if attempt == _DELETE_ATTEMPTS:
                    raise
                await asyncio.sleep(backoff.next_delay())
            else:
                return

    async def get_tags(self, arn: str) -> dict[str, str]:
        """Return all tags of a channel."""
        tags: dict[str, str] = {}
        params: dict[str, object] = {"ResourceARN": arn}
        while True:
            response = await self._control("ListTagsForResource", params)
            with reading("ListTagsForResource"):
                tags |= response.get("Tags", {})
            if not (token := response.get("NextToken")):
                return tags
            params["NextToken"] = token

    async def tag_channel(self, arn: str, tags: Mapping[str, str]) -> None:
        """Add tags to a channel, 1 to 50 at once."""
        await self._control(
            "TagResource", {"ResourceARN": arn, "Tags": _tag_list(tags)}
        )

    async def is_media_storage_enabled(self, arn: str) -> bool:
        """Return whether peers talk to a storage session instead of each other."""
        response = await self._control(
            "DescribeMediaStorageConfiguration", {"ChannelARN": arn}
        )
        with reading("DescribeMediaStorageConfiguration"):
            configuration = response.get("MediaStorageConfiguration", {})
            return bool(configuration.get("Status") == "ENABLED")

    async def get_endpoints(self, arn: str, role: Role) -> Endpoints:
        """Return a channel's endpoints, asked for once until they are forgotten."""
        return await self._endpoint_cache.get(arn, role)

    def forget_endpoints(self, arn: str) -> None:
        """Ask for a channel's endpoints anew when they are needed next."""
        self._endpoint_cache.forget(arn)

    def doubt_endpoints(self, arn: str) -> None:
        """Ask for a channel's endpoints anew if that can be done when they are needed."""
        self._endpoint_cache.doubt(arn)

    async def presigned_url(
        self, arn: str, role: Role, *, client_id: str | None = None
    ) -> str:
        """Return a fresh URL that opens a websocket; it is a secret for 299 s."""
        endpoints = await self.get_endpoints(arn, role)
        return presign(
            endpoints.wss,
            channel_arn=arn,
            client_id=client_id,
            credentials=self.credentials,
            region=self.region,
            now=self._clock.now(),
        )

    async def get_ice_server_config(
        self,
        arn: str,
        *,
        client_id: str | None = None,
        service: str = "TURN",
        username: str | None = None,
        role: Role = Role.MASTER,
    ) -> IceServerConfig:
        """Return TURN servers with credentials that live for `ttl` seconds.

        One attempt only: 5 calls a second are allowed for a channel. Names are handed
        on as the service gives them, although its model documents a narrower alphabet:
        https://docs.aws.amazon.com/kinesisvideostreams/latest/dg/API_AWSAcuitySignalingService_GetIceServerConfig.html
        """
        params: dict[str, object] = {"ChannelARN": arn, "Service": service}
        if client_id is not None:
            params["ClientId"] = client_id
        if username is not None:
            params["Username"] = username
        response = await self._signaling("GetIceServerConfig", arn, role, params)
        with reading("GetIceServerConfig"):
            return IceServerConfig.read(response)

    async def send_alexa_offer(
        self, arn: str, *, sender_client_id: str, message_payload: str
    ) -> str | None:
        """Send an offer to a channel's master and return the payload of its answer.

        Blocks until then, or for the channel's message TTL. None: nobody answered. The
        endpoint is a viewer's, as Alexa's Lambda uses it:
        https://docs.aws.amazon.com/kinesisvideostreams/latest/dg/API_AWSAcuitySignalingService_SendAlexaOfferToMaster.html
        """
        response = await self._signaling(
            "SendAlexaOfferToMaster",
            arn,
            Role.VIEWER,
            {
                "ChannelARN": arn,
                "SenderClientId": sender_client_id,
                "MessagePayload": message_payload,
            },
        )
        with reading("SendAlexaOfferToMaster"):
            match response.get("Answer"):
                case None | str() as answer:
                    return answer
            raise TypeError

    async def _control(
        self, operation: str, params: Mapping[str, object]
    ) -> Mapping[str, Any]:
        return await self._api.call(_CONTROL_PLANE, operation, params)

    async def _signaling(
        self, operation: str, arn: str, role: Role, params: Mapping[str, object]
    ) -> Mapping[str, Any]:
        endpoints = await self.get_endpoints(arn, role)
        patience = ALEXA_PATIENCE if operation == "SendAlexaOfferToMaster" else ONCE
        try:
            return await self._api.call(
                _SIGNALING,
                operation,
                params,
                endpoint=endpoints.https,
                patience=patience,
            )
        except CannotConnectError:
            self.doubt_endpoints(arn)
            raise
        except ResourceNotFoundError, ServiceError:
            self.forget_endpoints(arn)
            raise

    async def _wait_until_active(self, arn: str) -> Channel:
        """Poll: creating and updating are asynchronous in the service."""
        try:
            async with asyncio.timeout(self._active_timeout):
                while True:
                    channel = await self.describe_channel(arn=arn)
                    if channel.status == "ACTIVE":
                        return channel
                    await asyncio.sleep(self._poll_interval)
        except TimeoutError:
            raise ServiceError(
                "the channel did not become active",
                operation="DescribeSignalingChannel",
                code="NotActive",
            ) from None


def _channel(info: Mapping[str, Any]) -> Channel:
    configuration = info.get("SingleMasterConfiguration") or {}
    return Channel(
        name=info["ChannelName"],
        arn=info["ChannelARN"],
        status=info["ChannelStatus"],
        message_ttl=configuration.get("MessageTtlSeconds"),
        version=info["Version"],
        type=info["ChannelType"],
    )


def _tag_list(tags: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in tags.items()]
