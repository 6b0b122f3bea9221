"""How long a master is away after faults of its line, and what it costs anybody.

A real Home Assistant with the emulator, coturn and a camera, all on loopback. One viewer
watches through all of it, of whose pictures none may be missed. Each fault happens
--rounds times for as long as it says, the socket is cut every five seconds for two
minutes, and during each fault somebody makes an offer:

- reconnect_ms: from the service's return (or the fault itself, where that is over at
  once) until the master is on its channel again. half_open includes the time until the
  missing pong is noticed, 10 to 15 s;
- offers_lost: offers that could still be delivered, and were still awaited, when the
  master was back, but were not answered; offers_expired: all others that were not;
- pictures_disturbed: pictures that the watching viewer was not sent.

Then scripts/soak sessions and scripts/soak fuzz follow: after_1000_sessions and
fuzz_cases. secrets_found counts what of the keys, credentials and addresses in use is in
the logs of Home Assistant at debug level and of the emulator, and in those of the doors.
"""

import argparse
import asyncio
from collections import defaultdict
from contextlib import AsyncExitStack
import json
from pathlib import Path
import tempfile
import time
from typing import Any
from uuid import uuid4

from scripts.lib.program import run
from scripts.soaks import fuzz, sessions
from tests.e2e.harness.alexa_lambda import AlexaLambda
from tests.e2e.harness.camera import RtspCamera
from tests.e2e.harness.coturn import Coturn
from tests.e2e.harness.echo import Echo
from tests.e2e.harness.emulator import Emulator
from tests.e2e.harness.home_assistant import HomeAssistant
from tests.e2e.harness.inside import Inside
from tests.e2e.harness.line import CUT, FAULTS, Fault, Line, Outcome, suffer
from tests.e2e.harness.scenario import share_a_camera
from tests.e2e.harness.watcher import Watcher
from tests.helpers.secrets import MARKS, addresses_of, credentials_of, find_secrets

from .statistics import summary

CUT_EVERY = 5.0


class Ordeal:
    """A watched camera whose line suffers, and what came of it."""

    def __init__(
        self, *, line: Line, function: AlexaLambda, offer: str, watcher: Watcher
    ) -> None:
        """Begin with nothing suffered."""
        self.outcomes: defaultdict[str, list[Outcome]] = defaultdict(list)
        self.disturbed = 0
        self.dropped = 0
        self._line = line
        self._function = function
        self._offer = offer
        self._watcher = watcher

    async def suffer(self, fault: Fault, seconds: float) -> Outcome:
        """Let a fault happen for so long, and take stock."""
        since = self._watcher.mark()
        outcome = await suffer(
            fault, self._line, self._function, self._offer, seconds=seconds
        )
        self.outcomes[fault.name].append(outcome)
        await self._watcher.see(25)
        missed = self._watcher.missed(since)
        self.dropped += missed.packets
        if missed.disturbed:
            self.disturbed += missed.skipped or len(missed.pictures)
            print(f"{fault.name}: {missed}", flush=True)
        if not outcome.answered and outcome.answered is not None:
            print(f"{fault.name}: {outcome}", flush=True)
        return outcome

    async def storm(self, seconds: float) -> None:
        """Cut the socket again and again for so long."""
        end = time.monotonic() + seconds
        while (began := time.monotonic()) < end:
            await self.suffer(CUT, 0)
            await asyncio.sleep(max(began + CUT_EVERY - time.monotonic(), 0))

    async def settle(self, age: float) -> None:
        """Wait until the master's socket has proved that it lasts."""
        since = await self._line.last_join()
        await asyncio.sleep(max(since + age - time.monotonic(), 0))


