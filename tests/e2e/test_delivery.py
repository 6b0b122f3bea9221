"""What is packed, unpacked into a Home Assistant that has nothing of ours."""

import asyncio
from collections.abc import Sequence
from importlib.metadata import Distribution, distributions
import json
import os
from pathlib import Path
import re
import shutil
import subprocess
import sys
import zipfile

import pytest

from .harness.emulator import Emulator
from .harness.home_assistant import INTEGRATION, REPOSITORY, HomeAssistant
from .harness.scenario import add_account

REQUIREMENTS = Path(__file__).with_name("requirements.txt")
# Speech libraries of Home Assistant's own that want a compiler; nobody speaks to it here.
LEFT_OUT = "pymicro-vad,pyspeex-noise"


def home_assistants_requirements() -> list[str]:
    """Return what a Home Assistant has before any custom integration comes."""
    ours = ("aiortc", "boto3", "botocore")
    paragraphs = REQUIREMENTS.read_text().split("\n\n")
    return [
        line
        for paragraph in paragraphs
        if not re.match(r"# (Tests|Checks)\b", paragraph)
        for line in paragraph.splitlines()
        if line and not line.startswith(("#", *ours, *LEFT_OUT.split(",")))
    ]


def uv() -> str:
    """Return uv, which Home Assistant itself installs with."""
    path = shutil.which(
        "uv", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    )
    assert path
    return path


def make_environment(folder: Path) -> Path:
    """Make a virtual environment with Home Assistant alone; return its Python."""
    python = folder / "bin" / "python"
    constraints = next(
        path.locate()
        for path in Distribution.from_name("homeassistant").files or ()
        if path.name == "package_constraints.txt"
    )
    run(uv(), "venv", "--quiet", "--python", sys.executable, folder)
    install = (uv(), "pip", "install", "--quiet", "--python", python)
    run(*install, "--constraint", constraints, *home_assistants_requirements())
    return python


def run(*command: str | os.PathLike[str]) -> None:
    """Run a command; show what it said when it fails."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def installed(python: Path) -> dict[str, str]:
    """Return the versions of an environment's packages by their names."""
    (packages,) = python.parent.parent.glob("lib/python*/site-packages")
    return {
        one.metadata["Name"].lower(): one.version
        for one in distributions(path=[str(packages)])
    }


def names(requirements: Sequence[str]) -> set[str]:
    """Return the names in requirements."""
    return {re.split(r"[^A-Za-z0-9_-]", one, maxsplit=1)[0] for one in requirements}


@pytest.mark.timeout(300)
async def test_home_assistant_installs_what_the_package_needs(tmp_path: Path) -> None:
    archive = tmp_path / "kinesis_webrtc.zip"
    run(REPOSITORY / "scripts" / "package", archive)
    configuration = tmp_path / "configuration"
    component = configuration / "custom_components" / INTEGRATION
    with zipfile.ZipFile(archive) as packed:
        packed.extractall(component)
    manifest = json.loads((component / "manifest.json").read_text())
    needed = names(manifest["requirements"])

    python = await asyncio.to_thread(make_environment, tmp_path / "environment")
    # Home Assistant Cloud brings boto3 to every installation.
    assert "aiortc" in needed - set(installed(python))

    async with (
        Emulator() as emulator,
        HomeAssistant(
            configuration,
            environment=emulator.environment,
            integration=None,
            python=python,
            pip=("--skip-pip-packages", LEFT_OUT),
            start_timeout=180,
        ) as home,
    ):
        entry_id = await add_account(home.client, emulator.home_assistant)
        entries = await home.client.command("config_entries/get", domain=INTEGRATION)

    assert [(one["entry_id"], one["state"]) for one in entries] == [
        (entry_id, "loaded")
    ]
    assert needed <= set(installed(python))
    home.log.assert_clean()
