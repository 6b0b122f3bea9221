"""The Alexa skill's backend: from Alexa's directives to the master in Home Assistant.

One file for AWS Lambda, with nothing but the standard library and boto3. Environment:

CHANNEL_REGION  region of the signaling channels and of the parameters below
NAME_PREFIX     how the channels' names begin, `ha-`
TAG_PREFIX      how the keys of their tags begin, `kinesis_webrtc:`
SKILL_ID        the skill's id
SSM_PATH        where the parameters are, `/kinesis-webrtc/SKILL_ID`
LWA_URL         Login with Amazon, `https://api.amazon.com`

Parameters below SSM_PATH, all SecureString. Home Assistant writes:

client_id, client_secret  of the skill's permission to send events
linking_client_id         of account linking, where that is another one
owners                    {"allowed": [USER_ID, ...], "refused": [USER_ID, ...]}

and reads (OWNER is a digest of the user's id):

pending/OWNER             {"user_id", "name", "email", "asked_ms"}: wants to be allowed
grants/OWNER              {"user_id", "refresh_token", "region", "granted_ms"}

Tags of a channel: created_by and camera_name make it one of ours, kind is `camera` or
`doorbell`, duplex and motion are `true` where there is a speaker or a motion sensor.
"""

import base64
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future, wait
from dataclasses import dataclass, field
import hashlib
import http.client
import json
import logging
import os
import random
import string
import threading
import time
import traceback
from typing import Any, Self
from urllib.error import HTTPError, URLError
from urllib.parse import urlencode
from urllib.request import Request as HttpRequest, urlopen
import uuid

import boto3
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectTimeoutError,
    ReadTimeoutError,
)

_LOGGER = logging.getLogger("kinesis_webrtc")
_LOGGER.setLevel(logging.INFO)

# As in notice.py.
NOTICE_TYPE = "kinesis_webrtc"
VERSION = 1
KIND_END = "end"
KIND_PING = "ping"
SENDER_PREFIX = "alexa-"

TAG_CREATED_BY = "created_by"
TAG_CAMERA_NAME = "camera_name"
TAG_KIND = "kind"
TAG_DUPLEX = "duplex"
TAG_MOTION = "motion"
# The channel that is there for its TURN servers alone.
RELAY_CHANNEL = "relay"

MAX_PAYLOAD = 10_000
_ENDPOINT_ID = frozenset(string.ascii_letters + string.digits + "_-")

RTC = "Alexa.RTCSessionController"

_INVALID_DIRECTIVE = "INVALID_DIRECTIVE"
_INVALID_CREDENTIAL = "INVALID_AUTHORIZATION_CREDENTIAL"
_EXPIRED_CREDENTIAL = "EXPIRED_AUTHORIZATION_CREDENTIAL"
_UNREACHABLE = "ENDPOINT_UNREACHABLE"
_BUSY = "ENDPOINT_BUSY"
_NO_SUCH_ENDPOINT = "NO_SUCH_ENDPOINT"
_RATE_LIMIT = "RATE_LIMIT_EXCEEDED"
_INTERNAL = "INTERNAL_ERROR"
_GRANT_FAILED = "ACCEPT_GRANT_FAILED"

# Why the master refuses an offer, and what that is to Alexa.
REFUSALS = {
    reason: kind
    for kind, reasons in {
        _BUSY: "viewer_limit superseded too_many_offers",
        _UNREACHABLE: "camera_off source_failed no_network shutting_down stale",
        _INVALID_DIRECTIVE: "not_sdp truncated malformed too_large no_video"
        " video_not_wanted no_h264 no_mid no_fingerprint no_ice_credentials"
        " no_udp_candidate not_encrypted",
        _INTERNAL: "unexpected",
    }.items()
    for reason in reasons.split()
}

# Parts of the codes of AWS's errors: its services are not of one mind about them.
_THROTTLED = ("Throttl", "LimitExceeded", "TooManyRequests")
_DENIED = ("AccessDenied", "NotAuthorized")
_MISSING = ("ResourceNotFound",)
_NO_ANSWER = (ConnectTimeoutError, ReadTimeoutError)
_NETWORK = (URLError, OSError, http.client.HTTPException)
_UNREADABLE = (ValueError, KeyError, TypeError, AttributeError, RecursionError)


@dataclass(frozen=True)
class Limits:
    """Times in seconds, all but the last two from the directive's arrival.

    Alexa waits for 6 s, and what runs longer is no answer at all.
    """

    answer: float = 4.8
    master: float = 4.5
    tags: float = 3.8
    notice: float = 2.0
    settings: float = 300.0
    # A channel's tags are read 50 times a second at most; Home Assistant needs some.
    tags_per_second: float = 45.0
    tag_readers: int = 12


