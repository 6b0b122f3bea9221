"""Diagnostics tell what happened, and hold nothing that must not be told."""

from collections.abc import AsyncGenerator
from datetime import timedelta
import json
from unittest.mock import AsyncMock, patch

from homeassistant.config_entries import ConfigSubentryData
from homeassistant.core import HomeAssistant
from homeassistant.helpers import device_registry as dr, entity_registry as er
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry
from pytest_homeassistant_custom_component.components.diagnostics import (
    get_diagnostics_for_config_entry,
    get_diagnostics_for_device,
)
from pytest_homeassistant_custom_component.typing import ClientSessionGenerator
from syrupy.assertion import SnapshotAssertion
from syrupy.filters import props

from custom_components.kinesis_webrtc.const import (
    CONF_CLIENT_ID,
    CONF_FUNCTION_ARN,
    CONF_LANGUAGES,
    CONF_LINKING_CLIENT_ID,
    CONF_NAME,
    CONF_OWNERS,
    CONF_REGION,
    CONF_RELAY_CHANNEL_ARN,
    CONF_SESSION_TOKEN,
    CONF_SKILL_ID,
    CONF_STACKS,
    DOMAIN,
    SUBENTRY_TYPE_ALEXA_SKILL,
)
from custom_components.kinesis_webrtc.peer import (
    CandidateGathered,
    Connected,
    Ended,
    EndReason,
    OfferRefused,
    RefusalReason,
    Timings,
)
from custom_components.kinesis_webrtc.peer.reader import StreamFormat
from custom_components.kinesis_webrtc.self_test_report import (
    Advice,
    AlexaRule,
    RuleResult,
    SelfTestReport,
    Stage,
    StageResult,
    Verdict,
)
from custom_components.kinesis_webrtc.signaling import (
    IceCandidate,
    IceServer,
    NotAuthorizedError,
    SdpOffer,
)

from .conftest import (
    ACCOUNT,
    KEYS,
    REGION,
    channel_arn,
    make_entry,
    remote_channel_data,
    shared_camera_data,
)
from .masters import Master, Masters, patched_masters
from .viewers import patched_sockets

TOKEN = "session-token-example"
RELAY = IceServer(
    urls=("turn:relay.example:443",), username="turn-name", credential="turn-word"
)
OFFER = "v=0\r\na=ice-pwd:ice-word-example\r\na=fingerprint:sha-256 AB:CD:EF\r\n"
CANDIDATE = "candidate:1 1 udp 1 198.51.100.77 50000 typ host"
VIEWER = "viewer-of-the-smiths"
UNSTABLE = props(
    "entry_id",
    "subentry_id",
    "created_at",
    "modified_at",
    "ended_at",
    "camera",
    "versions",
    "seconds",
    "id",
    "unique_id",
)


@pytest.fixture
async def masters() -> AsyncGenerator[Masters]:
    with (
        patched_masters() as masters,
        patched_sockets(),
        patch(
            "custom_components.kinesis_webrtc.relay.IceServerCache",
            side_effect=masters.make_ice_of_relay,
        ),
    ):
        yield masters


@pytest.fixture
async def entry(
    hass: HomeAssistant,
    mock_client: AsyncMock,
    masters: Masters,
    camera: er.RegistryEntry,
) -> AsyncGenerator[MockConfigEntry]:
    """Return an account with a camera that was watched, a remote channel and relays."""
    mock_client.clock.offset = timedelta(seconds=-1.5)
    entry = make_entry(
        shared_camera_data(camera.id, "ha-front-door"),
        remote_channel_data("cabin"),
        options={CONF_RELAY_CHANNEL_ARN: channel_arn("ha-relay")},
    )
    entry.add_to_hass(hass)
    hass.config_entries.async_update_entry(
        entry, data={**entry.data, CONF_SESSION_TOKEN: TOKEN}
    )
    assert await hass.config_entries.async_setup(entry.entry_id)
    await hass.async_block_till_done(wait_background_tasks=False)
    await watch(hass, masters[channel_arn("ha-front-door")])
    yield entry
    await hass.config_entries.async_unload(entry.entry_id)


async def watch(hass: HomeAssistant, master: Master) -> None:
    """Have one viewer come and go, and another one be refused."""
    master.connect()
    master.ice.servers, master.ice.usable_for = (RELAY,), 211.4
    master.peer.bytes_sent = 123456
    master.peer.feed.opened = 1
    master.peer.feed.format = StreamFormat(profile="42e01f", width=1280, height=720)
    master.deliver(SdpOffer(sdp=OFFER, sender_client_id=VIEWER))
    master.deliver(IceCandidate(client_id=VIEWER, candidate=CANDIDATE))
    await hass.async_block_till_done(wait_background_tasks=False)
    timings = Timings(answered_ms=212.0, connected_ms=401.0, key_frame_ms=433.0)
    for event in (
        CandidateGathered(
            viewer_id=VIEWER, candidate=CANDIDATE, sdp_mid="0", sdp_m_line_index=0
        ),
        Connected(
            viewer_id=VIEWER, local_type="srflx", remote_type="host", timings=timings
        ),
        Ended(
            viewer_id=VIEWER,
            reason=EndReason.VIEWER_CLOSED,
            timings=timings,
            bytes_sent=123456,
        ),
    ):
        master.on_event(event)
    master.peer.answer.side_effect = OfferRefused(RefusalReason.NO_H264)
    master.deliver(SdpOffer(sdp=OFFER, sender_client_id=VIEWER))
    await hass.async_block_till_done(wait_background_tasks=False)


