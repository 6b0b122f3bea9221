"""A strict Amazon Kinesis Video Streams WebRTC service for the tests and the demo.

One region of the control plane (`kinesisvideo`), of `kinesis-video-signaling`, of the
websocket API and of STS GetCallerIdentity. Requests are checked against the service
models that botocore ships, signatures by a canonicalisation of its own, permissions by
IAM policies, quotas as documented. It shares no code with the integration.

In a test::

    async with KvsEmulator(limits=Limits().without_rates()) as emulator:
        monkeypatch.setenv("AWS_ENDPOINT_URL", emulator.url)
        channel = emulator.create_channel("ha-door", message_ttl=5)
        ...  # keys: DEFAULT_USER.access_key_id, DEFAULT_USER.secret_access_key
        master = await emulator.wait_for_master("ha-door")
        master.go_away(grace=0.1)  # or close, cut, make_half_open, send_text, send_raw
        emulator.add_fault(FaultKind.THROTTLE, "GetIceServerConfig", count=1)
        emulator.behaviour.displaced_master = "close"
        assert emulator.journal.calls["DescribeSignalingChannel"] == 1

As a process: `python -m tests.emulator --help`. It prints one line of JSON with its
addresses; the same switches are at its `admin_url`, see `admin.AdminServer`.

Each endpoint of a channel has a port of its own, and the path `/`; it is given under
the host name that the client asked with. `Limits` has the quotas and times, `Behaviour`
what AWS does not document, `Fault` what can go wrong on demand. A test that would have
to wait for a message to expire sets `Limits.message_ttl_scale`.
"""

from .admin import AdminServer
from .channels import Channel
from .connection import Connection
from .faults import Fault, FaultKind, Faults
from .iam import ALLOW_ALL, Policy, User
from .ice import TurnConfig, uris_of_host
from .journal import Journal, SeenMessage
from .limits import Behaviour, Limits
from .service import DEFAULT_USER, KvsEmulator
from .state import Role

__all__ = [
    "ALLOW_ALL",
    "DEFAULT_USER",
    "AdminServer",
    "Behaviour",
    "Channel",
    "Connection",
    "Fault",
    "FaultKind",
    "Faults",
    "Journal",
    "KvsEmulator",
    "Limits",
    "Policy",
    "Role",
    "SeenMessage",
    "TurnConfig",
    "User",
    "uris_of_host",
]
