"""Where Amazon looks for a skill, by the languages that the skill speaks.

Account, skill language and the function's region have to agree, or discovery finds
nothing: https://developer.amazon.com/docs/smarthome/develop-smart-home-skills-in-multiple-languages.html
"""

from enum import StrEnum
from typing import Final


class GatewayRegion(StrEnum):
    """A region of Alexa's own."""

    NA = "NA"
    EU = "EU"
    FE = "FE"

    @property
    def gateway_url(self) -> str:
        """Return where events go.

        https://developer.amazon.com/docs/smarthome/send-events.html
        """
        return _GATEWAY_URLS[self]

    @property
    def lambda_region(self) -> str:
        """Return the AWS region that the function has to be in."""
        return _LAMBDA_REGIONS[self]


_GATEWAY_URLS: Final = {
    GatewayRegion.NA: "https://api.amazonalexa.com/v3/events",
    GatewayRegion.EU: "https://api.eu.amazonalexa.com/v3/events",
    GatewayRegion.FE: "https://api.fe.amazonalexa.com/v3/events",
}
_LAMBDA_REGIONS: Final = {
    GatewayRegion.NA: "us-east-1",
    GatewayRegion.EU: "eu-west-1",
    GatewayRegion.FE: "us-west-2",
}
_BY_LANGUAGE: Final = {
    "ar-SA": GatewayRegion.EU,
    "de-DE": GatewayRegion.EU,
    "en-AU": GatewayRegion.FE,
    "en-CA": GatewayRegion.NA,
    "en-GB": GatewayRegion.EU,
    "en-IN": GatewayRegion.EU,
    "en-US": GatewayRegion.NA,
    "es-ES": GatewayRegion.EU,
    "es-MX": GatewayRegion.NA,
    "es-US": GatewayRegion.NA,
    "fr-CA": GatewayRegion.NA,
    "fr-FR": GatewayRegion.EU,
    "hi-IN": GatewayRegion.EU,
    "it-IT": GatewayRegion.EU,
    "ja-JP": GatewayRegion.FE,
    "nl-NL": GatewayRegion.EU,
    "pt-BR": GatewayRegion.NA,
}

# As in the developer console, as BCP 47 tags.
LANGUAGES: Final[tuple[str, ...]] = tuple(_BY_LANGUAGE)


def gateway_region(language: str) -> GatewayRegion:
    """Return the region of Alexa that serves a language; KeyError for an unknown one."""
    return _BY_LANGUAGE[language]


def lambda_region(language: str) -> str:
    """Return the AWS region that a language forces on the skill's function."""
    return gateway_region(language).lambda_region
