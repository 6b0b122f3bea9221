"""What a viewer costs, and when it sees something, beside other WebRTC masters.

The test camera (1080p25, 3 Mbit/s, a key frame every 2 s) is watched by 1, 8 and 32
viewers at a time: through the integration in a real Home Assistant, and through stock
aiortc, GStreamer's webrtcbin and pion. Each round measures each of them once; the results
are the medians of the rounds, the ratios those of medians, and what was lost is the most
that any round has lost. All runs in a network namespace of its own, for which it needs
root; what the machine does not have is left out (null).

CPU is in cores. Ours is what Home Assistant takes more than with the camera closed. The
floor is libsrtp and UDP segmentation offload in C. Latency is from the camera's sending
to the viewers' receiving a whole picture, at the middle number of viewers. Answers are
ours, with a STUN and two TURN servers 60 ms away, of which one TURN server may be dead.
"""

import argparse
import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
import json
import os
from pathlib import Path
from statistics import median
import subprocess
import sys
import tempfile
from typing import Any
from uuid import uuid4

from scripts.lib.program import run
from tests.e2e.harness.coturn import Coturn
from tests.e2e.harness.emulator import Emulator
from tests.e2e.harness.process import ProcessError
from tests.e2e.harness.scenario import share_a_camera
from tests.e2e.harness.stills import Stills

from .media_answers import Answers, FarServer
from .media_masters import (
    Master,
    Ours,
    Peer,
    StampingCamera,
    Viewers,
    cpu_time,
    peers,
    pid_of,
    resident_mb,
)
from .media_network import ADDRESS, bench_network
from .media_probe import ProbedHomeAssistant, loop_lag
from .media_programs import MissingError, build_floor, build_go
from .statistics import summary

NAMES = ("ours", "pion", "gstreamer", "aiortc")
RATE = 25
# Answers of each kind in a round.
ANSWERS = 10
# Seconds until the viewers have settled, and of what is measured.
WARM_UP = 2.0


@dataclass
class Cell:
    """One master with so many viewers in one round."""

    cpu: float
    rss: float
    lag: float | None
    seen: dict[str, Any]


@dataclass
class Round:
    """Everything of one round."""

    cells: dict[tuple[str, int], Cell] = field(default_factory=dict)
    idle_cpu: float | None = None
    idle_lag: float | None = None
    floor: float | None = None