class Refused(Exception):
    """The directive is answered with an error: a type of Alexa's and a text."""

    def __init__(self, kind: str, reason: str) -> None:
        super().__init__(reason)
        self.kind = kind
        self.reason = reason


@dataclass
class Request:
    """A directive under way: what it asks for, and how far it has come."""

    namespace: str
    name: str
    header: Mapping[str, Any] = field(repr=False)
    payload: Mapping[str, Any] = field(repr=False)
    endpoint_id: str
    cookie: Mapping[str, Any] = field(repr=False)
    token: str = field(repr=False)
    started: float = field(default_factory=time.monotonic)
    stage: str = "directive"
    stages: list[str] = field(default_factory=list)
    _stage_started: float = field(default_factory=time.monotonic)

    @classmethod
    def parse(cls, event: Any) -> Self:
        """Read a directive; raises Refused."""
        directive = _dict(_dict(event).get("directive"))
        header = _dict(directive.get("header"))
        payload = _dict(directive.get("payload"))
        endpoint = _dict(directive.get("endpoint"))
        scope = _dict(
            payload.get("grantee") or endpoint.get("scope") or payload.get("scope")
        )
        token = scope.get("token") if scope.get("type") == "BearerToken" else ""
        return cls(
            namespace=_text(header.get("namespace")),
            name=_text(header.get("name")),
            header=header,
            payload=payload,
            endpoint_id=_text(endpoint.get("endpointId")),
            cookie=_dict(endpoint.get("cookie")),
            token=_text(token),
        )

    @property
    def session_id(self) -> str:
        """Return Alexa's id of the session; raises Refused."""
        session_id = _text(self.payload.get("sessionId"))
        if not session_id:
            raise Refused(_INVALID_DIRECTIVE, "there is no session id")
        return session_id

    def at(self, stage: str) -> None:
        """Note that the next stage begins."""
        now = time.monotonic()
        self.stages.append(f"{self.stage} {now - self._stage_started:.2f} s")
        self.stage, self._stage_started = stage, now

    @property
    def elapsed(self) -> float:
        """Seconds since the directive came."""
        return time.monotonic() - self.started


@dataclass(frozen=True)
class Camera:
    """A channel that Alexa may know of."""

    name: str
    arn: str
    tags: Mapping[str, str] | None


