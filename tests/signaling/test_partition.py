import boto3
import pytest

from custom_components.kinesis_webrtc.signaling.partition import partition_of

SESSION = boto3.session.Session()
REGIONS = [
    region
    for partition in ("aws", "aws-cn", "aws-us-gov")
    for region in SESSION.get_available_regions("kinesisvideo", partition)
    if "fips" not in region
]


@pytest.mark.parametrize("region", [*REGIONS, "eusc-de-east-1"])
def test_partition_and_domain_are_botocores(region: str) -> None:
    loader = SESSION._session.get_component("data_loader")
    name = SESSION.get_partition_for_region(region)
    suffix = next(
        partition["outputs"]["dnsSuffix"]
        for partition in loader.load_data("partitions")["partitions"]
        if partition["id"] == name
    )

    found = partition_of(region)

    assert (found.name, found.dns_suffix) == (name, suffix)


def test_many_regions_are_known() -> None:
    assert len(REGIONS) > 20


def test_region_of_the_future_is_commercial() -> None:
    assert partition_of("eu-north-7").dns_suffix == "amazonaws.com"
