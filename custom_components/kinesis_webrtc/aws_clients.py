"""boto3 clients of the AWS services that the Alexa skill needs, from an account's keys."""

from collections.abc import Callable, Mapping
import threading
from typing import Any, Final

import boto3
from botocore import UNSIGNED
from botocore.awsrequest import AWSRequest
from botocore.config import Config

from .const import CONF_ACCESS_KEY_ID, CONF_SECRET_ACCESS_KEY, CONF_SESSION_TOKEN
from .signaling import Credentials
from .signaling.api import create_session
from .signaling.clock import ServiceClock
from .signaling.presign import sign

# Seconds. Somebody may be waiting in a flow.
_CONFIG: Final = Config(
    # Signed below: botocore dates its signatures by the local clock.
    signature_version=UNSIGNED,
    connect_timeout=5,
    read_timeout=20,
    retries={"mode": "standard", "total_max_attempts": 4},
)
# There is one clock, however many clients notice it.
_CLOCK: Final = ServiceClock()
# Where a request keeps what its date was corrected by.
_CORRECTION: Final = "kinesis_webrtc_correction"


class AwsClients:
    """Makes the clients, each once, with the keys of an entry or of a form.

    Every call blocks: sessions and clients read files. Where the local clock is wrong,
    calls are dated by AWS's.
    """

    def __init__(self, keys: Mapping[str, Any]) -> None:
        """Keep the keys; nothing is read yet."""
        self._keys = Credentials(
            access_key_id=keys[CONF_ACCESS_KEY_ID],
            secret_access_key=keys[CONF_SECRET_ACCESS_KEY],
            session_token=keys.get(CONF_SESSION_TOKEN) or None,
        )
        # A session may not be used by two threads at once, its clients may.
        self._lock = threading.Lock()
        self._session: boto3.session.Session | None = None
        self._clients: dict[tuple[str, str], Any] = {}

    def __call__(self, service: str, region: str) -> Any:
        """Return the client of a service, named as by boto3, in a region."""
        with self._lock:
            if (client := self._clients.get((service, region))) is None:
                if self._session is None:
                    self._session = create_session(self._keys)
                create: Any = self._session.client
                client = create(service, region_name=region, config=_CONFIG)
                events = client.meta.events
                events.register("request-created", self._signer(client, region))
                events.register("needs-retry", _learn)
                self._clients[service, region] = client
            return client

    def _signer(self, client: Any, region: str) -> Callable[..., None]:
        signing_name = client.meta.service_model.signing_name

        def sign_request(request: AWSRequest, **_: object) -> None:
            request.context[_CORRECTION] = _CLOCK.correction
            sign(
                request,
                credentials=self._keys,
                signing_name=signing_name,
                region=region,
                now=_CLOCK.now(),
            )

        return sign_request


def _learn(
    *,
    response: tuple[Any, Any] | None,
    attempts: int,
    request_dict: Mapping[str, Any],
    **_: object,
) -> float | None:
    """Learn AWS's time; return 0 for a refusal that may be for the date's sake."""
    if response is None:
        return None
    http, _parsed = response
    _CLOCK.learn(http.headers.get("Date"))
    is_off = _CLOCK.differs(request_dict["context"][_CORRECTION])
    return 0.0 if is_off and http.status_code >= 400 and attempts == 1 else None
