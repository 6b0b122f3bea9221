"""Viewers made of aiortc: one shaped like an Echo, one that trickles."""

import asyncio
from collections.abc import Container
import contextlib
from typing import Self

from aiortc import (
    RTCConfiguration,
    RTCIceServer,
    RTCPeerConnection,
    RTCSessionDescription,
)
from aiortc.contrib.media import MediaStreamError
from aiortc.rtcconfiguration import RTCBundlePolicy
from aiortc.sdp import candidate_from_sdp
import av


class Viewer:
    """An aiortc peer that receives video, and audio beside it."""

    def __init__(
        self, *, audio: bool = True, servers: list[RTCIceServer] | None = None
    ) -> None:
        """Offer audio first and video second, as Echos and browsers do."""
        self.pc = RTCPeerConnection(
            RTCConfiguration(
                iceServers=servers or [], bundlePolicy=RTCBundlePolicy.MAX_BUNDLE
            )
        )
        self.frames: list[av.VideoFrame] = []
        self.audio_frames: list[av.AudioFrame] = []
        self.connected = asyncio.Event()
        self.ended = asyncio.Event()
        self._changed = asyncio.Condition()
        self._tasks: list[asyncio.Task[None]] = []
        if audio:
            self.pc.addTransceiver("audio", direction=self.direction)
        self.pc.addTransceiver("video", direction=self.direction)
        self.pc.on("track", self._on_track)
        self.pc.on("connectionstatechange", self._on_state)

    direction = "recvonly"

    async def __aenter__(self) -> Self:
        """Return the viewer itself."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Hang up."""
        await self.close()

    async def offer(self) -> str:
        """Return the offer's SDP."""
        await self.pc.setLocalDescription(await self.pc.createOffer())
        return self.pc.localDescription.sdp

    async def accept(self, answer: str) -> None:
        """Apply an answer."""
        await self.pc.setRemoteDescription(RTCSessionDescription(answer, "answer"))

    async def add_candidate(self, text: str, mid: str) -> None:
        """Apply a candidate that came after the answer; '' ends them."""
        if not text:
            await self.pc.addIceCandidate(None)
            return
        candidate = candidate_from_sdp(text.removeprefix("candidate:"))
        candidate.sdpMid = mid
        await self.pc.addIceCandidate(candidate)

    async def wait_frames(self, count: int, timeout: float = 15.0) -> None:
        """Wait until so many pictures have been decoded; raises TimeoutError."""
        async with asyncio.timeout(timeout), self._changed:
            await self._changed.wait_for(lambda: len(self.frames) >= count)

    async def wait_audio(self, count: int, timeout: float = 15.0) -> None:
        """Wait until so many frames of audio have come; raises TimeoutError."""
        async with asyncio.timeout(timeout), self._changed:
            await self._changed.wait_for(lambda: len(self.audio_frames) >= count)

    @property
    def selected_types(self) -> tuple[str, str]:
        """The types of the selected pair: this side's, the other's."""
        connection = self.pc.getTransceivers()[0].receiver.transport.transport
        pair = connection._connection._nominated[1]
        return pair.local_candidate.type, pair.remote_candidate.type

    async def close(self) -> None:
        """Hang up, with a goodbye."""
        await self.pc.close()
        await self._cancel()

    async def vanish(self) -> None:
        """Disappear without a goodbye, as when the power goes."""
        for transceiver in self.pc.getTransceivers():
            connection = transceiver.receiver.transport.transport._connection
            await connection.close()
        await self.pc.close()
        await self._cancel()

    async def _cancel(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _on_state(self) -> None:
        if self.pc.connectionState == "connected":
            self.connected.set()
        elif self.pc.connectionState in ("failed", "closed"):
            self.ended.set()

    def _on_track(self, track) -> None:
        self._tasks.append(asyncio.create_task(self._receive(track)))

    async def _receive(self, track) -> None:
        sink = self.frames if track.kind == "video" else self.audio_frames
        with contextlib.suppress(MediaStreamError):
            while True:
                frame = await track.recv()
                async with self._changed:
                    sink.append(frame)
                    self._changed.notify_all()


def hear_from(viewer: Viewer, ports: Container[int] | None) -> None:
    """Have a viewer hear what comes from these ports alone, or from all again."""
    transport = viewer.pc.getTransceivers()[0].receiver.transport.transport
    for protocol in transport._connection._protocols:
        stock = type(protocol).datagram_received.__get__(protocol)

        def filtered(data: bytes, addr: tuple[str, int], stock=stock) -> None:
            if ports is None or addr[1] in ports:
                stock(data, addr)

        protocol.datagram_received = filtered


class EchoPeer(Viewer):
    """A viewer whose offer has the shape of an Echo's."""

    direction = "sendrecv"

    async def offer(self) -> str:
        """Return a complete offer: no trickle, one H.264 format without fmtp."""
        plain = await super().offer()
        self._mids = dict(zip(_values(plain, "mid"), _echo_mids(plain), strict=True))
        return echo_shape(plain)

    async def accept(self, answer: str) -> None:
        """Apply an answer, in terms of what aiortc itself had offered."""
        names = {echo: own for own, echo in self._mids.items()}
        await super().accept(rename_mids(answer, names))


def _values(sdp: str, name: str) -> list[str]:
    prefix = f"a={name}:"
    return [
        line.removeprefix(prefix)
        for line in sdp.splitlines()
        if line.startswith(prefix)
    ]


def _echo_mids(sdp: str) -> list[str]:
    return [f"{line[2:7]}0" for line in sdp.splitlines() if line.startswith("m=")]


def rename_mids(sdp: str, names: dict[str, str]) -> str:
    """Give media sections other identification tags."""
    lines = []
    for line in sdp.splitlines():
        if line.startswith("a=mid:"):
            lines.append(f"a=mid:{names[line[6:]]}")
        elif line.startswith("a=group:BUNDLE"):
            mids = (names[mid] for mid in line.split()[1:])
            lines.append(" ".join(["a=group:BUNDLE", *mids]))
        else:
            lines.append(line)
    return "\r\n".join(lines) + "\r\n"


def echo_shape(sdp: str, *, profile: str = "UDP/TLS/RTP/SAVPF") -> str:
    """Rewrite aiortc's own complete offer into the shape of an Echo's."""
    mids = _echo_mids(sdp)
    session = [
        "v=0",
        "o=- 3911500000 3911500000 IN IP4 0.0.0.0",
        "s=a 2 z",
        "c=IN IP4 0.0.0.0",
        "t=0 0",
        f"a=group:BUNDLE {' '.join(mids)}",
    ]
    hosts = []
    for value in dict.fromkeys(_values(sdp, "candidate")):
        words = value.split()
        if words[2] == "udp" and words[7] == "host" and ":" not in words[4]:
            hosts.append((words[4], int(words[5])))
    candidates = []
    for address, port in dict.fromkeys(hosts):
        candidates += [
            f"a=candidate:1 1 UDP 2013266431 {address} {port} typ host",
            f"a=candidate:2 1 TCP 1015021823 {address} 9 typ host tcptype active",
            f"a=candidate:3 1 TCP 1010827519 {address} {port} typ host tcptype passive",
            f"a=candidate:1 2 UDP 2013266430 {address} {port ^ 1} typ host",
            f"a=candidate:2 2 TCP 1015021822 {address} 9 typ host tcptype active",
        ]
    shared = [
        f"a=ice-ufrag:{_values(sdp, 'ice-ufrag')[0]}",
        f"a=ice-pwd:{_values(sdp, 'ice-pwd')[0]}",
        "a=fingerprint:"
        + next(v for v in _values(sdp, "fingerprint") if v.startswith("sha-256")),
    ]
    before = [
        "a=setup:actpass",
        "a=extmap:3 http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time",
    ]
    middle = ["a=rtcp:9 IN IP4 0.0.0.0", "a=rtcp-mux", "a=sendrecv"]
    lines = session
    if "audio0" in mids:
        lines += [
            f"m=audio 1 {profile} 96 0 8",
            *candidates,
            *before,
            "a=rtpmap:96 opus/48000/2",
            *middle,
            "a=mid:audio0",
            "a=ssrc:3512340017 cname:user1820491022@host-5c2d9a41",
            *shared,
        ]
    lines += [
        f"m=video 1 {profile} 99",
        *candidates,
        "b=AS:2500",
        *before,
        "a=rtpmap:99 H264/90000",
        *middle,
        "a=mid:video0",
        "a=rtcp-fb:99 nack",
        "a=rtcp-fb:99 nack pli",
        "a=rtcp-fb:99 ccm fir",
        "a=ssrc:1180456623 cname:user1820491022@host-5c2d9a41",
        *shared,
    ]
    return "\n".join(lines) + "\n"
