"""Events on their way to the Alexa of each customer."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
import logging
import time
from typing import Any

import aiohttp
import pytest

from custom_components.kinesis_webrtc.alexa.amazon import Times
from custom_components.kinesis_webrtc.alexa.events import (
    AddOrUpdate,
    Delete,
    DoorbellPress,
    HealthChange,
    MotionChange,
)
from custom_components.kinesis_webrtc.alexa.gateway import EventGateway

from .fakes import ANN, BOB, AlexaEventGateway, AmazonUser, LoginWithAmazon
from .test_events import ENDPOINT

DOOR = "ha-front-door"
GARDEN = "ha-garden"
# As they are, but that a failed attempt is followed by the next one at once.
TIMES = Times(backoff_floor=0.01, login_cap=0.05, gateway_cap=0.05)
NAME = "custom_components.kinesis_webrtc.alexa"


@dataclass(frozen=True, kw_only=True)
class Secrets:
    client_id: str
    client_secret: str


@dataclass(frozen=True, kw_only=True)
class Grant:
    user_id: str
    refresh_token: str


def now() -> datetime:
    return datetime.now(UTC)


def press(endpoint_id: str = DOOR, *, age: float = 0) -> DoorbellPress:
    return DoorbellPress(endpoint_id=endpoint_id, at=now() - timedelta(seconds=age))


def motion(detected: bool, endpoint_id: str = DOOR) -> MotionChange:
    return MotionChange(endpoint_id=endpoint_id, at=now(), detected=detected)


def health(reachable: bool, endpoint_id: str = DOOR) -> HealthChange:
    return HealthChange(endpoint_id=endpoint_id, at=now(), reachable=reachable)


def told(message: dict[str, Any]) -> str:
    """Return what a message says, in short."""
    event = message["event"]
    if event["header"]["name"] != "ChangeReport":
        return str(event["header"]["name"])
    (prop,) = event["payload"]["change"]["properties"]
    value = prop["value"]
    return str(value if isinstance(value, str) else value["value"])


@pytest.fixture
def lwa() -> Iterator[LoginWithAmazon]:
    with LoginWithAmazon() as lwa:
        yield lwa


@pytest.fixture
def alexa(lwa: LoginWithAmazon) -> Iterator[AlexaEventGateway]:
    with AlexaEventGateway(lwa=lwa) as alexa:
        yield alexa


@dataclass(kw_only=True)
class Sender:
    """The gateway's client, and what it has said of grants."""

    gateway: EventGateway
    alexa: AlexaEventGateway
    refused: asyncio.Queue[tuple[str, str]] = field(default_factory=asyncio.Queue)
    secrets_refused: asyncio.Event = field(default_factory=asyncio.Event)

    async def arrived(self, count: int) -> list[str]:
        """Return what has arrived, as soon as it is so much."""
        messages = await asyncio.to_thread(self.alexa.wait, count)
        return [told(message) for message in messages]

    async def refusal(self) -> tuple[str, str]:
        async with asyncio.timeout(20):
            return await self.refused.get()

    async def until(self, is_so: Callable[[], bool]) -> None:
        """Wait until something is so that only the servers' threads bring about."""
        async with asyncio.timeout(20):
            while not is_so():  # noqa: ASYNC110
                await asyncio.sleep(0.01)

    async def idle(self) -> None:
        await self.until(lambda: self.gateway.waiting == 0)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        task = asyncio.ensure_future(self.gateway.run())
        try:
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


type MakeSender = Callable[..., Sender]


@pytest.fixture
async def make_sender(
    lwa: LoginWithAmazon, alexa: AlexaEventGateway
) -> AsyncIterator[MakeSender]:
    async with aiohttp.ClientSession() as session:

        def make(**options: Any) -> Sender:
            refused: asyncio.Queue[tuple[str, str]] = asyncio.Queue()
            secrets_refused = asyncio.Event()
            return Sender(
                gateway=EventGateway(
                    **{
                        "session": session,
                        "gateway_url": alexa.url,
                        "lwa_url": lwa.url,
                        "secrets": Secrets(
                            client_id=lwa.client_id, client_secret=lwa.client_secret
                        ),
                        "on_grant_refused": lambda *why: refused.put_nowait(why),
                        "on_secrets_refused": secrets_refused.set,
                        "times": TIMES,
                        **options,
                    }
                ),
                alexa=alexa,
                refused=refused,
                secrets_refused=secrets_refused,
            )

        yield make


def grant(lwa: LoginWithAmazon, user: AmazonUser, number: int = 1) -> Grant:
    """Let a user let the skill send events."""
    refresh_token = f"Atzr|{user.name}-{number}"
    lwa.grants[refresh_token] = user
    return Grant(user_id=user.user_id, refresh_token=refresh_token)