class Backend:
    """Answers directives; what it has learnt serves the next ones as well."""

    def __init__(
        self, environ: Mapping[str, str] = os.environ, limits: Limits = Limits()
    ) -> None:
        self._limits = limits
        self._region = environ["CHANNEL_REGION"]
        self._own_region = environ.get("AWS_REGION", "")
        self._name_prefix = environ.get("NAME_PREFIX", "ha-")
        self._tag_prefix = environ.get("TAG_PREFIX", "kinesis_webrtc:")
        skill = environ.get("SKILL_ID", "")
        self._path = environ.get("SSM_PATH", f"/kinesis-webrtc/{skill}").rstrip("/")
        self._lwa_url = environ.get("LWA_URL", "https://api.amazon.com").rstrip("/")
        self._lock = threading.Lock()
        self._session = boto3.session.Session(region_name=self._region)
        self._clients: dict[tuple[str, str | None], Any] = {}
        self._endpoints: dict[str, str] = {}
        self._arns: dict[str, str] = {}
        self._tags: dict[str, tuple[float, Mapping[str, str]]] = {}
        self._settings: tuple[float, Mapping[str, str]] | None = None
        self._owners: dict[bytes, tuple[float, str]] = {}
        self._pending: dict[str, float] = {}

    def warm(self) -> None:
        """Make the clients before the first directive comes."""
        for service in ("ssm", "kinesisvideo"):
            self._client(service)
        # Another endpoint gets a client of its own, but the model has been read.
        self._client("kinesis-video-signaling")

    def handle(self, event: Any) -> dict[str, Any]:
        """Return the answer to a directive, in time whatever happens."""
        request = Request.parse(event)
        # While Lambda sleeps, AWS takes idle connections away without a word.
        for client in list(self._clients.values()):
            client.close()
        work = _start(lambda: self._answer(request))
        wait([work], timeout=self._limits.answer)
        if work.done() and work.exception() is None:
            _LOGGER.info(
                "%s %s: answered in %.2f s (%s)",
                request.name,
                _printable(request.endpoint_id),
                request.elapsed,
                ", ".join(request.stages),
            )
            return work.result()
        refused = self._as_refused(
            request, work.exception() if work.done() else None, done=work.done()
        )
        _LOGGER.warning(
            "%s %s: failed at the stage %s after %.2f s: %s (%s)",
            _printable(request.name),
            _printable(request.endpoint_id),
            request.stage,
            request.elapsed,
            refused.reason,
            refused.kind,
        )
        return _error(request, refused)

    def _as_refused(
        self, request: Request, err: BaseException | None, *, done: bool
    ) -> Refused:
        """Return what Alexa is told of a failure; no text of an exception is kept."""
        if not done:
            asked = request.stage in ("offer", "ping")
            return Refused(
                _UNREACHABLE if asked else _INTERNAL,
                "no answer in time"
                + (": is Home Assistant running and online?" if asked else ""),
            )
        if isinstance(err, Refused):
            return err
        if isinstance(err, ClientError):
            return _refused_by_aws(err)
        if isinstance(err, _NO_ANSWER):
            if request.stage == "offer":
                return Refused(
                    _UNREACHABLE,
                    "no answer in time: is Home Assistant running and online?",
                )
            return Refused(_INTERNAL, "AWS did not answer in time")
        if isinstance(err, BotoCoreError):
            return Refused(_INTERNAL, f"AWS could not be asked: {type(err).__name__}")
        where = "?"
        if err is not None and (stack := traceback.extract_tb(err.__traceback__)):
            where = f"{stack[-1].name}:{stack[-1].lineno}"
        return Refused(_INTERNAL, f"unexpected {type(err).__name__} in {where}")

    def _answer(self, request: Request) -> dict[str, Any]:
        if str(request.header.get("payloadVersion")) != "3":
            raise Refused(_INVALID_DIRECTIVE, "the payload version is not 3")
        handlers: Mapping[tuple[str, str], Callable[[Request], dict[str, Any]]] = {
            ("Alexa.Authorization", "AcceptGrant"): self._accept_grant,
            ("Alexa.Discovery", "Discover"): self._discover,
            ("Alexa", "ReportState"): self._report_state,
            (RTC, "InitiateSessionWithOffer"): self._initiate,
            (RTC, "SessionConnected"): self._connected,
            (RTC, "SessionDisconnected"): self._disconnected,
        }
        handler = handlers.get((request.namespace, request.name))
        if handler is None:
            raise Refused(_INVALID_DIRECTIVE, "the directive is not known")
        return handler(request)

    # Views

    def _initiate(self, request: Request) -> dict[str, Any]:
        deadline = time.time() + self._limits.master
        offer = _dict(request.payload.get("offer"))
        sdp = _text(offer.get("value"))
        if _text(offer.get("format")).upper() != "SDP" or not sdp.startswith("v=0"):
            raise Refused(_INVALID_DIRECTIVE, "there is no SDP offer")
        session = _digest(request.session_id)
        self._authorise(request)
        arn, is_ours = self._target(request)
        content: dict[str, Any] = {"type": "offer", "sdp": sdp}
        if is_ours:
            content[NOTICE_TYPE] = {
                "v": VERSION,
                "deadline_ms": round(deadline * 1000),
                "session": session,
            }
        payload = _encode(content)
        if len(payload) > MAX_PAYLOAD:
            raise Refused(_INVALID_DIRECTIVE, "the offer is too large for the channel")
        answer = self._ask(request, arn, _sender(session), payload, stage="offer")
        request.at("answer")
        sdp = _answer_sdp(answer)
        request.at("done")
        return _event(
            request,
            RTC,
            "AnswerGeneratedForSession",
            {"answer": {"format": "SDP", "value": sdp}},
        )

    def _connected(self, request: Request) -> dict[str, Any]:
        session_id = request.session_id
        self._authorise(request)
        return _event(request, RTC, "SessionConnected", {"sessionId": session_id})

    def _disconnected(self, request: Request) -> dict[str, Any]:
        session_id = request.session_id
        self._authorise(request)
        session = _digest(session_id)
        try:
            reason = "" if self._notify(request, KIND_END, session) else "no answer"
        except Exception as err:  # noqa: BLE001 - Alexa gets its answer all the same
            reason = self._as_refused(request, err, done=True).reason
        if reason:
            # The view ends by itself half a minute later.
            _LOGGER.warning(
                "SessionDisconnected %s: Home Assistant was not told: %s",
                _printable(request.endpoint_id),
                reason,
            )
        return _event(request, RTC, "SessionDisconnected", {"sessionId": session_id})

    def _report_state(self, request: Request) -> dict[str, Any]:
        self._authorise(request)
        try:
            is_there = self._notify(request, KIND_PING, _digest(uuid.uuid4().hex))
        except ClientError as err:
            refused = _refused_by_aws(err)
            if refused.kind == _NO_SUCH_ENDPOINT:
                raise
            _LOGGER.warning("ReportState: %s", refused.reason)
            is_there = False
        connectivity = {
            "namespace": "Alexa.EndpointHealth",
            "name": "connectivity",
            "value": {"value": "OK" if is_there else "UNREACHABLE"},
            "timeOfSample": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "uncertaintyInMilliseconds": 0,
        }
        return {
            "context": {"properties": [connectivity]},
            **_event(request, "Alexa", "StateReport", {}),
        }

    def _notify(self, request: Request, kind: str, session: str) -> bool:
        """Send a notice; return whether the master has echoed it."""
        arn, is_ours = self._target(request)
        if not is_ours:
            # Another master would take it for an offer.
            return True
        content = {
            "type": NOTICE_TYPE,
            "v": VERSION,
            "kind": kind,
            "session": session,
        }
        work = _start(
            lambda: self._ask(
                request, arn, _sender(session), _encode(content), stage="ping"
            )
        )
        wait([work], timeout=self._limits.notice)
        if not work.done() or isinstance(work.exception(), _NO_ANSWER):
            return False
        try:
            return bool(_decode(work.result()) == content)
        except _UNREADABLE:
            return False

    def _ask(
        self, request: Request, arn: str, sender: str, payload: str, *, stage: str
    ) -> str | None:
        """Send an offer once; once more only to a channel that was made anew."""
        try:
            return self._send(request, arn, sender, payload, stage=stage)
        except ClientError as err:
            if not _says(err, _MISSING):
                raise
            self._forget(arn)
            request.at("channel")
            again = self._look_up(request.endpoint_id)
            if again == arn:
                raise
        return self._send(request, again, sender, payload, stage=stage)

    def _send(
        self, request: Request, arn: str, sender: str, payload: str, *, stage: str
    ) -> str | None:
        request.at("endpoint")
        try:
            client = self._client(
                "kinesis-video-signaling", self._endpoints.get(arn) or self._locate(arn)
            )
            request.at(stage)
            response = client.send_alexa_offer_to_master(
                ChannelARN=arn, SenderClientId=sender, MessagePayload=payload
            )
        except BotoCoreError as err:
            if not isinstance(err, ReadTimeoutError):
                self._endpoints.pop(arn, None)
            raise
        answer: str | None = response.get("Answer")
        return answer

    # Channels

    def _target(self, request: Request) -> tuple[str, bool]:
        """Return the ARN of an endpoint's channel, and whether it takes notices."""
        name = request.endpoint_id
        request.at("channel")
        if not name.startswith(self._name_prefix) or not set(name) <= _ENDPOINT_ID:
            raise Refused(_NO_SUCH_ENDPOINT, "no channel of this skill has that name")
        arn = self._arns.get(name) or _text(request.cookie.get("arn"))
        if f":channel/{name}/" not in arn or f":{self._region}:" not in arn:
            arn = self._look_up(name)
        if request.cookie.get("tagged") == "true":
            return arn, True
        known = self._tags.get(arn)
        return arn, self._is_ours(known[1] if known else self._read_tags(arn))

    def _look_up(self, name: str) -> str:
        response = self._client("kinesisvideo").describe_signaling_channel(
            ChannelName=name
        )
        arn: str = response["ChannelInfo"]["ChannelARN"]
        self._arns[name] = arn
        return arn

    def _locate(self, arn: str) -> str:
        """Return the HTTPS endpoint of a channel, for a viewer as AWS's sample does."""
        response = self._client("kinesisvideo").get_signaling_channel_endpoint(
            ChannelARN=arn,
            SingleMasterChannelEndpointConfiguration={
                "Protocols": ["HTTPS"],
                "Role": "VIEWER",
            },
        )
        endpoint: str = response["ResourceEndpointList"][0]["ResourceEndpoint"]
        self._endpoints[arn] = endpoint
        return endpoint

    def _forget(self, arn: str) -> None:
        self._endpoints.pop(arn, None)
        self._tags.pop(arn, None)
        for name in [name for name, known in self._arns.items() if known == arn]:
            del self._arns[name]

    def _is_ours(self, tags: Mapping[str, str]) -> bool:
        return (self._tag_prefix + TAG_CREATED_BY) in tags

    # Discovery

    def _discover(self, request: Request) -> dict[str, Any]:
        if not self._may_look(request):
            return _discovered(request, [])
        request.at("channels")
        arns = self._list_channels()
        request.at("tags")
        self._refresh_tags(list(arns.values()), request)
        cameras = []
        for name, arn in sorted(arns.items()):
            known = self._tags.get(arn)
            cameras.append(Camera(name, arn, known[1] if known else None))
        unread = sum(camera.tags is None for camera in cameras)
        if unread:
            _LOGGER.warning(
                "Discover: the tags of %d of %d channels could not be read in time;"
                " their names stand in for them until the next discovery",
                unread,
                len(cameras),
            )
        found = [self._endpoint(camera) for camera in cameras if self._is_shown(camera)]
        request.at("done")
        return _discovered(request, found)

    def _list_channels(self) -> dict[str, str]:
        condition = {
            "ComparisonOperator": "BEGINS_WITH",
            "ComparisonValue": self._name_prefix,
        }
        params: dict[str, Any] = {"ChannelNameCondition": condition, "MaxResults": 250}
        arns: dict[str, str] = {}
        while True:
            response = self._client("kinesisvideo").list_signaling_channels(**params)
            for info in response.get("ChannelInfoList", ()):
                name = info["ChannelName"]
                if info.get("ChannelStatus") in ("DELETING", "CREATING"):
                    continue
                if name.startswith(self._name_prefix) and set(name) <= _ENDPOINT_ID:
                    arns[name] = info["ChannelARN"]
            if not response.get("NextToken"):
                self._arns = dict(arns)
                return arns
            params["NextToken"] = response["NextToken"]

    def _refresh_tags(self, arns: list[str], request: Request) -> None:
        """Read tags anew, the oldest first, as many as time and quota allow."""
        until = request.started + self._limits.tags
        known = self._tags
        arns.sort(key=lambda arn: known[arn][0] if arn in known else 0.0)
        if not arns:
            return
        queue = iter(arns)
        turns = threading.Lock()
        first = time.monotonic()
        taken = 0

        def next_arn() -> tuple[str, float] | None:
            nonlocal taken
            with turns:
                arn = next(queue, None)
                taken += 1
                if arn is None:
                    return None
                # A burst is let through: most homes have fewer cameras than that.
                due = first + max(0, taken - 30) / self._limits.tags_per_second
                return arn, due

        def read() -> None:
            while (turn := next_arn()) is not None:
                arn, due = turn
                time.sleep(max(0.0, min(due, until) - time.monotonic()))
                while time.monotonic() < until:
                    try:
                        self._read_tags(arn)
                        break
                    except ClientError as err:
                        if _says(err, _MISSING):
                            self._tags[arn] = (time.monotonic(), {})
                            break
                        status = err.response["ResponseMetadata"]["HTTPStatusCode"]
                        if status < 500 and not _says(err, _THROTTLED):
                            raise
                    except BotoCoreError:
                        # Its name may still do; the line is told of by other calls.
                        pass
                    time.sleep(random.uniform(0.1, 0.6))  # noqa: S311

        readers = [
            _start(read) for _ in range(min(self._limits.tag_readers, len(arns)))
        ]
        done, _ = wait(readers, timeout=max(0.0, until - time.monotonic()))
        for reader in done:
            if (err := reader.exception()) is not None:
                raise err

    def _read_tags(self, arn: str) -> Mapping[str, str]:
        tags: dict[str, str] = {}
        params = {"ResourceARN": arn}
        while True:
            response = self._client("kinesisvideo").list_tags_for_resource(**params)
            tags |= response.get("Tags", {})
            if not response.get("NextToken"):
                self._tags[arn] = (time.monotonic(), tags)
                return tags
            params["NextToken"] = response["NextToken"]

    def _is_shown(self, camera: Camera) -> bool:
        if camera.tags is None:
            own = camera.name.removeprefix(self._name_prefix)
            return not own.startswith(RELAY_CHANNEL)
        return (
            self._is_ours(camera.tags)
            and (self._tag_prefix + TAG_CAMERA_NAME) in camera.tags
        )

    def _endpoint(self, camera: Camera) -> dict[str, Any]:
        tags = {
            key.removeprefix(self._tag_prefix): value
            for key, value in (camera.tags or {}).items()
        }
        plain = camera.name.removeprefix(self._name_prefix)
        plain = " ".join(plain.replace("_", " ").replace("-", " ").split())
        friendly = (tags.get(TAG_CAMERA_NAME) or plain or camera.name)[:128]
        is_doorbell = tags.get(TAG_KIND) == "doorbell"
        capabilities: list[dict[str, Any]] = [
            {"interface": "Alexa"},
            {
                "interface": RTC,
                "configuration": {
                    "isFullDuplexAudioSupported": tags.get(TAG_DUPLEX) == "true"
                },
            },
            _sensor("Alexa.EndpointHealth", "connectivity", retrievable=True),
        ]
        if is_doorbell:
            capabilities.append(
                {"interface": "Alexa.DoorbellEventSource", "proactivelyReported": True}
            )
        if tags.get(TAG_MOTION) == "true":
            capabilities.append(
                _sensor("Alexa.MotionSensor", "detectionState", retrievable=False)
            )
        # The order matters: a doorbell opens its view only if it is a camera first.
        categories = ["CAMERA", "DOORBELL"] if is_doorbell else ["CAMERA"]
        cookie = {"arn": camera.arn}
        if camera.tags is not None:
            cookie["tagged"] = "true"
        return {
            "endpointId": camera.name,
            "manufacturerName": "Home Assistant",
            "description": f"{friendly} in Home Assistant"[:128],
            "friendlyName": friendly,
            "displayCategories": categories,
            "cookie": cookie,
            "additionalAttributes": {
                "manufacturer": "Home Assistant",
                "model": "Doorbell" if is_doorbell else "Camera",
                "serialNumber": camera.name[:256],
            },
            "capabilities": [
                {"type": "AlexaInterface", "version": "3", **capability}
                for capability in capabilities
            ],
        }

    # Who may look

    def _authorise(self, request: Request) -> None:
        if not self._may_look(request):
            raise Refused(
                _INVALID_CREDENTIAL, "the user is not allowed in Home Assistant yet"
            )

    def _may_look(self, request: Request) -> bool:
        """Return whether the token's owner is allowed; leave a note of a new one."""
        owner = self._owner(request)
        request.at("owners")
        owners = self._allowed(owner)
        if owner in owners.get("allowed", ()):
            return True
        if owner not in owners.get("refused", ()):
            self._ask_for_approval(request, owner)
        return False

    def _owner(self, request: Request) -> str:
        """Return the id of the token's owner, if it was issued to this skill."""
        request.at("token")
        if not request.token:
            raise Refused(_INVALID_CREDENTIAL, "there is no bearer token")
        key = hashlib.sha256(request.token.encode()).digest()
        now = time.time()
        if (known := self._owners.get(key)) and known[0] > now:
            return known[1]
        settings = _start(self._read_settings)
        info = self._login_with_amazon(
            f"/auth/o2/tokeninfo?{urlencode({'access_token': request.token})}"
        )
        owner, audience = _text(info.get("user_id")), _text(info.get("aud"))
        clients = settings.result(timeout=self._limits.answer)
        client_id = clients.get("linking_client_id") or clients.get("client_id")
        if not client_id:
            raise Refused(_INTERNAL, "the skill's client id is not stored yet")
        if audience != client_id or not owner:
            raise Refused(
                _INVALID_CREDENTIAL, "the token was issued to another application"
            )
        lasts = info.get("exp")
        self._owners = {k: v for k, v in self._owners.items() if v[0] > now}
        if isinstance(lasts, int | float) and lasts > 0:
            self._owners[key] = (now + min(lasts, 3600), owner)
        return owner

    def _allowed(self, owner: str) -> Mapping[str, Any]:
        """Return who is allowed; for one who is not, as it is this very moment."""
        for newest in (False, True):
            stored = self._read_settings(newest=newest).get("owners", "{}")
            try:
                owners = {k: list(v) for k, v in json.loads(stored).items()}
            except _UNREADABLE:
                raise Refused(_INTERNAL, "the list of owners is damaged") from None
            if owner in owners.get("allowed", ()):
                break
        return owners

    def _ask_for_approval(self, request: Request, owner: str) -> None:
        now = time.monotonic()
        if now - self._pending.get(owner, -1e9) < self._limits.settings:
            return
        request.at("profile")
        profile = self._login_with_amazon(
            "/user/profile", {"Authorization": f"Bearer {request.token}"}
        )
        if profile.get("user_id") != owner:
            raise Refused(_INVALID_CREDENTIAL, "the profile is another user's")
        request.at("pending")
        self._store(
            f"pending/{_digest(owner)}",
            {
                "user_id": owner,
                "name": _text(profile.get("name"))[:100],
                "email": _text(profile.get("email"))[:200],
                "asked_ms": round(time.time() * 1000),
            },
        )
        self._pending[owner] = now

    def _accept_grant(self, request: Request) -> dict[str, Any]:
        owner = self._owner(request)
        grant = _dict(request.payload.get("grant"))
        code = _text(grant.get("code"))
        if grant.get("type") != "OAuth2.AuthorizationCode" or not code:
            raise Refused(_INVALID_DIRECTIVE, "there is no authorization code")
        request.at("owners")
        owners = self._allowed(owner)
        if owner in owners.get("refused", ()):
            raise Refused(_INVALID_CREDENTIAL, "the user was refused in Home Assistant")
        settings = self._read_settings()
        request.at("code")
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "client_id": settings.get("client_id", ""),
            "client_secret": settings.get("client_secret", ""),
        }
        tokens = self._login_with_amazon("/auth/o2/token", form=form)
        refresh_token = _text(tokens.get("refresh_token"))
        if not refresh_token:
            raise Refused(_INTERNAL, "Login with Amazon gave no refresh token")
        request.at("grant")
        self._store(
            f"grants/{_digest(owner)}",
            {
                "user_id": owner,
                "refresh_token": refresh_token,
                "region": self._own_region,
                "granted_ms": round(time.time() * 1000),
            },
        )
        if owner not in owners.get("allowed", ()):
            self._ask_for_approval(request, owner)
        request.at("done")
        return _event(request, "Alexa.Authorization", "AcceptGrant.Response", {})

    def _login_with_amazon(
        self,
        path: str,
        headers: Mapping[str, str] | None = None,
        form: Mapping[str, str] | None = None,
    ) -> Mapping[str, Any]:
        """Return what Login with Amazon says; raises Refused, without its words."""
        call = HttpRequest(  # noqa: S310 - the scheme is ours
            self._lwa_url + path,
            headers=dict(headers or {}),
            data=urlencode(form).encode() if form else None,
        )
        try:
            with urlopen(call, timeout=self._limits.master) as response:  # noqa: S310
                return _dict(json.loads(response.read()))
        except HTTPError as err:
            with err:
                code = _error_code(err)
            if err.code >= 500 or err.code == 429:
                raise Refused(
                    _INTERNAL, f"Login with Amazon answered with HTTP {err.code}"
                ) from None
            expired = code == "expired_token"
            raise Refused(
                _EXPIRED_CREDENTIAL if expired else _INVALID_CREDENTIAL,
                f"Login with Amazon refused: {code or f'HTTP {err.code}'}",
            ) from None
        except _UNREADABLE:
            raise Refused(_INTERNAL, "Login with Amazon cannot be read") from None
        except _NETWORK as err:
            raise Refused(
                _INTERNAL,
                f"Login with Amazon could not be asked: {type(err).__name__}",
            ) from None

    # Parameters

    def _read_settings(self, *, newest: bool = False) -> Mapping[str, str]:
        """Return the parameters at our path: those of the last minutes will do."""
        now = time.monotonic()
        lasts = 2.0 if newest else self._limits.settings
        if self._settings is not None and now - self._settings[0] < lasts:
            return self._settings[1]
        found: dict[str, str] = {}
        params: dict[str, Any] = {"Path": self._path, "WithDecryption": True}
        while True:
            response = self._client("ssm").get_parameters_by_path(**params)
            for parameter in response.get("Parameters", ()):
                name = parameter["Name"].removeprefix(f"{self._path}/")
                found[name] = parameter["Value"]
            if not response.get("NextToken"):
                self._settings = (now, found)
                return found
            params["NextToken"] = response["NextToken"]

    def _store(self, name: str, value: Mapping[str, Any]) -> None:
        self._client("ssm").put_parameter(
            Name=f"{self._path}/{name}",
            Value=json.dumps(value),
            Type="SecureString",
            Tier="Standard",
            Overwrite=True,
        )

    def _client(self, service: str, endpoint: str | None = None) -> Any:
        key = (service, endpoint)
        # Sessions are for one thread at a time, clients are not.
        with self._lock:
            if (client := self._clients.get(key)) is None:
                create: Callable[..., Any] = self._session.client
                client = self._clients[key] = create(
                    service,
                    endpoint_url=endpoint,
                    config=Config(
                        connect_timeout=2,
                        # An offer that is sent twice would be two offers.
                        read_timeout=self._limits.master,
                        retries={"mode": "standard", "total_max_attempts": 1},
                        max_pool_connections=self._limits.tag_readers,
                    ),
                )
            return client


