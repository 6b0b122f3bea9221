from collections.abc import Mapping
from datetime import UTC, datetime
import json
import os
from pathlib import Path
import subprocess
from urllib.parse import parse_qs, urlsplit

import pytest
from yarl import URL

from custom_components.kinesis_webrtc.signaling import (
    Credentials,
    InvalidArgumentError,
    presign,
)
from tests import system

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
HOST = "wss://m-1234abcd.kinesisvideo.us-west-2.amazonaws.com"
ARN = "arn:aws:kinesisvideo:us-west-2:123456789012:channel/camera/1234567890123"
CHINA_HOST = "wss://m-1234abcd.kinesisvideo.cn-north-1.amazonaws.com.cn"
CHINA_ARN = (
    "arn:aws-cn:kinesisvideo:cn-north-1:123456789012:channel/camera/1234567890123"
)
EUSC_HOST = "wss://v-1234abcd.kinesisvideo.eusc-de-east-1.amazonaws.eu"
EUSC_ARN = (
    "arn:aws-eusc:kinesisvideo:eusc-de-east-1:123456789012:channel/c/1234567890123"
)
SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
TOKEN = "IQoJb3JpZ2luX2VjE+/=token=="
LONG_TOKEN = "FwoGZXIvYXdzE" + "Ab+/9" * 200 + "=="


def odd(name: str) -> str:
    return f"arn:aws:kinesisvideo:us-west-2:123456789012:channel/{name}/1"


# endpoint, region, ARN, client id, session token
CASES = {
    "master": (HOST, "us-west-2", ARN, None, None),
    "master, token": (HOST, "us-west-2", ARN, None, TOKEN),
    "master, long token": (HOST, "us-west-2", ARN, None, LONG_TOKEN),
    "viewer": (HOST, "us-west-2", ARN, "viewer-1", None),
    "viewer, token": (HOST, "us-west-2", ARN, "viewer-1", TOKEN),
    "root path": (f"{HOST}/", "us-west-2", ARN, None, None),
    "path": (f"{HOST}/a/path", "us-west-2", ARN, None, None),
    "path, viewer, token": (f"{HOST}/a/path", "us-west-2", ARN, "viewer", TOKEN),
    "path with marks": (f"{HOST}/a-b_c.d~e", "us-west-2", ARN, None, None),
    "China": (CHINA_HOST, "cn-north-1", CHINA_ARN, None, None),
    "China, viewer, token": (CHINA_HOST, "cn-north-1", CHINA_ARN, "v", TOKEN),
    "sovereign cloud": (EUSC_HOST, "eusc-de-east-1", EUSC_ARN, "v", None),
    "ARN with marks": (HOST, "us-west-2", odd("A_b.c-d"), None, None),
    "ARN with a space": (HOST, "us-west-2", odd("a b"), None, None),
    "ARN with reserved signs": (HOST, "us-west-2", odd("a+b&c=d%25e?f#g"), "v", None),
    "ARN beyond ASCII": (HOST, "us-west-2", odd("Tür-カメラ"), None, None),
    "empty ARN": (HOST, "us-west-2", "", None, None),
    "client id with marks": (HOST, "us-west-2", ARN, "a.b_c-D9", None),
    "longest client id": (HOST, "us-west-2", ARN, "x" * 256, TOKEN),
    "another port": (f"{HOST}:8443", "us-west-2", ARN, None, None),
}

type Case = tuple[str, str, str, str | None, str | None]


def signed(case: Case) -> str:
    endpoint, region, arn, client_id, token = case
    return presign(
        endpoint,
        channel_arn=arn,
        client_id=client_id,
        credentials=Credentials(
            access_key_id="AKIDEXAMPLE", secret_access_key=SECRET, session_token=token
        ),
        region=region,
        now=NOW,
    )


def taken_apart(url: str) -> tuple[str, Mapping[str, list[str]]]:
    parts = urlsplit(url)
    query = parse_qs(
        parts.query, keep_blank_values=True, strict_parsing=True, errors="strict"
    )
    return f"{parts.scheme}://{parts.netloc}{parts.path}", query


