"""Remote candidates: those worth a check, and nothing else."""

import pytest

from custom_components.kinesis_webrtc.peer.candidates import parse_candidate


def test_candidate_is_read_whatever_it_is_prefixed_with() -> None:
    text = "1 1 UDP 2013266431 198.51.100.21 60128 typ host"
    plain = parse_candidate(text)
    assert plain is not None
    assert (plain.address, plain.port, plain.kind) == ("198.51.100.21", 60128, "host")
    assert parse_candidate(f"candidate:{text}") == plain
    assert parse_candidate(f"a=candidate:{text}\r\n") == plain
    assert "198.51" not in repr(plain)


def test_extensions_are_read_past() -> None:
    candidate = parse_candidate(
        "candidate:1 1 udp 1 2001:db8::7 9 typ srflx raddr 0.0.0.0 rport 9 "
        "generation 0 ufrag Ab1+ network-cost 999"
    )
    assert candidate is not None
    assert candidate.ufrag == "Ab1+"
    assert not candidate.is_name


def test_mdns_name_is_kept() -> None:
    candidate = parse_candidate("1 1 udp 1 0a1b-2c.local 5000 typ host")
    assert candidate is not None
    assert candidate.is_name


def test_peer_reflexive_counts_as_server_reflexive() -> None:
    candidate = parse_candidate("1 1 udp 1 198.51.100.21 5000 typ prflx")
    assert candidate is not None
    assert candidate.kind == "srflx"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "candidate:",
        "null",
        "1 2 udp 1 198.51.100.21 5000 typ host",
        "1 1 tcp 1 198.51.100.21 9 typ host tcptype active",
        "1 1 udp 1 198.51.100.21 0 typ host",
        "1 1 udp 1 198.51.100.21 65536 typ host",
        "1 1 udp x 198.51.100.21 5000 typ host",
        "1 1 udp 4294967296 198.51.100.21 5000 typ host",
        "1 1 udp 1 198.51.100.21 5000 typ best",
        "1 1 udp 1 198.51.100.21 5000 kind host",
        "1 1 udp 1 127.0.0.1 5000 typ host",
        "1 1 udp 1 ::1 5000 typ host",
        "1 1 udp 1 fe80::1 5000 typ host",
        "1 1 udp 1 fe80::1%eth0 5000 typ host",
        "1 1 udp 1 ::ffff:127.0.0.1 5000 typ host",
        "1 1 udp 1 169.254.1.1 5000 typ host",
        "1 1 udp 1 224.0.0.251 5353 typ host",
        "1 1 udp 1 0.0.0.0 5000 typ host",
        "1 1 udp 1 example.org 5000 typ host",
    ],
)
def test_what_cannot_be_used_is_passed_over(text: str) -> None:
    assert parse_candidate(text) is None


def test_loopback_counts_where_we_are_on_it() -> None:
    text = "1 1 udp 1 127.0.0.1 5000 typ host"
    assert parse_candidate(text, loopback=True) is not None
