"""Login with Amazon, the event gateway and SSM's parameters, strict, on loopback."""

from collections import Counter, deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
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

from .schemas import EVENTS

# A status, and JSON or nothing.
type Answer = tuple[int, Mapping[str, Any] | None]


@dataclass(kw_only=True)
class HttpFake:
    """A server in threads of its own; `calls` counts, `delay` is in seconds.

    An outage lasts until it is taken back, each of the faults for one call; in an outage
    or fault of status 0 the connection is closed without an answer.
    """

    delay: float = 0.0
    outage: int | None = None
    faults: deque[int] = field(default_factory=deque)
    retry_after: int | None = None
    calls: Counter[str] = field(default_factory=Counter)
    failures: int = 0

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
                fault = fake.faults.popleft() if fake.faults else fake.outage
                if fault is not None:
                    fake.failures += 1
                    if not fault:
                        self.close_connection = True
                        return
                    status, content = fault, fake.fault(fault)
                else:
                    status, content = fake.answer(
                        self.command, self.path, dict(self.headers), body
                    )
                data = b"" if status == 202 else json.dumps(content).encode()
                with suppress(ConnectionError):
                    self.send_response(status)
                    if data:
                        self.send_header("Content-Type", "application/json")
                    if fault is not None and fake.retry_after is not None:
                        self.send_header("Retry-After", str(fake.retry_after))
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

    def fault(self, status: int) -> Mapping[str, Any]:
        """Return what the service says when it fails."""
        return {"error": "ServerError"}


@dataclass(frozen=True, kw_only=True)
class AmazonUser:
    """A customer of Amazon, who belongs to one of Alexa's regions."""

    user_id: str
    name: str
    email: str
    region: str = "EU"


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
    # Refresh tokens for events, and the access tokens got with them: whose, until when.
    grants: dict[str, AmazonUser] = field(default_factory=dict)
    access: dict[str, tuple[AmazonUser, float]] = field(default_factory=dict)
    refreshes: Counter[str] = field(default_factory=Counter)

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
        grant_type = form.get("grant_type", [""])[0]
        credential = {"refresh_token": "refresh_token"}.get(grant_type, "code")
        if set(form) != {"grant_type", credential, "client_id", "client_secret"}:
            return 400, {"error": "invalid_request"}
        client = (form["client_id"][0], form["client_secret"][0])
        if client != (self.client_id, self.client_secret):
            return 401, {"error": "invalid_client"}
        match grant_type:
            case "authorization_code":
                refresh_token = self.codes.pop(form["code"][0], None)
            case "refresh_token":
                refresh_token = form["refresh_token"][0]
                self.refreshes[refresh_token] += 1
                if refresh_token not in self.grants:
                    refresh_token = None
            case _:
                return 400, {"error": "unsupported_grant_type"}
        if refresh_token is None:
            return 400, {"error": "invalid_grant"}
        access_token = f"Atza|{len(self.access) + 1}"
        if refresh_token in self.grants:
            until = time.monotonic() + self.lifetime
            self.access[access_token] = (self.grants[refresh_token], until)
        return 200, {
            "access_token": access_token,
            "refresh_token": refresh_token,
            "token_type": "bearer",
            "expires_in": self.lifetime,
        }

    def expire(self) -> None:
        """Let the access tokens for events end, before the time they were given."""
        for token, (user, _) in self.access.items():
            self.access[token] = (user, 0.0)


