"""What a run leaves behind in Home Assistant holds none of the secrets that it used."""

import asyncio
import base64
from collections.abc import AsyncIterator, Callable, Iterator
import json
import logging
from typing import Any

import pytest
import pytest_asyncio

from tests.alexa.conftest import allow, discover, rtc
from tests.alexa.fakes import ANN, BOB, LoginWithAmazon, ParameterStore
from tests.helpers.secrets import MARKS, addresses_of, credentials_of, find_secrets

from .harness.alexa_lambda import AlexaLambda
from .harness.camera import RtspCamera
from .harness.client import HomeAssistantError
from .harness.coturn import Coturn
from .harness.echo import Echo
from .harness.emulator import Emulator
from .harness.flows import ENTRIES, SUBENTRIES, Flow
from .harness.frontend_viewer import frontend_view
from .harness.function import SKILL_ID, load_function
from .harness.home_assistant import INTEGRATION, HomeAssistant
from .harness.left_behind import left_behind
from .harness.remote_master import DEVICE, DEVICE_POLICY, RemoteMaster
from .harness.scenario import share_a_camera
from .harness.secret_run import ADDRESS, CANDIDATE, STREAM_PASSWORD, Run, telling

PATH = f"/kinesis-webrtc/{SKILL_ID}"
WRONG_SECRET = "mistyped-secret-0123456789-abcdefghijklm"
REMOTE = "camera.cabin"
# All states and events go to the database, as soon as they are; but what actions are called
# with is recorded for whoever calls them, as docs/actions.md says.
RECORDER = """\
recorder:
  commit_interval: 0
  exclude:
    event_types: [call_service]
"""

pytestmark = pytest.mark.asyncio(loop_scope="session")

