"""Whether a skill's backend is the newest one, and as it was made."""

from collections.abc import Mapping
import logging
from typing import Any, Final

from homeassistant.config_entries import ConfigEntry
from homeassistant.core import HomeAssistant

from .alexa.errors import AccessRefusedError, AlexaSkillError
from .alexa.stack import Stack, Stacks, backend_version
from .aws_clients import AwsClients
from .const import CONF_CODE, CONF_NAME, CONF_REGION, CONF_STACKS, CONF_VERSION
from .skill_issues import BackendState, SkillIssues

_LOGGER = logging.getLogger(__name__)

# Seconds.
INTERVAL: Final = 86_400.0


class BackendCheck:
    """Looks at a skill's stacks once a day, and complains of what is wrong with them."""

    def __init__(
        self, *, hass: HomeAssistant, entry: ConfigEntry, issues: SkillIssues
    ) -> None:
        """Prepare; nothing is asked yet."""
        self._hass = hass
        self._issues = issues
        self._stacks = Stacks(
            create_client=AwsClients(entry.data), execute=hass.async_add_executor_job
        )
        self._checked: tuple[float, Mapping[str, Any]] | None = None

    async def async_check_when_due(self, data: Mapping[str, Any]) -> None:
        """Look at the stacks, unless that was done of late for the same data."""
        now = self._hass.loop.time()
        if self._checked is not None:
            when, of = self._checked
            if of is data and now - when < INTERVAL:
                return
        newest = await self._hass.async_add_executor_job(backend_version)
        try:
            states = [await self._async_state(one, newest) for one in data[CONF_STACKS]]
        except AlexaSkillError as err:
            _LOGGER.debug("The backend could not be looked at: %s", err)
            return
        self._checked = (now, data)
        self._issues.async_backend(max(states, default=BackendState.FINE))

    async def _async_state(self, known: Mapping[str, Any], newest: str) -> BackendState:
        region, name = known[CONF_REGION], known[CONF_NAME]
        version = known[CONF_VERSION]
        found: Stack | None
        try:
            found = await self._stacks.describe(region, name, code=known.get(CONF_CODE))
        except AccessRefusedError as err:
            # Keys that may not look at stacks are good enough for everything else.
            _LOGGER.debug("The stack in %s was not looked at: %s", region, err)
        else:
            if found is None:
                return BackendState.MISSING
            version = found.version
            if found.drifted:
                return BackendState.DRIFTED
        return BackendState.FINE if version == newest else BackendState.OUTDATED
