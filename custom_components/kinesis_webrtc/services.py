"""The actions: two operations of the signaling API, for people who build on them.

https://docs.aws.amazon.com/kinesisvideostreams/latest/dg/API_Operations_Amazon_Kinesis_Video_Signaling_Channels.html
"""

from typing import Final

from homeassistant.const import ATTR_CONFIG_ENTRY_ID
from homeassistant.core import (
    HomeAssistant,
    ServiceCall,
    ServiceResponse,
    SupportsResponse,
    callback,
)
from homeassistant.helpers import config_validation as cv
from homeassistant.helpers.service import (
    async_get_config_entry,
    async_register_admin_service,
)
import voluptuous as vol

from .const import DOMAIN
from .errors import as_home_assistant_error
from .signaling import SignalingClient, SignalingError

SERVICE_GET_ICE_SERVERS: Final = "get_ice_servers"
SERVICE_SEND_ALEXA_OFFER: Final = "send_alexa_offer"

ATTR_CHANNEL_ARN: Final = "channel_arn"
ATTR_CLIENT_ID: Final = "client_id"
ATTR_MESSAGE_PAYLOAD: Final = "message_payload"
ATTR_SENDER_CLIENT_ID: Final = "sender_client_id"
ATTR_SERVICE: Final = "service"
ATTR_USERNAME: Final = "username"

# The ranges are those of the API's own pages; AWS checks the rest.
_CLIENT_ID = vol.All(cv.string, vol.Match(r"^[a-zA-Z0-9_.-]{1,256}$"))
_CHANNEL_SCHEMA = vol.Schema(
    {
        vol.Optional(ATTR_CONFIG_ENTRY_ID): cv.string,
        vol.Required(ATTR_CHANNEL_ARN): vol.All(cv.string, vol.Length(min=1, max=1024)),
    }
)
_GET_ICE_SERVERS_SCHEMA = _CHANNEL_SCHEMA.extend(
    {
        vol.Optional(ATTR_CLIENT_ID): _CLIENT_ID,
        vol.Optional(ATTR_SERVICE, default="TURN"): vol.In(["TURN"]),
        vol.Optional(ATTR_USERNAME): vol.All(cv.string, vol.Length(min=1, max=256)),
    }
)
_SEND_ALEXA_OFFER_SCHEMA = _CHANNEL_SCHEMA.extend(
    {
        vol.Required(ATTR_SENDER_CLIENT_ID): _CLIENT_ID,
        vol.Required(ATTR_MESSAGE_PAYLOAD): vol.All(
            cv.string, vol.Match(r"^[a-zA-Z0-9+/=]{1,10000}$")
        ),
    }
)


@callback
def async_setup_services(hass: HomeAssistant) -> None:
    """Register the actions, for administrators only: both return secrets."""
    async_register_admin_service(
        hass,
        DOMAIN,
        SERVICE_GET_ICE_SERVERS,
        _async_get_ice_servers,
        _GET_ICE_SERVERS_SCHEMA,
        SupportsResponse.ONLY,
    )
    async_register_admin_service(
        hass,
        DOMAIN,
        SERVICE_SEND_ALEXA_OFFER,
        _async_send_alexa_offer,
        _SEND_ALEXA_OFFER_SCHEMA,
        SupportsResponse.ONLY,
    )


async def _async_get_ice_servers(call: ServiceCall) -> ServiceResponse:
    """Return what GetIceServerConfig returns."""
    try:
        config = await _client(call).get_ice_server_config(
            call.data[ATTR_CHANNEL_ARN],
            client_id=call.data.get(ATTR_CLIENT_ID),
            service=call.data[ATTR_SERVICE],
            username=call.data.get(ATTR_USERNAME),
        )
    except SignalingError as err:
        raise as_home_assistant_error(err) from err
    return {
        "ice_servers": [
            {
                "uris": list(server.urls),
                "username": server.username,
                "password": server.credential,
                "ttl": config.ttl,
            }
            for server in config.servers
        ]
    }


async def _async_send_alexa_offer(call: ServiceCall) -> ServiceResponse:
    """Return what SendAlexaOfferToMaster returns."""
    try:
        answer = await _client(call).send_alexa_offer(
            call.data[ATTR_CHANNEL_ARN],
            sender_client_id=call.data[ATTR_SENDER_CLIENT_ID],
            message_payload=call.data[ATTR_MESSAGE_PAYLOAD],
        )
    except SignalingError as err:
        raise as_home_assistant_error(err) from err
    return {"answer": answer}


def _client(call: ServiceCall) -> SignalingClient:
    """Return the client of the account that the action names, or of the only one."""
    entry = async_get_config_entry(
        call.hass, DOMAIN, call.data.get(ATTR_CONFIG_ENTRY_ID)
    )
    client: SignalingClient = entry.runtime_data.client
    return client
