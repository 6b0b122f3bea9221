"""The skill's own function between Alexa and a real Home Assistant."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
import json
from pathlib import Path
import time
from types import ModuleType
from typing import Any

import pytest
import pytest_asyncio

from tests.alexa.conftest import allow, check_schema, directive, discover, rtc
from tests.alexa.fakes import ANN, BOB, LoginWithAmazon, ParameterStore

from .harness.camera import RtspCamera
from .harness.echo import Echo
from .harness.emulator import Emulator
from .harness.function import load_function
from .harness.home_assistant import HomeAssistant
from .harness.pictures import assert_pictures
from .harness.scenario import SharedCamera

OFFERS = Path(__file__).parent.parent / "fixtures" / "alexa-offers"
PATH = "/kinesis-webrtc/amzn1.ask.skill.1"

type Skill = Callable[[Any], Any]


@pytest_asyncio.fixture(autouse=True, loop_scope="session")
async def quiet(home: HomeAssistant) -> AsyncIterator[None]:
    """Fail every test after which Home Assistant's log has something against us."""
    yield
    home.log.assert_clean()


@pytest.fixture
def lwa() -> Iterator[LoginWithAmazon]:
    with LoginWithAmazon() as lwa:
        lwa.issue("ann-token", ANN)
        yield lwa


@pytest.fixture
def store(lwa: LoginWithAmazon, emulator: Emulator) -> Iterator[ParameterStore]:
    with ParameterStore(region=emulator.lambda_function.region) as store:
        store.values = {
            f"{PATH}/client_id": lwa.client_id,
            f"{PATH}/client_secret": lwa.client_secret,
        }
        allow(store, ANN)
        yield store


@pytest.fixture
def function(
    emulator: Emulator,
    lwa: LoginWithAmazon,
    store: ParameterStore,
    monkeypatch: pytest.MonkeyPatch,
) -> ModuleType:
    return load_function(
        emulator=emulator, lwa_url=lwa.url, ssm_url=store.url, monkeypatch=monkeypatch
    )


@pytest.fixture
def skill(function: ModuleType, shared: SharedCamera) -> Skill:
    async def handle(event: Any) -> Any:
        response = await asyncio.to_thread(function.lambda_handler, event, None)
        check_schema(response)
        return response

    return handle


@pytest_asyncio.fixture(loop_scope="session")
async def camera_of_alexa(skill: Skill) -> dict[str, Any]:
    """Discover, and return how Alexa speaks of the only camera from then on."""
    (endpoint,) = (await skill(discover()))["event"]["payload"]["endpoints"]
    assert endpoint["friendlyName"] == "Front door"
    return {"endpoint_id": endpoint["endpointId"], "cookie": endpoint["cookie"]}


async def answer(
    skill: Skill, camera_of_alexa: dict[str, Any], echo: Echo, session: str
) -> str:
    """Return the answer to an Echo's offer."""
    response = await skill(
        rtc(
            "InitiateSessionWithOffer",
            session=session,
            sdp=echo.offer,
            **camera_of_alexa,
        )
    )
    sdp: str = response["event"]["payload"]["answer"]["value"]
    return sdp


async def connectivity(skill: Skill, camera_of_alexa: dict[str, Any]) -> str:
    response = await skill(directive("Alexa", "ReportState", **camera_of_alexa))
    value: str = response["context"]["properties"][0]["value"]["value"]
    return value


async def test_alexa_shows_the_camera_until_the_view_is_closed(
    home: HomeAssistant,
    shared: SharedCamera,
    camera: RtspCamera,
    skill: Skill,
    camera_of_alexa: dict[str, Any],
) -> None:
    async with Echo(frames=25) as echo:
        started = time.monotonic()
        sdp = await answer(skill, camera_of_alexa, echo, "session-1")
        answered = time.monotonic() - started
        assert answered < 3
        await echo.apply(sdp)
        await echo.connected()
        response = await skill(rtc("SessionConnected", **camera_of_alexa))
        assert response["event"]["payload"] == {"sessionId": "session-1"}
        assert_pictures(await echo.frames(), camera=camera.number)
        await home.client.wait_for_state(shared.viewers, "1")

        started = time.monotonic()
        response = await skill(rtc("SessionDisconnected", **camera_of_alexa))
        assert response["event"]["payload"] == {"sessionId": "session-1"}
        await home.client.wait_for_state(shared.viewers, "0")
        ended = time.monotonic() - started
        await echo.hang_up()

    assert ended < 1
    state = await home.client.state(shared.session)
    assert state["attributes"]["reason"] == "viewer_closed"
    await camera.wait_until_idle()