@pytest.fixture
async def sender(
    make_sender: MakeSender, lwa: LoginWithAmazon
) -> AsyncIterator[Sender]:
    """Return a client that runs, with Ann's grant."""
    sender = make_sender()
    sender.gateway.set_grants([grant(lwa, ANN)])
    async with sender.running():
        yield sender


async def warm(sender: Sender, lwa: LoginWithAmazon) -> None:
    """Wait until there are tokens."""
    await sender.until(lambda: bool(lwa.access))


async def test_a_press_is_told_within_a_second(
    sender: Sender, lwa: LoginWithAmazon
) -> None:
    await warm(sender, lwa)
    took = []
    for number in range(5):
        started = time.monotonic()
        sender.gateway.send(press())
        await sender.arrived(number + 1)
        took.append(time.monotonic() - started)

    # The machine may be busy with something else for a moment.
    assert sorted(took)[2] < 1
    # The token was there already, and stays.
    assert sum(lwa.refreshes.values()) == 1


async def test_each_press_is_told_once(
    sender: Sender, alexa: AlexaEventGateway
) -> None:
    for _ in range(3):
        sender.gateway.send(press())

    assert await sender.arrived(3) == ["DoorbellPress"] * 3
    ids = {message["event"]["header"]["messageId"] for _, message in alexa.received}
    assert len(ids) == 3
    await sender.idle()


async def test_everything_is_told_in_order(
    sender: Sender, lwa: LoginWithAmazon
) -> None:
    lwa.delay = 0.2
    sender.gateway.send(AddOrUpdate(endpoint=ENDPOINT, at=now()))
    sender.gateway.send(health(True))
    sender.gateway.send(motion(True))

    assert await sender.arrived(3) == ["AddOrUpdateReport", "OK", "DETECTED"]


async def test_every_customer_is_told(
    sender: Sender, lwa: LoginWithAmazon, alexa: AlexaEventGateway
) -> None:
    sender.gateway.set_grants([grant(lwa, ANN), grant(lwa, BOB)])
    sender.gateway.send(press())

    await sender.arrived(2)

    assert {user.user_id for user, _ in alexa.received} == {ANN.user_id, BOB.user_id}
    assert sender.refused.empty()


async def test_whom_to_tell_may_be_known_later(
    make_sender: MakeSender, lwa: LoginWithAmazon
) -> None:
    sender = make_sender()
    sender.gateway.send(health(False))
    sender.gateway.send(health(True))
    async with sender.running():
        sender.gateway.set_grants([grant(lwa, ANN)])

        assert await sender.arrived(1) == ["OK"]


async def test_with_nobody_to_tell_nothing_waits(sender: Sender) -> None:
    sender.gateway.set_grants([])
    sender.gateway.send(press())

    assert sender.gateway.waiting == 0


async def test_the_urls_may_have_their_paths(
    make_sender: MakeSender, lwa: LoginWithAmazon, alexa: AlexaEventGateway
) -> None:
    sender = make_sender(
        gateway_url=f"{alexa.url}/v3/events", lwa_url=f"{lwa.url}/auth/o2/token"
    )
    sender.gateway.set_grants([grant(lwa, ANN)])
    async with sender.running():
        sender.gateway.send(press())

        assert await sender.arrived(1) == ["DoorbellPress"]


# Tokens


async def test_a_token_that_ended_early_is_renewed_once(
    sender: Sender, lwa: LoginWithAmazon, alexa: AlexaEventGateway
) -> None:
    await warm(sender, lwa)
    lwa.expire()
    sender.gateway.send(press())

    assert await sender.arrived(1) == ["DoorbellPress"]
    assert sum(lwa.refreshes.values()) == 2
    assert alexa.calls["/v3/events"] == 2
    assert sender.refused.empty()


async def test_a_token_is_renewed_before_it_ends(
    make_sender: MakeSender, lwa: LoginWithAmazon
) -> None:
    # Half of its time it is kept in any case.
    lwa.lifetime = 2
    sender = make_sender()
    sender.gateway.set_grants([grant(lwa, ANN)])
    started = time.monotonic()
    async with sender.running():
        await sender.until(lambda: sum(lwa.refreshes.values()) == 2)
    assert time.monotonic() - started >= 1


