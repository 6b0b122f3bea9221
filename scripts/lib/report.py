"""Sum up pytest's reports: python report.py FOLDER [WHAT FAILED...]."""

from collections import Counter
from pathlib import Path
import sys
from xml.etree import ElementTree


def main(folder: Path, failed: list[str]) -> int:
    """Print a line for each part, what was skipped and why, and the closing line."""
    total: Counter[str] = Counter()
    skips: Counter[str] = Counter()
    for report in sorted(folder.glob("*.xml")):
        counts: Counter[str] = Counter(passed=0, failed=0, skipped=0)
        # pytest reports a test that fails, and then in its teardown too, twice.
        outcomes: dict[tuple[str | None, str | None], str] = {}
        for case in ElementTree.parse(report).iter("testcase"):  # noqa: S314 # our own file
            key = (case.get("classname"), case.get("name"))
            outcome = _outcome(case)
            if (skip := case.find("skipped")) is not None:
                skips[skip.get("message", "")] += 1
            if outcomes.get(key) != "failed":
                outcomes[key] = outcome
        counts.update(outcomes.values())
        total += counts
        seconds = report.with_suffix(".seconds").read_text().strip()
        print(f"{report.stem}: {_line(counts)} in {seconds} s")
    for reason, count in sorted(skips.items()):
        mark = "!!" if "MISSING" in reason else "  "
        print(f"{mark} skipped {count}: {reason}")
    if failed:
        print(f"failed: {', '.join(failed)}")
        # A crash of pytest or too little coverage counts as a failed test.
        total["failed"] = max(total["failed"], 1)
    print(_line(total))
    return 1 if failed or total["failed"] or not total["passed"] else 0


def _outcome(case: ElementTree.Element) -> str:
    if case.find("failure") is not None or case.find("error") is not None:
        return "failed"
    return "passed" if case.find("skipped") is None else "skipped"


def _line(counts: Counter[str]) -> str:
    names = ("passed", "failed", "skipped")
    return ", ".join(f"{counts[name]} {name}" for name in names)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2:]))
