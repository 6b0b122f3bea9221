"""Runs moto on a port of its own choice until standard input ends; prints its address.

It is run by the Python of .dev/aws, and imports nothing of the project.
"""

import base64
import sys
from typing import Any

from moto.awslambda import models
from moto.awslambda.policy import Policy
from moto.server import ThreadedMotoServer

ALEXA = "alexa-connectedhome.amazon.com"


class AlexaPolicy(Policy):
    """Keeps Alexa's event source token, which moto drops, as Lambda does."""

    def principal_formatter(self, obj: Any) -> Any:
        """Return the principal as Lambda writes it."""
        return {"Service": ALEXA} if obj == ALEXA else obj

    def remove_if_set(self, obj: dict[str, Any], keys: list[str]) -> None:
        """Make the token a condition before it is dropped."""
        if token := obj.get("EventSourceToken"):
            obj["Condition"] = {"StringEquals": {"lambda:EventSourceToken": token}}
        for key in keys:
            obj.pop(key, None)


_read_code = models._zipfile_content


def read_code(content: Any) -> Any:
    """Read code that stands in a template, which moto takes for base64 in an update."""
    try:
        return _read_code(content)
    except ValueError:
        return _read_code(base64.b64encode(content.encode()).decode())


def main() -> None:
    """Serve."""
    models._zipfile_content = read_code
    for name in ("principal_formatter", "remove_if_set"):
        setattr(Policy, name, getattr(AlexaPolicy, name))
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    print(f"http://{host}:{port}", flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
