"""Config flow of the Kinesis WebRTC integration: an AWS account in a region."""

from collections.abc import Mapping
from datetime import timedelta
import re
from typing import Any, Final, override

from homeassistant.config_entries import (
    SOURCE_REAUTH,
    ConfigEntry,
    ConfigEntryState,
    ConfigFlow,
    ConfigFlowResult,
    ConfigSubentryFlow,
    OptionsFlow,
)
from homeassistant.core import callback
from homeassistant.helpers.selector import (
    BooleanSelector,
    SelectSelector,
    SelectSelectorConfig,
    SelectSelectorMode,
    TextSelector,
)
import voluptuous as vol

from .account import async_create_client
from .channel_choice import ChannelChooser
from .const import (
    CHANNEL_NAME_PREFIX,
    CONF_ACCESS_KEY_ID,
    CONF_PRIVATE_ADDRESSES,
    CONF_REGION,
    CONF_RELAY_CHANNEL_ARN,
    CONF_RELAYS,
    CONF_SECRET_ACCESS_KEY,
    CONF_STUN_SERVER,
    DOCUMENTATION_URL,
    DOMAIN,
    SUBENTRY_TYPE_ALEXA_SKILL,
    SUBENTRY_TYPE_REMOTE_CHANNEL,
    SUBENTRY_TYPE_SHARED_CAMERA,
)
from .created_channels import CreatedChannels, async_get_created_channels
from .errors import flow_errors
from .keys_form import KEYS_SCHEMA, cleaned
from .regions import REGIONS, nearest_region
from .remote_channel_flow import RemoteChannelFlow
from .signaling import ClockSkewError, SignalingClient
from .skill_flow import AlexaSkillFlow
from .subentry_flow import SharedCameraFlow

_ACCOUNT_SCHEMA: Final = vol.Schema(
    {
        vol.Required(CONF_REGION): SelectSelector(
            SelectSelectorConfig(
                options=list(REGIONS),
                mode=SelectSelectorMode.DROPDOWN,
                custom_value=True,
            )
        ),
        **KEYS_SCHEMA.schema,
    }
)
_OPTIONS_SCHEMA: Final = vol.Schema(
    {
        vol.Optional(CONF_STUN_SERVER): TextSelector(),
        vol.Required(CONF_RELAYS, default=False): BooleanSelector(),
        vol.Required(CONF_PRIVATE_ADDRESSES, default=True): BooleanSelector(),
    }
)

_REGION: Final = re.compile(r"[a-z]{2,}(-[a-z]+)+-\d+")
_STUN_SERVER: Final = re.compile(
    r"(?:stun:)?"
    r"(?P<host>\[[0-9a-f:.]+\]|[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?)"
    r"(?::(?P<port>\d{1,5}))?",
    re.IGNORECASE,
)
# https://www.rfc-editor.org/rfc/rfc7064#section-3.2
_STUN_PORT: Final = 3478
# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-troubleshooting.html
_CLOCK_TOLERANCE: Final = timedelta(minutes=5)


