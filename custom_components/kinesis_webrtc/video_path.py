"""What becomes of a shared camera's pictures on their way, and what that takes."""

from enum import StrEnum

from .peer import CameraFeed


class VideoPath(StrEnum):
    """What becomes of a camera's pictures on their way to the viewers; closed list."""

    PASSED = "passed_through"
    TRANSCODED = "transcoded"
    FOR_ALEXA = "transcoded_for_alexa"


def video_path(feed: CameraFeed, alexa_feed: CameraFeed) -> VideoPath | None:
    """Return what becomes of the pictures, once there were any.

    `alexa_feed` is what Echos get, which may be the same.
    """
    if feed.format and feed.format.transcoded_from:
        return VideoPath.TRANSCODED
    if alexa_feed.small.shrunk_from:
        return VideoPath.FOR_ALEXA
    if feed.format is None and alexa_feed.format is None:
        return None
    return VideoPath.PASSED


def encoding_load(feed: CameraFeed, alexa_feed: CameraFeed) -> float:
    """Return what encoding takes now, in percent of one core."""
    if alexa_feed is feed:
        return feed.cpu_percent
    return feed.cpu_percent + alexa_feed.cpu_percent
