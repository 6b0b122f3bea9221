"""The camera's own source comes first, and again after a while."""

import pytest

from custom_components.kinesis_webrtc.peer import StreamUrl, sources
from custom_components.kinesis_webrtc.peer.sources import Sources


class Source:
    async def resolve(self) -> StreamUrl:
        raise AssertionError


def test_a_source_alone_is_always_the_one() -> None:
    only = Source()
    found = Sources(only, None)
    assert not found.failed()
    assert found.current is only
    assert not found.is_fallback


def test_both_are_tried_in_turns_and_the_one_that_works_stays() -> None:
    source, other = Source(), Source()
    found = Sources(source, other)
    assert found.failed()
    assert found.current is other
    assert found.is_fallback
    found.begin()
    assert found.current is other
    assert not found.failed()
    assert found.current is source


def test_it_is_forgiven_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr(sources.time, "monotonic", lambda: now)
    source = Source()
    found = Sources(source, Source())
    assert found.failed()
    now += 299
    found.begin()
    assert found.is_fallback
    now += 2
    found.begin()
    assert found.current is source
