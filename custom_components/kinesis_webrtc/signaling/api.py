"""Calls of AWS's APIs: boto3 in an executor, errors translated, clock corrected."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial
import logging
import threading
from typing import TYPE_CHECKING, Any, Protocol

import boto3
from botocore import UNSIGNED, xform_name
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.exceptions import ClientError, EndpointConnectionError
from botocore.session import Session as BotoSession

from .backoff import Backoff
from .clock import ServiceClock
from .errors import (
    KEYS_REFUSED,
    ClientLimitExceededError,
    ClockSkewError,
    UnsupportedRegionError,
)
from .models import Credentials
from .presign import sign
from .translation import translate

if TYPE_CHECKING:
    from botocore.client import BaseClient

_LOGGER = logging.getLogger(__name__)


class Execute(Protocol):
    """Runs a blocking function elsewhere, as hass.async_add_executor_job does."""

    def __call__[T](self, target: Callable[[], T], /) -> Awaitable[T]:
        """Return what `target` returns, or raise what it raises."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long a call may take: seconds, and attempts when refused or throttled."""

    connect_timeout: float = 5
    read_timeout: float = 10
    attempts: int = 3


# The answer may take as long as the channel keeps a message, 120 s at most; and a
# repeated offer would be a second one.
ALEXA_PATIENCE = Patience(read_timeout=125, attempts=1)
# The cache of ICE servers has its own retries, slower than these.
ONCE = Patience(attempts=1)
# More than an executor has threads: an account of many channels asks for all at once.
_CONNECTIONS = 100


def create_session(
    credentials: Credentials, *, region: str | None = None
) -> boto3.session.Session:
    """Create a session that knows nothing but some keys; blocks, since it reads files.

    The keys only keep it from looking for others: what we sign is signed by presign.
    """
    return boto3.session.Session(
        aws_access_key_id=credentials.access_key_id,
        aws_secret_access_key=credentials.secret_access_key,
        aws_session_token=credentials.session_token,
        region_name=region,
        # The user's AWS profile is none of ours; it may not even exist.
        botocore_session=BotoSession(
            session_vars={"profile": (None, None, None, None)}
        ),
    )


class AwsApi:
    """Makes the boto3 clients of one account and region, and calls them."""

    def __init__(
        self,
        *,
        region: str,
        credentials: Credentials,
        execute: Execute,
        clock: ServiceClock,
        throttle_delay: float = 0.5,
    ) -> None:
        """Do nothing yet: sessions and clients read files."""
        self.credentials = credentials
        """What calls are signed with; may be exchanged at any time."""
        self._region = region
        self._execute = execute
        self._clock = clock
        self._throttle_delay = throttle_delay
        self._lock = threading.Lock()
        self._session: boto3.session.Session | None = None
        self._clients: dict[tuple[str, str | None, Patience], BaseClient] = {}

    async def call(
        self,
        service: str,
        operation: str,
        params: Mapping[str, object],
        *,
        endpoint: str | None = None,
        patience: Patience = Patience(),
    ) -> Mapping[str, Any]:
        """Return the response to an operation, named as in the API reference.

        Raises a SignalingError. A throttled call is repeated as `patience` allows; one
        that the clock's error spoilt, once with the service's time; and one whose keys
        are refused, with those that have taken their place meanwhile.
        """
        backoff = Backoff(floor=self._throttle_delay, cap=self._throttle_delay * 8)
        attempts = patience.attempts
        corrected = False
        while True:
            error = None
            correction = self._clock.correction
            credentials = self.credentials
            try:
                response = await self._execute(
                    partial(self._call, service, operation, params, endpoint, patience)
                )
            except Exception as err:  # noqa: BLE001 - botocore's errors have no base
                if isinstance(err, ClientError):
                    self._clock.learn(_date(err.response))
                error = translate(
                    err,
                    operation=operation,
                    service="sts" if service == "sts" else "kinesisvideo",
                    offset=self._clock.offset.total_seconds(),
                    skewed=self._clock.differs(correction),
                )
            if error is None:
                self._clock.learn(_date(response))
                return response
            if isinstance(error, ClockSkewError) and not corrected:
                corrected = True
                continue
            if isinstance(error, KEYS_REFUSED) and credentials is not self.credentials:
                continue
            attempts -= 1
            if not isinstance(error, ClientLimitExceededError) or attempts < 1:
                raise error
            _LOGGER.debug("%s was throttled", operation)
            await asyncio.sleep(backoff.next_delay())

    def forget(self, endpoint: str) -> None:
        """Drop the clients of an endpoint that is not used any more."""
        with self._lock:
            for key in [key for key in self._clients if key[1] == endpoint]:
                del self._clients[key]

    def _call(
        self,
        service: str,
        operation: str,
        params: Mapping[str, object],
        endpoint: str | None,
        patience: Patience,
    ) -> Mapping[str, Any]:
        client = self._client(service, endpoint, patience)
        name = xform_name(operation)
        try:
            response: Mapping[str, Any] = getattr(client, name)(**params)
        except EndpointConnectionError:
            # A region without the service has no such host name.
            if endpoint is None and not self._is_offered(service):
                raise UnsupportedRegionError(
                    self._region, operation=operation
                ) from None
            raise
        return response

    def _is_offered(self, service: str) -> bool:
        session = self._get_session()
        return any(
            self._region
            in session.get_available_regions(service, partition_name=partition)
            for partition in session.get_available_partitions()
        )

    def _get_session(self) -> boto3.session.Session:
        if self._session is None:
            self._session = create_session(self.credentials, region=self._region)
        return self._session

    def _client(
        self, service: str, endpoint: str | None, patience: Patience
    ) -> BaseClient:
        key = (service, endpoint, patience)
        # Clients may be shared between threads, sessions may not.
        with self._lock:
            if (known := self._clients.get(key)) is not None:
                return known
            client: BaseClient = self._get_session().client(  # type: ignore[call-overload]
                service,
                endpoint_url=endpoint,
                config=Config(
                    # Signed below: botocore dates its signatures by the local clock.
                    signature_version=UNSIGNED,
                    connect_timeout=patience.connect_timeout,
                    read_timeout=patience.read_timeout,
                    # Of fewer, urllib3 warns each time that more calls go on at once.
                    max_pool_connections=_CONNECTIONS,
                    retries={
                        "mode": "standard",
                        "total_max_attempts": patience.attempts,
                    },
                ),
            )
            client.meta.events.register("request-created", self._sign_request(client))
            self._clients[key] = client
            return client

    def _sign_request(self, client: BaseClient) -> Callable[..., None]:
        signing_name = client.meta.service_model.signing_name

        def sign_request(request: AWSRequest, **_: object) -> None:
            sign(
                request,
                credentials=self.credentials,
                signing_name=signing_name,
                region=self._region,
                now=self._clock.now(),
            )

        return sign_request


def _date(response: Mapping[str, Any]) -> str | None:
    headers = response.get("ResponseMetadata", {}).get("HTTPHeaders", {})
    date: str | None = headers.get("date")
    return date
