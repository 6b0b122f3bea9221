"""The Alexa skill: its backend in AWS Lambda, and what that tells Home Assistant."""

from .notice import (
    SENDER_PREFIX,
    End,
    Notice,
    OfferTerms,
    Ping,
    Refusal,
    encode,
    encode_terms,
    is_sender_of,
    parse,
    parse_terms,
)

__all__ = [
    "SENDER_PREFIX",
    "End",
    "Notice",
    "OfferTerms",
    "Ping",
    "Refusal",
    "encode",
    "encode_terms",
    "is_sender_of",
    "parse",
    "parse_terms",
]
