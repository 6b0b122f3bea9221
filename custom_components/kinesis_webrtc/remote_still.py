"""A remote channel's still picture, at a price that a dashboard can afford."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
import logging
import time
from typing import Any, Final, Protocol

from .peer import Picture, StillError, StillViewer
from .signaling import IceCandidate, IceServer, SignalingError
from .viewer_session import MasterAbsentError, SessionClosedError

_LOGGER = logging.getLogger(__name__)

# The only session whose id Home Assistant does not give.
_SESSION_ID: Final = "still"

# All in seconds.
FRESH: Final = 60.0
RECENT: Final = 300.0
# Home Assistant gives a camera 10 s for its picture.
JOIN_WITHIN: Final = 8.0


class StillChannel(Protocol):
    """What a still needs of its channel."""

    @property
    def ice_servers(self) -> Sequence[IceServer]:
        """What a viewer begins with."""
        ...

    async def async_answer(
        self,
        session_id: str,
        offer_sdp: str,
        on_candidate: Callable[[IceCandidate], None],
    ) -> str:
        """Return the master's answer to an offer."""
        ...

    def async_add_candidate(self, session_id: str, candidate: IceCandidate) -> None:
        """Send a viewer's candidate."""
        ...

    def async_close(self, session_id: str) -> None:
        """End a viewer's signaling."""
        ...


class RemoteStill:
    """Joins a channel as a viewer for one picture, as seldom as it can.

    A picture is served for 60 seconds without asking for another. From then until it
    is five minutes old it is served at once, while a join for the next one goes on
    behind; an older one is not served, the request waits for the join. All requests
    share one join, and after one that failed the next waits a minute.

    A dashboard asks every ten seconds. It so costs one join a minute while it is open,
    and nothing while nobody looks: an offer, an answer and the candidates of both
    sides, some ten to twenty signaling messages, and a second of the master's upstream.
    That is at most about 30,000 messages for a dashboard that is open all day.
    """

    def __init__(
        self, *, channel: StillChannel, join_within: float = JOIN_WITHIN
    ) -> None:
        """Start without a picture; `join_within` is in seconds."""
        self._channel = channel
        self._join_within = join_within
        self._picture: Picture | None = None
        self._taken_at = 0.0
        self._not_before = 0.0
        self._joining: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def async_picture(self) -> Picture | None:
        """Return a picture that is not older than five minutes, None if there is none."""
        now = _now()
        if now - self._taken_at < FRESH and self._picture is not None:
            return self._picture
        if self._joining is None and now >= self._not_before:
            self._joining = self._start(self._async_join())
        if (picture := self._recent_picture()) is not None:
            return picture
        if self._joining is not None:
            await asyncio.wait([self._joining])
        return self._recent_picture()

    async def async_stop(self) -> None:
        """Leave the channel."""
        if self._joining is not None:
            self._joining.cancel()
        while self._tasks:
            await asyncio.wait(self._tasks)

    def _recent_picture(self) -> Picture | None:
        age = _now() - self._taken_at
        return self._picture if age < RECENT else None

    async def _async_join(self) -> None:
        viewer = StillViewer(on_candidate=self._send_candidate)
        try:
            async with asyncio.timeout(self._join_within):
                picture = await self._async_view(viewer)
        except (
            MasterAbsentError,
            SessionClosedError,
            SignalingError,
            StillError,
            TimeoutError,
        ) as err:
            self._not_before = _now() + FRESH
            _LOGGER.debug("No still: %s %s", type(err).__name__, err)
        except Exception as err:  # noqa: BLE001
            # Only the type: the text may hold what an answer held.
            self._not_before = _now() + FRESH
            _LOGGER.error("No still, unexpectedly: %s", type(err).__name__)
        else:
            self._picture, self._taken_at = picture, _now()
        finally:
            self._channel.async_close(_SESSION_ID)
            self._joining = None
            # Whoever waits for the picture need not wait for the goodbyes.
            self._start(viewer.close())

    async def _async_view(self, viewer: StillViewer) -> Picture:
        offer = await viewer.offer(self._channel.ice_servers)
        answer = await self._channel.async_answer(
            _SESSION_ID,
            offer,
            lambda candidate: viewer.add_candidate(candidate.candidate),
        )
        await viewer.accept(answer)
        return await viewer.picture()

    def _send_candidate(self, candidate: str, sdp_mid: str, index: int) -> None:
        self._channel.async_add_candidate(
            _SESSION_ID,
            IceCandidate(candidate=candidate, sdp_mid=sdp_mid, sdp_m_line_index=index),
        )

    def _start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work, name="kinesis_webrtc still")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


def _now() -> float:
    """Return the time by a clock that never jumps, in seconds."""
    return time.monotonic()