@dataclass(kw_only=True)
class AlexaEventGateway(HttpFake):
    """Takes events: https://developer.amazon.com/docs/smarthome/send-events.html."""

    lwa: LoginWithAmazon
    region: str = "EU"
    # Users who have disabled the skill.
    disabled: set[str] = field(default_factory=set)
    received: list[tuple[AmazonUser, dict[str, Any]]] = field(default_factory=list)
    _changed: threading.Condition = field(default_factory=threading.Condition)

    @override
    def answer(
        self, method: str, target: str, headers: Mapping[str, str], body: bytes
    ) -> Answer:
        self.calls[target] += 1
        if method != "POST" or target != "/v3/events":
            return 404, self._error("NOT_FOUND")
        if headers.get("Content-Type") != "application/json" or len(body) > 250_000:
            return 400, self._error("INVALID_REQUEST_EXCEPTION")
        try:
            message = json.loads(body)
        except ValueError:
            return 400, self._error("INVALID_REQUEST_EXCEPTION")
        if not EVENTS.is_valid(message) or not _is_recent(message):
            return 400, self._error("INVALID_REQUEST_EXCEPTION")
        event = message["event"]
        scope = event.get("endpoint", event["payload"])["scope"]
        user, until = self.lwa.access.get(scope["token"], (None, 0.0))
        if (
            headers.get("Authorization") != f"Bearer {scope['token']}"
            or user is None
            or until <= time.monotonic()
            or user.region != self.region
        ):
            return 401, self._error("INVALID_ACCESS_TOKEN_EXCEPTION")
        if user.user_id in self.disabled:
            return 403, self._error("SKILL_DISABLED_EXCEPTION")
        with self._changed:
            self.received.append((user, message))
            self._changed.notify_all()
        return 202, None

    @override
    def fault(self, status: int) -> Mapping[str, Any]:
        codes = {429: "THROTTLING_EXCEPTION", 503: "SERVICE_UNAVAILABLE_EXCEPTION"}
        return self._error(codes.get(status, "INTERNAL_SERVICE_EXCEPTION"))

    def wait(self, count: int, timeout: float = 20) -> list[dict[str, Any]]:
        """Return the messages as soon as there are so many; from another thread."""
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.received) >= count, timeout)
            return [message for _, message in self.received]

    def _error(self, code: str) -> Mapping[str, Any]:
        return {
            "header": {"namespace": "System", "name": "Exception", "messageId": "1-2"},
            "payload": {"code": code, "description": f"The request failed: {code}"},
        }


def _is_recent(message: Any) -> bool:
    """Return whether a message's times are neither of the future nor of yesterday."""
    times = re.findall(
        r'"(?:timestamp|timeOfSample)": "([^"]*)"', json.dumps(message, indent=1)
    )
    now = datetime.now(UTC)
    return all(
        now - timedelta(hours=2)
        < datetime.strptime(at, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
        < now + timedelta(seconds=5)
        for at in times
    )


@dataclass(kw_only=True)
class ParameterStore(HttpFake):
    """SSM's parameters, of which only SecureStrings are taken."""

    region: str
    values: dict[str, str] = field(default_factory=dict)
    denied: set[str] = field(default_factory=set)
    # Asked with the IAM action and the ARN.
    may: Callable[[str, str], bool] = lambda _, __: True

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
        if operation in self.denied or not self._is_allowed(operation, body):
            return 400, {"__type": "AccessDeniedException", "message": "no"}
        handlers: Mapping[str, Callable[[dict[str, Any]], Answer]] = {
            "DeleteParameters": self._delete,
            "GetParametersByPath": self._get,
            "PutParameter": self._put,
        }
        model = service_model("ssm").operation_model(operation)
        try:
            return handlers[operation](check_input(model, json.loads(body)))
        except ApiError as err:
            return 400, {"__type": "ValidationException", "message": err.message}

    def _is_allowed(self, operation: str, body: bytes) -> bool:
        params = json.loads(body)
        names = params.get("Names") or [params.get("Name") or params.get("Path")]
        arn = f"arn:aws:ssm:{self.region}:123456789012:parameter"
        return all(self.may(f"ssm:{operation}", f"{arn}{name}") for name in names)

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

    def _delete(self, params: dict[str, Any]) -> Answer:
        deleted = [name for name in params["Names"] if self.values.pop(name, None)]
        missing = [name for name in params["Names"] if name not in deleted]
        return 200, {"DeletedParameters": deleted, "InvalidParameters": missing}

    def _put(self, params: dict[str, Any]) -> Answer:
        if params.get("Type") != "SecureString" or len(params["Value"]) > 4096:
            return 400, {"__type": "ValidationException", "message": "not secure"}
        # The account may have another one as its default, which costs.
        if params.get("Tier") != "Standard":
            return 400, {"__type": "ValidationException", "message": "another tier"}
        if params["Name"] in self.values and not params.get("Overwrite"):
            return 400, {"__type": "ParameterAlreadyExists", "message": "exists"}
        self.values[params["Name"]] = params["Value"]
        return 200, {"Version": 1, "Tier": "Standard"}
