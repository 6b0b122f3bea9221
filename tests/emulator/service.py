"""The emulator as an object: start, stop, look inside, make trouble."""

from collections.abc import Callable, Mapping, Sequence
import ssl
from types import TracebackType
from typing import Any, Self

from aiohttp import web

from .app import Front
from .channels import Channel, ChannelStore
from .connection import Connection
from .control import ControlPlane
from .faults import Fault, FaultKind, Faults
from .hub import Hub
from .iam import User
from .ice import TurnConfig
from .journal import Journal
from .limits import Behaviour, Limits
from .listeners import Listeners
from .state import Endpoint, State, partition_of

DEFAULT_USER = User(
    name="tester",
    access_key_id="AKIAIOSFODNN7EXAMPLE",
    secret_access_key="wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
)


class KvsEmulator:
    """One region of Kinesis Video Streams WebRTC, and STS, on ports of this machine.

    hosts: addresses to listen at; endpoints are given under the host name that the
    client itself used. port: of the control plane and STS, 0 takes any; each channel's
    endpoints get ports of their own. account: of the users that name none.
    ssl_context: speak TLS everywhere, https and wss.
    """

    def __init__(
        self,
        *,
        hosts: Sequence[str] = ("127.0.0.1",),
        port: int = 0,
        region: str = "eu-west-1",
        account: str = "123456789012",
        users: Sequence[User] = (DEFAULT_USER,),
        limits: Limits | None = None,
        behaviour: Behaviour | None = None,
        turn: TurnConfig | None = None,
        ssl_context: ssl.SSLContext | None = None,
    ) -> None:
        """Prepare a service; nothing listens until it is entered or started."""
        self.region = region
        self.account = account
        self.limits = limits or Limits()
        self.behaviour = behaviour or Behaviour()
        self.turn = turn or TurnConfig()
        partition = partition_of(region)
        self._hosts = hosts
        self._tls = ssl_context is not None
        self._state = State(
            region=region,
            users={},
            limits=self.limits,
            behaviour=self.behaviour,
            turn=self.turn,
            channels=ChannelStore(
                region=region,
                partition=partition,
                limits=self.limits,
                behaviour=self.behaviour,
                on_change=self._on_channel_change,
            ),
        )
        for user in users:
            self.add_user(user)
        self._hub = Hub(self._state)
        self._listeners = Listeners(hosts, ssl_context)
        front = Front(
            self._state,
            self._hub,
            ControlPlane(self._state, self._address_of),
            self._listeners.endpoint_at,
        )
        self._runner = web.AppRunner(
            front.application(),
            access_log=None,
            shutdown_timeout=0.1,
            handler_cancellation=True,
        )
        self._wanted_port = port

    async def start(self) -> None:
        """Listen."""
        await self._runner.setup()
        self._wanted_port = await self._listeners.start(self._runner, self._wanted_port)

    async def stop(self) -> None:
        """Cut every connection and stop listening."""
        self._hub.close()
        self._state.channels.close()
        await self._listeners.stop()
        await self._runner.cleanup()

    async def __aenter__(self) -> Self:
        """Start."""
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stop."""
        await self.stop()

    # What clients need

    @property
    def port(self) -> int:
        """The port of the control plane and STS."""
        return self._wanted_port

    @property
    def url(self) -> str:
        """The value for AWS_ENDPOINT_URL."""
        return self.url_at(self._hosts[0])

    def url_at(self, host: str) -> str:
        """Return the control plane's URL under one of the hosts."""
        return f"http{'s' * self._tls}://{_in_url(host)}:{self.port}"

    @property
    def users(self) -> Mapping[str, User]:
        """The users by their access key ids."""
        return self._state.users

    def add_user(self, user: User) -> User:
        """Add a user, or replace the one with the same access key id."""
        if user.account is None:
            user.account = self.account
        self._state.users[user.access_key_id] = user
        return user

    def remove_user(self, access_key_id: str) -> None:
        """Make an access key unknown."""
        del self._state.users[access_key_id]

    # Looking inside

    @property
    def state(self) -> State:
        """Everything, for what has no method of its own."""
        return self._state

    @property
    def faults(self) -> Faults:
        """The faults that are switched on."""
        return self._state.faults

    @property
    def journal(self) -> Journal:
        """Calls and refusals counted, messages seen; `wait_for` waits for a change."""
        return self._state.journal

    @property
    def channels(self) -> list[Channel]:
        """All channels in the order of their names."""
        return list(self._state.channels)

    def channel(self, reference: str) -> Channel:
        """Return a channel by name or ARN; raise KeyError."""
        return self._state.channels.by_reference(reference)

    def master(self, reference: str) -> Connection | None:
        """Return the connected master of a channel."""
        return self._hub.room(self.channel(reference)).connection_of(None)

    def viewers(self, reference: str) -> dict[str, Connection]:
        """Return the connected viewers of a channel by their client ids."""
        return dict(self._hub.room(self.channel(reference)).viewers)

    def connections(self, reference: str) -> set[Connection]:
        """Return all websockets of a channel, displaced ones too."""
        return set(self._hub.room(self.channel(reference)).all)

    async def wait_for(
        self, predicate: Callable[[], object], timeout: float = 5
    ) -> None:
        """Wait until something of the service is true; raise TimeoutError."""
        await self.journal.wait_for(predicate, timeout)

    async def wait_for_master(self, reference: str, timeout: float = 5) -> Connection:
        """Wait for a master to be connected; raise TimeoutError."""
        await self.wait_for(lambda: self.master(reference), timeout)
        master = self.master(reference)
        assert master is not None
        return master

    # Changing things behind the clients' back

    def create_channel(
        self,
        name: str,
        *,
        message_ttl: int | None = None,
        tags: Mapping[str, str] | None = None,
        account: str | None = None,
    ) -> Channel:
        """Make a channel that is ACTIVE at once, without a call."""
        owner = account or self.account
        return self._state.channels.create(
            account=owner,
            arn=self._state.channels.new_arn(owner, name),
            name=name,
            message_ttl=message_ttl,
            tags=tags or {},
            delay=0,
        )

    def delete_channel(self, reference: str) -> None:
        """Delete a channel at once, without a call."""
        self._state.channels.delete(self.channel(reference), None, delay=0)

    def add_stream(self, name: str, *, retention_hours: int = 24) -> str:
        """Make a stream that media storage can be set to; return its ARN."""
        arn = self._state.channels.new_arn(self.account, name)
        arn = arn.replace(":channel/", ":stream/")
        self._state.streams[arn] = retention_hours
        return arn

    def add_fault(
        self, kind: FaultKind | str, operation: str = "*", **options: Any
    ) -> Fault:
        """Switch a fault on; options are Fault's other fields."""
        fault = Fault(kind=FaultKind(kind), operation=operation, **options)
        return self.faults.add(fault)

    async def go_offline(self) -> None:
        """Cut every connection and refuse new ones, as in an outage."""
        await self._listeners.stop()
        assert self._runner.server is not None
        for handler in list(self._runner.server.connections):
            if handler.transport is not None:
                handler.transport.abort()

    async def go_online(self) -> None:
        """Listen again, at the same ports."""
        await self._listeners.resume()

    async def _address_of(self, endpoint: Endpoint, host: str) -> str:
        port = await self._listeners.open(endpoint)
        scheme = ("ws" if endpoint.protocol == "WSS" else "http") + "s" * self._tls
        name = host.rpartition(":")[0] if not host.endswith("]") else host
        return f"{scheme}://{name or host}:{port}"

    def _on_channel_change(self, channel: Channel) -> None:
        if channel not in self._state.channels:
            self._hub.close_channel(channel)
        self.journal.notify()


def _in_url(host: str) -> str:
    return f"[{host}]" if ":" in host else host
