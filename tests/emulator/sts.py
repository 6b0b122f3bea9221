"""AWS STS: GetCallerIdentity alone, over the query protocol.

https://docs.aws.amazon.com/STS/latest/APIReference/API_GetCallerIdentity.html
"""

from uuid import uuid4
from xml.sax.saxutils import escape

from .iam import User

VERSION = "2011-06-15"
_NAMESPACE = f"https://sts.amazonaws.com/doc/{VERSION}/"
_CODES = {
    "UnrecognizedClient": "InvalidClientTokenId",
    "InvalidSignature": "SignatureDoesNotMatch",
}


def error_code(signature_code: str) -> str:
    """Return STS's own name for why a signature is refused."""
    return _CODES.get(signature_code, signature_code)


def caller_identity(user: User, partition: str) -> str:
    """Return the answer's XML; no policy is needed for it."""
    kind = "AIDA" if user.session_token is None else "AROA"
    user_id = f"{kind}{user.access_key_id[-16:].upper():0>16}"
    if user.session_token is not None:
        user_id += ":session"
    return (
        f'<GetCallerIdentityResponse xmlns="{_NAMESPACE}"><GetCallerIdentityResult>'
        f"<Arn>{escape(user.arn(partition))}</Arn><UserId>{escape(user_id)}</UserId>"
        f"<Account>{user.account}</Account></GetCallerIdentityResult>"
        f"<ResponseMetadata><RequestId>{uuid4()}</RequestId></ResponseMetadata>"
        "</GetCallerIdentityResponse>"
    )


def error_response(code: str, message: str, status: int) -> str:
    """Return an error's XML."""
    kind = "Sender" if status < 500 else "Receiver"
    return (
        f'<ErrorResponse xmlns="{_NAMESPACE}"><Error><Type>{kind}</Type>'
        f"<Code>{escape(code)}</Code><Message>{escape(message)}</Message></Error>"
        f"<RequestId>{uuid4()}</RequestId></ErrorResponse>"
    )
