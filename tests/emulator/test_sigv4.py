"""Signatures: whose, of what, and for how long."""

from collections.abc import Mapping
from datetime import UTC, datetime
import time
from typing import Any
from urllib.parse import quote, unquote

from botocore.exceptions import ClientError
import pytest
from yarl import URL

from . import DEFAULT_USER, KvsEmulator, User
from .conftest import Aws, call, failure
from .sigv4 import HttpRequest, SignatureRefusedError, Verifier

TEMPORARY = User(
    name="role",
    access_key_id="ASIAEXAMPLE",
    secret_access_key="secret/key",
    session_token="token+with/odd=characters",
    account="123456789012",
)


def like(user: User, **changes: Any) -> User:
    """Return a client's idea of a user."""
    fields = {
        "access_key_id": user.access_key_id,
        "secret_access_key": user.secret_access_key,
        "session_token": user.session_token,
    }
    return User(**(fields | changes))


WRONG = {
    "unknown key": (like(DEFAULT_USER, access_key_id="AKIANOBODY"), "Unrecognized"),
    "wrong secret": (like(DEFAULT_USER, secret_access_key="guess"), "Invalid"),
    "token of nobody": (like(DEFAULT_USER, session_token="t"), "Unrecognized"),
    "token missing": (like(TEMPORARY, session_token=None), "Unrecognized"),
    "wrong token": (like(TEMPORARY, session_token="other"), "Unrecognized"),
}
CODES = {
    "Unrecognized": ("UnrecognizedClientException", "InvalidClientTokenId"),
    "Invalid": ("InvalidSignatureException", "SignatureDoesNotMatch"),
}


@pytest.mark.parametrize("case", WRONG)
async def test_wrong_credentials_are_refused(
    aws: Aws, arn: str, emulator: KvsEmulator, case: str
) -> None:
    emulator.add_user(TEMPORARY)
    user, kind = WRONG[case]
    control_code, sts_code = CODES[kind]
    wrong = aws.as_user(user)
    assert await failure(wrong.control.list_signaling_channels) == (403, control_code)
    assert await failure(wrong.sts.get_caller_identity) == (403, sts_code)
    endpoints = await aws.endpoints(arn)
    ice = wrong.signaling(endpoints["HTTPS"]).get_ice_server_config
    assert await failure(ice, ChannelARN=arn) == (403, control_code)
    url = wrong.sign(endpoints["WSS"], arn, "viewer")
    assert (await aws.refused(url))[:2] == (403, control_code)


async def test_temporary_credentials_are_taken_until_they_expire(
    aws: Aws, arn: str, emulator: KvsEmulator
) -> None:
    temporary = aws.as_user(emulator.add_user(TEMPORARY))
    identity = await call(temporary.sts.get_caller_identity)
    assert identity["Arn"] == "arn:aws:sts::123456789012:assumed-role/role/session"
    url = await temporary.url(arn)
    await temporary.open(url)

    emulator.add_user(
        User(
            access_key_id=TEMPORARY.access_key_id,
            secret_access_key=TEMPORARY.secret_access_key,
            session_token=TEMPORARY.session_token,
            token_expires=time.time() - 1,
        )
    )
    expired = (403, "ExpiredTokenException")
    assert await failure(temporary.control.list_signaling_channels) == expired
    assert await failure(temporary.sts.get_caller_identity) == (403, "ExpiredToken")
    assert (await aws.refused(url))[:2] == expired


async def test_a_token_added_after_signing_is_refused(
    aws: Aws, arn: str, emulator: KvsEmulator
) -> None:
    emulator.add_user(TEMPORARY)
    tokenless = aws.as_user(like(TEMPORARY, session_token=None))
    endpoints = await aws.endpoints(arn, "MASTER")
    url = tokenless.sign(endpoints["WSS"], arn)
    assert TEMPORARY.session_token
    token = quote(TEMPORARY.session_token, safe="")
    late = URL(f"{url}&X-Amz-Security-Token={token}", encoded=True)
    assert (await aws.refused(late))[:2] == (403, "InvalidSignatureException")


