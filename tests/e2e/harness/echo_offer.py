"""The shape of an Echo's offer, filled in with what a real peer connection can do.

The shape is that of current Echo devices: no trickle, candidates in both sections, ICE
over TCP and a second component that nobody can use, H.264 without parameters, b= in the
wrong place.
"""

from dataclasses import dataclass
import re
import time

_NTP_EPOCH = 2208988800
_OFFERED_PROFILE = "42001f"

_SECTION = """\
m={kind} 1 UDP/TLS/RTP/SAVPF {formats}
{candidates}{bandwidth}a=setup:actpass
a=extmap:3 http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time
{codec}
a=rtcp:9 IN IP4 0.0.0.0
a=rtcp-mux
a=sendrecv
a=mid:{mid}
{feedback}a=ssrc:{ssrc} cname:user{ssrc}@host-5c2d9a41
a=ice-ufrag:{ufrag}
a=ice-pwd:{pwd}
a=fingerprint:{fingerprint}
"""


@dataclass(frozen=True, slots=True)
class _Local:
    """What the offer of a peer connection says that an Echo's must say too."""

    ufrag: str
    pwd: str
    fingerprint: str
    addresses: list[tuple[str, str]]

    @classmethod
    def of(cls, sdp: str) -> _Local:
        """Read it out of a local description whose candidates are gathered."""

        def first(pattern: str) -> str:
            match = re.search(pattern, sdp)
            assert match, pattern
            return match[1]

        candidates = re.findall(
            r"a=candidate:\S+ 1 udp \d+ (\d+\.\d+\.\d+\.\d+) (\d+) typ host", sdp
        )
        return cls(
            ufrag=first(r"a=ice-ufrag:(\S+)"),
            pwd=first(r"a=ice-pwd:(\S+)"),
            fingerprint=first(r"a=fingerprint:(sha-256 \S+)"),
            addresses=list(dict.fromkeys(candidates)),
        )


def name_sections(sdp: str) -> str:
    """Give an offer's sections an Echo's names, before it is set locally."""
    sdp = sdp.replace("a=group:BUNDLE 0 1", "a=group:BUNDLE audio0 video0")
    return sdp.replace("a=mid:0\r\n", "a=mid:audio0\r\n").replace(
        "a=mid:1\r\n", "a=mid:video0\r\n"
    )


def echo_offer(local_sdp: str) -> str:
    """Return the local description in an Echo's words (LF line ends)."""
    local = _Local.of(local_sdp)
    now = int(time.time()) + _NTP_EPOCH
    header = (
        f"v=0\no=- {now} {now} IN IP4 0.0.0.0\ns=a 2 z\nc=IN IP4 0.0.0.0\nt=0 0\n"
        "a=group:BUNDLE audio0 video0\n"
    )
    shared = {
        "candidates": _candidates(local),
        "ufrag": local.ufrag,
        "pwd": local.pwd,
        "fingerprint": local.fingerprint,
    }
    audio = _SECTION.format(
        kind="audio",
        formats="96 0 8",
        bandwidth="",
        codec="a=rtpmap:96 opus/48000/2",
        mid="audio0",
        feedback="",
        ssrc=3512340017,
        **shared,
    )
    video = _SECTION.format(
        kind="video",
        formats="99",
        bandwidth="b=AS:2500\n",
        codec="a=rtpmap:99 H264/90000",
        mid="video0",
        feedback="a=rtcp-fb:99 nack\na=rtcp-fb:99 nack pli\na=rtcp-fb:99 ccm fir\n",
        ssrc=1180456623,
        **shared,
    )
    return header + audio + video


def _candidates(local: _Local) -> str:
    lines = []
    for address, port in local.addresses:
        for component in (0, 1):
            number = component + 1
            udp, active, passive = 2013266431, 1015021823, 1010827519
            here = int(port) + component
            lines += [
                f"1 {number} UDP {udp - component} {address} {here} typ host",
                f"2 {number} TCP {active - component} {address} 9 typ host tcptype active",
                f"3 {number} TCP {passive - component} {address} {here} typ host tcptype passive",
            ]
    return "".join(f"a=candidate:{line}\n" for line in lines)


def acceptable_answer(answer: str) -> str:
    """Return an answer that aiortc takes as an Echo would.

    aiortc insists on the profile that it offered; an Echo, which named none, does not.
    """
    return re.sub(
        r"profile-level-id=[0-9a-fA-F]{6}",
        f"profile-level-id={_OFFERED_PROFILE}",
        answer,
    )
