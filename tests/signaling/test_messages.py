import base64
import json
from typing import Any

import pytest

from custom_components.kinesis_webrtc.signaling import (
    GoAway,
    IceCandidate,
    Message,
    Notice,
    OutgoingMessage,
    PayloadTooLargeError,
    ReconnectIceServer,
    SdpAnswer,
    SdpOffer,
    StatusResponse,
    decode_payload,
    encode,
    encode_payload,
    parse,
)

SDP = "v=0\r\no=- 1 2 IN IP4 0.0.0.0\r\na=ice-pwd:VerySecret/+\r\n"


def payload(content: object) -> str:
    text = content if isinstance(content, str) else json.dumps(content)
    return base64.b64encode(text.encode()).decode()


def received(message_type: str, content: object = None, **members: Any) -> str:
    envelope = {"messageType": message_type, **members}
    if content is not None:
        envelope["messagePayload"] = payload(content)
    return json.dumps(envelope)


def sent(message: OutgoingMessage, *, as_master: bool = True) -> dict[str, Any]:
    envelope: dict[str, Any] = json.loads(encode(message, as_master=as_master))
    return envelope


def test_offer_is_read_with_its_sender_and_other_members() -> None:
    frame = received(
        "SDP_OFFER",
        {"type": "offer", "sdp": SDP, "resolution": 1, "kinesis_webrtc": {"v": 1}},
        senderClientId="Viewer-1",
    )

    assert parse(frame) == SdpOffer(
        sdp=SDP,
        sender_client_id="Viewer-1",
        extra={"resolution": 1, "kinesis_webrtc": {"v": 1}},
    )


def test_offer_of_the_storage_session_has_no_sender() -> None:
    message = parse(received("SDP_OFFER", {"type": "offer", "sdp": SDP}))

    assert message == SdpOffer(sdp=SDP, sender_client_id=None)


def test_bare_offer_is_answered_in_kind() -> None:
    offer = parse(received("SDP_OFFER", SDP, senderClientId="Alexa"))

    assert offer == SdpOffer(sdp=SDP, sender_client_id="Alexa", bare=True)
    assert isinstance(offer, SdpOffer)
    answer = sent(offer.answer(SDP))
    assert answer["recipientClientId"] == "Alexa"
    assert base64.b64decode(answer["messagePayload"]).decode() == SDP


def test_json_offer_is_answered_in_json() -> None:
    offer = parse(
        received("SDP_OFFER", {"type": "offer", "sdp": SDP}, senderClientId="aBc")
    )

    assert isinstance(offer, SdpOffer)
    answer = sent(offer.answer(SDP))
    assert answer["action"] == "SDP_ANSWER"
    assert answer["recipientClientId"] == "aBc"
    assert decode_payload(answer["messagePayload"]) == {"type": "answer", "sdp": SDP}


@pytest.mark.parametrize("sender", [{}, {"senderClientId": "x"}])
def test_answer_is_read_with_or_without_sender(sender: dict[str, str]) -> None:
    frame = received("SDP_ANSWER", {"type": "answer", "sdp": SDP, "x": 1}, **sender)

    assert parse(frame) == SdpAnswer(sdp=SDP, extra={"x": 1})


def test_bare_answer_is_read() -> None:
    assert parse(received("SDP_ANSWER", SDP)) == SdpAnswer(sdp=SDP, bare=True)


@pytest.mark.parametrize("sdp", [{}, {"sdp": None}, {"sdp": 5}])
def test_offer_without_sdp_is_still_an_offer(sdp: dict[str, Any]) -> None:
    frame = received("SDP_OFFER", {"type": "offer", **sdp}, senderClientId="v")

    assert parse(frame) == SdpOffer(sdp="", sender_client_id="v")


def test_payload_without_sdp_is_a_notice() -> None:
    content = {"type": "kinesis_webrtc", "v": 1, "kind": "ping", "session": "s"}
    frame = received("SDP_OFFER", content, senderClientId="lambda")

    assert parse(frame) == Notice(content=content, client_id="lambda")


