"""Constants of the Kinesis WebRTC integration."""

from typing import Final

DOMAIN: Final = "kinesis_webrtc"
DOCUMENTATION_URL: Final = "https://github.com/kinesis-webrtc/kinesis-webrtc"

CONF_REGION: Final = "region"
CONF_ACCESS_KEY_ID: Final = "access_key_id"
CONF_SECRET_ACCESS_KEY: Final = "secret_access_key"
CONF_SESSION_TOKEN: Final = "session_token"
CONF_STUN_SERVER: Final = "stun_server"
CONF_RELAYS: Final = "relays"
CONF_PRIVATE_ADDRESSES: Final = "private_addresses"
CONF_RELAY_CHANNEL_ARN: Final = "relay_channel_arn"

SUBENTRY_TYPE_SHARED_CAMERA: Final = "shared_camera"
SUBENTRY_TYPE_REMOTE_CHANNEL: Final = "remote_channel"
CONF_CAMERA: Final = "camera"
CONF_CHANNEL: Final = "channel"
CONF_CHANNEL_ARN: Final = "channel_arn"
CONF_CHANNEL_NAME: Final = "channel_name"
CONF_SET_MESSAGE_TTL: Final = "set_message_ttl"
CONF_SHARING: Final = "sharing"
CONF_KEEP_WARM: Final = "keep_warm"
CONF_ALEXA_NAME: Final = "alexa_name"
CONF_KIND: Final = "kind"
CONF_DOORBELL: Final = "doorbell"
CONF_MOTION: Final = "motion"
CONF_SPEAKER: Final = "speaker"
CONF_ALEXA_STREAM: Final = "alexa_stream"

# How the ids of the built-in viewer begin, on the channel and in the session event.
SELF_TEST_PREFIX: Final = "self-test-"

SUBENTRY_TYPE_ALEXA_SKILL: Final = "alexa_skill"
CONF_SKILL_ID: Final = "skill_id"
CONF_LANGUAGES: Final = "languages"
CONF_BACKEND: Final = "backend"
CONF_STACKS: Final = "stacks"
CONF_NAME: Final = "name"
CONF_FUNCTION_ARN: Final = "function_arn"
CONF_VERSION: Final = "version"
CONF_CODE: Final = "code"
CONF_CLIENT_ID: Final = "client_id"
CONF_CLIENT_SECRET: Final = "client_secret"
CONF_LINKING_CLIENT_ID: Final = "linking_client_id"
CONF_SECRETS_WRITTEN: Final = "secrets_written"
CONF_OWNERS: Final = "owners"

# The Alexa skill finds a home's channels by this prefix, since the service lists
# channels by name only, and then by the tags below.
CHANNEL_NAME_PREFIX: Final = "ha-"
# Its value is the id of the Home Assistant that made the channel: two homes may
# share one account, and neither may take or delete what the other made.
TAG_CREATED_BY: Final = "kinesis_webrtc:created_by"
# Only a camera's channel has it: the skill passes the relays' channel over.
TAG_CAMERA_NAME: Final = "kinesis_webrtc:camera_name"
TAG_KIND: Final = "kinesis_webrtc:kind"
TAG_MOTION: Final = "kinesis_webrtc:motion"
TAG_DUPLEX: Final = "kinesis_webrtc:duplex"

# Seconds, the least that the service takes: Alexa gives up on an offer after about
# as long, so an offer that waits any longer is answered to nobody.
MESSAGE_TTL: Final = 5
