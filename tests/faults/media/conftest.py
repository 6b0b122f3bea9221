"""Peers of flesh and blood, without Home Assistant: those of the peer's own tests."""

from tests.peer.conftest import (
    _frozen,
    _no_leaks,
    clip,
    loopback,
    make_master,
    master,
    recorder,
    source,
)

__all__ = [
    "_frozen",
    "_no_leaks",
    "clip",
    "loopback",
    "make_master",
    "master",
    "recorder",
    "source",
]
