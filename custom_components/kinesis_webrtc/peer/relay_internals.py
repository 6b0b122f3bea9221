"""The private names of aioice that keeping relays, and leaving them, needs.

That they are where they are looked for is checked with those of `internals`.
"""

import asyncio
from collections.abc import Callable
import math

import aioice.ice
import aioice.stun
import aioice.turn

from .internals import add_protocol

CLOSE_TASK = "_TurnTransport__close_task"
INNER_PROTOCOL = "_TurnTransport__inner_protocol"
SEND_TASKS = "_TurnTransport__send_tasks"


def add_relay(
    connection: aioice.ice.Connection, relay: aioice.ice.StunProtocol
) -> None:
    """Let a connection use a relay, but not close it: that waits for a TURN server."""

    async def close() -> None:
        pass

    vars(relay)["close"] = close
    add_protocol(connection, relay)


async def close_relay(relay: aioice.ice.StunProtocol) -> None:
    """Give a relay back to its server, once what it was to send has left."""
    await type(relay).close(relay)


def remove_relay(
    connection: aioice.ice.Connection, relay: aioice.ice.StunProtocol
) -> None:
    """Let a connection find no new pairs with a relay."""
    if relay in connection._protocols:
        connection._protocols.remove(relay)


def watch_losses(
    connection: aioice.ice.Connection,
    on_loss: Callable[[aioice.ice.StunProtocol], None],
) -> None:
    """Tell of each relay that is lost, also when the connection closes it.

    aioice would end a connection that uses it; all but relays it still does.
    """
    stock = connection.protocol_lost

    def protocol_lost(protocol: aioice.ice.StunProtocol) -> None:
        if isinstance(protocol.transport, aioice.turn.TurnTransport):
            on_loss(protocol)
        else:
            stock(protocol)

    vars(connection)["protocol_lost"] = protocol_lost


def is_selected(
    connection: aioice.ice.Connection, protocol: aioice.ice.StunProtocol
) -> bool:
    """Tell whether a connection sends by this."""
    pair = connection._nominated.get(1)
    return pair is not None and pair.protocol is protocol


def pairs(connection: aioice.ice.Connection) -> list[aioice.ice.CandidatePair]:
    """Return all pairs of what is left, best first, also those that failed before."""
    for remote in list(connection._remote_candidates):
        connection._pair_remote_candidate(remote)
    connection.sort_check_list()
    protocols = connection._protocols
    return [pair for pair in connection._check_list if pair.protocol in protocols]


async def check(
    connection: aioice.ice.Connection, pair: aioice.ice.CandidatePair
) -> bool:
    """Tell whether the viewer answers on a pair."""
    password = connection.remote_password
    if password is None:
        return False
    try:
        _, address = await pair.protocol.request(
            connection.build_request(pair, nominate=True),
            pair.remote_addr,
            integrity_key=password.encode(),
            retransmissions=2,
        )
    except aioice.stun.TransactionError:
        return False
    return address == pair.remote_addr


def select(connection: aioice.ice.Connection, pair: aioice.ice.CandidatePair) -> None:
    """Send by this pair from now on."""
    connection._nominated[pair.component] = pair


async def refresh_channels(relay: aioice.ice.StunProtocol) -> bool:
    """Renew a relay's channels and permissions; tell whether the server does that."""
    client = vars(relay.transport)[INNER_PROTOCOL]
    try:
        for channel, address in tuple(client.channel_to_peer.items()):
            await client.channel_bind(channel, address)
            # It need not be done by those that send.
            client.channel_refresh_at[channel] = math.inf
    except ConnectionError, aioice.stun.TransactionError:
        return False
    return True


def drop_relay(relay: aioice.ice.StunProtocol) -> None:
    """Have a relay be lost, and with it what it has still to send."""
    transport = vars(relay.transport)
    for task in transport[SEND_TASKS]:
        task.cancel()
    transport[INNER_PROTOCOL].transport.close()


async def abandon_relay(protocol: aioice.ice.StunProtocol) -> None:
    """Close a relay whose TURN server does not answer any more."""
    transport = vars(protocol.transport)
    tasks = set(transport[SEND_TASKS])
    if transport[CLOSE_TASK] is not None:
        tasks.add(transport[CLOSE_TASK])
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
