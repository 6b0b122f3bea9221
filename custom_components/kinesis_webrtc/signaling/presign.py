"""Presigned websocket URLs."""

from datetime import UTC, datetime
import re
from urllib.parse import quote, urlencode, urlsplit, urlunsplit

from botocore.auth import SIGV4_TIMESTAMP, SigV4Auth, SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials as BotoCredentials

from .clock import utcnow
from .errors import InvalidArgumentError
from .models import Credentials

SIGNING_NAME = "kinesisvideo"
URL_LIFETIME = 299

_CLIENT_ID = re.compile(r"(?!aws_)[a-z0-9_.-]{1,256}", re.IGNORECASE | re.ASCII)
_SIGNABLE_SCHEMES = {"wss": "https", "ws": "http"}


class _DatedHeaderAuth(SigV4Auth):
    """Signature in headers, dated by us: botocore's own date is the local clock's."""

    def __init__(
        self, credentials: Credentials, signing_name: str, region: str, now: datetime
    ) -> None:
        super().__init__(_boto_credentials(credentials), signing_name, region)
        self._timestamp = now.astimezone(UTC).strftime(SIGV4_TIMESTAMP)

    # Not in botocore's stubs.
    def _modify_request_before_signing(self, request: AWSRequest) -> None:
        request.context["timestamp"] = self._timestamp
        super()._modify_request_before_signing(request)  # type: ignore[misc]


class _DatedQueryAuth(SigV4QueryAuth):
    """Signature in the query, dated by us."""

    def __init__(
        self, credentials: Credentials, signing_name: str, region: str, now: datetime
    ) -> None:
        super().__init__(
            _boto_credentials(credentials), signing_name, region, expires=URL_LIFETIME
        )
        self._timestamp = now.astimezone(UTC).strftime(SIGV4_TIMESTAMP)

    # Not in botocore's stubs.
    def _modify_request_before_signing(self, request: AWSRequest) -> None:
        request.context["timestamp"] = self._timestamp
        super()._modify_request_before_signing(request)  # type: ignore[misc]


def _boto_credentials(credentials: Credentials) -> BotoCredentials:
    return BotoCredentials(
        credentials.access_key_id,
        credentials.secret_access_key,
        credentials.session_token,
    )


def sign(
    request: AWSRequest,
    *,
    credentials: Credentials,
    signing_name: str,
    region: str,
    now: datetime,
) -> None:
    """Sign a request by its headers, dated `now` instead of the local clock's time."""
    _DatedHeaderAuth(credentials, signing_name, region, now).add_auth(request)


def presign(
    endpoint_wss: str,
    *,
    channel_arn: str,
    client_id: str | None = None,
    credentials: Credentials,
    region: str,
    now: datetime | None = None,
) -> str:
    """Return the URL that opens a websocket of a signaling channel.

    It is valid for 299 s from `now` and percent-encoded: hand it on as it is. A viewer
    gives a client id, a master none. Raises InvalidArgumentError for a client id that
    the service would refuse. The signed query is that of AWS's own
    SigV4RequestSigner: https://github.com/awslabs/amazon-kinesis-video-streams-webrtc-sdk-js
    """
    if client_id is not None and not _CLIENT_ID.fullmatch(client_id):
        raise InvalidArgumentError(
            "a client id has 1 to 256 letters, digits, '_', '.' or '-' and does not"
            " begin with AWS_"
        )
    scheme, netloc, path, _, _ = urlsplit(endpoint_wss)
    query = {"X-Amz-ChannelARN": channel_arn}
    if client_id is not None:
        query["X-Amz-ClientId"] = client_id
    # botocore leaves the default port out of the signed host, as the socket does out of
    # its Host header, but only for http's schemes.
    url = urlunsplit(
        (
            _SIGNABLE_SCHEMES.get(scheme, scheme),
            netloc,
            path or "/",
            urlencode(query, quote_via=quote, safe=""),
            "",
        )
    )
    request = AWSRequest(method="GET", url=url)
    _DatedQueryAuth(credentials, SIGNING_NAME, region, now or utcnow()).add_auth(
        request
    )
    return urlunsplit(urlsplit(str(request.url))._replace(scheme=scheme))
