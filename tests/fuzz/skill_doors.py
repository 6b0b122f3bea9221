"""What Alexa and Amazon send to the skill's backend and to Home Assistant."""

import asyncio
import base64
from collections.abc import Mapping
from concurrent.futures import Future
from contextlib import suppress
from datetime import UTC, datetime
import io
import json
import math
from types import SimpleNamespace
from typing import Any, Self, override
from unittest.mock import patch

from hypothesis import strategies as st

from custom_components.kinesis_webrtc.alexa import lambda_function
from custom_components.kinesis_webrtc.alexa.access_tokens import LoginWithAmazon
from custom_components.kinesis_webrtc.alexa.amazon import Times
from custom_components.kinesis_webrtc.alexa.errors import AlexaSkillError
from custom_components.kinesis_webrtc.alexa.events import DoorbellPress
from custom_components.kinesis_webrtc.alexa.gateway import EventGateway
from custom_components.kinesis_webrtc.alexa.parameters import Grant, SkillSecrets

from . import broken
from .door import BrokenPromiseError, Door
from .peer_doors import FINGERPRINT, OFFERS, PASSWORD
from .signaling_doors import ARN, ENDPOINTS, INFO

TOKEN = "Atza-bearer-token"
CLIENT = "amzn1.application-oa2-client.1"
USER = "amzn1.account.ANN"
RTC = "Alexa.RTCSessionController"


def directive(namespace: str, name: str, payload: Mapping[str, Any]) -> Any:
    """Return a directive as Alexa sends it."""
    return {
        "directive": {
            "header": {
                "namespace": namespace,
                "name": name,
                "messageId": "1",
                "correlationToken": "token==",
                "payloadVersion": "3",
            },
            "endpoint": {
                "scope": {"type": "BearerToken", "token": TOKEN},
                "endpointId": "ha-x",
                "cookie": {"arn": ARN, "tagged": "true"},
            },
            "payload": payload,
        }
    }


SCOPE = {"type": "BearerToken", "token": TOKEN}
DIRECTIVES = [
    directive(
        RTC,
        "InitiateSessionWithOffer",
        {"sessionId": "s", "offer": {"format": "SDP", "value": OFFERS[0]}},
    ),
    directive(RTC, "SessionConnected", {"sessionId": "s"}),
    directive(RTC, "SessionDisconnected", {"sessionId": "s"}),
    directive("Alexa", "ReportState", {}),
    directive("Alexa.Discovery", "Discover", {"scope": SCOPE}),
    directive(
        "Alexa.Authorization",
        "AcceptGrant",
        {"grantee": SCOPE, "grant": {"type": "OAuth2.AuthorizationCode", "code": "c"}},
    ),
]
ANSWERS = [
    {"type": "answer", "sdp": OFFERS[0]},
    {"type": "kinesis_webrtc", "v": 1, "error": "no_h264"},
]
LOGIN = {
    "user_id": USER,
    "aud": CLIENT,
    "exp": 3000,
    "name": "Ann",
    "email": "ann@example.org",
    "refresh_token": "Atzr-refresh",
}


class Directives(Door):
    """Directives of Alexa's, what the master answers, and what Amazon says of users."""

    name = "directives"
    secrets = (FINGERPRINT, PASSWORD, TOKEN, "Atzr-refresh", "the-client-secret")

    @override
    def cases(self) -> st.SearchStrategy[dict[str, Any]]:
        good = st.fixed_dictionaries(
            {
                "event": st.sampled_from(DIRECTIVES),
                "answer": st.just(json.dumps(ANSWERS[0])),
                "login": st.just(json.dumps(LOGIN)),
                "owners": st.just(json.dumps({"allowed": [USER]})),
            }
        )
        wrong = {
            "event": broken.structures(DIRECTIVES),
            "answer": broken.payloads(ANSWERS),
            "login": broken.payloads([LOGIN]),
            "owners": broken.payloads([{"allowed": [USER], "refused": ["x"]}]),
        }
        return st.tuples(good, st.sampled_from(["event", *wrong])).flatmap(
            lambda both: wrong[both[1]].map(lambda value: {**both[0], both[1]: value})
        )

    @override
    async def open(self) -> None:
        environment = {
            "CHANNEL_REGION": "eu-west-1",
            "SKILL_ID": "amzn1.ask.skill.1",
            "AWS_REGION": "eu-west-1",
        }
        self._environment = environment
        self._patches = [
            patch.object(lambda_function.Backend, "_client", lambda *_: _Client(self)),
            patch.object(lambda_function, "urlopen", self._login),
            # In this thread, so that its time is counted.
            patch.object(lambda_function, "_start", _now),
            patch.object(lambda_function, "wait", lambda work, **_: (set(work), ())),
        ]
        for each in self._patches:
            each.start()

    @override
    async def close(self) -> None:
        for each in self._patches:
            each.stop()

    @override
    async def knock(self, case: Any) -> None:
        self.case = case
        backend = lambda_function.Backend(self._environment)
        found = backend.handle(case["event"])
        # As AWS Lambda writes what a function returns.
        json.dumps(found, ensure_ascii=False).encode()
        message = str(found["event"]["payload"].get("message", ""))
        if "unexpected" in message:
            raise BrokenPromiseError(message)

    def _login(self, call: Any, *, timeout: float) -> Any:
        """Answer in Login with Amazon's place; names and values must be sendable."""
        for value in (call.full_url, *call.headers.values()):
            value.encode("latin-1")
            if "\n" in value or "\r" in value:
                raise ValueError("a header of two lines")
        body = self.case["login"].encode("utf-8", "replace")
        return io.BytesIO(body)


