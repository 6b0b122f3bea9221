"""Which of the offered codecs are answered."""

from collections.abc import Mapping
from dataclasses import dataclass
import re

from .sdp import Section

# aiortc takes other dynamic payload types for its own, see session.py.
AIORTC_PAYLOAD_TYPES = range(96, 128)

CONSTRAINED_BASELINE = "42e01f"

_PROFILE_LEVEL_ID = re.compile(r"[0-9a-fA-F]{6}")
_FEEDBACK = ("nack", "nack pli", "ccm fir", "goog-remb")
# RFC 3551 table 4; an Echo lists these without rtpmap.
_STATIC_AUDIO = {"0": "PCMU/8000", "8": "PCMA/8000"}
_AUDIO_PREFERENCE = ("opus", "pcmu", "pcma")


@dataclass(frozen=True, slots=True, kw_only=True)
class Codec:
    """One payload type that is answered, as offered."""

    name: str
    clock: str
    payload_type: int
    fmtp: str | None = None
    feedback: tuple[str, ...] = ()
    rtx: int | None = None

    @property
    def payload_types(self) -> list[int]:
        """What stands in the m= line."""
        return [self.payload_type] + ([] if self.rtx is None else [self.rtx])

    def lines(self, names: Mapping[int, int] | None = None) -> list[str]:
        """Return the a= lines; `names` gives payload types other numbers."""
        renamed = names or {}
        number = renamed.get(self.payload_type, self.payload_type)
        lines = [f"a=rtpmap:{number} {self.name}/{self.clock}"]
        lines += [f"a=rtcp-fb:{number} {value}" for value in self.feedback]
        if self.fmtp is not None:
            lines.append(f"a=fmtp:{number} {self.fmtp}")
        if self.rtx is not None:
            rtx = renamed.get(self.rtx, self.rtx)
            lines += [f"a=rtpmap:{rtx} rtx/90000", f"a=fmtp:{rtx} apt={number}"]
        return lines


def choose_video(section: Section, profile: str | None) -> Codec | None:
    """Return the H.264 format that fits the camera's profile best.

    `profile` is the camera's profile-level-id where it is known. Formats in
    packetization mode 0 are passed over; an Echo names no mode at all, and
    takes mode 1 (RFC 6184 section 6.3).
    """
    maps, parameters = _rtpmaps(section), _parameters(section)
    formats: list[tuple[int, int, str, bool]] = []
    for order, number in enumerate(section.formats):
        if maps.get(number) != ("h264", "90000") or not _is_payload_type(number):
            continue
        given = parameters.get(number, {})
        if given.get("packetization-mode", "1") != "1":
            continue
        offered = given.get("profile-level-id", "")
        if not _PROFILE_LEVEL_ID.fullmatch(offered):
            offered = CONSTRAINED_BASELINE
        asymmetric = given.get("level-asymmetry-allowed", "1") == "1"
        rank = _rank(offered, profile)
        formats.append((rank * 1000 + order, int(number), offered, asymmetric))
    if not formats:
        return None
    _, payload_type, offered, asymmetric = min(formats)
    asymmetry = "level-asymmetry-allowed=1;" if asymmetric else ""
    return Codec(
        name="H264",
        clock="90000",
        payload_type=payload_type,
        fmtp=f"{asymmetry}packetization-mode=1;profile-level-id={offered}",
        feedback=_feedback(section, payload_type),
        rtx=_find_rtx(section, maps, parameters, payload_type),
    )


def has_only_h264(section: Section) -> bool:
    """Tell whether a video section offers no other codec."""
    maps = _rtpmaps(section)
    names = {maps.get(number, ("", ""))[0] for number in section.formats}
    return names <= {"h264", "rtx"}


def choose_audio(section: Section) -> Codec | None:
    """Return the format in which audio is sent: Opus, else G.711.

    An Echo that gets G.711 is known to answer with silence, so Opus comes first.
    """
    maps = _rtpmaps(section)
    found: dict[str, Codec] = {}
    for number in section.formats:
        name, clock = maps.get(number, ("", ""))
        if not _is_payload_type(number) or name in found:
            continue
        if name == "opus" and clock.startswith("48000"):
            found[name] = Codec(name="opus", clock="48000/2", payload_type=int(number))
        elif name in ("pcmu", "pcma") and clock in ("8000", "8000/1"):
            found[name] = Codec(
                name=name.upper(), clock="8000", payload_type=int(number)
            )
    return next((found[name] for name in _AUDIO_PREFERENCE if name in found), None)


def same_profile(first: str, second: str) -> bool:
    """Tell whether two profile-level-ids name the same profile, levels aside."""
    return _profile(first) == _profile(second)


def _profile(profile_level_id: str) -> tuple[int, bool]:
    idc, constraints = bytes.fromhex(profile_level_id[:4])
    # constraint_set1 makes Baseline and Main one constrained profile (RFC 6184
    # table 5); for the others the constraint sets only restrict.
    if idc in (0x42, 0x4D):
        constrained = bool(constraints & (0x40 if idc == 0x42 else 0x80))
        return (0x42 if constrained else idc, constrained)
    return idc, False


def _rank(offered: str, camera: str | None) -> int:
    if camera is not None and same_profile(offered, camera):
        return 0
    if same_profile(offered, CONSTRAINED_BASELINE):
        return 1
    return 2 if offered[:2] == "42" else 3


def _is_payload_type(number: str) -> bool:
    # 64 to 95 collide with RTCP on a shared port (RFC 5761 section 4).
    # Python refuses to read a number of thousands of digits.
    is_number = number.isascii() and number.isdigit() and len(number) <= 3
    return is_number and int(number) in _PAYLOAD_TYPES


_PAYLOAD_TYPES = frozenset(range(64)) | frozenset(range(96, 128))


def _rtpmaps(section: Section) -> dict[str, tuple[str, str]]:
    values = [f"{number} {name}" for number, name in _STATIC_AUDIO.items()]
    if section.kind != "audio":
        values = []
    maps: dict[str, tuple[str, str]] = {}
    for value in values + section.values("rtpmap"):
        number, _, description = value.partition(" ")
        name, _, clock = description.strip().partition("/")
        maps[number] = name.lower(), clock.strip()
    return maps


def _parameters(section: Section) -> dict[str, dict[str, str]]:
    parameters: dict[str, dict[str, str]] = {}
    for value in section.values("fmtp"):
        number, _, rest = value.partition(" ")
        given = parameters.setdefault(number, {})
        for item in rest.split(";"):
            key, _, content = item.partition("=")
            given[key.strip().lower()] = content.strip()
    return parameters


def _feedback(section: Section, payload_type: int) -> tuple[str, ...]:
    offered = set()
    for value in section.values("rtcp-fb"):
        number, _, words = value.partition(" ")
        if number in ("*", str(payload_type)):
            offered.add(" ".join(words.split()))
    return tuple(value for value in _FEEDBACK if value in offered)


def _find_rtx(
    section: Section,
    maps: Mapping[str, tuple[str, str]],
    parameters: Mapping[str, Mapping[str, str]],
    payload_type: int,
) -> int | None:
    for number in section.formats:
        if (
            maps.get(number) == ("rtx", "90000")
            and parameters.get(number, {}).get("apt") == str(payload_type)
            and _is_payload_type(number)
        ):
            return int(number)
    return None