@pytest.mark.parametrize(
    ("as_master", "action", "recipient"),
    [(True, "SDP_ANSWER", "v"), (False, "SDP_OFFER", None)],
)
def test_notice_goes_out_in_place_of_sdp(
    as_master: bool, action: str, recipient: str | None
) -> None:
    notice = Notice(content={"type": "kinesis_webrtc", "error": "x"}, client_id="v")

    envelope = sent(notice, as_master=as_master)

    assert envelope["action"] == action
    assert envelope.get("recipientClientId") == recipient
    assert decode_payload(envelope["messagePayload"]) == notice.content


CANDIDATE = "candidate:1 1 udp 2113929471 192.0.2.1 50000 typ host"


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (
            {
                "candidate": CANDIDATE,
                "sdpMid": "video0",
                "sdpMLineIndex": 1,
                "usernameFragment": "abcd",
                "more": True,
            },
            IceCandidate(
                candidate=CANDIDATE,
                sdp_mid="video0",
                sdp_m_line_index=1,
                username_fragment="abcd",
            ),
        ),
        ({"candidate": CANDIDATE}, IceCandidate(candidate=CANDIDATE)),
        (
            {"candidate": CANDIDATE, "sdpMid": 0, "sdpMLineIndex": True},
            IceCandidate(candidate=CANDIDATE),
        ),
        ({"candidate": ""}, IceCandidate(candidate="")),
        (
            {"candidate": None, "sdpMid": "0"},
            IceCandidate(candidate="", sdp_mid="0"),
        ),
    ],
)
def test_candidate_is_read(content: dict[str, Any], expected: IceCandidate) -> None:
    assert parse(received("ICE_CANDIDATE", content)) == expected


def test_candidate_keeps_its_sender() -> None:
    message = parse(
        received("ICE_CANDIDATE", {"candidate": CANDIDATE}, senderClientId="v-2")
    )

    assert isinstance(message, IceCandidate)
    assert message.client_id == "v-2"


def test_candidate_of_a_master_names_its_recipient() -> None:
    envelope = sent(
        IceCandidate(
            candidate=CANDIDATE,
            sdp_mid="0",
            sdp_m_line_index=0,
            username_fragment="uf",
            client_id="v",
        )
    )

    assert envelope["action"] == "ICE_CANDIDATE"
    assert envelope["recipientClientId"] == "v"
    assert decode_payload(envelope["messagePayload"]) == {
        "candidate": CANDIDATE,
        "sdpMid": "0",
        "sdpMLineIndex": 0,
        "usernameFragment": "uf",
    }


@pytest.mark.parametrize(
    "message",
    [
        SdpOffer(sdp=SDP, sender_client_id="me"),
        SdpAnswer(sdp=SDP, recipient_client_id="other"),
        IceCandidate(candidate=CANDIDATE, client_id="other"),
    ],
)
def test_viewer_never_names_a_recipient(message: OutgoingMessage) -> None:
    assert set(sent(message, as_master=False)) == {"action", "messagePayload"}


def test_correlation_id_goes_along() -> None:
    frame = encode(SdpOffer(sdp=SDP), as_master=False, correlation_id="c-1")

    assert json.loads(frame)["correlationId"] == "c-1"


@pytest.mark.parametrize(
    "message",
    [
        SdpOffer(sdp=SDP, sender_client_id="v", extra={"a": [1, "ü"]}),
        SdpOffer(sdp=SDP, sender_client_id="v", bare=True),
        IceCandidate(candidate=CANDIDATE, sdp_mid="0", client_id="v"),
        Notice(content={"type": "x"}, client_id="v"),
    ],
)
def test_what_a_viewer_sends_a_master_reads(message: OutgoingMessage) -> None:
    envelope = sent(message, as_master=False)
    frame = json.dumps(
        {
            "messageType": envelope["action"],
            "messagePayload": envelope["messagePayload"],
            "senderClientId": "v",
        }
    )

    assert parse(frame) == message


@pytest.mark.parametrize(
    ("message_type", "expected"),
    [
        ("GO_AWAY", GoAway()),
        ("RECONNECT_ICE_SERVER", ReconnectIceServer()),
        ("STATUS_RESPONSE", StatusResponse()),
    ],
)
@pytest.mark.parametrize(
    "members", [{}, {"messagePayload": ""}, {"messagePayload": None}]
)
def test_control_messages_need_no_payload(
    message_type: str, expected: Message, members: dict[str, Any]
) -> None:
    assert parse(json.dumps({"messageType": message_type, **members})) == expected


