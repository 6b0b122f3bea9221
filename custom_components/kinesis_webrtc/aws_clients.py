"""boto3 clients of the AWS services that the Alexa skill needs, from an account's keys."""

from collections.abc import Mapping
import threading
from typing import Any, Final

import boto3
from botocore.config import Config

from .const import CONF_ACCESS_KEY_ID, CONF_SECRET_ACCESS_KEY, CONF_SESSION_TOKEN

# Seconds. Somebody may be waiting in a flow.
_CONFIG: Final = Config(
    connect_timeout=5,
    read_timeout=20,
    retries={"mode": "standard", "total_max_attempts": 4},
)


class AwsClients:
    """Makes the clients, each once, with the keys of an entry or of a form.

    Every call blocks: sessions and clients read files.
    """

    def __init__(self, keys: Mapping[str, Any]) -> None:
        """Keep the keys; nothing is read yet."""
        self._keys = {
            "aws_access_key_id": keys[CONF_ACCESS_KEY_ID],
            "aws_secret_access_key": keys[CONF_SECRET_ACCESS_KEY],
            "aws_session_token": keys.get(CONF_SESSION_TOKEN) or None,
        }
        # A session may not be used by two threads at once, its clients may.
        self._lock = threading.Lock()
        self._session: boto3.session.Session | None = None
        self._clients: dict[tuple[str, str], Any] = {}

    def __call__(self, service: str, region: str) -> Any:
        """Return the client of a service, named as by boto3, in a region."""
        with self._lock:
            if (client := self._clients.get((service, region))) is None:
                if self._session is None:
                    self._session = boto3.session.Session(**self._keys)
                create: Any = self._session.client
                client = create(service, region_name=region, config=_CONFIG)
                self._clients[service, region] = client
            return client
