"""Messages of the signaling websocket: frozen dataclasses to envelopes and back.

https://docs.aws.amazon.com/kinesisvideostreams-webrtc-dg/latest/devguide/kvswebrtc-websocket-apis.html
"""

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
import json

from .errors import PayloadTooLargeError

MAX_PAYLOAD = 10_000

_BARE_SDP = "v=0"


@dataclass(frozen=True, slots=True, kw_only=True)
class SdpAnswer:
    """An SDP answer. A master names its recipient, a viewer receives it without.

    `bare` is an answer to a bare offer. `extra` are the payload's other members.
    """

    sdp: str = field(repr=False)
    recipient_client_id: str | None = None
    bare: bool = False
    extra: Mapping[str, object] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class SdpOffer:
    """An SDP offer. A master learns its sender, which the storage session has not.

    `bare` is an offer whose payload was SDP without JSON around it. `extra` are the
    payload's other members. `sdp` is empty if a payload called an offer holds none.
    """

    sdp: str = field(repr=False)
    sender_client_id: str | None = None
    bare: bool = False
    extra: Mapping[str, object] = field(default_factory=dict, repr=False)

    def answer(self, sdp: str) -> SdpAnswer:
        """Return the answer to this offer's sender, in the offer's own form."""
        return SdpAnswer(
            sdp=sdp, recipient_client_id=self.sender_client_id, bare=self.bare
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class IceCandidate:
    """An ICE candidate, RTCIceCandidateInit's members. Empty: no more will come.

    `client_id` is the viewer that sent it, or whom a master sends it to; a viewer
    neither gives nor gets one.
    """

    candidate: str = field(repr=False)
    sdp_mid: str | None = None
    sdp_m_line_index: int | None = None
    username_fragment: str | None = field(default=None, repr=False)
    client_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """A JSON payload without SDP, in an offer's place or in an answer's.

    The service takes payloads as they are, so two ends may agree on such messages.
    `client_id` is the viewer's, as in a candidate.
    """

    content: Mapping[str, object] = field(repr=False)
    client_id: str | None = None


@dataclass(frozen=True, slots=True)
class GoAway:
    """The service closes this websocket within a minute: connect anew."""


@dataclass(frozen=True, slots=True)
class ReconnectIceServer:
    """The TURN servers are going away: fetch others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusResponse:
    """The service could not deliver the message of this correlation id."""

    correlation_id: str | None = None
    error_type: str | None = None
    status_code: str | None = None
    description: str | None = None


type SdpMessage = SdpOffer | SdpAnswer | Notice
type OutgoingMessage = SdpMessage | IceCandidate
type Message = OutgoingMessage | GoAway | ReconnectIceServer | StatusResponse


def encode_payload(content: Mapping[str, object] | str) -> str:
    """Return the base64 form of a JSON object or of bare text.

    Raises PayloadTooLargeError above the service's limit of 10,000 characters.
    """
    text = content if isinstance(content, str) else _to_json(content)
    payload = base64.b64encode(text.encode("utf-8", "replace")).decode("ascii")
    if len(payload) > MAX_PAYLOAD:
        raise PayloadTooLargeError(f"{len(payload)} characters, {MAX_PAYLOAD} allowed")
    return payload


def decode_payload(payload: str) -> Mapping[str, object] | str:
    """Return the JSON object in a base64 payload, or its text if that is bare SDP.

    Raises ValueError for anything else.
    """
    text = base64.b64decode("".join(payload.split()), validate=True).decode()
    if text.lstrip().startswith(_BARE_SDP):
        return text
    content = _from_json(text)
    if not isinstance(content, dict):
        raise ValueError("neither a JSON object nor SDP")  # noqa: TRY004
    return content


def encode(
    message: OutgoingMessage, *, as_master: bool, correlation_id: str | None = None
) -> str:
    """Return the text frame of a message that a client sends.

    Raises PayloadTooLargeError.
    """
    match message:
        case SdpOffer():
            action, recipient = "SDP_OFFER", None
            content = _sdp_content("offer", message)
        case SdpAnswer():
            action, recipient = "SDP_ANSWER", message.recipient_client_id
            content = _sdp_content("answer", message)
        case Notice():
            action, recipient = "SDP_ANSWER", message.client_id
            if not as_master:
                action = "SDP_OFFER"
            content = message.content
        case IceCandidate():
            action, recipient = "ICE_CANDIDATE", message.client_id
            content = _candidate_content(message)
    envelope = {"action": action, "messagePayload": encode_payload(content)}
    if as_master and recipient is not None:
        envelope["recipientClientId"] = recipient
    if correlation_id is not None:
        envelope["correlationId"] = correlation_id
    return _to_json(envelope)


def parse(frame: str) -> Message | None:
    """Return the message in a text frame, or None for what is to be ignored.

    The service sends empty frames, control messages without payload, and may send
    types and members that are not known yet; clients send payloads of any kind.
    """
    try:
        envelope = _from_json(frame)
    except ValueError:
        return None
    if not isinstance(envelope, dict):
        return None
    envelope = _camel_case(envelope)
    sender = _text(envelope.get("senderClientId"))
    match envelope.get("messageType"):
        case "GO_AWAY":
            return GoAway()
        case "RECONNECT_ICE_SERVER":
            return ReconnectIceServer()
        case "STATUS_RESPONSE":
            return _status_response(envelope.get("statusResponse"))
        case "SDP_OFFER" | "SDP_ANSWER" | "ICE_CANDIDATE" as message_type:
            pass
        case _:
            return None
    payload = envelope.get("messagePayload")
    if not isinstance(payload, str):
        return None
    try:
        content = decode_payload(payload)
    except ValueError:
        return None
    if message_type == "ICE_CANDIDATE":
        return _ice_candidate(content, sender)
    return _sdp_message(message_type, content, sender)


def _sdp_message(
    message_type: str, content: Mapping[str, object] | str, sender: str | None
) -> SdpMessage:
    bare = isinstance(content, str)
    extra: dict[str, object] = {}
    if isinstance(content, str):
        sdp = content
    else:
        if "sdp" not in content and content.get("type") not in ("offer", "answer"):
            return Notice(content=content, client_id=sender)
        sdp = _text(content.get("sdp")) or ""
        extra = {k: v for k, v in content.items() if k not in ("type", "sdp")}
    if message_type == "SDP_OFFER":
        return SdpOffer(sdp=sdp, sender_client_id=sender, bare=bare, extra=extra)
    return SdpAnswer(sdp=sdp, bare=bare, extra=extra)


def _ice_candidate(
    content: Mapping[str, object] | str, sender: str | None
) -> IceCandidate | None:
    if isinstance(content, str) or "candidate" not in content:
        return None
    candidate = content["candidate"]
    if candidate is not None and not isinstance(candidate, str):
        return None
    index = content.get("sdpMLineIndex")
    return IceCandidate(
        candidate=_text(candidate) or "",
        sdp_mid=_text(content.get("sdpMid")),
        sdp_m_line_index=index if type(index) is int else None,
        username_fragment=_text(content.get("usernameFragment")),
        client_id=sender,
    )


def _status_response(content: object) -> StatusResponse:
    status = _camel_case(content) if isinstance(content, dict) else {}
    code = status.get("statusCode")
    return StatusResponse(
        correlation_id=_text(status.get("correlationId")),
        error_type=_text(status.get("errorType")),
        status_code=str(code) if isinstance(code, int) else _text(code),
        description=_text(status.get("description")),
    )


def _sdp_content(
    sdp_type: str, message: SdpOffer | SdpAnswer
) -> Mapping[str, object] | str:
    if message.bare:
        return message.sdp
    return {"type": sdp_type, "sdp": message.sdp, **message.extra}


def _candidate_content(message: IceCandidate) -> dict[str, object]:
    content: dict[str, object] = {
        "candidate": message.candidate,
        "sdpMid": message.sdp_mid,
        "sdpMLineIndex": message.sdp_m_line_index,
    }
    if message.username_fragment is not None:
        content["usernameFragment"] = message.username_fragment
    return content


def _camel_case(members: dict[str, object]) -> dict[str, object]:
    """Let MessageType be messageType: the service's own SDKs differ in this."""
    return {name[:1].lower() + name[1:]: value for name, value in members.items()}


def _text(value: object) -> str | None:
    """Return a string that can be encoded: JSON may hold lone surrogates."""
    if not isinstance(value, str):
        return None
    return value.encode("utf-8", "replace").decode()


def _to_json(content: Mapping[str, object]) -> str:
    return json.dumps(content, ensure_ascii=False, separators=(",", ":"))


def _from_json(text: str) -> object:
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("nested too deeply") from None
