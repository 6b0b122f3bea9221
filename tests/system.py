"""What tests need of the machine: found, or else skipped for a reason that is told.

In CI (``CI=true``) there is no such excuse: what is missing fails the test.
"""

from collections.abc import Callable
from functools import cache
import importlib.util
import os
from pathlib import Path
import shutil
import subprocess

import pytest

ROOT = Path(__file__).resolve().parent.parent
NODE_MODULES = ROOT / ".dev" / "node" / "node_modules"
# The only Python that has Debian's GObject bindings.
SYSTEM_PYTHON = "/usr/bin/python3"

# scripts/test tells these skips from others by this word.
MARK = "MISSING"


def require(*needs: str) -> None:
    """Skip the test (fail it in CI) unless the machine has all of these.

    A need is a program (``"turnserver"``; alternatives: ``"chromium|google-chrome"``),
    ``"gst:ELEMENT"`` of GStreamer, ``"gi:NAMESPACE"`` for the system's Python,
    ``"node:PACKAGE"`` of npm, ``"module:NAME"`` of this Python, or ``"root"``.
    """
    __tracebackhide__ = True
    missing = [need for need in needs if not _is_there(need)]
    if not missing:
        return
    reason = f"{MARK}: {', '.join(missing)} (scripts/setup installs it where it may)"
    if os.environ.get("CI") == "true":
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


def browser() -> str:
    """Return the path of a Chromium."""
    names = ("chromium", "google-chrome", "chromium-browser")
    require("|".join(names))
    return next(path for name in names if (path := _program(name)))


def program(name: str) -> str:
    """Return the path of a program."""
    require(name)
    path = _program(name)
    assert path
    return path


def _program(name: str) -> str | None:
    # Debian puts some of them where only root's PATH leads.
    return shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")


@cache
def _is_there(need: str) -> bool:
    if need == "root":
        return os.geteuid() == 0
    kind, separator, name = need.partition(":")
    if separator:
        return _FINDERS[kind](name)
    return any(_program(name) for name in need.split("|"))


def _has_gst_element(name: str) -> bool:
    inspect = _program("gst-inspect-1.0")
    return inspect is not None and _succeeds(inspect, "--exists", name)


def _has_gi_namespace(name: str) -> bool:
    code = "import sys, gi; gi.require_version(sys.argv[1], '1.0')"
    return _succeeds(SYSTEM_PYTHON, "-c", code, name)


def _has_node_package(name: str) -> bool:
    return _program("node") is not None and (NODE_MODULES / name).is_dir()


def _has_module(name: str) -> bool:
    return importlib.util.find_spec(name) is not None


def _succeeds(*command: str) -> bool:
    try:
        done = subprocess.run(command, capture_output=True, timeout=60, check=False)
    except OSError:
        return False
    return done.returncode == 0


_FINDERS: dict[str, Callable[[str], bool]] = {
    "gst": _has_gst_element,
    "gi": _has_gi_namespace,
    "node": _has_node_package,
    "module": _has_module,
}
