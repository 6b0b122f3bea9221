"""AWS's partitions, by their regions' names."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Partition:
    """A group of regions, and the domain of its hosts."""

    name: str
    dns_suffix: str


# https://docs.aws.amazon.com/whitepapers/latest/aws-fault-isolation-boundaries/partitions.html
_BY_REGION_PREFIX = {
    "cn-": Partition("aws-cn", "amazonaws.com.cn"),
    "eusc-": Partition("aws-eusc", "amazonaws.eu"),
    "us-gov-": Partition("aws-us-gov", "amazonaws.com"),
}
_COMMERCIAL = Partition("aws", "amazonaws.com")


def partition_of(region: str) -> Partition:
    """Return the partition that a region belongs to, by its name alone."""
    for prefix, partition in _BY_REGION_PREFIX.items():
        if region.startswith(prefix):
            return partition
    return _COMMERCIAL
