"""Signature Version 4, verified by a canonicalisation of this file's own.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
import hashlib
import hmac
import re
from typing import NoReturn
from urllib.parse import quote, unquote_plus

from .iam import User

ALGORITHM = "AWS4-HMAC-SHA256"
_TIME = "%Y%m%dT%H%M%SZ"
_EMPTY = hashlib.sha256(b"").hexdigest()
_MAX_EXPIRES = 604_800
_BAD_TOKEN = "The security token included in the request is invalid."


@dataclass(slots=True)
class SignatureRefusedError(Exception):
    """Why; `code` is without the suffix Exception, as services spell it differently."""

    code: str
    message: str


@dataclass(frozen=True, kw_only=True)
class HttpRequest:
    """What was received, untouched."""

    method: str
    target: str = field(repr=False)
    headers: Sequence[tuple[str, str]] = field(repr=False)
    body: bytes = field(repr=False)

    @property
    def path(self) -> str:
        """The path as sent."""
        return self.target.partition("?")[0]

    @property
    def query(self) -> list[tuple[str, str]]:
        """The query's parameters, decoded once."""
        text = self.target.partition("?")[2]
        pairs = [part.partition("=") for part in text.split("&") if part]
        return [(unquote_plus(name), unquote_plus(value)) for name, _, value in pairs]


@dataclass(frozen=True, kw_only=True)
class _Claim:
    access_key_id: str
    scope: Sequence[str]
    signed_headers: Sequence[str]
    signature: str = field(repr=False)
    date: str
    token: str | None = field(repr=False)
    expires: int | None


@dataclass(kw_only=True)
class Verifier:
    """Whose signature a request bears.

    clock_skew: seconds that a header signature's date may be off.
    """

    users: Mapping[str, User]
    clock_skew: float = 300

    def verify_headers(
        self, request: HttpRequest, *, service: str, regions: Iterable[str], now: float
    ) -> User:
        """Verify an Authorization header; raise SignatureRefusedError."""
        claim = _claim_of_headers(request)
        for name, _ in request.headers:
            if name.lower().startswith("x-amz-") and name.lower() not in (
                claim.signed_headers
            ):
                _refuse_signature(f"Header {name} must be signed.")
        body_hash = hashlib.sha256(request.body).hexdigest()
        return self._verify(
            request, claim, request.query, body_hash, service, regions, now
        )

    def verify_query(
        self, request: HttpRequest, *, service: str, regions: Iterable[str], now: float
    ) -> User:
        """Verify a presigned URL without a body; raise SignatureRefusedError."""
        claim = _claim_of_query(request)
        signed = [pair for pair in request.query if pair[0] != "X-Amz-Signature"]
        return self._verify(request, claim, signed, _EMPTY, service, regions, now)

    def _verify(
        self,
        request: HttpRequest,
        claim: _Claim,
        query: Sequence[tuple[str, str]],
        body_hash: str,
        service: str,
        regions: Iterable[str],
        now: float,
    ) -> User:
        user = self.users.get(claim.access_key_id)
        if user is None:
            raise SignatureRefusedError("UnrecognizedClient", _BAD_TOKEN)
        _check_scope(claim, service, tuple(regions))
        self._check_date(claim, now)
        canonical = _canonical_request(request, claim, query, body_hash)
        expected = _sign(user.secret_access_key, claim, canonical)
        if not hmac.compare_digest(expected.encode(), claim.signature.encode()):
            _refuse_signature(
                "The request signature we calculated does not match the signature you"
                " provided. Check your AWS Secret Access Key and signing method."
                " Consult the service documentation for details."
            )
        if claim.token != user.session_token:
            raise SignatureRefusedError("UnrecognizedClient", _BAD_TOKEN)
        if user.token_expires is not None and now >= user.token_expires:
            raise SignatureRefusedError(
                "ExpiredToken", "The security token included in the request is expired"
            )
        return user

    def _check_date(self, claim: _Claim, now: float) -> None:
        try:
            date = datetime.strptime(claim.date, _TIME).replace(tzinfo=UTC)
        except ValueError:
            raise SignatureRefusedError(
                "IncompleteSignature",
                f"Date must be in ISO-8601 basic format: {claim.date}",
            ) from None
        if claim.scope[0] != claim.date[:8]:
            _refuse_signature("Date in Credential scope does not match the date")
        current = datetime.fromtimestamp(now, UTC)
        skew = timedelta(seconds=self.clock_skew)
        life = skew if claim.expires is None else timedelta(seconds=claim.expires)
        minutes = f"{life.total_seconds() / 60:g} min."
        if current > date + life:
            _refuse_signature(
                f"Signature expired: {claim.date} is now earlier than"
                f" {current - life:{_TIME}} ({current:{_TIME}} - {minutes})"
            )
        if current < date - skew:
            _refuse_signature(
                f"Signature not yet current: {claim.date} is still later than"
                f" {current + skew:{_TIME}} ({current:{_TIME}} +"
                f" {skew.total_seconds() / 60:g} min.)"
            )


