"""How long Alexa waits for the skill's answer to an Echo's offer, and for a doorbell.

From the directive to the answer, in ms, through the skill's function in a process of
its own, the emulator, and the master in a real Home Assistant, all on loopback:

- cold: the function's process is new, and has asked nobody anything before; its start
  and its imports count, as Alexa waits for them too;
- warm: the same function has answered before.

And from a state that changes in Home Assistant (a press) to the event gateway.

Neither Login with Amazon nor Parameter Store takes any time here. Against AWS each call
adds its way there: a cold function makes five, a warm one makes one.
"""

import argparse
import asyncio
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
import json
import os
from pathlib import Path
import sys
import tempfile
import time
from typing import Any
from uuid import uuid4

from scripts.lib.program import run
from tests.alexa.conftest import discover, rtc
from tests.alexa.fakes import (
    ANN,
    AlexaEventGateway,
    LoginWithAmazon,
    ParameterStore,
)
from tests.e2e.harness.camera import RtspCamera
from tests.e2e.harness.coturn import Coturn
from tests.e2e.harness.echo import Echo
from tests.e2e.harness.emulator import Emulator
from tests.e2e.harness.home_assistant import INTEGRATION, REPOSITORY, HomeAssistant
from tests.e2e.harness.rerouting import rerouted
from tests.e2e.harness.scenario import SharedCamera, share_a_camera

from . import alexa_doorbell
from .statistics import summary

FUNCTION = (
    REPOSITORY / "custom_components" / INTEGRATION / "alexa" / "lambda_function.py"
)
RUNNER = Path(__file__).with_name("alexa_function.py")
SKILL_ID = "amzn1.ask.skill.12345678-90ab-cdef-1234-567890abcdef"
SSM_PATH = f"/kinesis-webrtc/{SKILL_ID}"
# The service allows five Alexa offers a second on one channel; a session takes two.
PAUSE = 0.5


class Function:
    """The function's process."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        """Start nothing yet."""
        self._environment = {**os.environ, **environment}
        self._process: asyncio.subprocess.Process | None = None

    async def __call__(self, event: object) -> dict[str, Any]:
        """Return the answer to a directive; start the process for the first."""
        if self._process is None:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                RUNNER,
                FUNCTION,
                env=self._environment,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.DEVNULL,
                limit=2**20,
            )
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps(event).encode() + b"\n")
        answer: dict[str, Any] = json.loads(await self._process.stdout.readline())
        return answer

    async def end(self) -> None:
        """End the process."""
        if self._process is not None:
            assert self._process.stdin
            self._process.stdin.close()
            await self._process.wait()
            self._process = None


async def directive_times(
    function: Function,
    home: HomeAssistant,
    shared: SharedCamera,
    options: argparse.Namespace,
) -> dict[str, Any]:
    """Return the times of cold and of warm functions."""
    (endpoint,) = (await function(discover()))["event"]["payload"]["endpoints"]
    camera = {"endpoint_id": endpoint["endpointId"], "cookie": endpoint["cookie"]}
    async with Echo() as echo:

        async def answer_ms() -> float:
            """Return the time of one answer, and end its session."""
            started = time.perf_counter()
            response = await function(
                rtc("InitiateSessionWithOffer", sdp=echo.offer, **camera)
            )
            taken = (time.perf_counter() - started) * 1000
            name = response["event"]["header"]["name"]
            assert name == "AnswerGeneratedForSession", response
            await function(rtc("SessionDisconnected", **camera))
            await home.client.wait_for_state(shared.viewers, "0")
            await asyncio.sleep(PAUSE)
            return taken

        # The first one warms Home Assistant too.
        warm = [await answer_ms() for _ in range(options.warm + 1)][1:]
        await function.end()
        print(f"warm: {options.warm} answers", flush=True)
        cold = []
        for _ in range(options.cold):
            cold.append(await answer_ms())
            await function.end()
        print(f"cold: {options.cold} answers", flush=True)
    return {"cold": percentiles(cold), "warm": percentiles(warm)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Amazon:
    """What stands in for Amazon's services, and where they are looked for."""

    lwa: LoginWithAmazon
    gateway: AlexaEventGateway
    function: Mapping[str, str]
    home_assistant: Mapping[str, str]