class KinesisWebRTCConfigFlow(ConfigFlow, domain=DOMAIN):
    """Add an AWS account, and renew or change its keys."""

    VERSION = 1
    MINOR_VERSION = 1

    def __init__(self) -> None:
        """Start without an error to show."""
        self._errors: dict[str, str] = {}
        self._placeholders: dict[str, str] = {}

    @classmethod
    @callback
    @override
    def async_get_supported_subentry_types(
        cls, config_entry: ConfigEntry
    ) -> dict[str, type[ConfigSubentryFlow]]:
        """Return what can be added to an account."""
        return {
            SUBENTRY_TYPE_SHARED_CAMERA: SharedCameraFlow,
            SUBENTRY_TYPE_REMOTE_CHANNEL: RemoteChannelFlow,
            SUBENTRY_TYPE_ALEXA_SKILL: AlexaSkillFlow,
        }

    @staticmethod
    @callback
    @override
    def async_get_options_flow(config_entry: ConfigEntry) -> KinesisWebRTCOptionsFlow:
        """Return the flow of an account's options."""
        return KinesisWebRTCOptionsFlow()

    @override
    async def async_step_user(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Add an account in a region."""
        if user_input is not None:
            data = cleaned(user_input)
            data[CONF_REGION] = data[CONF_REGION].lower()
            if account := await self._async_check(data):
                self._abort_if_unique_id_configured()
                return self.async_create_entry(
                    title=f"AWS {account} ({data[CONF_REGION]})", data=data
                )
        # Without one, Home Assistant's frontend chooses the first region of the list.
        suggested = {CONF_REGION: nearest_region(self.hass.config.time_zone)}
        return self._show_form("user", _ACCOUNT_SCHEMA, user_input or suggested)

    async def async_step_reauth(
        self,
        entry_data: Mapping[str, Any],  # noqa: ARG002
    ) -> ConfigFlowResult:
        """Ask for new keys, since AWS does not take the stored ones any more."""
        return await self.async_step_reauth_confirm()

    async def async_step_reauth_confirm(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Take new keys of the same account."""
        return await self._async_change_keys(
            "reauth_confirm", self._get_reauth_entry(), user_input
        )

    async def async_step_reconfigure(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Take other keys of the same account."""
        return await self._async_change_keys(
            "reconfigure", self._get_reconfigure_entry(), user_input
        )

    async def _async_change_keys(
        self, step_id: str, entry: ConfigEntry, user_input: dict[str, Any] | None
    ) -> ConfigFlowResult:
        if user_input is None:
            suggested = {CONF_ACCESS_KEY_ID: entry.data[CONF_ACCESS_KEY_ID]}
            return self._show_form(step_id, KEYS_SCHEMA, suggested, entry)
        data = {CONF_REGION: entry.data[CONF_REGION], **cleaned(user_input)}
        if not await self._async_check(data):
            return self._show_form(step_id, KEYS_SCHEMA, user_input, entry)
        self._abort_if_unique_id_mismatch()
        # Nobody needs to ask for keys any more.
        for flow in entry.async_get_active_flows(self.hass, {SOURCE_REAUTH}):
            if flow["flow_id"] != self.flow_id:
                self.hass.config_entries.flow.async_abort(flow["flow_id"])
        # The update listener hands the keys on, but only a loaded entry has a listener.
        if entry.state is not ConfigEntryState.LOADED:
            self.hass.config_entries.async_schedule_reload(entry.entry_id)
        return self.async_update_and_abort(entry, data=data)

    async def _async_check(self, data: Mapping[str, str]) -> str | None:
        """Return the account if AWS takes the keys, and set the flow's unique id."""
        region = data[CONF_REGION]
        if not _REGION.fullmatch(region):
            self._errors = {CONF_REGION: "invalid_region"}
            return None
        # With empty keys boto3 would look for others on this machine.
        if not (data[CONF_ACCESS_KEY_ID] and data[CONF_SECRET_ACCESS_KEY]):
            self._errors = {"base": "invalid_credentials"}
            return None
        client = async_create_client(self.hass, data)
        try:
            account = await client.get_caller_account()
            await client.list_channels(name_prefix=CHANNEL_NAME_PREFIX)
            _check_clock(client)
        except Exception as err:  # noqa: BLE001
            self._errors, self._placeholders = flow_errors(err)
            return None
        await self.async_set_unique_id(f"{account}_{region}")
        return account

    def _show_form(
        self,
        step_id: str,
        schema: vol.Schema,
        suggested: Mapping[str, Any] | None,
        entry: ConfigEntry | None = None,
    ) -> ConfigFlowResult:
        return self.async_show_form(
            step_id=step_id,
            data_schema=self.add_suggested_values_to_schema(schema, suggested),
            errors=self._errors,
            description_placeholders={
                "documentation_url": DOCUMENTATION_URL,
                "account": entry.title if entry else "",
                **self._placeholders,
            },
        )


class KinesisWebRTCOptionsFlow(OptionsFlow):
    """Change the options of an account."""

    def __init__(self) -> None:
        """Start without a channel in hand."""
        self._created: CreatedChannels | None = None
        self._errors: dict[str, str] = {}
        self._placeholders: dict[str, str] = {}

    @callback
    @override
    def async_remove(self) -> None:
        """Let go of the relays' channel, which the options own by now."""
        if self._created is not None:
            self._created.release(self)

    async def async_step_init(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Choose the STUN server, and whether AWS's relays serve every camera."""
        options = self.config_entry.options
        suggested: Mapping[str, Any] = user_input or {
            **options,
            CONF_RELAYS: CONF_RELAY_CHANNEL_ARN in options,
        }
        if user_input is not None:
            self._errors, self._placeholders = {}, {}
            data: dict[str, Any] = {
                **self._stun_server(user_input),
                **await self._async_relay_channel(user_input),
            }
            if not user_input[CONF_PRIVATE_ADDRESSES]:
                data[CONF_PRIVATE_ADDRESSES] = False
            if not self._errors:
                return self.async_create_entry(data=data)
        return self.async_show_form(
            step_id="init",
            data_schema=self.add_suggested_values_to_schema(_OPTIONS_SCHEMA, suggested),
            errors=self._errors,
            description_placeholders=self._placeholders,
        )

    def _stun_server(self, user_input: Mapping[str, Any]) -> dict[str, str]:
        server = user_input.get(CONF_STUN_SERVER, "").strip()
        if not server:
            return {}
        if url := _stun_url(server):
            return {CONF_STUN_SERVER: url}
        self._errors = {CONF_STUN_SERVER: "invalid_stun_server"}
        return {}

    async def _async_relay_channel(
        self, user_input: Mapping[str, Any]
    ) -> dict[str, str]:
        """Return the relays' channel, made if there is none; the clean-up deletes it."""
        if not user_input[CONF_RELAYS] or self._errors:
            return {}
        if arn := self.config_entry.options.get(CONF_RELAY_CHANNEL_ARN):
            return {CONF_RELAY_CHANNEL_ARN: arn}
        self._created = await async_get_created_channels(self.hass)
        chooser = ChannelChooser(
            hass=self.hass,
            entry=self.config_entry,
            client=async_create_client(self.hass, self.config_entry.data),
            created=self._created,
            holder=self,
        )
        try:
            channel = await chooser.async_create_relay()
        except Exception as err:  # noqa: BLE001
            self._errors, self._placeholders = flow_errors(err)
            return {}
        return {CONF_RELAY_CHANNEL_ARN: channel.arn}


def _check_clock(client: SignalingClient) -> None:
    """Raise ClockSkewError if AWS takes only what is signed with its own time.

    The client has corrected its signatures by then, and goes on doing so should the
    clock go wrong later; but at set-up somebody is there to put it right.
    """
    offset = client.clock.offset
    if abs(offset) > _CLOCK_TOLERANCE:
        raise ClockSkewError(offset=offset.total_seconds())


def _stun_url(server: str) -> str | None:
    """Return the URL of a STUN server given as host, host:port or stun:host:port."""
    match = _STUN_SERVER.fullmatch(server)
    if match is None:
        return None
    port = int(match["port"] or _STUN_PORT)
    return f"stun:{match['host']}:{port}" if 0 < port < 65536 else None
