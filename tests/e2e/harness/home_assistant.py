"""A Home Assistant process with a bare configuration folder."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
import json
from pathlib import Path
import sys
from typing import override

import aiohttp

from .client import HomeAssistantClient
from .log import HomeAssistantLog
from .ports import free_port
from .process import Process

REPOSITORY = Path(__file__).resolve().parents[3]
INTEGRATION = "kinesis_webrtc"
# An integration for cameras that the tests have beside ours.
STAND_IN = REPOSITORY / "tests" / "e2e" / "stand_ins" / "webrtc_only"
USERNAME = "demo"
PASSWORD = "demo"

# frontend and config bring the HTTP and websocket APIs, stream the camera's stills; all
# that asks the network (default_config, met, radio_browser) stays out.
CONFIGURATION = """\
homeassistant:
  name: Home
  country: US
  time_zone: UTC
frontend:
config:
camera:
stream:
system_health:
diagnostics:
alexa:
  smart_home:
automation: !include automations.yaml
# A media player that tells of what it is to play: its loudspeaker is the test.
script:
  tell:
    sequence:
      - event: loudspeaker
        event_data:
          url: "{{ media_content_id }}"
media_player:
  - platform: universal
    name: Kitchen
    state_template: idle
    commands:
      play_media:
        action: script.tell
        data:
          media_content_id: "{{ media_content_id }}"
logger:
  default: warning
  logs:
    homeassistant: info
    custom_components.kinesis_webrtc: debug
"""


def lay_configuration(
    directory: Path,
    *,
    port: int,
    integration: Path | None = None,
    more: str = "",
) -> None:
    """Write a configuration folder that listens on 127.0.0.1 and needs only a user.

    From 2026.11 on, `http:` in YAML is a trial that Home Assistant takes back after
    five minutes; the stored settings are not.
    """
    storage = directory / ".storage"
    storage.mkdir(parents=True, exist_ok=True)
    (directory / "configuration.yaml").write_text(CONFIGURATION + more)
    automations = directory / "automations.yaml"
    if not automations.exists():
        automations.write_text("[]\n")
    components = directory / "custom_components"
    components.mkdir(exist_ok=True)
    # Or the checkout's folder of that name, in which the tests run, would hide it.
    (components / "__init__.py").touch()
    if integration and not (components / INTEGRATION).exists():
        (components / INTEGRATION).symlink_to(integration, target_is_directory=True)
    if not (components / STAND_IN.name).exists():
        (components / STAND_IN.name).symlink_to(STAND_IN, target_is_directory=True)
    _store(
        storage / "http",
        version=3,
        data={
            "stable": {
                "server_host": ["127.0.0.1"],
                "server_port": port,
                "cors_allowed_origins": ["https://cast.home-assistant.io"],
                "login_attempts_threshold": -1,
                "ip_ban_enabled": True,
                "ssl_profile": "modern_v6",
                "use_x_frame_options": True,
                "created_at": datetime.now(UTC).isoformat(),
                "error": None,
                "error_message": None,
            },
            "pending": None,
            "yaml_migration_done": True,
        },
    )
    if not (storage / "onboarding").exists():
        _store(
            storage / "onboarding",
            version=4,
            data={"done": ["core_config", "analytics", "integration"]},
        )


def _store(path: Path, *, version: int, data: Mapping[str, object]) -> None:
    path.write_text(
        json.dumps(
            {"version": version, "minor_version": 1, "key": path.name, "data": data}
        )
    )


class HomeAssistant(Process):
    """Home Assistant on loopback, with a user logged in."""

    def __init__(
        self,
        directory: Path,
        *,
        port: int | None = None,
        environment: Mapping[str, str] | None = None,
        integration: Path | None = REPOSITORY / "custom_components" / INTEGRATION,
        python: Path = Path(sys.executable),
        pip: Sequence[str] = ("--skip-pip",),
        start_timeout: float = 60,
        more: str = "",
    ) -> None:
        self.port = port or free_port()
        self.directory = directory
        self.start_timeout = start_timeout
        self.client: HomeAssistantClient
        self._session: aiohttp.ClientSession | None = None
        self._integration = integration
        self._more = more
        self._provoked: set[int] = set()
        command: list[str | Path] = [
            python,
            "-m",
            "homeassistant",
            "-c",
            directory,
            "--log-no-color",
        ]
        super().__init__(
            [*command, *pip],
            name="home-assistant",
            environment=environment,
            stop_timeout=40,
        )

    @property
    def url(self) -> str:
        """Return the address of its web interface, without a slash."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> HomeAssistantLog:
        """Return what it has logged so far, but for what a test has provoked."""
        return HomeAssistantLog.parse(self.lines, leave_out=self._provoked)

    def excuse(self, pattern: str) -> None:
        """Have the log leave out what was logged so far and matches the expression."""
        self._provoked |= HomeAssistantLog.parse(self.lines).find(pattern)

    @override
    async def start(self) -> None:
        lay_configuration(
            self.directory,
            port=self.port,
            integration=self._integration,
            more=self._more,
        )
        await super().start()

    @override
    async def get_ready(self) -> None:
        await self.wait_for_line("Now listening on port", timeout=self.start_timeout)
        self._session = aiohttp.ClientSession()
        self.client = HomeAssistantClient(self.url, self._session)
        await self.client.log_in(USERNAME, PASSWORD)
        await self.client.wait_until_running(timeout=self.start_timeout)

    @override
    async def __aexit__(self, *_: object) -> None:
        try:
            if self._session:
                await self.client.close()
                await self._session.close()
        finally:
            await self.stop()
