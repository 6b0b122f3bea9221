"""One offer as Alexa sends it, and what comes of it."""

from collections.abc import Callable
from pathlib import Path
import time

from tests.e2e.harness.alexa_lambda import AlexaLambda
from tests.e2e.harness.echo import Echo


class OfferFailedError(Exception):
    """There was no answer, or no picture."""


async def send_offer(
    *, url: str, channel_arn: str, picture: Path, say: Callable[[str], None]
) -> None:
    """Send an offer, show the answer, decode frames and keep the last as a picture.

    Raises OfferFailedError.
    """
    alexa = AlexaLambda(url=url, channel_arn=channel_arn)
    await alexa.prepare()
    async with Echo(frames=50, picture=picture) as echo:
        say(f"The offer of an Echo ({len(echo.offer)} characters):\n\n{echo.offer}")
        started = time.monotonic()
        answer = await alexa.answer(echo.offer)
        elapsed = (time.monotonic() - started) * 1000
        if answer is None:
            raise OfferFailedError("no answer: see Home Assistant's log")
        say(f"The answer, after {elapsed:.0f} ms:\n\n{answer}")
        await echo.apply(answer)
        pair = await echo.connected()
        say(
            f"Connected: {pair.local_type} {pair.local_address} here, "
            f"{pair.remote_type} {pair.remote_address} there."
        )
        say(f"First frame {await echo.first_frame_ms():.0f} ms after the offer.")
        frames = await echo.frames()
        read = [number for number in frames.numbers if number is not None]
        await echo.hang_up()
    if len(read) < len(frames.numbers) // 2:
        raise OfferFailedError(f"frames that are not the camera's: {frames.numbers}")
    say(
        f"{len(frames.numbers)} frames of {frames.width}x{frames.height} decoded; "
        f"by their numbers: {', '.join(map(str, frames.numbers))}.\n"
        f"The last one: {picture}"
    )