async def test_an_unsigned_request_is_refused(
    aws: Aws, arn: str, emulator: KvsEmulator
) -> None:
    async with aws.session.post(f"{emulator.url}/listSignalingChannels") as response:
        assert response.status == 403
        assert response.headers["x-amzn-ErrorType"] == (
            "MissingAuthenticationTokenException"
        )
    data = {"Action": "GetCallerIdentity", "Version": "2011-06-15"}
    async with aws.session.post(emulator.url, data=data) as response:
        assert response.status == 403
        assert "<Code>MissingAuthenticationToken</Code>" in await response.text()
    endpoint = (await aws.endpoints(arn, "MASTER"))["WSS"]
    refused = await aws.refused(URL(endpoint).with_query({"X-Amz-ChannelARN": arn}))
    assert refused[:2] == (403, "MissingAuthenticationTokenException")


async def test_a_changed_url_is_refused(aws: Aws, arn: str) -> None:
    url = str(await aws.url(arn, "viewer"))
    for changed in (
        url.replace("ClientId=viewer", "ClientId=other"),
        url.replace("&X-Amz-ClientId=viewer", ""),
        f"{url}&extra=1",
        url.replace("/?", "/path?"),
        url[:-1] + ("0" if url[-1] != "0" else "1"),
    ):
        assert changed != url
        refused = await aws.refused(URL(changed, encoded=True))
        assert refused[:2] == (403, "InvalidSignatureException")


async def test_the_query_is_decoded_once_before_it_is_compared(
    aws: Aws, arn: str
) -> None:
    url = str(await aws.url(arn))
    await aws.open(URL(url.replace("%3A", ":").replace("%2F", "/"), encoded=True))
    twice = url.replace("%", "%25")
    assert (await aws.refused(URL(twice, encoded=True)))[0] == 403


@pytest.mark.parametrize("offset", [-600.0, 600.0])
async def test_a_clock_that_is_off_is_told_so(
    aws: Aws, arn: str, emulator: KvsEmulator, offset: float
) -> None:
    url = await aws.url(arn)
    emulator.behaviour.clock_offset = offset
    hint = "Signature expired" if offset > 0 else "Signature not yet current"

    with pytest.raises(ClientError, match=f"InvalidSignature.*{hint}") as caught:
        await call(aws.control.list_signaling_channels)
    metadata = caught.value.response["ResponseMetadata"]
    assert metadata["HTTPStatusCode"] == 403
    date = datetime.strptime(
        metadata["HTTPHeaders"]["date"], "%a, %d %b %Y %H:%M:%S GMT"
    ).replace(tzinfo=UTC)
    assert date.timestamp() - time.time() == pytest.approx(offset, abs=5)

    with pytest.raises(ClientError, match=f"SignatureDoesNotMatch.*{hint}"):
        await call(aws.sts.get_caller_identity)
    status, code, message = await aws.refused(url)
    assert (status, code) == (403, "InvalidSignatureException")
    assert hint in message


async def test_a_clock_may_be_off_by_minutes(
    aws: Aws, arn: str, emulator: KvsEmulator
) -> None:
    for offset in (-290, 290):
        emulator.behaviour.clock_offset = offset
        await call(aws.control.list_signaling_channels)
        await aws.connect(arn)


async def test_a_presigned_url_expires(
    aws: Aws, arn: str, emulator: KvsEmulator
) -> None:
    endpoint = (await aws.endpoints(arn, "MASTER"))["WSS"]
    short, long = (aws.sign(endpoint, arn, expires=seconds) for seconds in (60, 3600))
    emulator.behaviour.clock_offset = 61
    assert (await aws.refused(short))[0] == 403
    await aws.open(long)
    emulator.behaviour.clock_offset = 3601
    assert (await aws.refused(long))[0] == 403


async def test_a_signature_is_for_one_region_and_service(
    aws: Aws, arn: str, emulator: KvsEmulator
) -> None:
    stranger = Aws(KvsEmulator(region="us-west-2"), aws.session)
    stranger.base = emulator.url
    assert await failure(stranger.control.list_signaling_channels) == (
        403,
        "InvalidSignatureException",
    )
    url = str(await aws.url(arn))
    for part in ("%2Fkinesisvideo%2F", "%2Faws4_request"):
        wrong = url.replace(part, part[:-2] + "x" + part[-2:])
        assert (await aws.refused(URL(wrong, encoded=True)))[0] == 403


