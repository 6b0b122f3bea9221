"""The HTTPS endpoints of a channel, `kinesis-video-signaling`.

https://docs.aws.amazon.com/kinesisvideostreams/latest/dg/API_Operations_Amazon_Kinesis_Video_Signaling_Channels.html
"""

from collections.abc import Mapping
from typing import Any

from .channels import Channel
from .control import Handler, Params
from .errors import error, invalid_argument, not_found
from .hub import Hub
from .state import Caller, Role, State


class SignalingApi:
    """GetIceServerConfig and SendAlexaOfferToMaster."""

    def __init__(self, state: State, hub: Hub) -> None:
        """Serve the two operations."""
        self._state = state
        self._hub = hub
        self.handlers: Mapping[str, Handler] = {
            "GetIceServerConfig": self._get_ice_servers,
            "SendAlexaOfferToMaster": self._send_alexa_offer,
        }

    def _resolve(self, caller: Caller, operation: str, arn: str) -> Channel:
        channel = self._state.channels.find(caller.account, arn=arn)
        self._state.authorise(caller, operation, arn, channel=channel)
        self._state.throttle(caller, operation, arn)
        if channel is None or not channel.usable:
            raise not_found(f"The requested channel {arn} is not found.")
        assert caller.endpoint is not None
        if caller.endpoint.channel_arn != arn:
            raise invalid_argument("The endpoint belongs to another channel.")
        return channel

    async def _get_ice_servers(self, caller: Caller, params: Params) -> dict[str, Any]:
        channel = self._resolve(caller, "GetIceServerConfig", params["ChannelARN"])
        client_id = params.get("ClientId", "")
        if client_id.upper().startswith("AWS_"):
            raise error("InvalidClientException", "The specified client is invalid.")
        connection = self._hub.room(channel).viewers.get(client_id)
        if connection and connection.age > self._state.limits.session_lifetime:
            raise error("SessionExpiredException", "The client session has expired.")
        return {"IceServerList": self._state.turn.servers(channel.arn)}

    async def _send_alexa_offer(self, caller: Caller, params: Params) -> dict[str, Any]:
        channel = self._resolve(caller, "SendAlexaOfferToMaster", params["ChannelARN"])
        assert caller.endpoint is not None
        if caller.endpoint.role is not Role.VIEWER:
            raise invalid_argument("The endpoint is not one for the role VIEWER.")
        answer = await self._hub.ask_master(
            channel, params["SenderClientId"], params["MessagePayload"]
        )
        if answer is None and self._state.behaviour.alexa_unanswered == "error":
            raise invalid_argument(
                "The master did not answer before the offer expired."
            )
        return {"Answer": answer}
