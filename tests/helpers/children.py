"""Child processes that do not outlive who started them."""

from collections.abc import Sequence
from pathlib import Path
import shutil
import signal


def mortal(
    command: Sequence[str | Path], *, last_signal: signal.Signals = signal.SIGTERM
) -> list[str | Path]:
    """Return a command whose process gets a signal when this process is gone.

    It gets it even if this one was killed. The process has to be started by the main
    thread, whose end is what counts. Only Linux does so; elsewhere the command stays.
    """
    # Part of util-linux; it becomes the command, so the process's number stays.
    program = shutil.which("setpriv")
    if program is None:
        return list(command)
    return [program, f"--pdeathsig={last_signal.name}", "--", *command]
