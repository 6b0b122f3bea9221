"""The actions: the self-test, and two operations of the signaling API.

https://docs.aws.amazon.com/kinesisvideostreams/latest/dg/API_Operations_Amazon_Kinesis_Video_Signaling_Channels.html
"""

from typing import Final

from homeassistant.const import ATTR_CONFIG_ENTRY_ID, ATTR_DEVICE_ID
from homeassistant.core import (
    HomeAssistant,
    ServiceCall,
    ServiceResponse,
    SupportsResponse,
    callback,
)
from homeassistant.exceptions import ServiceValidationError
from homeassistant.helpers import config_validation as cv, device_registry as dr
from homeassistant.helpers.service import (
    async_get_config_entry,
    async_register_admin_service,
)
import voluptuous as vol

from .const import DOMAIN
from .errors import as_home_assistant_error
from .self_test_report import async_as_response
from .shared_camera import SharedCamera
from .signaling import SignalingClient, SignalingError

SERVICE_GET_ICE_SERVERS: Final = "get_ice_servers"
SERVICE_SEND_ALEXA_OFFER: Final = "send_alexa_offer"
SERVICE_SELF_TEST: Final = "self_test"

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
_SELF_TEST_SCHEMA = vol.Schema({vol.Required(ATTR_DEVICE_ID): cv.string})


@callback
def async_setup_services(hass: HomeAssistant) -> None:
    """Register the actions; what returns secrets is for administrators only."""
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
    hass.services.async_register(
        DOMAIN,
        SERVICE_SELF_TEST,
        _async_self_test,
        _SELF_TEST_SCHEMA,
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


async def _async_self_test(call: ServiceCall) -> ServiceResponse:
    """Return what the self-test of a shared camera has found."""
    camera = _shared_camera(call.hass, call.data[ATTR_DEVICE_ID])
    return await async_as_response(call.hass, await camera.self_test.async_run())


def _shared_camera(hass: HomeAssistant, device_id: str) -> SharedCamera:
    """Return the shared camera of a device, if that is loaded."""
    device = dr.async_get(hass).async_get(device_id)
    ids = (
        {name for domain, name in device.identifiers if domain == DOMAIN}
        if device
        else set()
    )
    for entry in hass.config_entries.async_loaded_entries(DOMAIN):
        cameras: dict[str, SharedCamera] = entry.runtime_data.shared_cameras
        for subentry_id in ids & cameras.keys():
            return cameras[subentry_id]
    raise ServiceValidationError(
        translation_domain=DOMAIN, translation_key="not_a_shared_camera"
    )


def _client(call: ServiceCall) -> SignalingClient:
    """Return the client of the account that the action names, or of the only one."""
    entry = async_get_config_entry(
        call.hass, DOMAIN, call.data.get(ATTR_CONFIG_ENTRY_ID)
    )
    client: SignalingClient = entry.runtime_data.client
    return client
