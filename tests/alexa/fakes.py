"""Login with Amazon and Systems Manager's parameters, strict, on loopback."""

from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
import json
import re
import threading
import time
from types import TracebackType
from typing import Any, Self, override
from urllib.parse import parse_qs, urlsplit

from tests.emulator.errors import ApiError
from tests.emulator.models import check_input, service_model

type Answer = tuple[int, Mapping[str, Any]]


@dataclass(kw_only=True)
class HttpFake:
    """A server in threads of its own; `calls` counts, `delay` is in seconds."""

    delay: float = 0.0
    outage: int | None = None
    calls: Counter[str] = field(default_factory=Counter)

    def __enter__(self) -> Self:
        fake = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self._answer()

            def do_POST(self) -> None:
                self._answer()

            def _answer(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                body = self.rfile.read(length)
                time.sleep(fake.delay)
                if fake.outage is not None:
                    status, content = fake.outage, {"error": "ServerError"}
                else:
                    status, content = fake.answer(
                        self.command, self.path, dict(self.headers), body
                    )
                data = json.dumps(content).encode()
                with suppress(ConnectionError):
                    self.send_response(status)
                    self.send_header("Content-Type", "application/json")
                    self.send_header("Content-Length", str(len(data)))
                    self.end_headers()
                    self.wfile.write(data)

            @override
            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.02}
        )
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def answer(
        self, method: str, target: str, headers: Mapping[str, str], body: bytes
    ) -> Answer:
        raise NotImplementedError


@dataclass(frozen=True, kw_only=True)
class AmazonUser:
    """A customer of Amazon."""

    user_id: str
    name: str
    email: str


ANN = AmazonUser(
    user_id="amzn1.account.ANN", name="Ann Example", email="ann@example.org"
)
BOB = AmazonUser(
    user_id="amzn1.account.BOB", name="Bob Example", email="bob@example.org"
)


@dataclass(kw_only=True)
class LoginWithAmazon(HttpFake):
    """Tokens and codes of users; https://developer.amazon.com/docs/login-with-amazon/."""

    client_id: str = "amzn1.application-oa2-client.events"
    client_secret: str = "amzn1.oa2-cs.v1.secret-of-events"
    tokens: dict[str, tuple[AmazonUser, str]] = field(default_factory=dict)
    codes: dict[str, str] = field(default_factory=dict)
    lifetime: int = 3600
    profiles: dict[str, AmazonUser] = field(default_factory=dict)

    def issue(self, token: str, user: AmazonUser, audience: str | None = None) -> str:
        """Give a user an access token for an application."""
        self.tokens[token] = (user, audience or self.client_id)
        return token

    @override
    def answer(
        self, method: str, target: str, headers: Mapping[str, str], body: bytes
    ) -> Answer:
        url = urlsplit(target)
        self.calls[url.path] += 1
        query = parse_qs(url.query, strict_parsing=bool(url.query))
        match method, url.path:
            case "GET", "/auth/o2/tokeninfo" if set(query) == {"access_token"}:
                return self._token_info(query["access_token"][0])
            case "GET", "/user/profile" if not query:
                return self._profile(headers.get("Authorization", ""))
            case "POST", "/auth/o2/token" if not query:
                return self._exchange(headers, parse_qs(body.decode()))
        return 404, {"error": "not_found"}

    def _token_info(self, token: str) -> Answer:
        if token not in self.tokens:
            return 400, {
                "error": "invalid_token",
                "error_description": f"The token {token} is invalid or has expired",
            }
        user, audience = self.tokens[token]
        return 200, {
            "iss": "https://www.amazon.com",
            "user_id": user.user_id,
            "aud": audience,
            "app_id": "amzn1.application.1",
            "exp": self.lifetime,
            "iat": round(time.time()),
        }

    def _profile(self, authorization: str) -> Answer:
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer" or token not in self.tokens:
            return 400, {"error": "invalid_token"}
        user = self.profiles.get(token, self.tokens[token][0])
        return 200, {
            "user_id": user.user_id,
            "name": user.name,
            "email": user.email,
        }

    def _exchange(
        self, headers: Mapping[str, str], form: Mapping[str, list[str]]
    ) -> Answer:
        if headers.get("Content-Type") != "application/x-www-form-urlencoded":
            return 400, {"error": "invalid_request"}
        if set(form) != {"grant_type", "code", "client_id", "client_secret"}:
            return 400, {"error": "invalid_request"}
        client = (form["client_id"][0], form["client_secret"][0])
        if client != (self.client_id, self.client_secret):
            return 401, {"error": "invalid_client"}
        if form["grant_type"] != ["authorization_code"]:
            return 400, {"error": "unsupported_grant_type"}
        refresh_token = self.codes.pop(form["code"][0], None)
        if refresh_token is None:
            return 400, {"error": "invalid_grant"}
        return 200, {
            "access_token": "Atza|access",
            "refresh_token": refresh_token,
            "token_type": "bearer",
            "expires_in": 3600,
        }


@dataclass(kw_only=True)
class ParameterStore(HttpFake):
    """SSM's parameters, of which only SecureStrings are taken."""

    region: str
    values: dict[str, str] = field(default_factory=dict)
    denied: set[str] = field(default_factory=set)

    @override
    def answer(
        self, method: str, target: str, headers: Mapping[str, str], body: bytes
    ) -> Answer:
        service, _, operation = headers.get("X-Amz-Target", "").partition(".")
        self.calls[operation] += 1
        credential = re.search(
            r"Credential=[^/]+/\d{8}/([^/]+)/([^/]+)/aws4_request",
            headers.get("Authorization", ""),
        )
        if (
            method != "POST"
            or target != "/"
            or service != "AmazonSSM"
            or credential is None
            or credential.groups() != (self.region, "ssm")
        ):
            return 400, {"__type": "IncompleteSignature"}
        if operation in self.denied:
            return 400, {"__type": "AccessDeniedException", "message": "no"}
        handlers: Mapping[str, Callable[[dict[str, Any]], Answer]] = {
            "GetParametersByPath": self._get,
            "PutParameter": self._put,
        }
        model = service_model("ssm").operation_model(operation)
        try:
            return handlers[operation](check_input(model, json.loads(body)))
        except ApiError as err:
            return 400, {"__type": "ValidationException", "message": err.message}

    def _get(self, params: dict[str, Any]) -> Answer:
        if not params.get("WithDecryption"):
            return 400, {"__type": "ValidationException", "message": "not decrypted"}
        path = params["Path"].rstrip("/") + "/"
        names = sorted(
            name
            for name in self.values
            if name.startswith(path) and "/" not in name.removeprefix(path)
        )
        begin = int(params.get("NextToken", "0"))
        page = names[begin : begin + 2]
        found = [
            {"Name": name, "Type": "SecureString", "Value": self.values[name]}
            for name in page
        ]
        more = {"NextToken": str(begin + 2)} if begin + 2 < len(names) else {}
        return 200, {"Parameters": found, **more}

    def _put(self, params: dict[str, Any]) -> Answer:
        if params.get("Type") != "SecureString" or len(params["Value"]) > 4096:
            return 400, {"__type": "ValidationException", "message": "not secure"}
        if params["Name"] in self.values and not params.get("Overwrite"):
            return 400, {"__type": "ParameterAlreadyExists", "message": "exists"}
        self.values[params["Name"]] = params["Value"]
        return 200, {"Version": 1, "Tier": "Standard"}