class _Client:
    """boto3's clients, all in one."""

    def __init__(self, door: Directives) -> None:
        self._case = door.case

    def send_alexa_offer_to_master(self, **_: Any) -> Any:
        answer = self._case["answer"].encode("utf-8", "replace")
        return {"Answer": base64.b64encode(answer).decode()}

    def describe_signaling_channel(self, **_: Any) -> Any:
        return {"ChannelInfo": INFO}

    def get_signaling_channel_endpoint(self, **_: Any) -> Any:
        return {"ResourceEndpointList": ENDPOINTS}

    def list_signaling_channels(self, **_: Any) -> Any:
        return {"ChannelInfoList": [INFO]}

    def list_tags_for_resource(self, **_: Any) -> Any:
        return {"Tags": {"kinesis_webrtc:created_by": "home"}}

    def put_parameter(self, **params: Any) -> Any:
        params["Value"].encode()

    def get_parameters_by_path(self, **params: Any) -> Any:
        values = {
            "client_id": CLIENT,
            "client_secret": "the-client-secret",
            "owners": self._case["owners"],
        }
        return {
            "Parameters": [
                {"Name": f"{params['Path']}/{name}", "Value": value}
                for name, value in values.items()
            ]
        }


def _now(work: Any) -> Future[Any]:
    future: Future[Any] = Future()
    try:
        future.set_result(work())
    except Exception as err:  # noqa: BLE001 - as in the function
        future.set_exception(err)
    return future


TOKENS = {
    "access_token": "Atza-access",
    "refresh_token": "Atzr-refresh",
    "token_type": "bearer",
    "expires_in": 3600,
}
FAILURES = [
    {"error": "invalid_grant", "error_description": "no"},
    {"error": "invalid_client"},
    {"header": {}, "payload": {"code": "INVALID_ACCESS_TOKEN_EXCEPTION"}},
    {"header": {}, "payload": {"code": "SKILL_DISABLED_EXCEPTION"}},
]
TIMES = Times(backoff_floor=60.0, login_cap=60.0, gateway_cap=60.0)


class Amazon(Door):
    """What Login with Amazon and the event gateway answer."""

    name = "amazon"
    secrets = ("Atza-access", "Atzr-refresh", "the-client-secret")

    @override
    def cases(self) -> st.SearchStrategy[dict[str, Any]]:
        answer = st.fixed_dictionaries(
            {
                "status": st.sampled_from(
                    [200, 200, 202, 302, 400, 401, 403, 429, 503]
                ),
                "retry_after": st.one_of(st.none(), st.sampled_from(["1", "\u0663"])),
                "body": broken.payloads([TOKENS, *FAILURES]),
            }
        )
        good = {"status": 200, "retry_after": None, "body": json.dumps(TOKENS)}
        return st.one_of(
            st.fixed_dictionaries({"login": answer, "gateway": answer}),
            st.fixed_dictionaries({"login": st.just(good), "gateway": answer}),
        )

    @override
    async def knock(self, case: Any) -> None:
        session: Any = _Session(case)
        secrets = SkillSecrets(client_id=CLIENT, client_secret="the-client-secret")
        grant = Grant(user_id=USER, refresh_token="Atzr-refresh", granted_ms=1)
        login = LoginWithAmazon(
            session=session, url="https://api.amazon.com", secrets=secrets, times=TIMES
        )
        try:
            token, lasts = await login.refresh(grant)
        except AlexaSkillError as err:
            str(err).encode()
        else:
            if not (math.isfinite(lasts) and lasts > 0 and token.isascii()):
                raise BrokenPromiseError(f"a token that lasts {lasts}")
        gateway = EventGateway(
            session=session,
            gateway_url="https://api.eu.amazonalexa.com",
            lwa_url="https://api.amazon.com",
            secrets=secrets,
            on_grant_refused=lambda *_: None,
            on_secrets_refused=lambda: None,
            times=TIMES,
        )
        gateway.set_grants([grant])
        running = asyncio.ensure_future(gateway.run())
        gateway.send(DoorbellPress(endpoint_id="ha-x", at=datetime.now(UTC)))
        for _ in range(20):
            await asyncio.sleep(0)
        ended = running.done()
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running
        if ended:
            raise BrokenPromiseError("events are not sent any more")
        if session.posted > 12:
            raise BrokenPromiseError("Amazon is asked without a pause")


class _Session:
    def __init__(self, case: Any) -> None:
        self._case, self.posted = case, 0

    def post(self, url: str, *, headers: Any = None, **_: Any) -> Any:
        self.posted += 1
        for value in (headers or {}).values():
            # As aiohttp does.
            value.encode("latin-1" if value.isascii() else "utf-8")
            if any(c in value for c in "\r\n\0"):
                raise ValueError("Newline, carriage return, or null byte")
        return _Response(self._case["login" if "api.amazon.com" in url else "gateway"])


class _Response:
    def __init__(self, answer: Any) -> None:
        self.status = answer["status"]
        retry_after = answer["retry_after"]
        self.headers = {} if retry_after is None else {"Retry-After": retry_after}
        body = answer["body"].encode("utf-8", "replace")

        async def read(size: int) -> bytes:
            return body[:size]

        self.content = SimpleNamespace(read=read)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close."""