async def test_a_fresh_token_that_is_refused_is_told(
    make_sender: MakeSender, lwa: LoginWithAmazon, alexa: AlexaEventGateway
) -> None:
    """As where the customer belongs to another region."""
    alexa.region = "NA"
    sender = make_sender()
    sender.gateway.set_grants([grant(lwa, ANN)])
    async with sender.running():
        sender.gateway.send(press())

        why = await sender.refusal()
        assert why == (ANN.user_id, "INVALID_ACCESS_TOKEN_EXCEPTION")
        assert sum(lwa.refreshes.values()) == 2
        sender.gateway.send(press())
        assert sender.gateway.waiting == 0


async def test_a_grant_that_is_refused_is_told_and_left_alone(
    sender: Sender, lwa: LoginWithAmazon, alexa: AlexaEventGateway
) -> None:
    await warm(sender, lwa)
    old = grant(lwa, ANN)
    lwa.grants.clear()
    lwa.expire()
    sender.gateway.send(press())

    assert await sender.refusal() == (ANN.user_id, "invalid_grant")
    asked = lwa.calls.copy(), alexa.calls.copy()
    sender.gateway.send(press())
    sender.gateway.set_grants([old])
    sender.gateway.send(press())
    assert sender.gateway.waiting == 0
    assert (lwa.calls, alexa.calls) == asked

    sender.gateway.set_grants([grant(lwa, ANN, 2)])
    sender.gateway.send(motion(True))
    assert await sender.arrived(1) == ["DETECTED"]
    assert sender.refused.empty()


async def test_a_skill_that_was_disabled_is_told(
    sender: Sender, lwa: LoginWithAmazon, alexa: AlexaEventGateway
) -> None:
    alexa.disabled.add(ANN.user_id)
    sender.gateway.set_grants([grant(lwa, ANN), grant(lwa, BOB)])
    sender.gateway.send(press())

    assert await sender.refusal() == (ANN.user_id, "SKILL_DISABLED_EXCEPTION")
    # Others are told all the same.
    assert await sender.arrived(1) == ["DoorbellPress"]
    assert alexa.received[0][0] == BOB


async def test_wrong_secrets_are_told_once(
    make_sender: MakeSender, lwa: LoginWithAmazon, alexa: AlexaEventGateway
) -> None:
    wrong = Secrets(client_id=lwa.client_id, client_secret="old")
    sender = make_sender(secrets=wrong)
    sender.gateway.set_grants([grant(lwa, ANN), grant(lwa, BOB)])
    async with sender.running():
        sender.gateway.send(press())
        async with asyncio.timeout(20):
            await sender.secrets_refused.wait()

        sender.gateway.set_grants([grant(lwa, ANN, 2)])
        sender.gateway.send(press())
        assert sender.gateway.waiting == 0
    assert sender.refused.empty()
    assert not alexa.calls


async def test_a_customer_who_was_withdrawn_is_not_told(
    sender: Sender, lwa: LoginWithAmazon, alexa: AlexaEventGateway
) -> None:
    both = [grant(lwa, ANN), grant(lwa, BOB)]
    lwa.delay = 0.2
    sender.gateway.set_grants(both)
    sender.gateway.send(press())
    sender.gateway.set_grants(both[1:])

    await sender.arrived(1)

    assert [user for user, _ in alexa.received] == [BOB]
    await sender.idle()


async def test_what_waits_is_told_by_a_new_grant(
    make_sender: MakeSender, lwa: LoginWithAmazon
) -> None:
    sender = make_sender()
    sender.gateway.set_grants([grant(lwa, ANN)])
    sender.gateway.send(motion(True))
    sender.gateway.set_grants([grant(lwa, ANN, 2)])
    async with sender.running():
        assert await sender.arrived(1) == ["DETECTED"]
    assert lwa.refreshes == {"Atzr|Ann Example-2": 1}


# Outages


@pytest.mark.parametrize("status", [0, 429, 500, 503])
async def test_a_gateway_that_is_away_is_tried_again(
    sender: Sender,
    alexa: AlexaEventGateway,
    caplog: pytest.LogCaptureFixture,
    status: int,
) -> None:
    caplog.set_level(logging.INFO, NAME)
    alexa.faults.extend([status] * 3)
    alexa.retry_after = 0
    sender.gateway.send(press())

    assert await sender.arrived(1) == ["DoorbellPress"]
    await sender.until(lambda: "answers again" in caplog.text)
    assert caplog.text.count("gateway does not answer") == 1
    assert caplog.text.count("gateway answers again") == 1


