"""Languages of a skill, and where they force its function and its events to be."""

import pytest

from custom_components.kinesis_webrtc.alexa.regions import (
    LANGUAGES,
    GatewayRegion,
    gateway_region,
    lambda_region,
)


@pytest.mark.parametrize(
    ("languages", "region", "gateway"),
    [
        (
            "en-US en-CA fr-CA es-MX es-US pt-BR",
            "us-east-1",
            "https://api.amazonalexa.com/v3/events",
        ),
        (
            "en-GB en-IN hi-IN de-DE es-ES fr-FR it-IT nl-NL ar-SA",
            "eu-west-1",
            "https://api.eu.amazonalexa.com/v3/events",
        ),
        ("ja-JP en-AU", "us-west-2", "https://api.fe.amazonalexa.com/v3/events"),
    ],
)
def test_a_language_forces_region_and_gateway(
    languages: str, region: str, gateway: str
) -> None:
    for language in languages.split():
        assert language in LANGUAGES
        assert lambda_region(language) == region
        assert gateway_region(language).gateway_url == gateway


def test_every_language_has_its_place() -> None:
    assert len(LANGUAGES) == len(set(LANGUAGES)) == 17
    assert {gateway_region(language) for language in LANGUAGES} == set(GatewayRegion)


def test_a_language_that_alexa_does_not_speak_is_an_error() -> None:
    with pytest.raises(KeyError):
        lambda_region("de-CH")
