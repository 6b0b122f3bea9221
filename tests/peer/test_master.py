"""A master's sessions, from offer to end, with viewers made of aiortc."""

from custom_components.kinesis_webrtc.peer import Connected, KeyFrameSent, MasterPeer
from tests.helpers.clip import is_moving
from tests.helpers.viewers import EchoPeer

from .conftest import Recorder


async def test_echo_decodes_the_camera(master: MasterPeer, recorder: Recorder) -> None:
    async with EchoPeer() as echo:
        await echo.accept(await master.answer("echo", await echo.offer(), []))
        await echo.wait_frames(60)
        assert is_moving(echo.frames)
        await recorder.wait(KeyFrameSent, "echo")
        assert recorder.all(Connected, "echo")
