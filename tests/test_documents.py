"""README and docs/ lead where they say, and leave nothing out."""

from collections.abc import Iterator
from pathlib import Path
import re

import pytest

from .system import ROOT

INTEGRATION = ROOT / "custom_components" / "kinesis_webrtc"
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def anchors(document: Path) -> set[str]:
    """Return the names that GitHub gives to a document's headings."""
    headings = re.findall(r"(?m)^#+ (.*)$", document.read_text("utf-8"))
    return {re.sub(r"[^\w\- ]", "", one).lower().replace(" ", "-") for one in headings}


def links(document: Path) -> Iterator[str]:
    for link in re.findall(r"\]\(([^)\s]+)\)", document.read_text("utf-8")):
        if not link.startswith("https://"):
            yield link


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere(document: Path) -> None:
    for link in links(document):
        name, _, anchor = link.partition("#")
        target = document.parent / name if name else document
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


def test_readme_leads_to_every_document() -> None:
    readme, *others = DOCUMENTS
    assert {f"docs/{one.name}" for one in others} <= set(links(readme))


def test_each_module_has_its_place() -> None:
    text = (ROOT / "docs" / "developing.md").read_text("utf-8")
    listed = re.findall(r"(?m)^### .*$|(?<=`)\w+(?=`)", text[text.index("### Home") :])
    places: list[str] = []
    folder = ""
    for one in listed:
        if one.startswith("### "):
            folder = one[5:-1] if one.endswith("/`") else ""
        else:
            places.append(f"{folder}{one}.py")
    modules = [
        path.relative_to(INTEGRATION).as_posix()
        for path in INTEGRATION.rglob("*.py")
        if path.name != "__init__.py"
    ]
    assert sorted(places) == sorted(modules)


@pytest.mark.parametrize(
    ("command", "folder"), [("bench", "benchmarks"), ("soak", "soaks")]
)
def test_each_benchmark_is_told_of(command: str, folder: str) -> None:
    text = (ROOT / "docs" / "developing.md").read_text("utf-8")
    for path in (ROOT / "scripts" / folder).glob("*.py"):
        if f'prog="scripts/{command} ' in path.read_text("utf-8"):
            assert f"| `scripts/{command} {path.stem}` |" in text