def _start[T](work: Callable[[], T]) -> Future[T]:
    """Run work in a thread that nobody has to wait for."""
    future: Future[T] = Future()

    def run() -> None:
        try:
            future.set_result(work())
        except BaseException as err:  # noqa: BLE001 - whoever waits gets it
            future.set_exception(err)

    threading.Thread(target=run, daemon=True).start()
    return future


def _event(
    request: Request, namespace: str, name: str, payload: Mapping[str, Any]
) -> dict[str, Any]:
    header = {
        "namespace": namespace,
        "name": name,
        "messageId": str(uuid.uuid4()),
        "payloadVersion": "3",
    }
    if correlation_token := _text(request.header.get("correlationToken")):
        header["correlationToken"] = correlation_token
    event: dict[str, Any] = {"header": header, "payload": payload}
    if request.endpoint_id:
        event["endpoint"] = {"endpointId": request.endpoint_id}
    return {"event": event}


def _discovered(
    request: Request, endpoints: Iterable[Mapping[str, Any]]
) -> dict[str, Any]:
    return _event(
        request, "Alexa.Discovery", "Discover.Response", {"endpoints": list(endpoints)}
    )


def _sensor(interface: str, name: str, *, retrievable: bool) -> dict[str, Any]:
    properties = {
        "supported": [{"name": name}],
        "proactivelyReported": True,
        "retrievable": retrievable,
    }
    return {"interface": interface, "properties": properties}