@pytest.fixture(scope="module")
def urls_of_aws() -> dict[str, str]:
    """Sign the same cases by the SigV4RequestSigner of AWS's JavaScript SDK."""
    system.require("node", "node:amazon-kinesis-video-streams-webrtc")
    cases = []
    for endpoint, region, arn, client_id, token in CASES.values():
        query = {"X-Amz-ChannelARN": arn}
        if client_id:
            query["X-Amz-ClientId"] = client_id
        credentials = {"accessKeyId": "AKIDEXAMPLE", "secretAccessKey": SECRET}
        if token:
            credentials["sessionToken"] = token
        cases.append(
            {
                "endpoint": endpoint,
                "region": region,
                "credentials": credentials,
                "query": query,
                "date": NOW.isoformat(),
            }
        )
    done = subprocess.run(
        [system.program("node"), str(Path(__file__).with_name("signed_url.mjs"))],
        input=json.dumps(cases),
        env={**os.environ, "NODE_PACKAGES": str(system.NODE_MODULES.parent)},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return dict(zip(CASES, json.loads(done.stdout), strict=True))


@pytest.mark.parametrize("name", CASES)
def test_url_is_what_aws_own_signer_makes(
    name: str, urls_of_aws: dict[str, str]
) -> None:
    assert taken_apart(signed(CASES[name])) == taken_apart(urls_of_aws[name])


@pytest.mark.parametrize(
    ("name", "signature"),
    [
        ("master", "1ff37463490e5e5e7f294d13391b2eb16d7b7897edfb350f0f063fea21e8d03a"),
        (
            "path, viewer, token",
            "f0991cd0dbaf9b3668137beefba0e5b3402a19481f8c0f2fdab0863f2e7ae336",
        ),
        ("China", "2d18a6e7731e1741b04337b8759ffa8985e4d52e2ee230d3b28884e76342de31"),
    ],
)
def test_url_has_a_known_signature(name: str, signature: str) -> None:
    _, query = taken_apart(signed(CASES[name]))

    assert query["X-Amz-Signature"] == [signature]
    assert query["X-Amz-SignedHeaders"] == ["host"]
    assert query["X-Amz-Expires"] == ["299"]
    assert query["X-Amz-Date"] == ["20260102T030405Z"]


def test_token_is_part_of_the_signed_query() -> None:
    _, with_token = taken_apart(signed(CASES["master, token"]))
    _, without = taken_apart(signed(CASES["master"]))

    assert with_token["X-Amz-Security-Token"] == [TOKEN]
    assert with_token["X-Amz-Signature"] != without["X-Amz-Signature"]


def test_url_passes_yarl_unchanged() -> None:
    url = signed(CASES["path, viewer, token"])

    assert str(URL(url, encoded=True)) == url
    assert str(URL(url)) != url


def test_default_port_is_left_out_of_the_signed_host() -> None:
    without = signed(CASES["master"])
    case = (f"{HOST}:443", "us-west-2", ARN, None, None)

    assert taken_apart(signed(case))[1] == taken_apart(without)[1]


def test_plain_websocket_is_signed_too() -> None:
    case = ("ws://127.0.0.1:8080", "us-west-2", ARN, None, None)

    assert signed(case).startswith("ws://127.0.0.1:8080/?X-Amz-ChannelARN=arn%3Aaws")


def test_date_is_now_by_default() -> None:
    before = datetime.now(UTC).replace(microsecond=0)
    url = presign(
        HOST,
        channel_arn=ARN,
        credentials=Credentials(access_key_id="A", secret_access_key="S"),
        region="us-west-2",
    )

    date = datetime.strptime(taken_apart(url)[1]["X-Amz-Date"][0], "%Y%m%dT%H%M%S%z")
    assert before <= date <= datetime.now(UTC)


@pytest.mark.parametrize(
    "client_id", ["", "a b", "ä", "a/b", "x" * 257, "AWS_x", "aws_", "Aws_1", "a\n"]
)
def test_client_id_that_the_service_refuses_is_refused_before(client_id: str) -> None:
    with pytest.raises(InvalidArgumentError):
        signed((HOST, "us-west-2", ARN, client_id, None))


@pytest.mark.parametrize("client_id", ["AWS", "awsome", "my-AWS_x"])
def test_client_id_may_speak_of_aws(client_id: str) -> None:
    _, query = taken_apart(signed((HOST, "us-west-2", ARN, client_id, None)))

    assert query["X-Amz-ClientId"] == [client_id]
