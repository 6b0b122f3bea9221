"""Every door tried with broken input: nothing is let through, kept, or told to the log.

What is tried at each door, and what is promised, stands in tests/fuzz. A case that comes
through is printed; put it into tests/fuzz/seeds/DOOR/, where the tests try it ever after.
"""

import argparse
import json
import secrets
import time
from typing import Any
import warnings

from scripts.lib.program import result_of
from tests.fuzz.door import BrokenPromiseError, kept_cases, try_door
from tests.fuzz.doors import DOORS


def soak(cases: int, start: int, names: list[str]) -> dict[str, Any]:
    """Try doors with so many cases each, and with what was kept; raises SystemExit."""
    tried: dict[str, int] = {}
    found = 0
    for name in names:
        door = DOORS[name]
        began = time.monotonic()
        kept = [case for _, case in kept_cases(door)]
        try:
            again, leaks = try_door(door, kept)
            new, more_leaks = try_door(door, cases, start=start)
        except BrokenPromiseError as err:
            print(err)
            raise SystemExit(1) from None
        tried[name] = again + new
        found += leaks + more_leaks
        print(
            f"{name}: {again} kept and {new} new cases"
            f" in {time.monotonic() - began:.0f} s",
            flush=True,
        )
    return {"fuzz_cases": tried, "secrets_found": found, "seed": start}


def measure(cases: int = 10_000) -> dict[str, Any]:
    """Return how many cases each door has refused, from a process of its own.

    Blocks for minutes. Raises subprocess.CalledProcessError if one came through.
    """
    return result_of("scripts.soaks.fuzz", "--cases", str(cases))


def main() -> None:
    """Try the doors that are named, or all."""
    parser = argparse.ArgumentParser(prog="scripts/soak fuzz", description=__doc__)
    parser.add_argument("doors", nargs="*", metavar="DOOR")
    parser.add_argument("--cases", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=None)
    given = parser.parse_args()
    if unknown := set(given.doors) - DOORS.keys():
        parser.error(
            f"no such door: {', '.join(unknown)} (there are: {', '.join(DOORS)})"
        )
    # Long texts are what this is about.
    warnings.filterwarnings("ignore", module="hypothesis")
    start = secrets.randbelow(2**32) if given.seed is None else given.seed
    print(f"seed {start}", flush=True)
    print(json.dumps(soak(given.cases, start, given.doors or list(DOORS))))


if __name__ == "__main__":
    main()
