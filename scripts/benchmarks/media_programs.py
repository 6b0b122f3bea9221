"""The programs that scripts/bench media builds."""

import os
from pathlib import Path
import shutil
import subprocess

FOLDER = Path(__file__).parent
BUILT = FOLDER.parents[1] / ".dev" / "bench"
# Where Debian keeps the sources of Go's packages.
_GO_SOURCES = Path("/usr/share/gocode")


class MissingError(Exception):
    """Something is not installed that a program needs."""


def build_go(name: str) -> Path:
    """Build media_NAME with Debian's packages; raises MissingError."""
    go = shutil.which("go")
    if go is None or not (_GO_SOURCES / "src/github.com/pion/webrtc").exists():
        raise MissingError("Go or Debian's package of pion is not installed")
    sources = BUILT / "go" / "src" / name
    shutil.rmtree(sources, ignore_errors=True)
    shutil.copytree(FOLDER / f"media_{name}", sources)
    program = BUILT / name
    environment = os.environ | {
        "GO111MODULE": "off",
        "GOFLAGS": "",
        "GOPATH": f"{BUILT / 'go'}:{_GO_SOURCES}",
    }
    command = [go, "build", "-o", program, "."]
    subprocess.run(command, cwd=sources, env=environment, check=True)
    return program


def build_floor() -> Path:
    """Build media_floor.c; raises MissingError."""
    compiler = shutil.which("gcc")
    if compiler is None or not Path("/usr/include/srtp2/srtp.h").exists():
        raise MissingError("gcc or libsrtp2-dev is not installed")
    program = BUILT / "floor"
    BUILT.mkdir(parents=True, exist_ok=True)
    source = FOLDER / "media_floor.c"
    command = [compiler, "-O2", "-o", program, source, "-lsrtp2", "-lpthread"]
    subprocess.run(command, check=True)
    return program
