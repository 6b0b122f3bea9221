"""The endpoints of signaling channels, asked for once."""

import asyncio
import re
from typing import Final
from urllib.parse import urlsplit

from .api import AwsApi
from .errors import CannotConnectError, ServiceError
from .models import Endpoints, Role
from .translation import reading

_OPERATION = "GetSignalingChannelEndpoint"
# What is no such URL would fail in as many ways as there are libraries that take it.
_URL: Final = re.compile(
    r"(?:http|ws)s?://[\w.-]+(?::\d{1,5})?(?:/[\x21-\x7e]*)?", re.ASCII
)


class EndpointCache:
    """Remembers the endpoints of each channel and role until told otherwise."""

    def __init__(self, api: AwsApi) -> None:
        """Start empty."""
        self._api = api
        self._known: dict[tuple[str, Role], Endpoints] = {}
        self._locks: dict[tuple[str, Role], asyncio.Lock] = {}
        self._doubted: set[tuple[str, Role]] = set()

    async def get(self, arn: str, role: Role) -> Endpoints:
        """Return the endpoints, with one call for all who ask meanwhile.

        Those that are doubted are kept if nothing is reached: then they may be good.
        """
        key = (arn, role)
        if (known := self._known.get(key)) is not None and key not in self._doubted:
            return known
        async with self._locks.setdefault(key, asyncio.Lock()):
            known = self._known.get(key)
            if known is not None and key not in self._doubted:
                return known
            self._doubted.discard(key)
            try:
                endpoints = await self._ask(arn, role)
            except CannotConnectError:
                if known is None:
                    raise
                return known
            if known is not None and known != endpoints:
                self._api.forget(known.https)
            self._known[key] = endpoints
            return endpoints

    async def _ask(self, arn: str, role: Role) -> Endpoints:
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
        with reading(_OPERATION):
            by_protocol = {
                endpoint["Protocol"]: endpoint["ResourceEndpoint"]
                for endpoint in response.get("ResourceEndpointList", ())
            }
            match by_protocol:
                case {"WSS": str(wss), "HTTPS": str(https)}:
                    return Endpoints(wss=_checked(wss), https=_checked(https))
        raise ServiceError("endpoints are missing", operation=_OPERATION)

    def doubt(self, arn: str) -> None:
        """Ask anew for a channel's endpoints when they are needed, which may fail."""
        self._doubted |= {(arn, role) for role in Role}

    def forget(self, arn: str) -> None:
        """Drop the endpoints of a channel, with the HTTPS clients made for them."""
        self._doubted -= {(arn, role) for role in Role}
        for role in Role:
            if (endpoints := self._known.pop((arn, role), None)) is not None:
                self._api.forget(endpoints.https)


def _checked(url: str) -> str:
    """Return a URL that can be connected to. Raises ValueError."""
    if not _URL.fullmatch(url):
        raise ValueError
    # Raises it for a port beyond 65535.
    _ = urlsplit(url).port
    return url
