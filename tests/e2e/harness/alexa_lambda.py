"""Alexa's Lambda as AWS's sample has it: plain boto3, nothing of the project."""

import asyncio
import base64
import json
from pathlib import Path
from typing import Any, Self
from uuid import uuid4

import boto3
from botocore.config import Config

from .emulator import Emulator
from .scenario import Account


def boto3_session(account: Account) -> boto3.session.Session:
    """Return a session with an account's keys."""
    return boto3.session.Session(
        aws_access_key_id=account.access_key_id,
        aws_secret_access_key=account.secret_access_key,
        region_name=account.region,
    )


def encode_offer(sdp: str) -> str:
    """Return an offer as a message's payload."""
    return base64.b64encode(json.dumps({"type": "offer", "sdp": sdp}).encode()).decode()


def decode_answer(payload: str) -> str:
    """Return the SDP in an answer's payload."""
    answer = json.loads(base64.b64decode(payload))
    assert answer["type"] == "answer"
    return str(answer["sdp"])


class AlexaLambda:
    """Forwards offers to a channel's master, as the skill's function does."""

    def __init__(
        self,
        *,
        url: str,
        channel_arn: str,
        account: Account = Emulator.lambda_function,
        certificate: Path | None = None,
    ) -> None:
        self._channel_arn = channel_arn
        self._session = boto3_session(account)
        self._options: dict[str, Any] = (
            {"verify": str(certificate)} if certificate else {}
        )
        self._url = url
        self._signaling: Any = None

    @classmethod
    def of(cls, emulator: Emulator, channel_arn: str) -> Self:
        """Return a function that calls the emulator."""
        return cls(
            url=emulator.url,
            channel_arn=channel_arn,
            certificate=emulator.certificate,
        )

    def _connect(self) -> Any:
        video = self._session.client(
            "kinesisvideo", endpoint_url=self._url, **self._options
        )
        answer = video.get_signaling_channel_endpoint(
            ChannelARN=self._channel_arn,
            SingleMasterChannelEndpointConfiguration={
                "Protocols": ["HTTPS"],
                "Role": "VIEWER",
            },
        )
        (endpoint,) = answer["ResourceEndpointList"]
        return self._session.client(
            "kinesis-video-signaling",
            endpoint_url=endpoint["ResourceEndpoint"],
            config=Config(retries={"total_max_attempts": 1}, read_timeout=10),
            **self._options,
        )

    async def prepare(self) -> None:
        """Fetch the endpoint, which a warm function has cached."""
        self._signaling = await asyncio.to_thread(self._connect)

    async def answer(self, offer: str, *, sender: str | None = None) -> str | None:
        """Return the master's answer to an offer; None when the service had none."""
        if self._signaling is None:
            await self.prepare()
        response = await asyncio.to_thread(
            self._signaling.send_alexa_offer_to_master,
            ChannelARN=self._channel_arn,
            SenderClientId=sender or uuid4().hex,
            MessagePayload=encode_offer(offer),
        )
        if not response.get("Answer"):
            return None
        return decode_answer(response["Answer"])

    async def end(self, session: str) -> None:
        """Tell the master that a session of Alexa's is over."""
        await self.send(
            {"type": "kinesis_webrtc", "v": 1, "kind": "end", "session": session},
            sender=f"alexa-{session}-2",
        )

    async def send(self, payload: dict[str, Any], *, sender: str) -> str | None:
        """Send what is no offer of AWS's sample; return the payload of the answer."""
        if self._signaling is None:
            await self.prepare()
        response = await asyncio.to_thread(
            self._signaling.send_alexa_offer_to_master,
            ChannelARN=self._channel_arn,
            SenderClientId=sender,
            MessagePayload=base64.b64encode(json.dumps(payload).encode()).decode(),
        )
        return response.get("Answer")
