"""What runs for an Alexa skill: its events, its owners, and a look at its backend."""

import asyncio
from collections import deque
from collections.abc import Coroutine, Mapping
from contextlib import suppress
from datetime import datetime
import logging
from typing import Any, Final, override

from homeassistant.config_entries import ConfigEntry, ConfigSubentry
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers.aiohttp_client import async_get_clientsession
from homeassistant.util import dt as dt_util

from .alexa.endpoints import endpoint
from .alexa.errors import AccessRefusedError, AlexaSkillError, KeysRefusedError
from .alexa.events import (
    AddOrUpdate,
    Delete,
    DoorbellPress,
    Event,
    HealthChange,
    MotionChange,
)
from .alexa.gateway import EventGateway
from .alexa.outbox import MAX_WAITING
from .alexa.parameters import Grant, SkillSecrets
from .alexa.regions import GatewayRegion, gateway_region
from .const import CONF_LANGUAGES, CONF_SECRETS_WRITTEN, CONF_SKILL_ID
from .errors import as_home_assistant_error
from .skill_backend import parameters
from .skill_check import BackendCheck
from .skill_issues import SkillIssues
from .skill_state import GatewayState, GrantState, SkillState
from .subentry_runtime import SubentryRuntime

_LOGGER = logging.getLogger(__name__)

LWA_URL: Final = "https://api.amazon.com"

# Seconds. Each look at the parameters has some ten of them decrypted, of which 20,000 a
# month are free and 10,000 more are $0.03: so often, that is about $0.03 a month.
INTERVAL: Final = 900.0
# Somebody who has just linked the skill waits to be let in.
INTERVAL_EXPECTING: Final = 60.0
EXPECTING_FOR: Final = 3600.0

# Of a subentry's data.
_FOR_EVENTS: Final = (CONF_LANGUAGES, CONF_SECRETS_WRITTEN)


