"""Home Assistant's REST and websocket APIs, as the frontend uses them."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from http import HTTPStatus
import itertools
from typing import Any

import aiohttp

type Json = dict[str, Any]


class HomeAssistantError(Exception):
    """Home Assistant refused a request."""


class WebsocketClosedError(Exception):
    """The websocket ended before Home Assistant answered a command."""


class HomeAssistantClient:
    """A logged-in user."""

    def __init__(self, url: str, session: aiohttp.ClientSession) -> None:
        self.url = url
        self._session = session
        self._token: str | None = None
        self._websocket: aiohttp.ClientWebSocketResponse | None = None
        self._reader: asyncio.Task[None] | None = None
        self._ids = itertools.count(1)
        self._results: dict[int, asyncio.Future[Any]] = {}
        self._events: dict[int, asyncio.Queue[Any]] = {}

    async def log_in(self, username: str, password: str) -> None:
        """Log in; on the first start, create the user as its owner.

        Raises HomeAssistantError when the user is refused.
        """
        client_id = f"{self.url}/"
        if await self._has_owner():
            code = await self._log_in_code(client_id, username, password)
        else:
            created = await self._request(
                "POST",
                "/api/onboarding/users",
                json={
                    "client_id": client_id,
                    "name": username.capitalize(),
                    "username": username,
                    "password": password,
                    "language": "en",
                },
            )
            code = created["auth_code"]
        token = await self._request(
            "POST",
            "/auth/token",
            data={
                "grant_type": "authorization_code",
                "client_id": client_id,
                "code": code,
            },
        )
        self._token = token["access_token"]
        await self._open_websocket()

    async def _has_owner(self) -> bool:
        async with self._session.get(f"{self.url}/api/onboarding") as response:
            if response.status == HTTPStatus.NOT_FOUND:
                # The views are there only until everything is done.
                return True
            steps = await response.json()
        return any(step["step"] == "user" and step["done"] for step in steps)

    async def _log_in_code(self, client_id: str, username: str, password: str) -> str:
        flow = await self._request(
            "POST",
            "/auth/login_flow",
            json={
                "client_id": client_id,
                "handler": ["homeassistant", None],
                "redirect_uri": client_id,
            },
        )
        done = await self._request(
            "POST",
            f"/auth/login_flow/{flow['flow_id']}",
            json={"client_id": client_id, "username": username, "password": password},
        )
        if "result" not in done:
            raise HomeAssistantError(f"log-in refused: {done.get('errors')}")
        code: str = done["result"]
        return code

    async def close(self) -> None:
        """Close the websocket."""
        if self._websocket:
            await self._websocket.close()
        if self._reader:
            self._reader.cancel()
            with suppress(asyncio.CancelledError):
                await self._reader

    async def get(self, path: str) -> Any:
        """Return what a GET gives."""
        return await self._request("GET", path)

    async def get_bytes(self, path: str) -> bytes:
        """Return the body of a GET."""
        async with self._session.get(
            self.url + path, headers=self._headers
        ) as response:
            response.raise_for_status()
            return await response.read()

    async def post(self, path: str, body: Mapping[str, object] | None = None) -> Any:
        """Return what a POST gives."""
        return await self._request("POST", path, json=dict(body or {}))

    async def call_service(self, name: str, **data: object) -> None:
        """Call a service ("domain.service") and wait until it is done."""
        await self.post(f"/api/services/{name.replace('.', '/')}", data)

    async def call_action(self, name: str, **data: object) -> Any:
        """Return the response of an action ("domain.action") that has one."""
        domain, _, action = name.partition(".")
        result = await self.command(
            "call_service",
            domain=domain,
            service=action,
            service_data=data,
            return_response=True,
        )
        return result["response"]

    async def delete(self, path: str) -> Any:
        """Return what a DELETE gives."""
        return await self._request("DELETE", path)

    @property
    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._token}"} if self._token else {}

    async def _request(self, method: str, path: str, **body: Any) -> Any:
        async with self._session.request(
            method, self.url + path, headers=self._headers, **body
        ) as response:
            if response.status >= HTTPStatus.BAD_REQUEST:
                raise HomeAssistantError(
                    f"{method} {path}: {response.status} {await response.text()}"
                )
            return await response.json()

    async def _open_websocket(self) -> None:
        self._websocket = await self._session.ws_connect(
            f"{self.url}/api/websocket", max_msg_size=0
        )
        await self._websocket.receive_json()
        await self._websocket.send_json({"type": "auth", "access_token": self._token})
        answer = await self._websocket.receive_json()
        if answer["type"] != "auth_ok":
            raise HomeAssistantError(str(answer))
        self._reader = asyncio.create_task(self._read(self._websocket))

    async def _read(self, websocket: aiohttp.ClientWebSocketResponse) -> None:
        async for raw in websocket:
            message: Json = raw.json()
            if message["type"] == "event":
                if queue := self._events.get(message["id"]):
                    queue.put_nowait(message["event"])
                continue
            if (future := self._results.pop(message["id"], None)) is None:
                continue
            if future.done():
                continue
            if message.get("success", True):
                future.set_result(message.get("result"))
            else:
                future.set_exception(HomeAssistantError(str(message["error"])))
        for future in self._results.values():
            if not future.done():
                future.set_exception(WebsocketClosedError)
        self._results.clear()

    async def command(self, kind: str, **fields: object) -> Any:
        """Return the result of a websocket command."""
        return await self._command(next(self._ids), kind, fields)

    async def _command(
        self, number: int, kind: str, fields: Mapping[str, object]
    ) -> Any:
        # While tests without this event loop ran, nobody answered Home Assistant's
        # pings, and it has closed the websocket.
        try:
            return await self._send_command(number, kind, fields)
        except ConnectionResetError, WebsocketClosedError:
            await self.close()
            await self._open_websocket()
            return await self._send_command(number, kind, fields)

    async def _send_command(
        self, number: int, kind: str, fields: Mapping[str, object]
    ) -> Any:
        assert self._websocket is not None
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._results[number] = future
        await self._websocket.send_json({"id": number, "type": kind, **fields})
        async with asyncio.timeout(30):
            return await future

    @asynccontextmanager
    async def subscribe(
        self, kind: str, **fields: object
    ) -> AsyncIterator[asyncio.Queue[Any]]:
        """Give the events of a subscription while it is open."""
        number = next(self._ids)
        queue: asyncio.Queue[Any] = asyncio.Queue()
        self._events[number] = queue
        await self._command(number, kind, fields)
        try:
            yield queue
        finally:
            del self._events[number]
            with suppress(HomeAssistantError):
                await self.command("unsubscribe_events", subscription=number)

    async def wait_until_running(self, *, timeout: float) -> None:
        """Wait for the end of Home Assistant's start."""
        async with (
            asyncio.timeout(timeout),
            self.subscribe(
                "subscribe_events", event_type="homeassistant_started"
            ) as events,
        ):
            config = await self.get("/api/config")
            if config["state"] != "RUNNING":
                await events.get()

    async def wait_for_entry(
        self, entry_id: str, state: str = "loaded", *, timeout: float = 20
    ) -> None:
        """Wait until a config entry is in a state."""
        async with (
            asyncio.timeout(timeout),
            self.subscribe("config_entries/subscribe") as changes,
        ):
            while True:
                for change in await changes.get():
                    entry = change["entry"]
                    if entry["entry_id"] == entry_id and entry["state"] == state:
                        return

    async def state(self, entity_id: str) -> Json:
        """Return an entity's state object."""
        state: Json = await self.get(f"/api/states/{entity_id}")
        return state

    async def wait_for_state(
        self,
        entity_id: str,
        condition: str | Callable[[Json], bool],
        *,
        timeout: float = 20,
    ) -> Json:
        """Return the entity's state object as soon as it fits the condition.

        The condition is a state or a predicate; the timeout is in seconds. Raises
        TimeoutError.
        """

        def fits(state: Json) -> bool:
            if isinstance(condition, str):
                return bool(state["state"] == condition)
            return condition(state)

        last: Json | None = None
        async with self.subscribe(
            "subscribe_trigger",
            trigger={"platform": "state", "entity_id": entity_id},
        ) as events:
            try:
                async with asyncio.timeout(timeout):
                    with suppress(HomeAssistantError):
                        last = await self.state(entity_id)
                    while last is None or not fits(last):
                        event = await events.get()
                        last = event["variables"]["trigger"]["to_state"]
            except TimeoutError:
                raise TimeoutError(f"{entity_id} stayed at {last}") from None
        return last

    async def wait_for_no_state(self, entity_id: str, *, timeout: float = 20) -> None:
        """Wait until an entity has no state any more, or none that its platform gives."""
        async with (
            asyncio.timeout(timeout),
            self.subscribe("subscribe_events", event_type="state_changed") as events,
        ):
            while await self._is_there(entity_id):
                while (await events.get())["data"]["entity_id"] != entity_id:
                    pass

    async def _is_there(self, entity_id: str) -> bool:
        try:
            state = await self.state(entity_id)
        except HomeAssistantError:
            return False
        return not state["attributes"].get("restored", False)
