"""What a test may see and do inside of another Python process."""

from contextlib import suppress
from dataclasses import dataclass
import json
from pathlib import Path
import signal

from tests.e2e.harness.process import Process


@dataclass(frozen=True, slots=True, kw_only=True)
class Census:
    """What a process has running.

    tasks: of the integration's and its libraries' code, by their functions. threads: of
    no pool, by their names.
    """

    tasks: dict[str, int]
    threads: dict[str, int]
    udp_sockets: int


class Inside:
    """A name of a process's own that leads to 127.0.0.1 unless it is gone, and a census.

    While the name is gone, looking it up takes as long as a resolver waits for a name
    server that is silent, and fails.
    """

    NAME = "kinesis.test"

    def __init__(self, folder: Path) -> None:
        self._gone = folder / "names-are-gone"

    @property
    def environment(self) -> dict[str, str]:
        """Return the environment of the process."""
        return {
            "PYTHONPATH": str(Path(__file__).parent),
            "NAMED": self.NAME,
            "NAMES_ARE_GONE": str(self._gone),
        }

    def lose_names(self) -> None:
        """Let no name be found."""
        self._gone.touch()

    def find_names(self) -> None:
        """Let names be found again."""
        self._gone.unlink(missing_ok=True)

    async def census(self, process: Process) -> Census:
        """Ask a process that has this in its environment what it has running."""
        start = len(process.lines)
        process.send_signal(signal.SIGUSR2)
        line = await process.wait_for_line(r'^\{"census": (.*)\}$', start=start)
        return Census(**json.loads(line[1]), udp_sockets=_udp_sockets(process.pid))


def _udp_sockets(pid: int) -> int:
    inodes = {
        line.split()[9]
        for table in ("udp", "udp6")
        for line in Path("/proc/net", table).read_text().splitlines()[1:]
    }
    links = []
    for entry in Path("/proc", str(pid), "fd").iterdir():
        # It may have been closed meanwhile.
        with suppress(FileNotFoundError):
            links.append(str(entry.readlink()))
    return sum(link[8:-1] in inodes for link in links if link.startswith("socket:["))