def _error(request: Request, refused: Refused) -> dict[str, Any]:
    namespace, kind = "Alexa", refused.kind
    if request.namespace == "Alexa.Authorization":
        namespace, kind = request.namespace, _GRANT_FAILED
    payload = {"type": kind, "message": refused.reason}
    response = _event(request, namespace, "ErrorResponse", payload)
    if not set(request.endpoint_id) <= _ENDPOINT_ID:
        response["event"].pop("endpoint", None)
    return response


def _refused_by_aws(err: ClientError) -> Refused:
    code, operation = _code(err), err.operation_name
    service = "ssm" if operation.endswith(("Path", "Parameter")) else "kinesisvideo"
    if _says(err, _MISSING):
        return Refused(_NO_SUCH_ENDPOINT, "the channel is not there any more")
    if _says(err, _THROTTLED):
        return Refused(_RATE_LIMIT, f"{operation} is throttled")
    if _says(err, _DENIED):
        return Refused(
            _INTERNAL, f"the function's role does not allow {service}:{operation}"
        )
    return Refused(_INTERNAL, f"{operation} failed with {code}")


def _answer_sdp(answer: str | None) -> str:
    """Return the SDP of the master's answer; raises Refused."""
    if not answer:
        raise Refused(
            _UNREACHABLE, "Home Assistant did not answer: is it running and online?"
        )
    try:
        content = _decode(answer)
    except _UNREADABLE:
        raise Refused(_INTERNAL, "the master's answer cannot be read") from None
    if content.get("type") == NOTICE_TYPE:
        reason = _text(content.get("error"))
        raise Refused(
            REFUSALS.get(reason, _INTERNAL),
            f"Home Assistant refused the offer: {_printable(reason)}",
        )
    sdp = _text(content.get("sdp"))
    if not sdp.startswith("v=0"):
        raise Refused(_INTERNAL, "the master's answer holds no SDP")
    return sdp