async def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Let all faults happen."""
    async with AsyncExitStack() as stack:
        folder = Path(
            stack.enter_context(tempfile.TemporaryDirectory(prefix="faults-"))
        )
        inside = Inside(folder)
        coturn = await stack.enter_async_context(Coturn(secret=uuid4().hex))
        emulator = await stack.enter_async_context(Emulator(coturn=coturn))
        camera = await stack.enter_async_context(RtspCamera())
        home = await stack.enter_async_context(
            HomeAssistant(folder / "home", environment=emulator.environment_by(inside))
        )
        await share_a_camera(
            home.client,
            emulator.home_assistant,
            stream_url=camera.url,
            stun_url=coturn.stun_url,
        )
        line = Line(
            emulator, (await emulator.only_channel())["ChannelARN"], inside=inside
        )
        function = AlexaLambda.of(emulator, line.arn)
        await function.prepare()
        echo = await stack.enter_async_context(Echo())
        watcher = await stack.enter_async_context(Watcher(camera=camera.number))
        answer = await function.answer(watcher.offer)
        assert answer is not None
        await watcher.apply(answer)
        await watcher.see(50)

        ordeal = Ordeal(line=line, function=function, offer=echo.offer, watcher=watcher)
        await ordeal.storm(options.storm)
        print(f"{options.storm:.0f} s of cuts", flush=True)
        for number in range(options.rounds):
            for fault in options.only or FAULTS:
                if fault.ages:
                    await ordeal.settle(options.settle)
                outcome = await ordeal.suffer(
                    fault, min(fault.seconds, options.seconds)
                )
                print(
                    f"round {number + 1}, {fault.name}: {outcome.reconnect_ms:.0f} ms",
                    flush=True,
                )
        if ordeal.dropped:
            print(f"this machine dropped {ordeal.dropped} packets", flush=True)
        await watcher.hang_up()
        await echo.hang_up()
        leaks = find_secrets(
            {
                "Home Assistant's log": "\n".join(home.lines),
                "the emulator's log": "\n".join(emulator.lines),
            },
            MARKS
            | {emulator.home_assistant.access_key_id}
            | {emulator.home_assistant.secret_access_key}
            | credentials_of(echo.offer)
            | addresses_of(echo.offer)
            | credentials_of(watcher.offer)
            | addresses_of(watcher.offer)
            | credentials_of(answer),
        )
        print("\n".join(leaks), end="\n" if leaks else "", flush=True)
    outcomes = [one for some in ordeal.outcomes.values() for one in some]
    busiest = max(one.attempts for one in outcomes)
    print(f"at most {busiest} connects in a second", flush=True)
    return {
        "reconnect_ms": {
            name: _percentiles([one.reconnect_ms for one in some])
            for name, some in ordeal.outcomes.items()
        },
        "offers_lost": sum(one.lost for one in outcomes),
        "offers_expired": sum(one.expired for one in outcomes),
        "pictures_disturbed": ordeal.disturbed,
        "secrets_found": len(leaks),
    }


def _percentiles(values: list[float]) -> dict[str, float]:
    numbers = summary(values)
    return {"p50": numbers["p50"], "p95": numbers["p95"]}


def main() -> None:
    """Print the results, the last line being JSON."""
    parser = argparse.ArgumentParser(prog="scripts/bench faults")
    parser.add_argument("--rounds", type=int, default=3, help="of each fault")
    parser.add_argument("--storm", type=float, default=120, help="seconds of cuts")
    parser.add_argument("--seconds", type=float, default=60, help="of a fault, at most")
    parser.add_argument(
        "--settle", type=float, default=61, help="seconds before a close by the service"
    )
    parser.add_argument("--sessions", type=int, default=1000, help="0: none")
    parser.add_argument(
        "--cases", type=int, default=10_000, help="of each door; 0: none"
    )
    by_name = {fault.name: fault for fault in FAULTS}
    parser.add_argument(
        "--only",
        action="append",
        type=by_name.__getitem__,
        metavar="FAULT",
        help=f"{', '.join(by_name)}; repeatable",
    )
    options = parser.parse_args()
    print("A real Home Assistant and a watched camera, everything on this machine.")
    results = run(measure(options))
    if options.sessions:
        print(f"{options.sessions} sessions", flush=True)
        left = sessions.measure(options.sessions)
        results["after_1000_sessions"] = {
            key: left[key] for key in ("rss_mb", "fds", "threads")
        }
    if options.cases:
        print(f"{options.cases} cases at each door", flush=True)
        fuzzed = fuzz.measure(options.cases)
        results["fuzz_cases"] = fuzzed["fuzz_cases"]
        results["secrets_found"] += fuzzed["secrets_found"]
    print(json.dumps(results))


if __name__ == "__main__":
    main()
