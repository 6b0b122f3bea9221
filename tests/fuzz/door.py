"""A door, and what is promised of whatever comes in by it."""

from abc import ABC, abstractmethod
import asyncio
from collections.abc import Iterator
import json
import logging
from pathlib import Path
import time
import traceback
from typing import Any, ClassVar, Self, override

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis.strategies import SearchStrategy

from tests.helpers.secrets import find_secrets

SEEDS = Path(__file__).parent / "seeds"
# Seconds of this thread's own time: of what is refused at the latest, however busy
# the machine is.
REFUSED_WITHIN = 0.2


class BrokenPromiseError(AssertionError):
    """A door has let something through that it must not."""


class Door(ABC):
    """Where something comes in from outside."""

    name: ClassVar[str]
    # What is secret in the cases, and must not be in any log.
    secrets: ClassVar[tuple[str, ...]] = ()

    @abstractmethod
    def cases(self) -> SearchStrategy[Any]:
        """Return what to try; each is JSON."""

    async def open(self) -> None:  # noqa: B027 - not all have something
        """Make what is behind the door."""

    async def close(self) -> None:  # noqa: B027
        """End it."""

    @abstractmethod
    async def knock(self, case: Any) -> None:
        """Let a case in. Raises whatever the door lets through."""

    def held(self) -> int:
        """Return how much is kept of what has come in."""
        return 0

    # What may be kept at once.
    bound: ClassVar[int] = 0


class Watch(logging.Handler):
    """Collects complaints, and what of secrets is in any line of the log."""

    def __init__(self, secrets: tuple[str, ...]) -> None:
        super().__init__(logging.DEBUG)
        self._secrets = secrets
        self.complaints: list[str] = []
        self.leaks = 0
        self._levels: dict[logging.Logger, int] = {}

    @override
    def emit(self, record: logging.LogRecord) -> None:
        text = self.format(record)
        if record.levelno >= logging.ERROR or record.exc_info:
            self.complaints.append(text)
        if find_secrets({"log": text}, self._secrets):
            self.leaks += 1
            self.complaints.append(f"a secret in the log: {text}")

    def loop_complains(self, _: asyncio.AbstractEventLoop, context: Any) -> None:
        err = context.get("exception")
        self.complaints.append(
            context["message"] + "".join(traceback.format_exception(err) if err else "")
        )

    def __enter__(self) -> Self:
        for name, level in (
            ("", logging.WARNING),
            ("custom_components", logging.DEBUG),
        ):
            logger = logging.getLogger(name)
            self._levels[logger] = logger.level
            logger.setLevel(level)
        logging.getLogger().addHandler(self)
        return self

    def __exit__(self, *_: object) -> None:
        logging.getLogger().removeHandler(self)
        for logger, level in self._levels.items():
            logger.setLevel(level)


def kept_cases(door: type[Door]) -> Iterator[tuple[str, Any]]:
    """Return what has once been let through, by its name."""
    for path in sorted((SEEDS / door.name).glob("*.json")):
        yield path.stem, json.loads(path.read_text())


def try_door(
    kind: type[Door], cases: list[Any] | int, *, start: int | None = None
) -> tuple[int, int]:
    """Try a door with these cases, or with so many others.

    Returns how many were tried and how often a secret was in the log; `start` is the
    random generator's. Raises whatever breaks a promise, which is then the smallest
    case of its kind.
    """
    door = kind()
    tried = 0
    with Watch(kind.secrets) as watch, asyncio.Runner() as runner:
        runner.get_loop().set_exception_handler(watch.loop_complains)
        runner.run(door.open())

        def knock(case: Any) -> None:
            nonlocal tried
            tried += 1
            watch.complaints.clear()
            seconds = _knock(door, case, runner)
            if seconds > REFUSED_WITHIN:
                # A collection of garbage may have come in between.
                seconds = min(seconds, _knock(door, case, runner))
            if seconds > REFUSED_WITHIN:
                raise BrokenPromiseError(f"took {seconds:.2f} s")
            complaints, watch.complaints = watch.complaints, []
            if complaints:
                raise BrokenPromiseError("\n".join(complaints))
            if door.held() > door.bound:
                raise BrokenPromiseError(f"{door.held()} are kept")

        failed: list[Any] = []

        def attempt(case: Any) -> None:
            try:
                knock(case)
            except Exception:
                failed[:] = [case]
                raise

        try:
            if isinstance(cases, int):
                _generate(door, attempt, cases, start)
            else:
                for case in cases:
                    attempt(case)
        except Exception as err:
            text = json.dumps(failed[0]) if failed else "?"
            raise BrokenPromiseError(
                f"{door.name}: {type(err).__name__}: {err}\n"
                f"To be kept in tests/fuzz/seeds/{door.name}/: {text}"
            ) from err
        finally:
            runner.run(door.close())
        runner.run(_none_left())
        if watch.complaints:
            raise BrokenPromiseError("\n".join(watch.complaints))
        return tried, watch.leaks


def _generate(door: Door, knock: Any, count: int, start: int | None) -> None:
    profile = settings(
        max_examples=count,
        database=None,
        deadline=None,
        derandomize=start is None,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
        report_multiple_bugs=False,
    )
    test = given(door.cases())(knock)
    if start is not None:
        test = seed(start)(test)
    profile(test)()


def _knock(door: Door, case: Any, runner: asyncio.Runner) -> float:
    began = time.thread_time()
    runner.run(door.knock(case))
    return time.thread_time() - began


async def _none_left() -> None:
    """Fail if a task is left, but for this one."""
    left = asyncio.all_tasks() - {asyncio.current_task()}
    if left:
        # Those that are about to end do so.
        _, left = await asyncio.wait(left, timeout=5)
    if left:
        names = [f"{task.get_name()} {task.get_coro()}" for task in left]
        raise BrokenPromiseError(f"tasks are left: {names}")
