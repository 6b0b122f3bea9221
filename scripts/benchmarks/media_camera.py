"""The test camera with the time of sending in each picture, for GStreamer's Python.

It is tests/e2e/harness/rtsp_server.py, with its options and its output; the time
(CLOCK_MONOTONIC, ns, 16 hex digits) is in a SEI message after MARK.
"""

from pathlib import Path
import sys
import time
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPOSITORY / "tests" / "e2e" / "harness"))

import rtsp_server  # noqa: E402

MARK = b"kinesis-bench-ts"
START = b"\0\0\1"


def first_slice(unit: bytes) -> int:
    """Return where the first slice of an access unit begins, with its start code."""
    found = unit.find(START)
    while unit[found + 3] & 0x1F not in (1, 5):
        found = unit.find(START, found + 3)
    return found - (found > 0 and unit[found - 1] == 0)


class Stamped(list[bytes]):
    """Access units that say when they were taken."""

    def __getitem__(self, index: Any) -> Any:
        unit = super().__getitem__(index)
        text = MARK + b"%016x" % time.monotonic_ns()
        # User data, unregistered; the mark is in the place of its UUID.
        message = b"\0" + START + b"\x06\x05" + bytes([len(text)]) + text + b"\x80"
        at = first_slice(unit)
        return unit[:at] + message + unit[at:]


class StampingFactory(rtsp_server.Factory):  # type: ignore[misc]
    """A factory of pictures with stamps."""

    def __init__(self, units: list[bytes], *settings: Any) -> None:
        super().__init__(Stamped(units), *settings)


if __name__ == "__main__":
    rtsp_server.Factory = StampingFactory
    rtsp_server.main()
