"""The Kinesis WebRTC integration."""

from homeassistant.const import EVENT_HOMEASSISTANT_STOP, Platform
from homeassistant.core import Event, HomeAssistant
from homeassistant.helpers import config_validation as cv
from homeassistant.helpers.typing import ConfigType
from homeassistant.loader import async_get_integration

from .account import async_check_account, async_create_client
from .alexa.template import backend_version
from .config_flow import KinesisWebRTCConfigFlow
from .const import DOMAIN
from .coordinator import AccountRuntime, KinesisWebRTCConfigEntry
from .created_channels import async_get_created_channels
from .created_stacks import account_of, async_get_created_stacks
from .services import async_setup_services
from .skill_template import SkillTemplateView
from .talk_stream import TalkStreamView

CONFIG_SCHEMA = cv.config_entry_only_config_schema(DOMAIN)
# Home Assistant imports these when somebody looks, or mends something.
LATE_PLATFORMS = ["diagnostics", "repairs", "system_health"]
PLATFORMS = [
    Platform.BINARY_SENSOR,
    Platform.BUTTON,
    Platform.CAMERA,
    Platform.EVENT,
    Platform.SENSOR,
    Platform.SWITCH,
]


async def async_setup(hass: HomeAssistant, config: ConfigType) -> bool:
    """Set up the integration's actions, and what is fetched over HTTP.

    An update replaces the files while this runs, long before the user restarts: what
    would be read when it is needed first is read now, or it would be the new one's.
    """
    integration = await async_get_integration(hass, DOMAIN)
    await integration.async_get_platforms(LATE_PLATFORMS)
    await hass.async_add_executor_job(backend_version)
    async_setup_services(hass)
    hass.http.register_view(SkillTemplateView(hass))
    hass.http.register_view(TalkStreamView(hass))
    return True


async def async_setup_entry(
    hass: HomeAssistant, entry: KinesisWebRTCConfigEntry
) -> bool:
    """Set up an AWS account; everything that needs AWS goes on in the background."""
    runtime = entry.runtime_data = AccountRuntime.create(hass, entry)
    runtime.async_start_relay(hass, entry)
    runtime.async_start_channels(entry)
    await hass.config_entries.async_forward_entry_setups(entry, PLATFORMS)

    async def async_stop(_: Event) -> None:
        await runtime.async_stop()

    entry.async_on_unload(
        hass.bus.async_listen_once(EVENT_HOMEASSISTANT_STOP, async_stop)
    )
    entry.async_on_unload(entry.add_update_listener(async_update_entry))
    entry.async_create_background_task(
        hass, async_check_account(hass, entry), f"{DOMAIN} account"
    )
    return True


async def async_update_entry(
    hass: HomeAssistant, entry: KinesisWebRTCConfigEntry
) -> None:
    """Follow a changed entry: reload for another region or other options only."""
    runtime = entry.runtime_data
    if runtime.async_must_reload(entry):
        hass.config_entries.async_schedule_reload(entry.entry_id)
        return
    await runtime.async_update(entry)
    created = await async_get_created_channels(hass)
    await created.async_clean_up(hass, entry, runtime.client)
    stacks = await async_get_created_stacks(hass)
    await stacks.async_clean_up(account_of(entry), entry.data)


async def async_unload_entry(
    hass: HomeAssistant, entry: KinesisWebRTCConfigEntry
) -> bool:
    """Unload an account."""
    if not await hass.config_entries.async_unload_platforms(entry, PLATFORMS):
        return False
    await entry.runtime_data.async_stop()
    return True


async def async_remove_entry(
    hass: HomeAssistant, entry: KinesisWebRTCConfigEntry
) -> None:
    """Delete what was made in AWS for an account that leaves Home Assistant."""
    created = await async_get_created_channels(hass)
    client = async_create_client(hass, entry.data)
    await created.async_clean_up(hass, entry, client)
    stacks = await async_get_created_stacks(hass)
    await stacks.async_clean_up(account_of(entry), entry.data)


async def async_migrate_entry(
    hass: HomeAssistant, entry: KinesisWebRTCConfigEntry
) -> bool:
    """Bring an entry of an older version up to date; newer ones cannot be read."""
    return entry.version <= KinesisWebRTCConfigFlow.VERSION