@contextmanager
def amazon(emulator: Emulator) -> Iterator[Amazon]:
    """Have a customer who is known and allowed, and lets the skill send events."""
    account = emulator.lambda_function
    customer = replace(ANN, region="NA")
    with (
        LoginWithAmazon() as lwa,
        AlexaEventGateway(lwa=lwa, region="NA") as gateway,
        ParameterStore(region=account.region) as store,
    ):
        lwa.issue("ann-token", customer)
        lwa.grants["ann-refresh"] = customer
        lwa.codes["ann-code"] = "ann-refresh"
        store.values = {
            f"{SSM_PATH}/client_id": lwa.client_id,
            f"{SSM_PATH}/client_secret": lwa.client_secret,
            f"{SSM_PATH}/owners": json.dumps(
                {"allowed": [customer.user_id], "refused": []}
            ),
        }
        parameters = {"AWS_ENDPOINT_URL_SSM": store.url}
        yield Amazon(
            lwa=lwa,
            gateway=gateway,
            function={
                **emulator.environment,
                **parameters,
                "AWS_ACCESS_KEY_ID": account.access_key_id,
                "AWS_SECRET_ACCESS_KEY": account.secret_access_key,
                "CHANNEL_REGION": account.region,
                "SKILL_ID": SKILL_ID,
                "LWA_URL": lwa.url,
            },
            home_assistant={
                **emulator.environment,
                **parameters,
                # Of the backend it is told nothing here.
                "AWS_ENDPOINT_URL_CLOUDFORMATION": store.url,
                **rerouted(
                    {
                        "https://api.amazon.com": lwa.url,
                        "https://api.amazonalexa.com": gateway.url,
                    }
                ),
            },
        )


async def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Run all cases."""
    with tempfile.TemporaryDirectory(prefix="home-assistant-") as folder:
        async with (
            Coturn(secret=uuid4().hex) as coturn,
            Emulator(coturn=coturn) as emulator,
            RtspCamera() as camera,
        ):
            with amazon(emulator) as services:
                async with HomeAssistant(
                    Path(folder), environment=services.home_assistant
                ) as home:
                    shared = await share_a_camera(
                        home.client,
                        emulator.home_assistant,
                        stream_url=camera.url,
                        stun_url=coturn.stun_url,
                    )
                    function = Function(services.function)
                    directives = await directive_times(function, home, shared, options)
                    presses = await doorbell_times(
                        function, home, shared, services, options
                    )
                    await function.end()
    return {
        "directive_to_answer_ms": directives,
        "doorbell_ms": percentiles(presses),
    }


async def doorbell_times(
    function: Function,
    home: HomeAssistant,
    shared: SharedCamera,
    services: Amazon,
    options: argparse.Namespace,
) -> list[float]:
    """Return the milliseconds from presses to the event gateway."""
    await alexa_doorbell.let_events_through(
        function, token="ann-token", code="ann-code"
    )
    await alexa_doorbell.add_button(home.client)
    await alexa_doorbell.ring_with(home.client, shared)
    await alexa_doorbell.add_skill(
        home.client,
        shared.entry_id,
        skill_id=SKILL_ID,
        client_id=services.lwa.client_id,
        client_secret=services.lwa.client_secret,
    )
    times = await alexa_doorbell.press_times(
        home.client, services.gateway, options.presses
    )
    print(f"doorbell: {options.presses} presses", flush=True)
    return times


def percentiles(values: list[float]) -> dict[str, float]:
    """Return the median and the 95th percentile."""
    numbers = summary(values)
    return {"p50": numbers["p50"], "p95": numbers["p95"]}


def main() -> None:
    """Print the results, the last line being JSON."""
    parser = argparse.ArgumentParser(prog="scripts/bench alexa")
    parser.add_argument("--cold", type=int, default=15)
    parser.add_argument("--warm", type=int, default=40)
    parser.add_argument("--presses", type=int, default=50)
    options = parser.parse_args()
    print("The skill's function in its own process, and a real Home Assistant.")
    print(json.dumps(run(measure(options))))


if __name__ == "__main__":
    main()
