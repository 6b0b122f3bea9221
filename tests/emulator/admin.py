"""The emulator's switches over HTTP, for tests and demos in other processes.

Unsigned, so it listens at the loopback address only. All bodies are JSON.
"""

import base64
from collections.abc import Awaitable, Callable
import dataclasses
import json
from typing import Any

from aiohttp import web

from .connection import Connection
from .iam import User
from .service import KvsEmulator

type Action = Callable[[dict[str, Any]], Awaitable[Any]]


class AdminServer:
    """POST /_emulator/ACTION for each action below, GET /_emulator/state.

    faults {kind, operation?, channel?, skip?, count?, delay?, status?, code?, message?}
    clear_faults {}; limits, behaviour {NAME: VALUE, ...}
    create_channel {name, message_ttl?, tags?, account?}; delete_channel {channel}
    create_stream {name, retention_hours?}
    add_user {access_key_id, secret_access_key, session_token?, policies?, ...};
    remove_user {access_key_id}
    connections {channel, action, client_id?, ...}: action is go_away {grace?},
    reconnect_ice_server, close {code?, reason?}, cut, half_open, or send with text or
    base64; client_id picks a viewer, else it is the master.
    offline, online {}; messages {channel?}.
    """

    def __init__(self, emulator: KvsEmulator, *, port: int = 0) -> None:
        """Prepare; nothing listens until start."""
        self._emulator = emulator
        self._port = port
        application = web.Application()
        application.router.add_get("/_emulator/state", self._get_state)
        application.router.add_post("/_emulator/{action}", self._post)
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
        self._actions: dict[str, Action] = {
            "faults": self._faults,
            "clear_faults": self._clear_faults,
            "limits": self._limits,
            "behaviour": self._behaviour,
            "create_channel": self._create_channel,
            "delete_channel": self._delete_channel,
            "create_stream": self._create_stream,
            "add_user": self._add_user,
            "remove_user": self._remove_user,
            "connections": self._connections,
            "messages": self._messages,
            "offline": self._offline,
            "online": self._online,
        }

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._runner.addresses[0][1]}"

    async def start(self) -> None:
        """Listen."""
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self._port).start()

    async def stop(self) -> None:
        """Stop listening."""
        await self._runner.cleanup()

    async def _post(self, request: web.Request) -> web.Response:
        action = self._actions.get(request.match_info["action"])
        if action is None:
            return web.json_response({"error": "no such action"}, status=404)
        try:
            params = json.loads(await request.read() or b"{}")
            result = await action(params)
        except (KeyError, TypeError, ValueError, LookupError) as error:
            return web.json_response({"error": repr(error)}, status=400)
        return web.json_response(result if result is not None else {})

    async def _get_state(self, request: web.Request) -> web.Response:
        emulator, journal = self._emulator, self._emulator.journal
        return web.json_response(
            {
                "calls": dict(journal.calls),
                "errors": {" ".join(key): n for key, n in journal.errors.items()},
                "rights": [[*key] for key in journal.rights],
                "attempts": list(journal.attempts),
                "joins": list(journal.joins),
                "channels": {
                    channel.name: channel.info()
                    | {
                        "tags": channel.tags,
                        "master": emulator.master(channel.arn) is not None,
                        "viewers": sorted(emulator.viewers(channel.arn)),
                        "connections": len(emulator.connections(channel.arn)),
                    }
                    for channel in emulator.channels
                },
                "limits": dataclasses.asdict(emulator.limits),
                "behaviour": dataclasses.asdict(emulator.behaviour),
            }
        )

    async def _faults(self, params: dict[str, Any]) -> None:
        self._emulator.add_fault(**params)

    async def _clear_faults(self, params: dict[str, Any]) -> None:
        self._emulator.faults.clear()

    async def _limits(self, params: dict[str, Any]) -> None:
        self._emulator.limits.update(params)

    async def _behaviour(self, params: dict[str, Any]) -> None:
        self._emulator.behaviour.update(params)

    async def _create_channel(self, params: dict[str, Any]) -> dict[str, Any]:
        return self._emulator.create_channel(**params).info()

    async def _delete_channel(self, params: dict[str, Any]) -> None:
        self._emulator.delete_channel(params["channel"])

    async def _create_stream(self, params: dict[str, Any]) -> dict[str, str]:
        return {"StreamARN": self._emulator.add_stream(**params)}

    async def _add_user(self, params: dict[str, Any]) -> None:
        self._emulator.add_user(User(**params))

    async def _remove_user(self, params: dict[str, Any]) -> None:
        self._emulator.remove_user(params["access_key_id"])

    async def _messages(self, params: dict[str, Any]) -> list[dict[str, Any]]:
        return [
            dataclasses.asdict(message)
            for message in self._emulator.journal.messages
            if params.get("channel") in (None, message.channel)
        ]

    async def _connections(self, params: dict[str, Any]) -> None:
        connection = self._connection(params)
        match params["action"]:
            case "go_away":
                connection.go_away(params.get("grace"))
            case "reconnect_ice_server":
                connection.reconnect_ice_server()
            case "close":
                connection.close(params.get("code", 1000), params.get("reason", ""))
            case "cut":
                connection.cut()
            case "half_open":
                connection.make_half_open()
            case "send" if "text" in params:
                connection.send_text(params["text"])
            case "send":
                connection.send_raw(base64.b64decode(params["base64"]))
            case action:
                raise ValueError(f"no such action: {action}")

    def _connection(self, params: dict[str, Any]) -> Connection:
        channel, client_id = params["channel"], params.get("client_id")
        if client_id is not None:
            return self._emulator.viewers(channel)[client_id]
        master = self._emulator.master(channel)
        if master is None:
            raise LookupError("no master is connected")
        return master

    async def _offline(self, params: dict[str, Any]) -> None:
        await self._emulator.go_offline()

    async def _online(self, params: dict[str, Any]) -> None:
        await self._emulator.go_online()
