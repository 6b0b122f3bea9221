"""The emulated AWS region as a process, and what its clients need to find it."""

import asyncio
from collections.abc import Mapping, Sequence
import json
from pathlib import Path
import sys
import tempfile
from typing import Any, override

import aiohttp

from tests.helpers.policies import documented

from .certificate import make_certificate
from .coturn import Coturn
from .home_assistant import REPOSITORY
from .inside import Inside
from .process import Process
from .scenario import Account

# What Alexa's Lambda needs: as in AWS's own sample, and to find the cameras by itself.
LAMBDA_POLICY: Mapping[str, object] = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Action": "kinesisvideo:ListSignalingChannels",
            "Resource": "*",
        },
        {
            "Effect": "Allow",
            "Action": [
                "kinesisvideo:DescribeSignalingChannel",
                "kinesisvideo:ListTagsForResource",
                "kinesisvideo:GetSignalingChannelEndpoint",
                "kinesisvideo:SendAlexaOfferToMaster",
            ],
            "Resource": "arn:aws:kinesisvideo:*:*:channel/*/*",
        },
    ],
}

# What a browser needs that views a channel by the JS SDK.
VIEWER_POLICY: Mapping[str, object] = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Action": [
                "kinesisvideo:DescribeSignalingChannel",
                "kinesisvideo:GetSignalingChannelEndpoint",
                "kinesisvideo:GetIceServerConfig",
                "kinesisvideo:ConnectAsViewer",
            ],
            "Resource": "arn:aws:kinesisvideo:*:*:channel/*/*",
        }
    ],
}


def readme_policy(*, viewing: bool = False) -> dict[str, Any]:
    """Return the policy that the README gives to Home Assistant's user.

    The one who views remote channels too is told to add a statement.
    """
    policy: dict[str, Any] = documented("policy")
    if viewing:
        policy["Statement"].append(documented("viewing"))
    return policy


def readme_statements() -> list[dict[str, Any]]:
    """Return all that README tells of Home Assistant's user, but for Alexa."""
    own: list[dict[str, Any]] = readme_policy(viewing=True)["Statement"]
    return [*own, documented("by-arn")]


class Emulator(Process):
    """A strict Kinesis Video Streams in its own process, by default with TLS.

    Three users: Home Assistant's under the README's policy, the Lambda's and a viewer's.
    """

    home_assistant = Account(
        region="eu-west-1",
        access_key_id="AKIAHOMEASSISTANT000",
        secret_access_key="home-assistant-secret-0123456789-abcdefg",
    )
    lambda_function = Account(
        region="eu-west-1",
        access_key_id="AKIALAMBDAFUNCTION00",
        secret_access_key="lambda-function-secret-0123456789-abcdef",
    )
    viewer = Account(
        region="eu-west-1",
        access_key_id="AKIAVIEWER0000000000",
        secret_access_key="viewer-secret-0123456789-abcdefghijklmno",
    )

    def __init__(
        self,
        *,
        coturn: Coturn | None = None,
        turn_uris: Sequence[str] | None = None,
        turn_secret: str = "",
        tls: bool = True,
        port: int = 0,
        limits: Mapping[str, object] | None = None,
        viewing: bool = False,
    ) -> None:
        self.url: str
        self._admin_url: str
        self._scratch = tempfile.TemporaryDirectory(prefix="emulator-")
        folder = Path(self._scratch.name)
        policy, users = folder / "policy.json", folder / "users.json"
        policy.write_text(json.dumps(readme_policy(viewing=viewing)))
        users.write_text(
            json.dumps(
                [
                    _user("lambda", self.lambda_function, LAMBDA_POLICY),
                    _user("viewer", self.viewer, VIEWER_POLICY),
                ]
            )
        )
        command: list[str | Path] = [sys.executable, "-m", "tests.emulator"]
        command += [f"--port={port}", f"--region={self.home_assistant.region}"]
        command += [f"--access-key={self.home_assistant.access_key_id}"]
        command += [f"--secret={self.home_assistant.secret_access_key}"]
        command += [f"--policy={policy}", f"--users={users}"]
        if coturn:
            turn_uris = [coturn.turn_url] if turn_uris is None else turn_uris
            turn_secret = coturn.secret
        command += [f"--turn-secret={turn_secret}"]
        command += [f"--turn-uri={uri}" for uri in turn_uris or ()]
        if limits:
            (folder / "limits.json").write_text(json.dumps(limits))
            command += [f"--limits={folder / 'limits.json'}"]
        self.certificate: Path | None = None
        if tls:
            self.certificate, key = make_certificate(folder)
            command += [f"--tls-cert={self.certificate}", f"--tls-key={key}"]
        super().__init__(command, name="emulator", directory=REPOSITORY)

    @override
    async def get_ready(self) -> None:
        ready = json.loads((await self.wait_for_line(r"^(\{.*\})$"))[1])
        self.url, self._admin_url = ready["url"], ready["admin_url"]

    @override
    async def __aexit__(self, *_: object) -> None:
        await self.stop()
        self._scratch.cleanup()

    @property
    def environment(self) -> dict[str, str]:
        """Return the variables that lead clients here, and let them trust it."""
        variables = {"AWS_ENDPOINT_URL": self.url, "AWS_EC2_METADATA_DISABLED": "true"}
        if self.certificate:
            # boto3 reads the one, Home Assistant's HTTP client the other.
            variables["AWS_CA_BUNDLE"] = str(self.certificate)
            variables["REQUESTS_CA_BUNDLE"] = str(self.certificate)
        return variables

    def environment_by(self, inside: Inside) -> dict[str, str]:
        """Return the variables that lead clients here by a name."""
        url = self.url.replace("127.0.0.1", inside.NAME)
        return {**self.environment, **inside.environment, "AWS_ENDPOINT_URL": url}

    async def state(self) -> dict[str, Any]:
        """Return what the service has: channels, who is connected, calls, errors."""
        async with (
            aiohttp.ClientSession() as session,
            session.get(f"{self._admin_url}/_emulator/state") as response,
        ):
            state: dict[str, Any] = await response.json()
            return state

    async def act(self, what: str, /, **parameters: object) -> Any:
        """Change something behind the clients' back, as the admin API offers."""
        async with (
            aiohttp.ClientSession() as session,
            session.post(
                f"{self._admin_url}/_emulator/{what}", json=parameters
            ) as response,
        ):
            response.raise_for_status()
            return await response.json()

    async def add_user(
        self, name: str, account: Account, *policies: Mapping[str, Any]
    ) -> None:
        """Give the region a user, with the account's keys and under these policies."""
        await self.act(
            "add_user",
            name=name,
            access_key_id=account.access_key_id,
            secret_access_key=account.secret_access_key,
            policies=policies,
        )

    async def only_channel(self) -> dict[str, Any]:
        """Return the description of the region's only channel.

        Others that were given up may still be there for a while: nothing tells when
        they are deleted.
        """
        async with asyncio.timeout(20):
            while len(channels := (await self.state())["channels"]) > 1:  # noqa: ASYNC110
                await asyncio.sleep(0.1)
        (channel,) = channels.values()
        description: dict[str, Any] = channel
        return description


def _user(
    name: str, account: Account, policy: Mapping[str, object]
) -> dict[str, object]:
    return {
        "name": name,
        "access_key_id": account.access_key_id,
        "secret_access_key": account.secret_access_key,
        "policies": [policy],
    }