async def test_an_attempt_is_the_same_message(
    sender: Sender, alexa: AlexaEventGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that one that arrived without an answer is not another press."""
    bodies = []
    answer = alexa.answer

    def listen(*request: Any) -> Any:
        bodies.append(request[3])
        return (500, alexa.fault(500)) if len(bodies) < 3 else answer(*request)

    monkeypatch.setattr(alexa, "answer", listen)
    sender.gateway.send(press())

    await sender.arrived(1)
    assert len(bodies) == 3
    assert len(set(bodies)) == 1


@pytest.mark.parametrize("status", [0, 400, 429, 500])
async def test_login_with_amazon_that_is_away_is_tried_again(
    make_sender: MakeSender,
    lwa: LoginWithAmazon,
    caplog: pytest.LogCaptureFixture,
    status: int,
) -> None:
    caplog.set_level(logging.INFO, NAME)
    lwa.faults.extend([status] * 3)
    sender = make_sender()
    sender.gateway.set_grants([grant(lwa, ANN)])
    async with sender.running():
        sender.gateway.send(press())

        assert await sender.arrived(1) == ["DoorbellPress"]
    assert caplog.text.count("Login with Amazon does not answer") == 1
    assert caplog.text.count("Login with Amazon answers again") == 1


async def test_a_silent_gateway_is_not_waited_for_long(
    make_sender: MakeSender,
    lwa: LoginWithAmazon,
    alexa: AlexaEventGateway,
    caplog: pytest.LogCaptureFixture,
) -> None:
    alexa.delay = 3
    sender = make_sender(times=Times(request=0.5, backoff_floor=0.01, gateway_cap=0.05))
    sender.gateway.set_grants([grant(lwa, ANN)])
    started = time.monotonic()
    async with sender.running():
        sender.gateway.send(motion(True))
        await sender.until(lambda: "gateway does not answer" in caplog.text)
        alexa.delay = 0

        await sender.arrived(1)
    assert time.monotonic() - started < 3


async def test_the_service_says_when_to_come_again(
    sender: Sender, alexa: AlexaEventGateway
) -> None:
    alexa.faults.append(429)
    alexa.retry_after = 1
    started = time.monotonic()
    sender.gateway.send(press())

    await sender.arrived(1)
    assert time.monotonic() - started >= 1


async def test_a_press_that_is_too_old_is_not_told(
    sender: Sender, alexa: AlexaEventGateway
) -> None:
    sender.gateway.send(press(age=31))
    sender.gateway.send(press(age=1))

    assert await sender.arrived(1) == ["DoorbellPress"]
    await sender.idle()
    assert len(alexa.received) == 1


async def test_a_press_that_grows_old_is_dropped(
    sender: Sender, alexa: AlexaEventGateway
) -> None:
    alexa.outage = 503
    sender.gateway.send(press(age=29))
    await sender.until(lambda: alexa.failures > 1)
    assert sender.gateway.waiting == 1

    await sender.idle()
    alexa.outage = None
    sender.gateway.send(motion(True))

    assert await sender.arrived(1) == ["DETECTED"]


async def test_a_press_grows_old_without_a_token_too(
    make_sender: MakeSender, lwa: LoginWithAmazon, alexa: AlexaEventGateway
) -> None:
    lwa.outage = 500
    sender = make_sender()
    sender.gateway.set_grants([grant(lwa, ANN)])
    async with sender.running():
        sender.gateway.send(press(age=29.5))
        await sender.idle()
    assert not alexa.calls


async def test_of_a_state_only_the_newest_is_told(
    sender: Sender, alexa: AlexaEventGateway
) -> None:
    alexa.outage = 503
    sender.gateway.send(motion(True))
    sender.gateway.send(health(False))
    sender.gateway.send(press())
    sender.gateway.send(motion(True, GARDEN))
    await sender.until(lambda: alexa.failures > 3)
    for _ in range(3):
        sender.gateway.send(motion(True))
        sender.gateway.send(motion(False))
        sender.gateway.send(health(True))
        sender.gateway.send(press())
    await sender.until(lambda: sender.gateway.waiting == 7)
    alexa.outage = None

    arrived = await sender.arrived(7)

    assert sorted(arrived) == [
        "DETECTED",
        *["DoorbellPress"] * 4,
        "NOT_DETECTED",
        "OK",
    ]


async def test_a_press_does_not_wait_for_what_else_happens(
    sender: Sender, alexa: AlexaEventGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = alexa.answer

    def slow(*request: Any) -> Any:
        if b"DoorbellPress" not in request[3]:
            time.sleep(1)
        return answer(*request)

    monkeypatch.setattr(alexa, "answer", slow)
    sender.gateway.send(motion(True))
    sender.gateway.send(health(False, GARDEN))
    sender.gateway.send(press())

    assert (await sender.arrived(3))[0] == "DoorbellPress"


async def test_what_the_gateway_does_not_take_is_dropped(
    sender: Sender,
    alexa: AlexaEventGateway,
    caplog: pytest.LogCaptureFixture,
) -> None:
    odd = HealthChange(endpoint_id="with.dot", at=now(), reachable=True)
    sender.gateway.send(odd)
    await sender.until(lambda: "refused HealthChange of with.dot" in caplog.text)

    assert "INVALID_REQUEST_EXCEPTION" in caplog.text
    assert sender.gateway.waiting == 0
    assert not alexa.received


async def test_what_cannot_be_said_ends_nothing_else(
    sender: Sender, caplog: pytest.LogCaptureFixture
) -> None:
    odd = AddOrUpdate(endpoint={"endpointId": DOOR, "odd": object()}, at=now())
    sender.gateway.send(odd)
    sender.gateway.send(motion(True))

    assert await sender.arrived(1) == ["DETECTED"]
    assert "Dropped AddOrUpdate" in caplog.text


# Coming and going


async def test_sending_never_blocks(make_sender: MakeSender) -> None:
    sender = make_sender(gateway_url="http://127.0.0.1:9", lwa_url="http://127.0.0.1:9")
    sender.gateway.set_grants([Grant(user_id="ann", refresh_token="Atzr|ann")])
    async with sender.running():
        for number in range(1000):
            sender.gateway.send(press(f"ha-{number}"))

        assert 0 < sender.gateway.waiting <= 200


async def test_it_goes_on_where_it_was_stopped(
    make_sender: MakeSender, lwa: LoginWithAmazon, alexa: AlexaEventGateway
) -> None:
    alexa.outage = 503
    sender = make_sender()
    sender.gateway.set_grants([grant(lwa, ANN)])
    async with sender.running():
        sender.gateway.send(motion(True))
        await sender.until(lambda: alexa.failures > 1)
    assert sender.gateway.waiting == 1
    sender.gateway.send(health(True))
    tasks = asyncio.all_tasks()
    assert tasks == {asyncio.current_task()}
    alexa.outage = None

    async with sender.running():
        assert sorted(await sender.arrived(2)) == ["DETECTED", "OK"]


async def test_a_camera_that_is_gone_is_all_that_is_told_of_it(
    make_sender: MakeSender, lwa: LoginWithAmazon
) -> None:
    sender = make_sender()
    sender.gateway.set_grants([grant(lwa, ANN)])
    sender.gateway.send(AddOrUpdate(endpoint=ENDPOINT, at=now()))
    sender.gateway.send(motion(True))
    sender.gateway.send(press())
    sender.gateway.send(Delete(endpoint_id=DOOR, at=now()))
    sender.gateway.send(motion(True, GARDEN))
    async with sender.running():
        assert sorted(await sender.arrived(2)) == ["DETECTED", "DeleteReport"]


async def test_what_was_taken_back_while_a_token_was_fetched_is_not_told(
    make_sender: MakeSender, lwa: LoginWithAmazon
) -> None:
    lwa.outage = 503
    sender = make_sender()
    sender.gateway.set_grants([grant(lwa, ANN)])
    async with sender.running():
        sender.gateway.send(press())
        await sender.until(lambda: lwa.failures > 1)
        sender.gateway.send(Delete(endpoint_id=DOOR, at=now()))
        lwa.outage = None

        assert await sender.arrived(1) == ["DeleteReport"]
        await sender.idle()
        sender.gateway.send(press())
        assert await sender.arrived(2) == ["DeleteReport", "DoorbellPress"]


async def test_a_time_without_its_zone_is_not_taken(sender: Sender) -> None:
    naive = DoorbellPress(endpoint_id=DOOR, at=now().replace(tzinfo=None))

    with pytest.raises(TypeError):
        sender.gateway.send(naive)


async def test_no_secret_is_in_the_log(
    sender: Sender,
    lwa: LoginWithAmazon,
    alexa: AlexaEventGateway,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG, NAME)
    alexa.faults.extend([500, 0])
    lwa.faults.extend([400, 0])
    sender.gateway.send(press())
    await sender.arrived(1)
    lwa.expire()
    lwa.grants.clear()
    sender.gateway.send(HealthChange(endpoint_id="with.dot", at=now(), reachable=True))
    await sender.until(lambda: "with.dot" in caplog.text)
    sender.gateway.send(press(age=31))
    sender.gateway.send(press())
    await sender.refusal()

    ours = "\n".join(
        record.getMessage() for record in caplog.records if record.name.startswith(NAME)
    )
    assert "invalid_grant" in ours
    for secret in ("Atza", "Atzr", lwa.client_secret, lwa.client_id, ANN.user_id):
        assert secret not in ours