def _claim_of_headers(request: HttpRequest) -> _Claim:
    headers = {name.lower(): value for name, value in request.headers}
    authorization = headers.get("authorization")
    if authorization is None:
        raise SignatureRefusedError(
            "MissingAuthenticationToken", "Missing Authentication Token"
        )
    algorithm, _, rest = authorization.partition(" ")
    parts = dict(re.findall(r"(\w+)=([^,\s]+)", rest))
    date = headers.get("x-amz-date")
    missing = {"Credential", "SignedHeaders", "Signature"} - set(parts)
    if algorithm != ALGORITHM or missing or date is None:
        raise SignatureRefusedError(
            "IncompleteSignature",
            "Authorization header requires 'Credential', 'Signature', 'SignedHeaders'"
            " and existence of either a 'X-Amz-Date' or a 'Date' header.",
        )
    return _claim(parts, date, headers.get("x-amz-security-token"), None)


def _claim_of_query(request: HttpRequest) -> _Claim:
    names = [name for name, _ in request.query]
    query = dict(request.query)
    if "X-Amz-Signature" not in query:
        raise SignatureRefusedError(
            "MissingAuthenticationToken", "Missing Authentication Token"
        )
    required = ("Algorithm", "Credential", "SignedHeaders", "Signature", "Date")
    parts = {name: query.get(f"X-Amz-{name}", "") for name in required}
    expires = query.get("X-Amz-Expires", "")
    if (
        not all(parts.values())
        or parts["Algorithm"] != ALGORITHM
        or len(set(names)) != len(names)
        or not expires.isdecimal()
        or not 0 < int(expires) <= _MAX_EXPIRES
    ):
        raise SignatureRefusedError(
            "IncompleteSignature",
            "AWS query-string parameters must include 'X-Amz-Algorithm',"
            " 'X-Amz-Credential', 'X-Amz-Signature', 'X-Amz-SignedHeaders',"
            " 'X-Amz-Date' and 'X-Amz-Expires', each once.",
        )
    token = query.get("X-Amz-Security-Token")
    return _claim(parts, parts["Date"], token, int(expires))


def _claim(
    parts: Mapping[str, str], date: str, token: str | None, expires: int | None
) -> _Claim:
    key, *scope = parts["Credential"].split("/")
    if len(scope) != 4:
        raise SignatureRefusedError(
            "IncompleteSignature", "Credential must have five slash-separated elements"
        )
    signed_headers = parts["SignedHeaders"].split(";")
    if "host" not in signed_headers:
        _refuse_signature("'Host' or ':authority' must be a 'SignedHeader'")
    if signed_headers != sorted(signed_headers):
        _refuse_signature("SignedHeaders must be sorted.")
    return _Claim(
        access_key_id=key,
        scope=scope,
        signed_headers=signed_headers,
        signature=parts["Signature"],
        date=date,
        token=token,
        expires=expires,
    )


def _check_scope(claim: _Claim, service: str, regions: tuple[str, ...]) -> None:
    _, region, signed_service, end = claim.scope
    if region not in regions:
        _refuse_signature("Credential should be scoped to a valid region.")
    if signed_service != service:
        _refuse_signature(f"Credential should be scoped to correct service: {service}.")
    if end != "aws4_request":
        _refuse_signature(
            "Credential should be scoped with a valid terminator: 'aws4_request'."
        )


def _canonical_request(
    request: HttpRequest,
    claim: _Claim,
    query: Sequence[tuple[str, str]],
    body_hash: str,
) -> str:
    pairs = sorted((quote(n, safe="-_.~"), quote(v, safe="-_.~")) for n, v in query)
    lines = []
    for wanted in claim.signed_headers:
        values = [v for name, v in request.headers if name.lower() == wanted]
        if not values:
            _refuse_signature(f"Signed header {wanted} is missing.")
        lines.append(f"{wanted}:{','.join(' '.join(v.split()) for v in values)}\n")
    return "\n".join(
        (
            request.method,
            quote(request.path or "/", safe="/-_.~"),
            "&".join(f"{name}={value}" for name, value in pairs),
            "".join(lines),
            ";".join(claim.signed_headers),
            body_hash,
        )
    )


def _sign(secret: str, claim: _Claim, canonical: str) -> str:
    key = f"AWS4{secret}".encode()
    for part in claim.scope:
        key = hmac.digest(key, part.encode(), "sha256")
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    text = "\n".join((ALGORITHM, claim.date, "/".join(claim.scope), digest))
    return hmac.digest(key, text.encode(), "sha256").hex()


def _refuse_signature(message: str) -> NoReturn:
    raise SignatureRefusedError("InvalidSignature", message)
