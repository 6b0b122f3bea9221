"""The endpoints of signaling channels, asked for once."""

import asyncio

from .api import AwsApi
from .errors import ServiceError
from .models import Endpoints, Role

_OPERATION = "GetSignalingChannelEndpoint"


class EndpointCache:
    """Remembers the endpoints of each channel and role until told otherwise."""

    def __init__(self, api: AwsApi) -> None:
        """Start empty."""
        self._api = api
        self._known: dict[tuple[str, Role], Endpoints] = {}
        self._locks: dict[tuple[str, Role], asyncio.Lock] = {}

    async def get(self, arn: str, role: Role) -> Endpoints:
        """Return the endpoints, with one call for all who ask meanwhile."""
        key = (arn, role)
        async with self._locks.setdefault(key, asyncio.Lock()):
            if (known := self._known.get(key)) is not None:
                return known
            response = await self._api.call(
                "kinesisvideo",
                _OPERATION,
                {
                    "ChannelARN": arn,
                    "SingleMasterChannelEndpointConfiguration": {
                        "Protocols": ["WSS", "HTTPS"],
                        "Role": role.value,
                    },
                },
            )
            by_protocol = {
                endpoint["Protocol"]: endpoint["ResourceEndpoint"]
                for endpoint in response.get("ResourceEndpointList", ())
            }
            if not {"WSS", "HTTPS"} <= by_protocol.keys():
                raise ServiceError("endpoints are missing", operation=_OPERATION)
            endpoints = Endpoints(wss=by_protocol["WSS"], https=by_protocol["HTTPS"])
            self._known[key] = endpoints
            return endpoints

    def forget(self, arn: str) -> None:
        """Drop the endpoints of a channel, with the HTTPS clients made for them."""
        for role in Role:
            if (endpoints := self._known.pop((arn, role), None)) is not None:
                self._api.forget(endpoints.https)
