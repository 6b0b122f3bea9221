"""Run the emulator as a process of its own: python -m tests.emulator --help."""

import argparse
import asyncio
from collections.abc import Sequence
import json
from pathlib import Path
import signal
import ssl
import sys
from typing import Any

from .admin import AdminServer
from .iam import ALLOW_ALL, User
from .ice import TurnConfig, uris_of_host
from .limits import Behaviour, Limits
from .service import DEFAULT_USER, KvsEmulator


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.emulator",
        description="A strict Kinesis Video Streams WebRTC service. Prints one line of "
        "JSON with its addresses when it is ready; ends at SIGINT or SIGTERM.",
    )
    parser.add_argument("--host", action="append", help="to listen at; repeatable")
    parser.add_argument("--port", type=int, default=0, help="of the control plane")
    parser.add_argument("--admin-port", type=int, default=0)
    parser.add_argument("--region", default="eu-west-1")
    parser.add_argument("--account", default="123456789012")
    parser.add_argument("--access-key", default=DEFAULT_USER.access_key_id)
    parser.add_argument("--secret", default=DEFAULT_USER.secret_access_key)
    parser.add_argument("--session-token")
    parser.add_argument("--policy", type=Path, help="IAM policy of that user, JSON")
    parser.add_argument(
        "--users", type=Path, help="JSON list of more users: the fields of User"
    )
    parser.add_argument("--turn-secret", default="", help="coturn's static-auth-secret")
    parser.add_argument("--turn-uri", action="append", default=[])
    parser.add_argument(
        "--turn-host", action="append", default=[], help="HOST:PORT, three URIs of it"
    )
    parser.add_argument("--turn-ttl", type=int, default=300, help="seconds")
    parser.add_argument("--tls-cert", type=Path)
    parser.add_argument("--tls-key", type=Path)
    parser.add_argument("--limits", type=Path, help="JSON object: fields of Limits")
    parser.add_argument("--behaviour", type=Path, help="JSON: fields of Behaviour")
    parser.add_argument("--no-rates", action="store_true", help="no limits per second")
    parser.add_argument("--message-ttl-scale", type=float, default=1.0)
    parser.add_argument(
        "--channel", action="append", default=[], help="name of one to make; repeatable"
    )
    return parser.parse_args(argv)


def _read(path: Path | None) -> Any:
    return {} if path is None else json.loads(path.read_text())


def build(argv: Sequence[str] | None = None) -> tuple[KvsEmulator, AdminServer]:
    """Return the emulator that a command line asks for."""
    args = _arguments(argv)
    limits, behaviour = Limits(), Behaviour()
    if args.no_rates:
        limits.without_rates()
    limits.update(_read(args.limits))
    behaviour.update(_read(args.behaviour))
    limits.message_ttl_scale *= args.message_ttl_scale
    first = User(
        access_key_id=args.access_key,
        secret_access_key=args.secret,
        session_token=args.session_token,
        policies=[_read(args.policy) or ALLOW_ALL],
    )
    more = [User(**fields) for fields in _read(args.users) or []]
    uris = [uri for host in args.turn_host for uri in uris_of_host(host)]
    turn = TurnConfig.of_uris(
        [*args.turn_uri, *uris], secret=args.turn_secret, ttl=args.turn_ttl
    )
    context: ssl.SSLContext | None = None
    if args.tls_cert is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(args.tls_cert, args.tls_key)
    emulator = KvsEmulator(
        hosts=args.host or ["127.0.0.1"],
        port=args.port,
        region=args.region,
        account=args.account,
        users=[first, *more],
        limits=limits,
        behaviour=behaviour,
        turn=turn,
        ssl_context=context,
    )
    for name in args.channel:
        emulator.create_channel(name)
    return emulator, AdminServer(emulator, port=args.admin_port)


async def run(argv: Sequence[str] | None = None) -> None:
    """Serve until a signal comes."""
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(name, ended.set)
    emulator, admin = build(argv)
    async with emulator:
        await admin.start()
        ready = {
            "url": emulator.url,
            "admin_url": admin.url,
            "region": emulator.region,
            "account": emulator.account,
            "channels": {channel.name: channel.arn for channel in emulator.channels},
        }
        print(json.dumps(ready))
        sys.stdout.flush()
        await ended.wait()
        await admin.stop()


if __name__ == "__main__":
    asyncio.run(run())
