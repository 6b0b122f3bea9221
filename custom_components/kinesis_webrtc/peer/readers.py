"""What reads a source, whichever kind it is of, in a thread of its own."""

import asyncio
from collections.abc import Callable
import contextlib
import threading

from .cpu import CpuMeter
from .h264 import AccessUnit
from .limits import Limits
from .reader import Outcome, StreamFormat, StreamReader
from .sound import SoundSink
from .source import Source, Stills, WebRtcCamera
from .stills_reader import StillsReader
from .timeline import Timeline
from .webrtc_reader import WebRtcReader

type Reader = StreamReader | StillsReader | WebRtcReader


def make_reader(
    source: Source,
    *,
    timeline: Timeline,
    on_format: Callable[[StreamFormat], None],
    on_unit: Callable[[AccessUnit], None],
    limits: Limits,
    sound: SoundSink,
    cpu: CpuMeter,
) -> Reader:
    """Return what reads a source; it calls back in the thread that it is run in.

    `cpu` is told what encoding takes, where that is done.
    """
    if isinstance(source, Stills):
        return StillsReader(
            source,
            timeline=timeline,
            on_format=on_format,
            on_unit=on_unit,
            read_timeout=limits.read_timeout,
            cpu=cpu,
        )
    if isinstance(source, WebRtcCamera):
        return WebRtcReader(
            source,
            timeline=timeline,
            on_format=on_format,
            on_unit=on_unit,
            limits=limits,
            sound=sound,
        )
    return StreamReader(
        source,
        timeline=timeline,
        on_format=on_format,
        on_unit=on_unit,
        open_timeout=limits.open_timeout,
        read_timeout=limits.read_timeout,
        sound=sound,
        cpu=cpu,
    )


async def run_in_thread(reader: Reader) -> Outcome:
    """Run a reader until its end, which also comes when this is cancelled."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[Outcome] = loop.create_future()

    def work() -> None:
        try:
            result = reader.run()
        except Exception as err:  # noqa: BLE001
            result = Outcome(detail=type(err).__name__)
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(done.set_result, result)

    thread = threading.Thread(target=work, name="kinesis_webrtc feed", daemon=True)
    thread.start()
    try:
        return await asyncio.shield(done)
    finally:
        # Also when cancelled: the camera is closed when this returns.
        reader.stop()
        while not done.done():
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.shield(done)
        # Telling was the last that it had to do.
        thread.join()