async def test_the_master_hears_itself(
    home: HomeAssistant, shared: SharedCamera
) -> None:
    await home.wait_for_line("The master of ha-front-door hears itself")


async def test_two_echos_see_the_camera_at_once(
    home: HomeAssistant,
    shared: SharedCamera,
    camera: RtspCamera,
    skill: Skill,
    camera_of_alexa: dict[str, Any],
) -> None:
    async with Echo(frames=25) as first, Echo(frames=25) as second:
        sdps = await asyncio.gather(
            answer(skill, camera_of_alexa, first, "session-1"),
            answer(skill, camera_of_alexa, second, "session-2"),
        )
        for echo, sdp in zip((first, second), sdps, strict=True):
            await echo.apply(sdp)
        for echo in (first, second):
            assert_pictures(await echo.frames(), camera=camera.number)
        await home.client.wait_for_state(shared.viewers, "2")

        await skill(rtc("SessionDisconnected", **camera_of_alexa))
        await home.client.wait_for_state(shared.viewers, "1")

        await first.hang_up()
        await second.hang_up()
    await home.client.wait_for_state(shared.viewers, "0")
    await camera.wait_until_idle()


async def test_alexa_is_told_whether_home_assistant_is_there(
    home: HomeAssistant,
    shared: SharedCamera,
    skill: Skill,
    camera_of_alexa: dict[str, Any],
) -> None:
    assert await connectivity(skill, camera_of_alexa) == "OK"

    await home.client.call_service("switch.turn_off", entity_id=shared.sharing)
    await home.client.wait_for_state(shared.connected, "off")
    try:
        started = time.monotonic()
        assert await connectivity(skill, camera_of_alexa) == "UNREACHABLE"
        assert time.monotonic() - started < 4
    finally:
        await home.client.call_service("switch.turn_on", entity_id=shared.sharing)
    await home.client.wait_for_state(shared.connected, "on")
    assert await connectivity(skill, camera_of_alexa) == "OK"


async def test_what_home_assistant_refuses_is_told_to_alexa(
    home: HomeAssistant,
    shared: SharedCamera,
    skill: Skill,
    camera_of_alexa: dict[str, Any],
) -> None:
    offer = (OFFERS / "bad-vp8-only.sdp").read_text()
    started = time.monotonic()

    response = await skill(
        rtc("InitiateSessionWithOffer", sdp=offer, **camera_of_alexa)
    )

    assert time.monotonic() - started < 2
    assert response["event"]["payload"]["type"] == "INVALID_DIRECTIVE"
    assert "no_h264" in response["event"]["payload"]["message"]
    state = await home.client.state(shared.session)
    assert state["attributes"]["reason"] == "no_h264"


async def test_a_user_who_is_not_allowed_sees_nothing(
    skill: Skill,
    camera_of_alexa: dict[str, Any],
    lwa: LoginWithAmazon,
    store: ParameterStore,
) -> None:
    lwa.issue("bob-token", BOB)

    found = await skill(discover(token="bob-token"))
    assert found["event"]["payload"] == {"endpoints": []}
    async with Echo() as echo:
        response = await skill(
            rtc(
                "InitiateSessionWithOffer",
                sdp=echo.offer,
                token="bob-token",
                **camera_of_alexa,
            )
        )
    kind = response["event"]["payload"]["type"]
    assert kind == "INVALID_AUTHORIZATION_CREDENTIAL"
    (pending,) = (
        json.loads(value) for name, value in store.values.items() if "/pending/" in name
    )
    assert pending["name"] == BOB.name
