"""What a flow may refuse, as the texts have it, and who has seen it in the dialog."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
import json
import re
from typing import Any

from .alexa_lambda import boto3_session
from .emulator import Emulator
from .frontend import FlowDialog
from .home_assistant import INTEGRATION, REPOSITORY
from .scenario import Account

TRANSLATIONS: Mapping[str, Any] = json.loads(
    (
        REPOSITORY / "custom_components" / INTEGRATION / "translations" / "en.json"
    ).read_text()
)

# What AWS answers with, whatever it was asked, and the text that this is to lead to.
CODES = {
    "channel_limit": "AccountChannelLimitExceededException",
    "client_limit_exceeded": "ClientLimitExceededException",
    "clock_skew": "RequestTimeTooSkewed",
    "expired_token": "ExpiredTokenException",
    "invalid_argument": "InvalidArgumentException",
    "invalid_credentials": "UnrecognizedClientException",
    "not_authorized": "AccessDeniedException",
    "resource_in_use": "ResourceInUseException",
    "resource_not_found": "ResourceNotFoundException",
    "service_error": "SomethingElseException",
    "unsupported_region": "OptInRequired",
    "version_mismatch": "VersionMismatchException",
}


class Refusals:
    """A flow's errors and aborts, which a person is to see one after the other."""

    def __init__(self, flow: Mapping[str, Any], *, dialog: FlowDialog) -> None:
        self.dialog = dialog
        self._texts: dict[tuple[str, str], str] = {
            (kind, key): text
            for kind in ("error", "abort")
            for key, text in flow[kind].items()
        }
        self._seen: set[tuple[str, str]] = set()

    async def see(self, key: str, kind: str = "error") -> None:
        """Wait until the dialog says the text, with all its gaps filled."""
        fixed = re.split(r"\{\w+\}|[\[\]()]", self._texts[kind, key])
        shown = self.dialog.says(max(fixed, key=len).strip()).first
        await shown.wait_for()
        assert "{" not in await shown.inner_text()
        self._seen.add((kind, key))

    async def submit(self, key: str, kind: str = "error") -> None:
        """Send the form and wait until the dialog says why that cannot be."""
        await self.dialog.submit()
        await self.see(key, kind)

    async def submit_with(self, aws: Emulator, key: str, *, operation: str) -> None:
        """Send the form while AWS refuses an operation."""
        async with _fault(
            aws,
            kind="error",
            operation=operation,
            status=400,
            code=CODES[key],
            message="provoked",
        ):
            await self.submit(key)

    async def submit_unheard(self, aws: Emulator, *, operation: str) -> None:
        """Send the form while AWS cannot be reached."""
        async with _fault(aws, kind="drop", operation=operation):
            await self.submit("cannot_connect")

    def unseen(self) -> set[str]:
        """Return the keys of the texts that nobody has seen yet."""
        return {key for _, key in self._texts.keys() - self._seen}


@asynccontextmanager
async def _fault(aws: Emulator, **fault: object) -> AsyncIterator[None]:
    await aws.act("faults", **fault)
    try:
        yield
    finally:
        await aws.act("clear_faults")


async def store_media(aws: Emulator, channel_arn: str) -> None:
    """Switch a channel's media storage on, as an administrator would."""
    admin = Account(
        region=aws.home_assistant.region,
        access_key_id="AKIAADMIN00000000000",
        secret_access_key="admin-secret-0123456789-abcdefghijklmnop",
    )
    await aws.act(
        "add_user",
        name="admin",
        access_key_id=admin.access_key_id,
        secret_access_key=admin.secret_access_key,
    )
    stream = await aws.act("create_stream", name="recordings")

    def update() -> None:
        boto3_session(admin).client(
            "kinesisvideo", endpoint_url=aws.url, verify=str(aws.certificate)
        ).update_media_storage_configuration(
            ChannelARN=channel_arn,
            MediaStorageConfiguration={
                "StreamARN": stream["StreamARN"],
                "Status": "ENABLED",
            },
        )

    await asyncio.to_thread(update)