class AlexaSkill(SubentryRuntime):
    """The skill of an account: tells Alexa what happens, and the user who asks to look.

    Nothing here blocks or raises: AWS and Amazon may be away for as long as they like.
    """

    def __init__(
        self,
        *,
        hass: HomeAssistant,
        entry: ConfigEntry,
        subentry: ConfigSubentry,
        **_: object,
    ) -> None:
        """Bind the skill; nothing is asked yet."""
        super().__init__(hass=hass, entry=entry, subentry=subentry)
        self._issues = SkillIssues(hass=hass, entry=entry, subentry=subentry)
        self._bind()
        self._secrets: SkillSecrets | None = None
        self._gateways: dict[GatewayRegion, EventGateway] = {}
        # What happens before the gateways are there; they know what is stale.
        self._early: deque[Event] = deque(maxlen=MAX_WAITING)
        # By user: the refresh token that is of no use any more, and who refused it in
        # which words of Amazon's.
        self._refused: dict[str, tuple[str, dict[GatewayRegion, str]]] = {}
        self._grants: tuple[Grant, ...] = ()
        self._tasks: list[asyncio.Task[None]] = []
        self._wanted = asyncio.Event()
        self._error: AlexaSkillError | None = None
        self._expecting_until = 0.0

    def _bind(self) -> None:
        """Make what uses the account's keys."""
        self.parameters = parameters(
            self._hass, self._entry, self.subentry.data[CONF_SKILL_ID]
        )
        self._check = BackendCheck(
            hass=self._hass, entry=self._entry, issues=self._issues
        )

    @callback
    @override
    def async_start(self) -> None:
        """Look into the parameters now, and again and again."""
        self._expecting_until = self._hass.loop.time() + EXPECTING_FOR
        self._async_run(self._run(), "look")

    @override
    async def async_stop(self) -> None:
        """Stop, and take all complaints back."""
        tasks, self._tasks = self._tasks, []
        self._gateways = {}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._issues.async_clear()

    @override
    async def async_exchange_keys(self) -> None:
        """Look again with the new keys; what is to be sent to Alexa stays."""
        self._bind()
        self.async_look_again()

    @override
    async def _async_follow(self, old: Mapping[str, Any]) -> None:
        """Begin anew with other languages or secrets; look again in any case."""
        if any(old.get(key) != self._data.get(key) for key in _FOR_EVENTS):
            await self.async_stop()
            self._secrets = None
            self.async_start()
        self.async_look_again()

    @callback
    def async_look_again(self) -> None:
        """Look into the parameters soon: something has changed there."""
        self._wanted.set()

    @property
    def state(self) -> SkillState:
        """What is known of the skill's way to Alexa, for diagnostics."""
        return SkillState(
            error=type(self._error).__name__ if self._error else None,
            has_secrets=self._secrets is not None,
            gateways={
                region: GatewayState(
                    last_result=gateway.last_result, waiting=gateway.waiting
                )
                for region, gateway in self._gateways.items()
            },
            grants=tuple(
                GrantState(
                    region=grant.region,
                    refused=dict(self._refused.get(grant.user_id, ("", {}))[1]),
                )
                for grant in self._grants
            ),
        )

    # What happens in Home Assistant

    @callback
    def async_doorbell_pressed(self, channel_name: str, at: datetime) -> None:
        """Tell Alexa that somebody has rung at a camera."""
        self._send(DoorbellPress(endpoint_id=channel_name, at=at))

    @callback
    def async_motion_changed(
        self, channel_name: str, detected: bool, at: datetime
    ) -> None:
        """Tell Alexa whether something moves before a camera."""
        self._send(MotionChange(endpoint_id=channel_name, detected=detected, at=at))

    @callback
    def async_health_changed(
        self, channel_name: str, reachable: bool, at: datetime
    ) -> None:
        """Tell Alexa whether a camera is within reach."""
        self._send(HealthChange(endpoint_id=channel_name, reachable=reachable, at=at))

    @callback
    def async_camera_changed(
        self, *, channel_name: str, channel_arn: str, tags: Mapping[str, str]
    ) -> None:
        """Tell Alexa of a new camera, or of one that is another than it was."""
        known = endpoint(channel_name=channel_name, channel_arn=channel_arn, tags=tags)
        if known is not None:
            self._send(AddOrUpdate(endpoint=known, at=dt_util.utcnow()))

    @callback
    def async_camera_removed(self, channel_name: str) -> None:
        """Tell Alexa that a camera is gone."""
        self._send(Delete(endpoint_id=channel_name, at=dt_util.utcnow()))

    @callback
    def _send(self, event: Event) -> None:
        if not self._gateways:
            self._early.append(event)
        for gateway in self._gateways.values():
            gateway.send(event)

    # What is in AWS

    async def _run(self) -> None:
        while True:
            self._wanted.clear()
            try:
                await self._async_look()
            except Exception:
                # A defect; it must not be the end of all looking.
                _LOGGER.exception(
                    "Unexpected error while looking after the Alexa skill"
                )
            with suppress(TimeoutError):
                async with asyncio.timeout(self._interval):
                    await self._wanted.wait()

    @property
    def _interval(self) -> float:
        """Return the seconds until the next look."""
        nobody_yet = not self._grants
        if nobody_yet and self._hass.loop.time() < self._expecting_until:
            return INTERVAL_EXPECTING
        return INTERVAL

    async def _async_look(self) -> None:
        """Look once, and say so when that begins to fail and when it works again."""
        parameters = self.parameters
        try:
            await self._async_read()
        except AlexaSkillError as err:
            if parameters is not self.parameters:
                # The keys were exchanged meanwhile, and another look is due.
                return
            if self._error is None:
                _LOGGER.warning(
                    "The Alexa skill's parameters cannot be read: %s",
                    as_home_assistant_error(err),
                )
            self._error = err
            if isinstance(err, KeysRefusedError):
                self._entry.async_start_reauth(self._hass)
            if isinstance(err, AccessRefusedError):
                self._issues.async_no_access(err)
            return
        if self._error is not None:
            _LOGGER.info("The Alexa skill's parameters can be read again")
        self._error = None
        self._issues.async_access()
        await self._check.async_check_when_due(self._data)

    async def _async_read(self) -> None:
        owners = await self.parameters.read_owners()
        self._issues.async_owners(owners.pending)
        if self._secrets is None:
            self._secrets = await self.parameters.read_secrets()
            if self._secrets is not None:
                self._async_start_gateways(self._secrets)
        self._grants = await self.parameters.read_grants()
        tokens = {grant.user_id: grant.refresh_token for grant in self._grants}
        for user_id, (token, _) in list(self._refused.items()):
            if tokens.get(user_id) != token:
                del self._refused[user_id]
                self._issues.async_linked(user_id)
        for region, gateway in self._gateways.items():
            gateway.set_grants(
                grant for grant in self._grants if region in self._regions(grant)
            )

    def _regions(self, grant: Grant) -> set[GatewayRegion]:
        """Return whose gateways take a user's events: maybe, if that is not known."""
        return {
            region
            for region in self._gateways
            if grant.region in (None, region.lambda_region)
        }

    @callback
    def _async_start_gateways(self, secrets: SkillSecrets) -> None:
        for region in {gateway_region(one) for one in self._data[CONF_LANGUAGES]}:

            def on_grant_refused(
                user_id: str, code: str, region: GatewayRegion = region
            ) -> None:
                self._async_refused(user_id, region, code)

            gateway = self._gateways[region] = EventGateway(
                session=async_get_clientsession(self._hass),
                gateway_url=region.gateway_url,
                lwa_url=LWA_URL,
                secrets=secrets,
                on_grant_refused=on_grant_refused,
                on_secrets_refused=self._issues.async_secrets_refused,
            )
            self._async_run(gateway.run(), f"gateway {region}")
        while self._early:
            self._send(self._early.popleft())

    @callback
    def _async_refused(self, user_id: str, region: GatewayRegion, code: str) -> None:
        """Ask the user to link anew, unless another of Alexa's regions takes events."""
        for grant in self._grants:
            if grant.user_id == user_id:
                refused = (grant.refresh_token, dict[GatewayRegion, str]())
                _, regions = self._refused.setdefault(user_id, refused)
                regions[region] = code
                if regions.keys() >= self._regions(grant):
                    self._issues.async_unlinked(user_id)

    @callback
    def _async_run(self, work: Coroutine[Any, Any, None], name: str) -> None:
        self._tasks.append(
            self._entry.async_create_background_task(
                self._hass, work, f"{self.subentry.title} {name}"
            )
        )
