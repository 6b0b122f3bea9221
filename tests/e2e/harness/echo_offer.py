"""The shape of an Echo's offer, filled in with what a real peer connection can do.

The shape is that of current Echo devices: no trickle, candidates in both sections, ICE
over TCP and a second component that nobody can use, H.264 without parameters, b= in the
wrong place.
"""

from dataclasses import dataclass
from enum import StrEnum
import re
import time

_NTP_EPOCH = 2208988800
_OFFERED_PROFILE = "42001f"

_FEEDBACK = ("a=rtcp-fb:99 nack", "a=rtcp-fb:99 nack pli", "a=rtcp-fb:99 ccm fir")


class Era(StrEnum):
    """What Echo devices have offered over the years, by the offers' own dates."""

    Y2018 = "2018"
    Y2019 = "2019"
    Y2023 = "2023"
    Y2023_WITHOUT_AUDIO = "2023-without-audio"


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


def name_sections(sdp: str, era: Era) -> str:
    """Give an offer's sections an Echo's names, before it is set locally."""
    names = [f"{kind}0" for kind in _kinds(era)]
    for number, name in enumerate(names):
        sdp = sdp.replace(f"a=mid:{number}\r\n", f"a=mid:{name}\r\n")
    return re.sub(r"a=group:BUNDLE [0-9 ]+", f"a=group:BUNDLE {' '.join(names)}", sdp)


def echo_offer(local_sdp: str, era: Era = Era.Y2023) -> str:
    """Return the local description in an Echo's words (LF line ends)."""
    local = _Local.of(local_sdp)
    now = int(time.time()) + _NTP_EPOCH
    kinds = _kinds(era)
    lines = [
        "v=0",
        f"o=- {now} {now} IN IP4 0.0.0.0",
        "s=a 2 z",
        "c=IN IP4 0.0.0.0",
        "t=0 0",
        f"a=group:BUNDLE {' '.join(f'{kind}0' for kind in kinds)}",
    ]
    for kind in kinds:
        lines += _section(kind, local, era)
    return "\n".join(lines) + "\n"


def _kinds(era: Era) -> tuple[str, ...]:
    return ("video",) if era is Era.Y2023_WITHOUT_AUDIO else ("audio", "video")


def _section(kind: str, local: _Local, era: Era) -> list[str]:
    audio = kind == "audio"
    profile = "RTP/SAVPF" if era is Era.Y2018 else "UDP/TLS/RTP/SAVPF"
    formats = "96 0 8" if era is Era.Y2023 else "96 0"
    bandwidth = "2500" if era in (Era.Y2023, Era.Y2023_WITHOUT_AUDIO) else "500"
    ssrc = 3512340017 if audio else 1180456623
    return [
        f"m={kind} 1 {profile} {formats if audio else 99}",
        *_candidates(local, era),
        *([] if audio else [f"b=AS:{bandwidth}"]),
        "a=setup:actpass",
        "a=extmap:3 http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time",
        "a=rtpmap:96 opus/48000/2" if audio else "a=rtpmap:99 H264/90000",
        "a=rtcp:9 IN IP4 0.0.0.0",
        "a=rtcp-mux",
        "a=sendrecv",
        f"a=mid:{kind}0",
        *([] if audio else _FEEDBACK),
        f"a=ssrc:{ssrc} cname:user{ssrc}@host-5c2d9a41",
        f"a=ice-ufrag:{local.ufrag}",
        f"a=ice-pwd:{local.pwd}",
        f"a=fingerprint:{local.fingerprint}",
    ]


def _candidates(local: _Local, era: Era) -> list[str]:
    if era is Era.Y2018:
        foundations = {(1, "UDP"): 1, (2, "UDP"): 3}
        foundations |= {(1, "passive"): 2, (2, "passive"): 4}
        foundations |= {(1, "active"): 6, (2, "active"): 5}
        priorities = {"UDP": 2013266431, "passive": 1010827776, "active": 1015022080}
    else:
        kinds = {"UDP": 1, "active": 2, "passive": 3}
        foundations = {(n, kind): f for kind, f in kinds.items() for n in (1, 2)}
        priorities = {"UDP": 2013266432, "active": 1015021824, "passive": 1010827520}
    lines = []
    for address, port in local.addresses:
        for component in (1, 2):
            here = int(port) + component - 1
            for kind, port_or_discard, suffix in (
                ("UDP", here, ""),
                ("active", 9, " tcptype active"),
                ("passive", here, " tcptype passive"),
            ):
                lines.append(
                    f"a=candidate:{foundations[component, kind]} {component} "
                    f"{'UDP' if kind == 'UDP' else 'TCP'} "
                    f"{priorities[kind] - component} {address} {port_or_discard} "
                    f"typ host{suffix}"
                )
    return lines


def acceptable_answer(answer: str) -> str:
    """Return an answer that aiortc takes as an Echo would.

    aiortc insists on the profile that it offered; an Echo, which named none, does not.
    """
    return re.sub(
        r"profile-level-id=[0-9a-fA-F]{6}",
        f"profile-level-id={_OFFERED_PROFILE}",
        answer,
    )
