import ssl

import aiohttp
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectTimeoutError,
    EndpointConnectionError,
    InvalidRegionError,
    NoCredentialsError,
    ParamValidationError,
    ReadTimeoutError,
    SSLError,
    UnknownEndpointError,
)
from multidict import CIMultiDict, CIMultiDictProxy
import pytest
from yarl import URL

from custom_components.kinesis_webrtc.signaling import (
    ClockSkewError,
    NotAuthorizedError,
    ServiceError,
    SignalingError,
    translate,
)

URL_TEXT = "https://kinesisvideo.example"


def refusal(code: str, message: str = "why") -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": message}}, "Operation")


def handshake(status: int, **headers: str) -> aiohttp.WSServerHandshakeError:
    fields = CIMultiDict({name.replace("_", "-"): v for name, v in headers.items()})
    url = URL("wss://host/?X-Amz-Security-Token=VerySecret")
    info = aiohttp.RequestInfo(url, "GET", CIMultiDictProxy(CIMultiDict()), url)
    return aiohttp.WSServerHandshakeError(
        info, (), status=status, message="Invalid response status", headers=fields
    )


def translated(err: Exception, **options: object) -> SignalingError:
    return translate(err, operation="ConnectAsMaster", **options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("code", "key"),
    [
        ("InvalidArgumentException", "invalid_argument"),
        ("ValidationException", "invalid_argument"),
        ("TagsPerResourceExceededLimitException", "invalid_argument"),
        ("ClientLimitExceededException", "client_limit_exceeded"),
        ("ThrottlingException", "client_limit_exceeded"),
        ("Throttling", "client_limit_exceeded"),
        ("TooManyRequestsException", "client_limit_exceeded"),
        ("ResourceNotFoundException", "resource_not_found"),
        ("NotAuthorizedException", "not_authorized"),
        ("AccessDeniedException", "not_authorized"),
        ("AccessDenied", "not_authorized"),
        ("InvalidClientException", "invalid_client"),
        ("SessionExpiredException", "session_expired"),
        ("ResourceInUseException", "resource_in_use"),
        ("AccountChannelLimitExceededException", "channel_limit"),
        ("VersionMismatchException", "version_mismatch"),
        ("UnrecognizedClientException", "invalid_credentials"),
        ("InvalidClientTokenId", "invalid_credentials"),
        ("SignatureDoesNotMatch", "invalid_credentials"),
        ("InvalidSignatureException", "invalid_credentials"),
        ("ExpiredTokenException", "expired_token"),
        ("ExpiredToken", "expired_token"),
        ("RequestTimeTooSkewed", "clock_skew"),
        ("OptInRequired", "unsupported_region"),
        ("InternalFailureException", "service_error"),
        ("", "service_error"),
    ],
)
def test_each_code_has_its_error(code: str, key: str) -> None:
    error = translated(refusal(code))

    assert error.key == key
    assert error.operation == "ConnectAsMaster"


@pytest.mark.parametrize(
    ("err", "key"),
    [
        (NoCredentialsError(), "invalid_credentials"),
        (InvalidRegionError(region_name="a b"), "unsupported_region"),
        (UnknownEndpointError(service_name="s", region_name="r"), "unsupported_region"),
        (ParamValidationError(report="too long"), "invalid_argument"),
        (EndpointConnectionError(endpoint_url=URL_TEXT), "cannot_connect"),
        (ConnectTimeoutError(endpoint_url=URL_TEXT), "cannot_connect"),
        (ReadTimeoutError(endpoint_url=URL_TEXT), "cannot_connect"),
        (SSLError(endpoint_url=URL_TEXT, error=OSError()), "cannot_connect"),
        (aiohttp.ClientConnectionError(), "cannot_connect"),
        (ssl.SSLError(), "cannot_connect"),
        (TimeoutError(), "cannot_connect"),
        (OSError(), "cannot_connect"),
        (BotoCoreError(), "service_error"),
        (ValueError("VerySecret"), "service_error"),
    ],
)
def test_each_failure_has_its_error(err: Exception, key: str) -> None:
    error = translated(err)

    assert error.key == key
    assert "VerySecret" not in str(error)


def test_code_is_kept_of_what_is_not_known() -> None:
    error = translated(refusal("InternalFailureException"))

    assert isinstance(error, ServiceError)
    assert error.code == "InternalFailureException"


def test_own_errors_pass() -> None:
    error = ServiceError()

    assert translated(error) is error


@pytest.mark.parametrize(
    ("message", "service", "action"),
    [
        ("no", "kinesisvideo", "kinesisvideo:ConnectAsMaster"),
        ("no", "sts", "sts:ConnectAsMaster"),
        (
            "User: x is not authorized to perform: kinesisvideo:TagResource on: y",
            "kinesisvideo",
            "kinesisvideo:TagResource",
        ),
    ],
)
def test_missing_action_is_named(message: str, service: str, action: str) -> None:
    error = translated(refusal("AccessDeniedException", message), service=service)

    assert isinstance(error, NotAuthorizedError)
    assert error.action == action


@pytest.mark.parametrize(
    ("status", "key"),
    [
        (401, "not_authorized"),
        (403, "not_authorized"),
        (404, "resource_not_found"),
        (429, "client_limit_exceeded"),
        (400, "service_error"),
        (500, "service_error"),
    ],
)
def test_refused_upgrade_is_told_by_its_status(status: int, key: str) -> None:
    error = translated(handshake(status))

    assert error.key == key
    assert "VerySecret" not in str(error)


@pytest.mark.parametrize(
    ("named", "key"),
    [
        ("ExpiredTokenException", "expired_token"),
        ("ClientLimitExceededException:http://aws", "client_limit_exceeded"),
        ("InvalidArgumentException", "invalid_argument"),
    ],
)
def test_refused_upgrade_is_told_better_by_its_header(named: str, key: str) -> None:
    assert translated(handshake(400, x_amzn_errortype=named)).key == key


@pytest.mark.parametrize(
    "err",
    [
        handshake(403),
        refusal("InvalidSignatureException"),
        refusal("SignatureDoesNotMatch"),
        refusal("AccessDeniedException"),
    ],
)
def test_refusal_of_a_wrongly_dated_signature_is_the_clocks_fault(
    err: Exception,
) -> None:
    error = translated(err, offset=-600.0, skewed=True)

    assert isinstance(error, ClockSkewError)
    assert error.offset == -600.0


@pytest.mark.parametrize(
    "message",
    [
        "Signature expired: 20260101T000000Z is now earlier than 20260101T001000Z",
        "Signature not yet current: 20260101T001000Z is still later than ...",
    ],
)
def test_clock_is_told_by_the_text_too(message: str) -> None:
    assert translated(refusal("SignatureDoesNotMatch", message)).key == "clock_skew"


@pytest.mark.parametrize(
    "code", ["SignatureDoesNotMatch", "InvalidSignatureException", "ExpiredToken"]
)
def test_quoted_canonical_request_is_kept_out(code: str) -> None:
    message = "The Canonical String should have been\nx-amz-security-token:VerySecret"

    assert "VerySecret" not in str(translated(refusal(code, message)))


def test_reason_of_other_refusals_is_shown() -> None:
    error = translated(refusal("InvalidArgumentException", "ChannelName is too long"))

    assert "ChannelName is too long" in str(error)


def test_what_the_service_says_is_one_line_that_a_log_can_take() -> None:
    said = "first\r\nsecond\ud800" + "x" * 5000
    for code in ("InvalidArgumentException", said):
        error = translated(refusal(code, said))

        assert str(error).isprintable()
        assert len(str(error)) < 2500
