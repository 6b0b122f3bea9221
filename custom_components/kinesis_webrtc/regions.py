"""The AWS regions of signaling channels, and which of them is near."""

from typing import Final

# Offered in the form; a region that is not here can be typed in.
REGIONS: Final = (
    "af-south-1",
    "ap-east-1",
    "ap-northeast-1",
    "ap-northeast-2",
    "ap-south-1",
    "ap-southeast-1",
    "ap-southeast-2",
    "ap-southeast-5",
    "ca-central-1",
    "cn-north-1",
    "eu-central-1",
    "eu-south-2",
    "eu-west-1",
    "eu-west-2",
    "eu-west-3",
    "me-south-1",
    "sa-east-1",
    "us-east-1",
    "us-east-2",
    "us-west-2",
)
# By the beginning of a time zone's name; the first that fits.
_NEAREST: Final = (
    ("Europe/", "eu-west-1"),
    ("Africa/", "eu-west-1"),
    ("Atlantic/", "eu-west-1"),
    ("Asia/Tokyo", "ap-northeast-1"),
    ("Asia/Seoul", "ap-northeast-2"),
    ("Asia/Kolkata", "ap-south-1"),
    ("Asia/", "ap-southeast-1"),
    ("Australia/", "ap-southeast-2"),
    ("Pacific/Auckland", "ap-southeast-2"),
    ("America/Los_Angeles", "us-west-2"),
    ("America/Vancouver", "us-west-2"),
    ("Pacific/", "us-west-2"),
)
_NEAREST_OF_ALL: Final = "us-east-1"


def nearest_region(time_zone: str) -> str:
    """Return the region that is probably nearest to a home in a time zone."""
    return next(
        (region for area, region in _NEAREST if time_zone.startswith(area)),
        _NEAREST_OF_ALL,
    )
