"""A camera that only speaks WebRTC: its process, and its entity."""

import asyncio
import json
import sys
from typing import override

from .camera import CLIPS
from .client import HomeAssistantClient
from .clip import make_clip
from .flows import ENTRIES, Flow
from .home_assistant import REPOSITORY
from .process import Process


class WebRtcCamera(Process):
    """A camera of 1080p whose frames say who and which they are."""

    def __init__(self, *, number: int) -> None:
        self.number = number
        self.url: str
        super().__init__([], name=f"webrtc-camera-{number}", directory=REPOSITORY)

    @override
    async def start(self) -> None:
        clip = await asyncio.to_thread(make_clip, CLIPS, camera=self.number)
        module = "tests.e2e.harness.webrtc_camera_process"
        self.command = [sys.executable, "-m", module, str(clip)]
        await super().start()

    @override
    async def get_ready(self) -> None:
        ready = await self.wait_for_line(r'^(\{"event": "ready".*)$')
        self.url = json.loads(ready[1])["url"]

    @property
    def open_views(self) -> list[int]:
        """Return how many views were open, after each that came or went."""
        events = [json.loads(line) for line in self.lines if line.startswith("{")]
        return [event["open"] for event in events if "open" in event]

    async def end_views(self) -> None:
        """End all views, as cameras in a cloud do every few minutes."""
        await self.write("end")

    async def wait_until_idle(self, *, timeout: float = 30) -> None:
        """Wait until nobody views it."""
        if not self.open_views or self.open_views[-1]:
            await self.wait_for_line(
                r'"left", "open": 0', timeout=timeout, start=len(self.lines) - 1
            )

    async def add_to(self, client: HomeAssistantClient, *, name: str) -> str:
        """Add it to Home Assistant; return its entity id."""
        flow = await Flow.start(client, ENTRIES, "webrtc_only")
        await flow.finish({"name": name, "url": self.url})
        entity_id = f"camera.{name.lower().replace(' ', '_')}"
        await client.wait_for_state(entity_id, lambda _: True)
        return entity_id
