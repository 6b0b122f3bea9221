"""The reader of session descriptions, beyond what offers show."""

from custom_components.kinesis_webrtc.peer.sdp import parse


def test_bundle_group_is_found_by_any_of_its_tags() -> None:
    text = "v=0\na=group:LS a b\na=group:BUNDLE a b\na=group:BUNDLE c\nm=x 1 y 2\n"
    description = parse(text)
    assert description.bundle_of("b") == ["a", "b"]
    assert description.bundle_of("c") == ["c"]
    assert description.bundle_of("d") == ["d"]


def test_empty_group_line_is_passed_over() -> None:
    assert parse("v=0\na=group:\na=group\nm=x 1 y 2\n").bundle_of("a") == ["a"]


def test_port_count_is_read_past() -> None:
    section = parse("v=0\nm=video 49170/2 RTP/SAVPF 31\n").sections[0]
    assert (section.port, section.formats) == (49170, ["31"])
    assert section.value("mid") is None
