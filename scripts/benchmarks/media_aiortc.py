"""A stock aiortc master: its own player and relay pass the camera's H.264 on.

One JSON object a line: {"id": I, "sdp": OFFER} on standard input, {"event": "answer",
"id": I, "sdp": ANSWER} on standard output.

    python -m scripts.benchmarks.media_aiortc RTSP_URL
"""

import asyncio
import json
import sys

from aiortc import RTCPeerConnection, RTCSessionDescription
from aiortc.contrib.media import MediaPlayer, MediaRelay


def say(**fields: object) -> None:
    """Print one object."""
    print(json.dumps(fields), flush=True)


async def main(url: str) -> None:
    """Answer offers until there are no more."""
    player = await asyncio.to_thread(
        MediaPlayer,
        url,
        options={"rtsp_transport": "tcp", "fflags": "nobuffer"},
        decode=False,
    )
    relay = MediaRelay()
    connections = set()
    lines = asyncio.StreamReader(limit=2**20)
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(lines), sys.stdin
    )
    say(event="ready")
    while line := await lines.readline():
        offer = json.loads(line)
        connection = RTCPeerConnection()
        connections.add(connection)
        await connection.setRemoteDescription(
            RTCSessionDescription(offer["sdp"], "offer")
        )
        connection.addTrack(relay.subscribe(player.video))
        await connection.setLocalDescription(await connection.createAnswer())
        say(event="answer", id=offer["id"], sdp=connection.localDescription.sdp)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