class Bench:
    """Runs the rounds."""

    def __init__(
        self,
        options: argparse.Namespace,
        *,
        viewers: Path,
        pion: Path | None,
        floor: Path | None,
    ) -> None:
        self._counts: list[int] = options.viewers
        self._rounds: int = options.rounds
        self._seconds: float = options.seconds
        self._only: Sequence[str] = options.only
        self._viewers = viewers
        self._pion = pion
        self._floor = floor
        self.answers: Answers | None = None

    async def run(self) -> list[Round]:
        """Return what each round has measured."""
        async with StampingCamera() as camera:
            others = [
                one for one in peers(camera.url, self._pion) if one.name in self._only
            ]
            if "ours" not in self._only:
                return await self._run(None, others, camera)
            async with self._ours(camera) as ours:
                return await self._run(ours, others, camera)

    @asynccontextmanager
    async def _ours(self, camera: StampingCamera) -> AsyncIterator[Ours]:
        async with (
            Coturn(secret=uuid4().hex, host=ADDRESS) as coturn,
            FarServer.of(coturn, ADDRESS) as far,
            # One more server of a channel has to have a host of its own.
            FarServer.of(coturn, "127.0.0.1") as mortal,
            Emulator(
                turn_uris=[mortal.turn_url, far.turn_url], turn_secret=coturn.secret
            ) as emulator,
            Stills(number=camera.number) as stills,
        ):
            with tempfile.TemporaryDirectory(prefix="home-assistant-") as folder:
                async with ProbedHomeAssistant(
                    Path(folder), environment=emulator.environment
                ) as home:
                    shared = await share_a_camera(
                        home.client,
                        emulator.home_assistant,
                        stream_url=camera.url,
                        still_url=stills.url,
                        stun_url=far.stun_url,
                    )
                    self.answers = Answers(home.client, shared.live_view, mortal=mortal)
                    yield Ours(
                        pid=pid_of(home),
                        client=home.client,
                        entity_id=shared.live_view,
                    )

    async def _run(
        self, ours: Ours | None, others: Sequence[Peer], camera: StampingCamera
    ) -> list[Round]:
        rounds = []
        masters: list[Master] = [*([ours] if ours else []), *others]
        for number in range(self._rounds):
            current = Round()
            # Who comes first has it no better than the others.
            turn = number % len(masters)
            for master in masters[turn:] + masters[:turn]:
                if master is ours:
                    await camera.wait_until_idle()
                    await self._measure_idle(ours, current)
                try:
                    async with master.running():
                        for count in self._counts:
                            cell = await self._measure(master, count)
                            current.cells[master.name, count] = cell
                            self._tell(number, master.name, count, cell)
                except (ProcessError, TimeoutError) as err:
                    # The rest is all that it has said.
                    reason = str(err).partition("\n")[0] or type(err).__name__
                    print(f"round {number + 1}, {master.name}: {reason}", flush=True)
            if self.answers is not None:
                await self.answers.measure(ANSWERS)
            current.floor = await self._measure_floor(current)
            rounds.append(current)
        return rounds

    async def _measure_idle(self, ours: Ours, current: Round) -> None:
        await loop_lag(ours.client)
        before = cpu_time(ours.pid)
        await asyncio.sleep(self._seconds)
        current.idle_cpu = (cpu_time(ours.pid) - before) / self._seconds
        current.idle_lag = await loop_lag(ours.client)

    async def _measure(self, master: Master, count: int) -> Cell:
        async with Viewers(self._viewers) as viewers:
            await viewers.order("offer", count=count)
            async with master.viewing(viewers, count):
                for number in range(count):
                    await viewers.event("connected", number)
                await asyncio.sleep(WARM_UP)
                client = master.client if isinstance(master, Ours) else None
                if client is not None:
                    await loop_lag(client)
                await viewers.order("measure", seconds=self._seconds)
                await viewers.event("begin")
                before = cpu_time(master.pid)
                await viewers.event("end")
                cpu = (cpu_time(master.pid) - before) / self._seconds
                lag = await loop_lag(client) if client is not None else None
                memory = resident_mb(master.pid)
                seen = await viewers.event("result")
        return Cell(cpu=cpu, rss=memory, lag=lag, seen=seen)

    async def _measure_floor(self, current: Round) -> float | None:
        if self._floor is None or not current.cells:
            return None
        seen = next(iter(current.cells.values())).seen
        packets = round(seen["packets_per_second"] / RATE)
        command = [self._floor, max(self._counts), RATE, max(1, packets), 4]
        outcome = await asyncio.to_thread(
            subprocess.run,
            list(map(str, command)),
            check=True,
            capture_output=True,
            text=True,
        )
        return float(outcome.stdout)

    @staticmethod
    def _tell(number: int, name: str, count: int, cell: Cell) -> None:
        seen = cell.seen
        print(
            f"round {number + 1}, {name}, {count} viewers: cpu {cell.cpu:.3f},"
            f" {seen['pictures_per_second']:.1f} pictures/s,"
            f" {seen['packets_per_second']:.0f} packets/s, lost {seen['lost']},"
            f" decodable {seen['decodable']}/{seen['pictures']},"
            f" latency {seen['latency_p50']}/{seen['latency_p99']} ms",
            flush=True,
        )


def middle(values: Iterator[float | None], digits: int = 3) -> float | None:
    """Return the median of what there is."""
    found = [value for value in values if value is not None]
    return round(median(found), digits) if found else None


def quotient(one: float | None, other: float | None) -> float | None:
    """Return one by the other."""
    return round(one / other, 3) if one is not None and other else None