async def test_an_account_is_told_of(
    hass: HomeAssistant,
    hass_client: ClientSessionGenerator,
    entry: MockConfigEntry,
    snapshot: SnapshotAssertion,
) -> None:
    found = await get_diagnostics_for_config_entry(hass, hass_client, entry)
    assert found == snapshot(exclude=UNSTABLE)
    assert {name for name, version in found["versions"].items() if version} == {
        "aioice",
        "aiortc",
        "av",
        "boto3",
        "botocore",
    }


@pytest.mark.parametrize("number", [0, 1], ids=["shared camera", "remote channel"])
async def test_each_channel_is_told_of(
    hass: HomeAssistant,
    hass_client: ClientSessionGenerator,
    entry: MockConfigEntry,
    device_registry: dr.DeviceRegistry,
    number: int,
    snapshot: SnapshotAssertion,
) -> None:
    subentry_id = list(entry.subentries)[number]
    device = device_registry.async_get_device_by_identifier(
        (DOMAIN, subentry_id), entry.entry_id
    )
    found = await get_diagnostics_for_device(hass, hass_client, entry, device)
    assert found == snapshot(exclude=UNSTABLE)


async def test_the_last_self_test_is_told_of(
    hass: HomeAssistant, hass_client: ClientSessionGenerator, entry: MockConfigEntry
) -> None:
    (camera,) = entry.runtime_data.shared_cameras.values()
    advice = Advice(key="invalid_argument", placeholders={"detail": "AWS's own words"})
    camera.self_test.report = SelfTestReport(
        stages=(
            StageResult(stage=Stage.CHANNEL, verdict=Verdict.PASSED, ms=4.2),
            StageResult(
                stage=Stage.MASTER, verdict=Verdict.FAILED, ms=80.0, advice=advice
            ),
            StageResult(stage=Stage.OFFER, verdict=Verdict.NOT_REACHED),
        ),
        rules=(
            RuleResult(rule=AlexaRule.SIZE, verdict=Verdict.PASSED, value="640x360"),
        ),
    )

    found = await get_diagnostics_for_config_entry(hass, hass_client, entry)

    assert found["shared_cameras"][0]["self_test"] == {
        "verdict": "master",
        "advice": "invalid_argument",
        "connection": None,
        "stages": [
            {"stage": "channel", "verdict": "passed", "ms": 4},
            {"stage": "master", "verdict": "failed", "ms": 80},
            {"stage": "offer", "verdict": "not_reached", "ms": None},
        ],
        "alexa": [{"rule": "alexa_size", "verdict": "passed", "value": "640x360"}],
    }
    assert "own words" not in json.dumps(found)


async def test_nothing_secret_is_told(
    hass: HomeAssistant,
    hass_client: ClientSessionGenerator,
    entry: MockConfigEntry,
    masters: Masters,
) -> None:
    masters[channel_arn("ha-front-door")].fail(
        NotAuthorizedError(f"user arn:aws:iam::{ACCOUNT}:user/me with AKIDEXAMPLE")
    )
    found = json.dumps(await get_diagnostics_for_config_entry(hass, hass_client, entry))

    assert '"not_authorized"' in found
    for secret in (
        *KEYS.values(),
        TOKEN,
        ACCOUNT,
        RELAY.username,
        RELAY.credential,
        "relay.example",
        "ice-word-example",
        "AB:CD:EF",
        "198.51.100.77",
        VIEWER,
    ):
        assert secret not in found
    assert REGION in found


async def test_nothing_that_names_the_skill_or_its_owners_is_told(
    hass: HomeAssistant, hass_client: ClientSessionGenerator, mock_client: AsyncMock
) -> None:
    mock_client.clock.offset = timedelta()
    function = f"arn:aws:lambda:eu-west-1:{ACCOUNT}:function:f"
    skill = ConfigSubentryData(
        data={
            CONF_LANGUAGES: ["en-GB"],
            CONF_SKILL_ID: "amzn1.ask.skill.0b1c",
            CONF_CLIENT_ID: "amzn1.application-oa2-client.0b1c",
            CONF_LINKING_CLIENT_ID: "amzn1.application-oa2-client.2d3e",
            CONF_OWNERS: {"amzn1.account.4f5a": "Jane Smith"},
            CONF_STACKS: [
                {
                    CONF_REGION: REGION,
                    CONF_NAME: "ha-alexa",
                    CONF_FUNCTION_ARN: function,
                }
            ],
        },
        subentry_type=SUBENTRY_TYPE_ALEXA_SKILL,
        title="Alexa",
        unique_id="alexa_skill",
    )
    entry = make_entry(skill)
    entry.add_to_hass(hass)
    with patch("custom_components.kinesis_webrtc.alexa_skill.AlexaSkill.async_start"):
        assert await hass.config_entries.async_setup(entry.entry_id)
        await hass.async_block_till_done()
    found = json.dumps(await get_diagnostics_for_config_entry(hass, hass_client, entry))

    assert "en-GB" in found
    assert "amzn1." not in found
    assert "Jane Smith" not in found
    assert ACCOUNT not in found