PRESIGNED = (
    "/?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKID%2F20260101%2Feu-west-1"
    "%2Fkinesisvideo%2Faws4_request&X-Amz-Date=20260101T000000Z&X-Amz-Expires=299"
    "&X-Amz-SignedHeaders=host&X-Amz-Signature=00"
)
NOON = datetime(2026, 1, 1, tzinfo=UTC).timestamp()


def refusal(
    target: str, headers: Mapping[str, str], *, query: bool = True
) -> tuple[str, str]:
    """Return why a request of a known user is refused."""
    user = User(access_key_id="AKID", secret_access_key="s", account="1")
    verifier = Verifier(users={"AKID": user})
    request = HttpRequest(
        method="GET", target=target, headers=list(headers.items()), body=b""
    )
    verify = verifier.verify_query if query else verifier.verify_headers
    with pytest.raises(SignatureRefusedError) as caught:
        verify(request, service="kinesisvideo", regions=["eu-west-1"], now=NOON)
    return caught.value.code, caught.value.message


HOST = {"Host": "example.org"}


def test_a_signature_that_is_merely_wrong_is_called_so() -> None:
    code, message = refusal(PRESIGNED, HOST)
    assert code == "InvalidSignature"
    assert "we calculated does not match" in message


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("AWS4-HMAC-SHA256", "AWS4-HMAC-SHA1"),
        ("&X-Amz-Expires=299", ""),
        ("Expires=299", "Expires=0"),
        ("Expires=299", "Expires=604801"),
        ("Expires=299", "Expires=-5"),
        ("Date=20260101T000000Z", "Date=yesterday"),
        ("&X-Amz-Date=20260101T000000Z", ""),
        ("&X-Amz-SignedHeaders=host", ""),
        ("%2Faws4_request", ""),
        ("&X-Amz-Expires=299", "&X-Amz-Expires=299&X-Amz-Expires=299"),
    ],
)
def test_an_incomplete_query_is_called_so(old: str, new: str) -> None:
    assert old in PRESIGNED
    assert refusal(PRESIGNED.replace(old, new), HOST)[0] == "IncompleteSignature"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("SignedHeaders=host", "SignedHeaders=accept"),
        ("SignedHeaders=host", "SignedHeaders=host%3Baccept"),
        ("SignedHeaders=host", "SignedHeaders=host%3Bx-absent"),
        ("%2F20260101%2F", "%2F20251231%2F"),
        ("%2Fkinesisvideo%2F", "%2Fs3%2F"),
        ("%2Feu-west-1%2F", "%2Feu-west-2%2F"),
        ("%2Faws4_request", "%2Faws5_request"),
    ],
)
def test_what_is_signed_must_be_right(old: str, new: str) -> None:
    assert old in PRESIGNED
    code, message = refusal(PRESIGNED.replace(old, new), HOST | {"Accept": "*"})
    assert code == "InvalidSignature"
    assert "we calculated" not in message


@pytest.mark.parametrize(
    ("authorization", "code"),
    [
        (None, "MissingAuthenticationToken"),
        ("Basic dXNlcg==", "IncompleteSignature"),
        ("AWS4-HMAC-SHA256 Credential=a", "IncompleteSignature"),
    ],
)
def test_an_authorization_header_must_be_complete(
    authorization: str | None, code: str
) -> None:
    headers = HOST | {"X-Amz-Date": "20260101T000000Z"}
    if authorization is not None:
        headers |= {"Authorization": authorization}
    assert refusal("/", headers, query=False)[0] == code


def test_amazon_headers_must_be_signed() -> None:
    headers = HOST | {
        "X-Amz-Date": "20260101T000000Z",
        "X-Amz-Security-Token": "late",
        "Authorization": "AWS4-HMAC-SHA256 Credential=AKID/20260101/eu-west-1/"
        "kinesisvideo/aws4_request, SignedHeaders=host;x-amz-date, Signature=00",
    }
    code, message = refusal("/", headers, query=False)
    assert code == "InvalidSignature"
    assert "X-Amz-Security-Token must be signed" in message


def test_no_secret_is_shown() -> None:
    assert "secret/key" not in repr(TEMPORARY)
    assert "token+with" not in repr(TEMPORARY)
    request = HttpRequest(
        method="GET", target="/?t=x-secret", headers=[("A", "x-secret")], body=b""
    )
    assert "x-secret" not in repr(request)
    assert "00" not in refusal(unquote(PRESIGNED), HOST)[1]
