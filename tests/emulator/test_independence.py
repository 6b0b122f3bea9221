"""The emulator cannot err together with the integration: they share nothing."""

import ast
from pathlib import Path
import subprocess
import sys

from tests.system import ROOT

FOLDER = Path(__file__).parent
MODULES = [
    path for path in FOLDER.glob("*.py") if not path.name.startswith(("test_", "conf"))
]
# Whatever would sign or check for us.
FORBIDDEN = ("custom_components", "homeassistant", "botocore.auth", "botocore.validate")


def imported(path: Path) -> set[str]:
    """Return the names of the modules that a file imports."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            assert node.module
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 1, f"{path.name} imports from outside its package"
    return names


def test_no_module_imports_what_it_should_test() -> None:
    assert len(MODULES) > 15
    for path in FOLDER.glob("*.py"):
        wrong = [n for n in imported(path) if n.startswith("custom_components")]
        assert not wrong, f"{path.name}: {wrong}"
    for path in MODULES:
        wrong = [name for name in imported(path) if name.startswith(FORBIDDEN)]
        assert not wrong, f"{path.name}: {wrong}"


def test_running_it_loads_nothing_of_the_integration() -> None:
    code = (
        "import sys, tests.emulator, tests.emulator.__main__;"
        "print([n for n in sys.modules if n.startswith(('custom_comp', 'homeassist'))])"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
