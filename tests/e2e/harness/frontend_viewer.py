"""An aiortc peer that views a camera by the websocket commands of HA's frontend."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
import re
from typing import Any, override

import numpy as np

from tests.helpers.viewers import Viewer

from .client import HomeAssistantClient
from .pattern import Reading, read
from .pictures import assert_moving


class FrontendViewer(Viewer):
    """It trickles, as browsers do; what came back is kept in the order of arrival."""

    def __init__(self) -> None:
        super().__init__()
        self.events: list[dict[str, Any]] = []
        self.session_id: str

    @override
    async def offer(self) -> str:
        """Return an offer without candidates; they are to be sent one by one."""
        complete = await super().offer()
        lines = complete.splitlines()
        self._candidates = list(
            dict.fromkeys(line[2:] for line in lines if line.startswith("a=candidate:"))
        )
        left = [
            line
            for line in lines
            if not re.match(r"a=(candidate:|end-of-candidates)", line)
        ]
        left.insert(
            next(i for i, line in enumerate(left) if line.startswith("m=")),
            "a=ice-options:trickle",
        )
        return "\r\n".join(left) + "\r\n"

    async def assert_sees(self, camera: int) -> None:
        """Hold that the camera's pictures come, one after the other."""
        await self.wait_frames(15, timeout=30)
        readings = self.readings
        assert {reading.camera for reading in readings if reading} == {camera}
        # A busy machine leaves pictures out before it comes late.
        assert_moving(
            [reading.number if reading else None for reading in readings],
            longest_step=25,
        )

    async def trickle(self, client: HomeAssistantClient, entity_id: str) -> None:
        """Send the candidates, and that there are no more."""
        for candidate in [*self._candidates, ""]:
            await client.command(
                "camera/webrtc/candidate",
                entity_id=entity_id,
                session_id=self.session_id,
                candidate={
                    "candidate": candidate,
                    "sdpMid": "0",
                    "sdpMLineIndex": 0,
                },
            )

    async def take(self, event: dict[str, Any]) -> None:
        """Act on an event of the subscription as the frontend does."""
        self.events.append(event)
        match event:
            case {"type": "session", "session_id": session_id}:
                self.session_id = session_id
            case {"type": "answer", "answer": answer}:
                await self.accept(answer)
            case {"type": "candidate", "candidate": candidate}:
                await self.add_candidate(
                    candidate["candidate"], candidate.get("sdpMid", "0")
                )
            case {"type": "error"}:
                raise AssertionError(event)

    async def follow(self, events: asyncio.Queue[dict[str, Any]]) -> None:
        """Act on all events that come, until cancelled."""
        while True:
            await self.take(await events.get())

    @property
    def readings(self) -> list[Reading | None]:
        """What the decoded pictures say about themselves."""
        return [
            read(frame.to_ndarray(format="rgb24").astype(np.uint8, copy=False))
            for frame in self.frames
        ]


@asynccontextmanager
async def frontend_view(
    client: HomeAssistantClient, entity_id: str
) -> AsyncIterator[FrontendViewer]:
    """Give a viewer that was answered, until its subscription ends."""
    async with FrontendViewer() as viewer:
        offer = await viewer.offer()
        async with client.subscribe(
            "camera/webrtc/offer", entity_id=entity_id, offer=offer
        ) as events:
            while not (viewer.events and viewer.events[-1]["type"] == "answer"):
                await viewer.take(await events.get())
            await viewer.trickle(client, entity_id)
            async with asyncio.TaskGroup() as tasks:
                following = tasks.create_task(viewer.follow(events))
                yield viewer
                following.cancel()
