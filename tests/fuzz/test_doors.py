"""No door lets anything through: not what once came through, nor anything new."""

from typing import Any

import pytest

from .door import Door, kept_cases, try_door
from .doors import DOORS

# Each machine that runs the tests tries the same ones; scripts/soak fuzz tries others.
CASES = 500


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("door", DOORS.values(), ids=DOORS.keys())
def test_nothing_new_comes_through(door: type[Door]) -> None:
    tried, leaks = try_door(door, CASES)

    assert tried >= CASES
    assert not leaks


@pytest.mark.parametrize(
    ("door", "case"),
    [
        pytest.param(door, case, id=f"{door.name}-{name}")
        for door in DOORS.values()
        for name, case in kept_cases(door)
    ],
)
def test_what_once_came_through_does_not_any_more(door: type[Door], case: Any) -> None:
    try_door(door, [case])
