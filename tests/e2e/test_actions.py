"""The actions, for people who build on the signaling API from Home Assistant itself."""

from uuid import uuid4

import pytest

from .harness.alexa_lambda import decode_answer, encode_offer
from .harness.camera import RtspCamera
from .harness.client import HomeAssistantError
from .harness.coturn import Coturn
from .harness.echo import Echo
from .harness.emulator import Emulator
from .harness.home_assistant import HomeAssistant
from .harness.pictures import assert_pictures
from .harness.scenario import SharedCamera


async def test_an_offer_sent_by_an_action_is_answered(
    home: HomeAssistant, shared: SharedCamera, emulator: Emulator, camera: RtspCamera
) -> None:
    channel = await emulator.only_channel()
    async with Echo(frames=10) as echo:
        response = await home.client.call_action(
            "kinesis_webrtc.send_alexa_offer",
            channel_arn=channel["ChannelARN"],
            sender_client_id=uuid4().hex,
            message_payload=encode_offer(echo.offer),
        )
        await echo.apply(decode_answer(response["answer"]))
        assert_pictures(await echo.frames(), camera=camera.number)
        await echo.hang_up()
    await home.client.wait_for_state(shared.viewers, "0")
    home.log.assert_clean()


async def test_the_channels_relays_are_told_but_not_logged(
    home: HomeAssistant, shared: SharedCamera, emulator: Emulator, coturn: Coturn
) -> None:
    channel = await emulator.only_channel()
    response = await home.client.call_action(
        "kinesis_webrtc.get_ice_servers", channel_arn=channel["ChannelARN"]
    )
    (server,) = response["ice_servers"]
    assert server["uris"] == [coturn.turn_url]
    assert server["ttl"] == 300
    home.log.assert_without([server["password"]])
    home.log.assert_clean()


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("ha-no-such-door", "AWS does not know the signaling channel"),
        # Outside of what the README's policy allows.
        ("front-door", "kinesisvideo:GetSignalingChannelEndpoint"),
    ],
)
async def test_a_refusal_says_what_is_wrong(
    home: HomeAssistant, shared: SharedCamera, emulator: Emulator, name: str, text: str
) -> None:
    arn = (await emulator.only_channel())["ChannelARN"]
    with pytest.raises(HomeAssistantError, match=text):
        await home.client.call_action(
            "kinesis_webrtc.get_ice_servers",
            channel_arn=arn.replace("ha-front-door", name),
        )
    home.log.assert_clean()
