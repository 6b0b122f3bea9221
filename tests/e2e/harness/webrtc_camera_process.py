"""A camera that speaks WebRTC and nothing else, in a process of its own.

It prints one JSON object a line: {"event": "ready", "url": …}, then "joined" and "left"
with the number of views that are open. A line "end" on its standard input ends them all,
with a goodbye.

    python -m tests.e2e.harness.webrtc_camera_process CLIP

A POST of an offer to /sessions/ID is answered; a DELETE of it ends the view.
"""

import asyncio
import json
from pathlib import Path
import sys

from aiohttp import web

from tests.helpers.webrtc_camera import WebRtcCameraModel, WebRtcView


def say(event: str, **fields: object) -> None:
    """Print one event."""
    print(json.dumps({"event": event, **fields}), flush=True)


async def serve(clip: Path) -> None:
    """Serve until the standard input ends."""
    camera = WebRtcCameraModel(clip, has_key_frames_on_demand=False)
    views: dict[str, WebRtcView] = {}

    async def join(request: web.Request) -> web.Response:
        view = views[request.match_info["session"]] = camera.new_view()
        answer = await view.answer(await request.text())
        say("joined", open=camera.open_views)
        return web.Response(text=answer)

    async def leave(request: web.Request) -> web.Response:
        await end(views[request.match_info["session"]])
        return web.Response()

    async def end(view: WebRtcView) -> None:
        if not view.is_closed:
            await view.close()
            say("left", open=camera.open_views)

    application = web.Application()
    application.router.add_post("/sessions/{session}", join)
    application.router.add_delete("/sessions/{session}", leave)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    say("ready", url=f"http://{host}:{port}")
    while await asyncio.to_thread(sys.stdin.readline):
        for view in list(views.values()):
            await end(view)
    await camera.close()
    await runner.cleanup()


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1])))