def test_status_response_is_read() -> None:
    frame = received(
        "STATUS_RESPONSE",
        statusResponse={
            "correlationId": "c-1",
            "errorType": "InvalidArgumentException",
            "statusCode": "400",
            "description": "no",
            "success": False,
        },
    )

    assert parse(frame) == StatusResponse(
        correlation_id="c-1",
        error_type="InvalidArgumentException",
        status_code="400",
        description="no",
    )


def test_status_code_may_be_a_number() -> None:
    message = parse(received("STATUS_RESPONSE", statusResponse={"StatusCode": 400}))

    assert message == StatusResponse(status_code="400")


def test_members_may_be_in_pascal_case() -> None:
    frame = json.dumps(
        {
            "MessagePayload": payload({"type": "offer", "sdp": SDP}),
            "MessageType": "SDP_OFFER",
            "SenderClientId": "v",
        }
    )

    assert parse(frame) == SdpOffer(sdp=SDP, sender_client_id="v")


def test_unknown_members_are_ignored() -> None:
    frame = received("SDP_OFFER", SDP, IceServerList=[{"Ttl": 3}], statusResponse=1)

    assert parse(frame) == SdpOffer(sdp=SDP, bare=True)


@pytest.mark.parametrize(
    "frame",
    [
        "",
        " ",
        "null",
        "[]",
        '"text"',
        "{",
        "[" * 100_000,
        "{}",
        json.dumps({"messageType": 5}),
        received("SOMETHING_NEW", {"type": "offer", "sdp": SDP}),
        received("SDP_OFFER"),
        received("SDP_OFFER", messagePayload=None),
        received("SDP_OFFER", messagePayload={"sdp": SDP}),
        received("SDP_OFFER", messagePayload="not base64!"),
        received("SDP_OFFER", messagePayload="ä"),
        received("SDP_OFFER", messagePayload="AAA"),
        received("SDP_OFFER", messagePayload=base64.b64encode(b"\xff{").decode()),
        received("SDP_OFFER", "no JSON"),
        received("SDP_OFFER", "[]"),
        received("SDP_OFFER", "[" * 100_000),
        received("SDP_OFFER", ""),
        received("SDP_ANSWER", "5"),
        received("ICE_CANDIDATE", SDP),
        received("ICE_CANDIDATE", {}),
        received("ICE_CANDIDATE", {"candidate": {"candidate": CANDIDATE}}),
    ],
)
def test_anything_else_is_ignored(frame: str) -> None:
    assert parse(frame) is None


def test_lone_surrogates_do_no_harm() -> None:
    message = parse(
        received(
            "SDP_OFFER", {"type": "offer", "sdp": "\ud800"}, senderClientId="\udc00"
        )
    )

    assert message == SdpOffer(sdp="?", sender_client_id="?")


@pytest.mark.parametrize("content", [{"type": "offer", "sdp": "ü\r\n"}, SDP])
def test_payload_survives_the_way_there_and_back(content: Any) -> None:
    assert decode_payload(encode_payload(content)) == content


def test_payload_is_padded_standard_base64_of_utf8_json() -> None:
    encoded = encode_payload({"sdp": "ü?>~"})

    assert json.loads(base64.b64decode(encoded, validate=True).decode()) == {
        "sdp": "ü?>~"
    }


def test_payload_may_be_wrapped_in_lines() -> None:
    encoded = encode_payload(SDP)

    assert decode_payload(f"{encoded[:20]}\r\n{encoded[20:]}\n") == SDP


def test_payload_of_the_largest_size_is_sent() -> None:
    assert len(encode_payload("v" * 7500)) == 10_000


def test_larger_payload_is_refused() -> None:
    with pytest.raises(PayloadTooLargeError) as caught:
        encode(SdpAnswer(sdp="v=0" + "s" * 7498, bare=True), as_master=True)

    assert caught.value.key == "payload_too_large"
    assert "sss" not in str(caught.value)


@pytest.mark.parametrize(
    "message",
    [
        SdpOffer(sdp=SDP, extra={"a": "VerySecret"}),
        SdpAnswer(sdp=SDP, extra={"a": "VerySecret"}),
        IceCandidate(candidate="VerySecret", username_fragment="VerySecret"),
        Notice(content={"a": "VerySecret"}),
    ],
)
def test_messages_show_no_secrets(message: Message) -> None:
    assert "VerySecret" not in repr(message)
