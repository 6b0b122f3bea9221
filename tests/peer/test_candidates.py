"""Remote candidates: those worth a check, and nothing else."""

import pytest

from custom_components.kinesis_webrtc.peer.candidates import (
    AddressRules,
    parse_candidate,
)


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
        "candidate:1 1 udp 1 2001:db8::7 5009 typ srflx raddr 0.0.0.0 rport 9 "
        "generation 0 ufrag Ab1+ network-cost 999"
    )
    assert candidate is not None
    assert candidate.ufrag == "Ab1+"
    assert candidate.address == "2001:db8::7"


def test_mdns_name_is_kept_where_it_may_be_looked_up() -> None:
    text = "1 1 udp 1 0a1b-2c.local 5000 typ host"
    candidate = parse_candidate(text, AddressRules(names=True))
    assert candidate is not None
    assert candidate.address == "0a1b-2c.local"
    assert parse_candidate(text) is None


@pytest.mark.parametrize("name", ["example.org", "localhost", "a.b.local", "x.local."])
def test_no_other_name_is_ever_kept(name: str) -> None:
    rules = AddressRules(names=True, loopback=True)
    assert parse_candidate(f"1 1 udp 1 {name} 5000 typ host", rules) is None


@pytest.mark.parametrize(
    "address",
    ["192.168.1.20", "10.0.0.1", "172.16.9.9", "100.64.0.1", "fd00::7", "fc00::1"],
)
def test_private_addresses_are_kept_unless_the_user_does_not_want_that(
    address: str,
) -> None:
    text = f"1 1 udp 1 {address} 5000 typ host"
    assert parse_candidate(text) is not None
    assert parse_candidate(text, AddressRules(private=False)) is None


@pytest.mark.parametrize("address", ["9.9.9.9", "2620:fe::9"])
def test_public_addresses_are_kept_in_any_case(address: str) -> None:
    text = f"1 1 udp 1 {address} 5000 typ srflx raddr 10.0.0.1 rport 5000"
    assert parse_candidate(text, AddressRules(private=False)) is not None


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
        "1 1 udp 1 ff02::fb 5353 typ host",
        "1 1 udp 1 255.255.255.255 5000 typ host",
        "1 1 udp 1 240.0.0.1 5000 typ host",
        "1 1 udp 1 0.1.2.3 5000 typ host",
        "1 1 udp 1 127.9.9.9 5000 typ host",
        "1 1 udp 1 169.254.169.254 5000 typ host",
        "1 1 udp 1 :: 5000 typ host",
        "1 1 udp 1 ::127.0.0.1 5000 typ host",
        "1 1 udp 1 ::ffff:192.168.1.1 5000 typ host",
        "1 1 udp 1 ::ffff:0:127.0.0.1 5000 typ host",
        "1 1 udp 1 64:ff9b::7f00:1 5000 typ host",
        "1 1 udp 1 2002:7f00:1::1 5000 typ host",
        "1 1 udp 1 2001:0:7f00:1::1 5000 typ host",
        "1 1 udp 1 fec0::1 5000 typ host",
        "1 1 udp 1 0177.0.0.1 5000 typ host",
        "1 1 udp 1 2130706433 5000 typ host",
        "1 1 udp 1 198.51.100.21 53 typ host",
        "1 1 udp 1 198.51.100.21 1023 typ srflx",
        "1 1 udp 1 0.0.0.0 5000 typ host",
        "1 1 udp 1 example.org 5000 typ host",
    ],
)
def test_what_cannot_be_used_is_passed_over(text: str) -> None:
    assert parse_candidate(text) is None


def test_loopback_counts_where_we_are_on_it() -> None:
    text = "1 1 udp 1 127.0.0.1 5000 typ host"
    assert parse_candidate(text, AddressRules(loopback=True)) is not None