def _encode(content: Mapping[str, Any]) -> str:
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":"))
    return base64.b64encode(text.encode("utf-8", "replace")).decode()


def _decode(payload: str | None) -> dict[str, Any]:
    """Return the JSON object in a payload; raises one of _UNREADABLE."""
    content = json.loads(base64.b64decode(payload or "", validate=True))
    if not isinstance(content, dict):
        raise ValueError("not a JSON object")  # noqa: TRY004
    return content


def _sender(session: str) -> str:
    """Return a sender that no other offer has, by which the session can be told."""
    return f"{SENDER_PREFIX}{session}-{uuid.uuid4().hex[:12]}"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:32]


def _code(err: ClientError) -> str:
    return str(err.response.get("Error", {}).get("Code", "?"))


def _says(err: ClientError, parts: Iterable[str]) -> bool:
    return any(part in _code(err) for part in parts)


def _error_code(err: HTTPError) -> str:
    try:
        return _printable(_text(_dict(json.loads(err.read())).get("error")))
    except _UNREADABLE + _NETWORK:
        return ""


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: Any) -> str:
    """Return a text without lone surrogates."""
    text = value if isinstance(value, str) else ""
    return text.encode("utf-8", "replace").decode()


def _printable(text: str) -> str:
    """Return what of a text from outside may stand in a line of the log."""
    return "".join(c for c in text[:80] if c.isascii() and c.isprintable()) or "-"


_backend: Backend | None = None


def lambda_handler(event: Any, context: object) -> dict[str, Any]:
    """Answer a directive of the Alexa Smart Home Skill API."""
    global _backend  # noqa: PLW0603
    if _backend is None:
        _backend = Backend()
    return _backend.handle(event)


if "AWS_LAMBDA_FUNCTION_NAME" in os.environ:
    _backend = Backend()
    _backend.warm()
