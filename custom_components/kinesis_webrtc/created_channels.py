"""The signaling channels that were made here, so that none is left behind in AWS."""

from dataclasses import dataclass, replace
import logging
from typing import override

from homeassistant.config_entries import ConfigEntry
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers import instance_id, issue_registry as ir
from homeassistant.helpers.singleton import singleton
from homeassistant.util import dt as dt_util
from homeassistant.util.hass_dict import HassKey

from .const import (
    CONF_CHANNEL_ARN,
    CONF_RELAY_CHANNEL_ARN,
    DOMAIN,
    TAG_CREATED_BY,
)
from .created_list import CreatedList, CreatedRecord
from .errors import as_home_assistant_error, async_text
from .signaling import (
    CannotConnectError,
    ClockSkewError,
    ExpiredTokenError,
    InvalidCredentialsError,
    ResourceNotFoundError,
    SignalingClient,
    SignalingError,
)

_LOGGER = logging.getLogger(__name__)

_DATA_KEY: HassKey[CreatedChannels] = HassKey(f"{DOMAIN}.created_channels")

# What fails for one channel for these reasons fails for the next one, only later.
_OUTAGES = (
    CannotConnectError,
    ClockSkewError,
    ExpiredTokenError,
    InvalidCredentialsError,
)


@dataclass(frozen=True, kw_only=True, slots=True)
class ChannelKey:
    """What is unique to a channel at any one time: account, region and name."""

    account: str
    region: str
    name: str

    @classmethod
    def from_entry(cls, entry: ConfigEntry, name: str) -> ChannelKey:
        """Return the key of a channel in an entry's own account and region."""
        account, _, region = str(entry.unique_id).partition("_")
        return cls(account=account, region=region, name=name)

    @classmethod
    def from_arn(cls, arn: str) -> ChannelKey:
        """Return the key of the channel that an ARN names.

        arn:{partition}:kinesisvideo:{region}:{account}:channel/{name}/{creation time};
        raises ValueError for anything else.
        """
        prefix, _, service, region, account, resource = arn.split(":", 5)
        kind, name, _ = resource.split("/")
        if (prefix, service, kind) != ("arn", "kinesisvideo", "channel"):
            raise ValueError("not the ARN of a signaling channel")
        return cls(account=account, region=region, name=name)


@dataclass(frozen=True, kw_only=True, slots=True)
class CreatedChannel(CreatedRecord[ChannelKey]):
    """A channel that was made here, or was about to be if it has no ARN yet."""

    arn: str | None

    @property
    @override
    def key(self) -> ChannelKey:
        """Return the channel's key."""
        return ChannelKey(account=self.account, region=self.region, name=self.name)


@singleton(_DATA_KEY, async_=True)
async def async_get_created_channels(hass: HomeAssistant) -> CreatedChannels:
    """Return the list of created channels, loaded at the first call."""
    channels = CreatedChannels(hass)
    await channels.async_load()
    return channels


class CreatedChannels(CreatedList[ChannelKey, CreatedChannel]):
    """The stored list of the channels that were made here."""

    def __init__(self, hass: HomeAssistant) -> None:
        """Prepare an empty list."""
        super().__init__(
            hass, file="created_channels", field="channels", record=CreatedChannel
        )

    @callback
    def get(self, key: ChannelKey) -> CreatedChannel | None:
        """Return a channel's record."""
        return self._records.get(key)

    async def async_add(self, key: ChannelKey, entry: ConfigEntry) -> bool:
        """Record a channel before it is asked for: the answer may get lost.

        Returns false if it is on the list already.
        """
        if key in self._records:
            return False
        self._records[key] = CreatedChannel(
            account=key.account,
            region=key.region,
            name=key.name,
            arn=None,
            entry_id=entry.entry_id,
            created=dt_util.utcnow().isoformat(),
        )
        await self._async_save()
        return True

    async def async_set_arn(self, key: ChannelKey, arn: str) -> None:
        """Record the ARN of a channel that exists now."""
        self._records[key] = replace(self._records[key], arn=arn)
        await self._async_save()

    async def async_discard(self, key: ChannelKey) -> None:
        """Forget a channel, and the complaint about it."""
        ir.async_delete_issue(self._hass, DOMAIN, _issue_id(key))
        if self._records.pop(key, None) is not None:
            await self._async_save()

    async def async_clean_up(
        self, hass: HomeAssistant, entry: ConfigEntry, client: SignalingClient
    ) -> None:
        """Delete the channels of an entry's account that nothing here uses.

        What AWS does not let go of stays on the list and is named in a repair, which
        outlives the entry.
        """
        outage: SignalingError | None = None
        for key in list(self._records):
            if key != ChannelKey.from_entry(entry, key.name):
                continue
            if key in channels_in_use(hass):
                ir.async_delete_issue(hass, DOMAIN, _issue_id(key))
                continue
            holder = object()
            if key not in self._records or not self.claim(key, holder):
                continue
            try:
                if outage is not None:
                    raise outage
                await self._async_delete(key, client)
            except ResourceNotFoundError:
                await self.async_discard(key)
            except SignalingError as err:
                _LOGGER.debug("%s could not be deleted: %s", key.name, err)
                _async_complain(hass, key, err)
                if isinstance(err, _OUTAGES):
                    outage = err
            else:
                await self.async_discard(key)
            finally:
                self.release(holder)

    async def _async_delete(self, key: ChannelKey, client: SignalingClient) -> None:
        """Delete a channel, unless it is no longer marked as made here."""
        arn = self._records[key].arn
        if arn is None:
            arn = (await client.describe_channel(name=key.name)).arn
        tags = await client.get_tags(arn)
        if tags.get(TAG_CREATED_BY) == await instance_id.async_get(self._hass):
            await client.delete_channel(arn)
        else:
            _LOGGER.info("%s is kept: its tag is not ours any more", key.name)


@callback
def channels_in_use(
    hass: HomeAssistant, *, except_subentry_id: str | None = None
) -> set[ChannelKey]:
    """Return the channels that all accounts use: for subentries, and for relays."""
    entries = hass.config_entries.async_entries(DOMAIN)
    return {
        ChannelKey.from_arn(entry.options[CONF_RELAY_CHANNEL_ARN])
        for entry in entries
        if CONF_RELAY_CHANNEL_ARN in entry.options
    } | {
        ChannelKey.from_arn(subentry.data[CONF_CHANNEL_ARN])
        for entry in entries
        for subentry in entry.subentries.values()
        if CONF_CHANNEL_ARN in subentry.data
        and subentry.subentry_id != except_subentry_id
    }


def _issue_id(key: ChannelKey) -> str:
    return f"channel_not_deleted_{key.account}_{key.region}_{key.name}"


@callback
def _async_complain(hass: HomeAssistant, key: ChannelKey, err: SignalingError) -> None:
    """Name a channel that is still in AWS, and why."""
    ir.async_create_issue(
        hass,
        DOMAIN,
        _issue_id(key),
        is_fixable=False,
        is_persistent=True,
        severity=ir.IssueSeverity.WARNING,
        translation_key="channel_not_deleted",
        translation_placeholders={
            "channel": key.name,
            "account": key.account,
            "region": key.region,
            "reason": async_text(hass, as_home_assistant_error(err)),
        },
    )
