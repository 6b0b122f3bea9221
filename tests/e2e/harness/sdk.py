"""What AWS's own JS SDK needs in a page of Chromium, and a camera made of it."""

import asyncio
from typing import Any, Literal

from playwright.async_api import Page

from .alexa_lambda import boto3_session
from .clip import FRAMES
from .emulator import Emulator
from .scenario import Account

# What AWS's documentation gives to a device with the SDK.
MASTER_POLICY: dict[str, object] = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Action": [
                "kinesisvideo:DescribeSignalingChannel",
                "kinesisvideo:GetSignalingChannelEndpoint",
                "kinesisvideo:GetIceServerConfig",
                "kinesisvideo:ConnectAsMaster",
            ],
            "Resource": "*",
        }
    ],
}

DEVICE = Account(
    region=Emulator.home_assistant.region,
    access_key_id="AKIADEVICE0000000000",
    secret_access_key="device-secret-0123456789-abcdefghijklmno",
)


async def add_device(emulator: Emulator) -> None:
    """Make the user whose keys the masters have."""
    await emulator.add_user("device", DEVICE, MASTER_POLICY)


async def sdk_options(
    emulator: Emulator,
    account: Account,
    channel_arn: str,
    role: Literal["MASTER", "VIEWER"],
) -> dict[str, Any]:
    """Ask the service, as AWS's sample pages do, for what the SDK has to be given."""
    verify = str(emulator.certificate)

    def fetch() -> tuple[dict[str, str], list[dict[str, Any]]]:
        session = boto3_session(account)
        video = session.client("kinesisvideo", endpoint_url=emulator.url, verify=verify)
        answer = video.get_signaling_channel_endpoint(
            ChannelARN=channel_arn,
            SingleMasterChannelEndpointConfiguration={
                "Protocols": ["WSS", "HTTPS"],
                "Role": role,
            },
        )
        endpoints: dict[str, str] = {
            one["Protocol"]: one["ResourceEndpoint"]
            for one in answer["ResourceEndpointList"]
        }
        signaling = session.client(
            "kinesis-video-signaling", endpoint_url=endpoints["HTTPS"], verify=verify
        )
        config = signaling.get_ice_server_config(ChannelARN=channel_arn)
        return endpoints, [
            {
                "urls": server["Uris"],
                "username": server["Username"],
                "credential": server["Password"],
            }
            for server in config["IceServerList"]
        ]

    endpoints, servers = await asyncio.to_thread(fetch)
    return {
        "channelArn": channel_arn,
        "endpoint": endpoints["WSS"],
        "region": account.region,
        "credentials": {
            "accessKeyId": account.access_key_id,
            "secretAccessKey": account.secret_access_key,
        },
        "iceServers": servers,
    }


class SdkMaster:
    """The master of a channel; its pictures are those of harness/pattern.py."""

    def __init__(
        self, page: Page, *, emulator: Emulator, channel_arn: str, number: int
    ) -> None:
        self.number = number
        self._page = page
        self._emulator = emulator
        self._arn = channel_arn
        self._filming = False

    async def connect(self, *, relay_only: bool = False) -> None:
        """Go on the channel."""
        if not self._filming:
            await self._page.evaluate(
                "([number, frames]) => startCamera(number, frames)",
                [self.number, FRAMES],
            )
            self._filming = True
        options = await sdk_options(self._emulator, DEVICE, self._arn, "MASTER")
        options["relayOnly"] = relay_only
        async with asyncio.timeout(15):
            await self._page.evaluate("options => connectMaster(options)", options)

    async def disconnect(self) -> None:
        """Leave the channel and hang up on all viewers."""
        await self._page.evaluate("disconnectMaster()")

    async def offers(self) -> list[int]:
        """Return the numbers of the offers that have led to a connection which stands."""
        offers: list[int] = await self._page.evaluate("connectedOffers()")
        return offers

    async def wait_for_another(self, offers: list[int]) -> None:
        """Wait until an offer that was not there before has led to a connection."""
        await self._page.wait_for_function(
            "before => connectedOffers().some(one => !before.includes(one))",
            arg=offers,
        )

    async def heard_energy(self) -> float:
        """Return the energy of all sound that viewers have sent, 0 if there was none."""
        energy: float = await self._page.evaluate("heardEnergy()")
        return energy

    async def wait_for_sound(self) -> None:
        """Wait until something is heard of a viewer."""
        async with asyncio.timeout(20):
            while not await self.heard_energy():  # noqa: ASYNC110 - nothing tells
                await asyncio.sleep(0.1)

    async def report(self) -> dict[str, Any]:
        """Return the viewers' states, codecs and candidate types, and all errors."""
        report: dict[str, Any] = await self._page.evaluate("masterReport()")
        return report