type Skill = Callable[[Any], Any]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def front_door(system: None) -> AsyncIterator[RtspCamera]:
    async with RtspCamera(number=1) as camera:
        yield camera


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def aws(coturn: Coturn) -> AsyncIterator[Emulator]:
    """Start a region of its own, whose users may view channels."""
    async with Emulator(coturn=coturn, tls=False, viewing=True) as emulator:
        await emulator.add_user("device", DEVICE, DEVICE_POLICY)
        yield emulator


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def run(
    aws: Emulator,
    coturn: Coturn,
    front_door: RtspCamera,
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[Run]:
    """Start a Home Assistant that shares a camera and views a channel."""
    async with HomeAssistant(
        tmp_path_factory.mktemp("house"), environment=aws.environment, more=RECORDER
    ) as home:
        shared = await share_a_camera(
            home.client,
            aws.home_assistant,
            stream_url=front_door.url.replace("://", f"://watch:{STREAM_PASSWORD}@"),
            stun_url=coturn.stun_url,
        )
        channel = await aws.act("create_channel", name="cabin", message_ttl=5)
        flow = await Flow.start(
            home.client, SUBENTRIES, [shared.entry_id, "remote_channel"]
        )
        await flow.finish({"channel": channel["ChannelARN"]})
        await home.client.wait_for_state(REMOTE, "idle")
        yield Run(home=home, shared=shared, aws=aws)


@pytest_asyncio.fixture(loop_scope="session")
async def master(
    aws: Emulator,
    run: Run,
    front_door: RtspCamera,
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[RemoteMaster]:
    """Have a camera on the channel that is viewed."""
    for name, value in aws.environment.items():
        monkeypatch.setenv(name, value)
    channels = (await aws.state())["channels"]
    async with RemoteMaster(
        account=DEVICE,
        channel_arn=channels["cabin"]["ChannelARN"],
        stream_url=front_door.url,
    ) as master:
        yield master


@pytest.fixture
def lwa(run: Run) -> Iterator[LoginWithAmazon]:
    with LoginWithAmazon() as lwa:
        lwa.issue("ann-token", ANN)
        lwa.issue("bob-token", BOB)
        run.secrets |= {lwa.client_secret, *lwa.tokens}
        yield lwa


@pytest.fixture
def skill(
    aws: Emulator, lwa: LoginWithAmazon, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Skill]:
    """Return the skill's function, whose only user is Ann."""
    with ParameterStore(region=aws.lambda_function.region) as store:
        store.values = {
            f"{PATH}/client_id": lwa.client_id,
            f"{PATH}/client_secret": lwa.client_secret,
        }
        allow(store, ANN)
        function = load_function(
            emulator=aws, lwa_url=lwa.url, ssm_url=store.url, monkeypatch=monkeypatch
        )
        yield lambda event: asyncio.to_thread(function.lambda_handler, event, None)


@pytest_asyncio.fixture(loop_scope="session")
async def camera_of_alexa(skill: Skill) -> dict[str, Any]:
    """Discover, and return how Alexa speaks of the only camera from then on."""
    (endpoint,) = (await skill(discover()))["event"]["payload"]["endpoints"]
    return {"endpoint_id": endpoint["endpointId"], "cookie": endpoint["cookie"]}


async def offer_of(
    skill: Skill, camera_of_alexa: dict[str, Any], sdp: str, **options: Any
) -> Any:
    """Return the payload of the answer to an offer."""
    directive = rtc("InitiateSessionWithOffer", sdp=sdp, **camera_of_alexa, **options)
    return (await skill(directive))["event"]["payload"]


async def test_the_search_finds_what_is_there(run: Run) -> None:
    """In an offer, in a frame of the signaling channel, and beside other words."""
    async with Echo() as echo:
        offer = telling(echo.offer)
    payload = base64.b64encode(json.dumps({"sdp": offer}).encode()).decode()
    (password, *_) = (s for s in credentials_of(offer) if 20 < len(s) < 40)

    assert addresses_of(offer) >= {ADDRESS}
    assert len(find_secrets({"offer": offer}, credentials_of(offer) | MARKS)) >= 6
    assert find_secrets({"frame": f'"{payload}"'}, {password})
    assert find_secrets({"word": "user=abcd:efgh"}, {"abcd"})
    assert not find_secrets({"word": "an abcde"}, {"abcd"})
    assert not await run.leaks()
    assert await run.leaks(answer=f"a={CANDIDATE}")


async def test_a_view_by_alexa_leaves_none(
    run: Run,
    skill: Skill,
    camera_of_alexa: dict[str, Any],
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with Echo(frames=10) as echo:
        offer = telling(echo.offer)
        payload = await offer_of(skill, camera_of_alexa, offer)
        answer = payload["answer"]["value"]
        await echo.apply(answer)
        await echo.frames()
        run.betray(offer, answer)
        during = json.dumps(await run.home.client.get("/api/states"))
        await skill(rtc("SessionDisconnected", **camera_of_alexa))
        await run.home.client.wait_for_state(run.shared.viewers, "0")
        await echo.hang_up()

    assert "answered in" in caplog.text
    assert not await run.leaks(during=during, function=caplog.text)
    run.home.log.assert_clean()


async def test_a_viewer_of_the_channel_who_trickles_leaves_none(run: Run) -> None:
    arn = await run.channel_arn()
    candidate = {"candidate": CANDIDATE, "sdpMid": "0", "sdpMLineIndex": 0}
    async with Echo(frames=10) as echo:
        answer = await AlexaLambda.of(run.aws, arn).answer(echo.offer, sender="ann")
        assert answer is not None
        run.betray(echo.offer, answer)
        its_own = next(line for line in echo.offer.splitlines() if "candidate:" in line)
        for content in (
            candidate,
            candidate | {"candidate": its_own.removeprefix("a=")},
            candidate | {"candidate": CANDIDATE[:-9]},
            [ADDRESS],
        ):
            frame = {
                "messageType": "ICE_CANDIDATE",
                "messagePayload": base64.b64encode(
                    json.dumps(content).encode()
                ).decode(),
                "senderClientId": "ann",
            }
            await run.aws.act(
                "connections", channel=arn, action="send", text=json.dumps(frame)
            )
        await echo.apply(answer)
        await echo.frames()
        await echo.hang_up()
    await run.home.client.wait_for_state(run.shared.viewers, "0")

    assert not await run.leaks()
    run.home.log.assert_clean()


async def test_views_in_the_frontend_leave_none(
    run: Run, master: RemoteMaster, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "custom_components.kinesis_webrtc")
    client = run.home.client
    during = ""
    for entity_id in (run.shared.live_view, REMOTE):
        config = await client.command(
            "camera/webrtc/get_client_config", entity_id=entity_id
        )
        for server in config["configuration"]["iceServers"]:
            run.secrets |= {server[k] for k in server.keys() - {"urls"}}
        async with frontend_view(client, entity_id) as viewer:
            await client.command(
                "camera/webrtc/candidate",
                entity_id=entity_id,
                session_id=viewer.session_id,
                candidate={"candidate": CANDIDATE, "sdpMid": "0", "sdpMLineIndex": 0},
            )
            await viewer.wait_frames(10, timeout=30)
            run.betray(
                viewer.pc.localDescription.sdp,
                *(event["answer"] for event in viewer.events if "answer" in event),
            )
            during += json.dumps(await client.get("/api/states"))
    (offer,) = master.offers
    run.betray(offer.sdp)
    await master.wait_viewers(0)
    await client.wait_for_state(run.shared.viewers, "0")

    assert caplog.text
    assert not await run.leaks(during=during, master=caplog.text)
    run.home.log.assert_clean()


async def test_what_an_administrator_is_told_goes_no_further(run: Run) -> None:
    """The two actions' own responses are secrets, which whoever calls them wants."""
    client = run.home.client
    arn = await run.channel_arn()
    (server,) = (
        await client.call_action("kinesis_webrtc.get_ice_servers", channel_arn=arn)
    )["ice_servers"]
    async with Echo() as echo:
        offer = {"type": "offer", "sdp": telling(echo.offer)}
        payload = base64.b64encode(json.dumps(offer).encode()).decode()
        asked = {"sender_client_id": "tester", "message_payload": payload}
        response = await client.call_action(
            "kinesis_webrtc.send_alexa_offer", channel_arn=arn, **asked
        )
        with pytest.raises(HomeAssistantError) as refused:
            await client.call_action(
                "kinesis_webrtc.send_alexa_offer", channel_arn=f"{arn}0", **asked
            )
        run.betray(
            offer["sdp"], json.loads(base64.b64decode(response["answer"]))["sdp"]
        )
    run.secrets |= {server["username"], server["password"], payload}

    assert not await run.leaks(refused=str(refused.value))


async def test_the_trace_of_a_self_test_holds_none(run: Run) -> None:
    client = run.home.client
    entity = await client.command(
        "config/entity_registry/get", entity_id=run.shared.self_test
    )
    await client.post(
        "/api/config/automation/config/tested",
        {
            "alias": "Tested",
            "triggers": [],
            "actions": [
                {
                    "action": "kinesis_webrtc.self_test",
                    "data": {"device_id": entity["device_id"]},
                    "response_variable": "result",
                }
            ],
        },
    )
    await client.wait_for_state("automation.tested", "on")
    await client.call_service("automation.trigger", entity_id="automation.tested")
    await client.wait_for_state(run.shared.self_test_verdict, "alexa_profile")

    texts = await left_behind(run.home, run.shared.entry_id, automation="tested")
    assert "key_frame" in texts["trace 0"]
    assert not find_secrets(texts, run.secrets | MARKS)


async def test_refused_keys_are_not_repeated(run: Run) -> None:
    account = run.aws.home_assistant
    keys = {
        "region": account.region,
        "access_key_id": account.access_key_id,
        "secret_access_key": WRONG_SECRET,
    }
    run.secrets.add(WRONG_SECRET)
    flow = await Flow.start(run.home.client, ENTRIES, INTEGRATION)
    mistyped = await flow.submit(keys)
    # AWS repeats what it was asked.
    await run.aws.act(
        "faults",
        kind="error",
        operation="GetCallerIdentity",
        status=403,
        code="SignatureDoesNotMatch",
        message=(
            "The Canonical String for this request should have been 'POST / "
            f"x-amz-credential:{account.access_key_id} x-amz-security-token'"
        ),
        count=1,
    )
    refused = await flow.submit(keys)
    await run.aws.act("clear_faults")

    # The form's fields begin with what was typed into them, for whoever typed it.
    said = [
        {key: answer[key] for key in ("errors", "description_placeholders")}
        for answer in (mistyped, refused)
    ]
    assert all(answer["errors"] for answer in said)
    assert not await run.leaks(said=json.dumps(said))


async def test_viewers_who_are_refused_leave_none(
    run: Run,
    skill: Skill,
    camera_of_alexa: dict[str, Any],
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with Echo() as echo:
        offer = telling(echo.offer)
        run.betray(offer)
        said = [
            await offer_of(skill, camera_of_alexa, broken)
            for broken in (
                offer.replace("H264", "VP8"),
                offer.replace("a=ice-pwd", "a=no-ice-pwd"),
                offer[: len(offer) // 2],
            )
        ]
        said.append(await offer_of(skill, camera_of_alexa, offer, token="bob-token"))

    assert all("type" in payload for payload in said), said
    texts = {"said": json.dumps(said), "function": caplog.text}
    assert not await run.leaks(**texts)
    run.home.log.assert_clean()


async def test_a_camera_that_stops_leaves_none(
    run: Run,
    front_door: RtspCamera,
    skill: Skill,
    camera_of_alexa: dict[str, Any],
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with Echo(frames=5) as echo, Echo() as second:
        payload = await offer_of(skill, camera_of_alexa, telling(echo.offer))
        run.betray(echo.offer, payload["answer"]["value"])
        run.betray(second.offer)
        await echo.apply(payload["answer"]["value"])
        await echo.frames()
        start = len(run.home.lines)
        await front_door.stop()
        await run.home.wait_for_line(r"Stream ended \(", start=start)
        # Nobody can open it any more.
        await offer_of(
            skill, camera_of_alexa, telling(second.offer), session="session-2"
        )
        await run.home.wait_for_line(
            r"Stream ended \(\w+Error", start=start, timeout=60
        )

    assert not await run.leaks(function=caplog.text)