class Results:
    """Makes few numbers of many."""

    def __init__(
        self, rounds: Sequence[Round], counts: Sequence[int], answers: Answers | None
    ) -> None:
        self._rounds = rounds
        self._answers = answers
        self._counts = sorted(counts)

    def cpu(self, name: str, count: int, one: Round) -> float | None:
        """Return the CPU of a round; ours without what it takes anyway."""
        cell = one.cells.get((name, count))
        if cell is None:
            return None
        return cell.cpu - (one.idle_cpu or 0.0) if name == "ours" else cell.cpu

    def further(self, name: str, one: Round) -> float | None:
        """Return what a viewer adds, in percent of a core."""
        if len(self._counts) < 2:
            return None
        few, many = self._counts[-2:]
        less, more = self.cpu(name, few, one), self.cpu(name, many, one)
        if less is None or more is None:
            return None
        return (more - less) / (many - few) * 100

    def of(self, name: str) -> dict[str, Any] | None:
        """Return all of one master, if it was measured."""
        cells = [
            (count, cell)
            for one in self._rounds
            for (master, count), cell in one.cells.items()
            if master == name
        ]
        if not cells:
            return None
        few, many = self._counts[0], self._counts[-1]
        usual = self._counts[len(self._counts) // 2]
        memory = {
            count: middle(cell.rss for number, cell in cells if number == count)
            for count in self._counts
        }
        low, high = memory[few], memory[many]
        per_viewer = None
        if low is not None and high is not None and many > few:
            per_viewer = round((high - low) / (many - few), 3)
        return {
            "cpu": {
                str(count): middle(self.cpu(name, count, one) for one in self._rounds)
                for count in self._counts
            },
            "further_viewer_percent": middle(
                self.further(name, one) for one in self._rounds
            ),
            "rss_mb_per_viewer": per_viewer,
            "lost": max((c.seen["lost"] for n, c in cells if n == many), default=None),
            "latency_ms": {
                share: middle(
                    (c.seen[f"latency_{share}"] for n, c in cells if n == usual), 1
                )
                for share in ("p50", "p99")
            },
        }

    def lags(self) -> dict[str, float | None]:
        """Return how late Home Assistant's loop was."""
        lags = {"idle": middle(one.idle_lag for one in self._rounds)}
        for count in self._counts[1:]:
            cells = (one.cells.get(("ours", count)) for one in self._rounds)
            lags[str(count)] = middle(cell.lag if cell else None for cell in cells)
        return lags

    def first_pictures(self) -> tuple[dict[str, float] | None, dict[str, float] | None]:
        """Return the times (ms) of viewers that join, and of those who open the camera.

        The camera is opened by the first viewer of each round.
        """
        joined: list[float] = []
        opened: list[float] = []
        for one in self._rounds:
            for count in self._counts:
                cell = one.cells.get(("ours", count))
                if cell is not None and count == self._counts[0]:
                    opened += (cell.seen["first_picture"] or [])[:1]
                elif cell is not None:
                    joined += cell.seen["first_picture_after_connect"] or []
        return (
            {share: summary(joined)[share] for share in ("p50", "p95")}
            if joined
            else None,
            {"p50": summary(opened)["p50"]} if opened else None,
        )

    def all(self) -> dict[str, Any]:
        """Return everything."""
        found: dict[str, Any] = {name: self.of(name) for name in NAMES}
        floor = middle(one.floor for one in self._rounds)
        found["floor"] = {"further_viewer_percent": floor}
        further = {
            name: found[name]["further_viewer_percent"] if found[name] else None
            for name in ("ours", "pion")
        }
        at_8 = {
            name: found[name]["cpu"].get("8") if found[name] else None
            for name in ("ours", "pion")
        }
        joined, opened = self.first_pictures()
        return found | {
            "ratio": {
                "further_viewer_to_pion": quotient(further["ours"], further["pion"]),
                "further_viewer_to_floor": quotient(further["ours"], floor),
                "cpu_at_8_to_pion": quotient(at_8["ours"], at_8["pion"]),
            },
            "loop_lag_p99_ms": self.lags(),
            "answer_ms": self._answers.results() if self._answers else None,
            "first_picture_after_connect_ms": joined,
            "first_picture_cold_ms": opened,
        }

    def rounds(self) -> Iterator[str]:
        """Yield a line for each round, to see how much they differ."""
        for number, one in enumerate(self._rounds):
            further = {
                name: self.further(name, one)
                for name in NAMES
                if any(master == name for master, _ in one.cells)
            }
            numbers = ", ".join(
                f"{name} {value:.2f} %"
                for name, value in further.items()
                if value is not None
            )
            yield f"round {number + 1}: each further viewer: {numbers}"


def main() -> None:
    """Print the results, the last line being JSON."""
    parser = argparse.ArgumentParser(prog="scripts/bench media")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--viewers", type=numbers, default=[1, 8, 32])
    parser.add_argument("--only", type=names, default=NAMES)
    parser.add_argument("--seconds", type=float, default=6.0)
    options = parser.parse_args()
    if os.geteuid() != 0:
        sys.exit("media: it needs root, for a network of its own")
    try:
        viewers = build_go("viewers")
        pion = build_go("pion")
    except MissingError as err:
        sys.exit(f"media: without it there are no viewers: {err}")
    floor = None
    try:
        floor = build_floor()
    except MissingError as err:
        print(f"no floor: {err}", flush=True)
    bench = Bench(options, viewers=viewers, pion=pion, floor=floor)
    with bench_network():
        rounds = run(bench.run())
    results = Results(rounds, options.viewers, bench.answers)
    for line in results.rounds():
        print(line)
    print(json.dumps(results.all()))


def numbers(value: str) -> list[int]:
    """Read numbers with commas between them."""
    return sorted(map(int, value.split(",")))


def names(value: str) -> list[str]:
    """Read names with commas between them."""
    found = value.split(",")
    if unknown := set(found) - set(NAMES):
        raise argparse.ArgumentTypeError(f"no such master: {', '.join(unknown)}")
    return found


if __name__ == "__main__":
    main()
