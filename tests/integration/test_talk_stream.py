"""What is said is fetched by whoever was given the path, while it is said."""

import asyncio
from collections.abc import AsyncIterator
from http import HTTPStatus
from unittest.mock import patch

from homeassistant.core import HomeAssistant
from homeassistant.setup import async_setup_component
import pytest
from pytest_homeassistant_custom_component.typing import ClientSessionGenerator

from custom_components.kinesis_webrtc.const import DOMAIN
from custom_components.kinesis_webrtc.talk_stream import DATA_STREAMS, TalkStream


@pytest.fixture
async def stream(hass: HomeAssistant) -> TalkStream:
    assert await async_setup_component(hass, DOMAIN, {})
    stream = TalkStream()
    hass.data[DATA_STREAMS][stream.name] = stream
    return stream


async def test_a_player_gets_what_was_said_and_what_follows(
    hass_client_no_auth: ClientSessionGenerator, stream: TalkStream
) -> None:
    client = await hass_client_no_auth()
    stream.async_add(b"be")
    stream.async_add(b"gin")
    async with client.get(stream.path) as response:
        assert response.status == HTTPStatus.OK
        assert response.content_type == "audio/mpeg"
        assert await response.content.readexactly(5) == b"begin"
        stream.async_add(b"more")
        assert await response.content.readexactly(4) == b"more"
        stream.async_end()
        assert await response.read() == b""
    assert stream.is_fetched


async def test_a_player_may_ask_first_what_it_is(
    hass_client_no_auth: ClientSessionGenerator, stream: TalkStream
) -> None:
    client = await hass_client_no_auth()
    response = await client.head(stream.path)
    assert response.status == HTTPStatus.OK
    assert response.content_type == "audio/mpeg"
    assert not stream.is_fetched


async def test_the_path_is_good_while_somebody_speaks(
    hass: HomeAssistant,
    hass_client_no_auth: ClientSessionGenerator,
    stream: TalkStream,
) -> None:
    client = await hass_client_no_auth()
    assert len(stream.name) > 32
    other = stream.path.replace(stream.name, f"{'A' * 32}.mp3")
    assert (await client.get(other)).status == HTTPStatus.NOT_FOUND
    del hass.data[DATA_STREAMS][stream.name]
    assert (await client.get(stream.path)).status == HTTPStatus.NOT_FOUND
    assert (await client.head(stream.path)).status == HTTPStatus.NOT_FOUND


@pytest.mark.parametrize("remote", ["203.0.113.7", "2001:db8::7", None])
async def test_the_path_is_good_at_home_alone(
    hass_client_no_auth: ClientSessionGenerator, stream: TalkStream, remote: str | None
) -> None:
    client = await hass_client_no_auth()
    with patch("aiohttp.web.BaseRequest.remote", remote):
        assert (await client.get(stream.path)).status == HTTPStatus.NOT_FOUND


async def test_the_cloud_is_not_at_home(
    hass_client_no_auth: ClientSessionGenerator, stream: TalkStream
) -> None:
    client = await hass_client_no_auth()
    with patch(
        "custom_components.kinesis_webrtc.talk_stream.is_cloud_connection",
        return_value=True,
    ):
        assert (await client.get(stream.path)).status == HTTPStatus.NOT_FOUND


async def collect(chunks: AsyncIterator[bytes]) -> bytes:
    return b"".join([chunk async for chunk in chunks])


async def test_late_sound_is_dropped(hass: HomeAssistant) -> None:
    stream = TalkStream()
    for number in range(200):
        stream.async_add(bytes([number]) * 1000)
    assert stream._size == 120_000
    stalled = stream.async_chunks()
    assert (await anext(stalled))[:1] == bytes([80])
    for number in range(200):
        stream.async_add(bytes([number]) * 1000)
    # It goes on where it is not late, and so does who comes anew.
    assert (await anext(stalled))[:1] == bytes([80])
    stream.async_end()
    assert await collect(stalled) == b""
    assert len(await collect(stream.async_chunks())) == 120_000
    stream.async_add(b"after the end")
    assert len(await collect(stream.async_chunks())) == 120_000


async def test_several_may_listen(hass: HomeAssistant) -> None:
    stream = TalkStream()
    tasks = [asyncio.ensure_future(collect(stream.async_chunks())) for _ in range(2)]
    await asyncio.sleep(0)
    stream.async_add(b"all")
    await asyncio.sleep(0)
    stream.async_end()
    assert await asyncio.gather(*tasks) == [b"all", b"all"]
