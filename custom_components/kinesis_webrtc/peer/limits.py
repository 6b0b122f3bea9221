"""Times and bounds of the peer."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Times (seconds) and bounds that sessions and feeds keep to."""

    connect_timeout: float = 15.0
    """From the answer until a viewer must have connected.

    Until then it holds one of the camera's places, its sockets and the camera itself. An
    Echo gives up after 6 s, and checks that a relay slows down are through by then.
    """

    close_timeout: float = 3.0
    """How long saying goodbye to a TURN server may take."""

    close_patience: float = 15.0
    """How long closing a connection may take; on a busy machine that is seconds.

    What is given up half closed keeps memory, and sockets.
    """

    gather_cap: float = 1.0
    """When an answer that must be complete leaves, whatever has been gathered."""

    late_gather_cap: float = 10.0
    """When gathering ends for good, for trickle viewers and late relays."""

    turn_stagger: float = 0.25
    """Head start of a TURN server over the next one."""

    relay_refresh: float = 240.0
    """Between two renewals of what a relay lets through, which lasts for 300 s."""

    relay_grace: float = 10.0
    """How long a viewer whose relay is lost may take to be reached in another way."""

    host_candidates: int = 12
    """Sockets opened for one viewer; the preferred address is always among them."""

    complete_candidates: int = 8
    """Candidates in an answer that must be complete."""

    remote_candidates: int = 64
    """Remote candidates of one session.

    A viewer has a few for each of its networks and relays. Each is an address that
    somebody else names and that we send checks to, from every socket.
    """

    early_candidate_ttl: float = 20.0
    """How long candidates wait for their offer, which is sent before them."""

    early_candidates: int = 32
    """Candidates of one viewer that may wait for its offer: those of a first second."""

    early_viewers: int = 32
    """Viewers whose candidates may wait: more than a channel has viewers."""

    linger: float = 5.0
    """How long the camera stays open after its last viewer."""

    open_timeout: float = 10.0
    """For opening the camera's stream."""

    read_timeout: float = 5.0
    """Silence of the camera after which its stream is opened anew."""

    source_patience: float = 20.0
    """How long viewers wait for a camera that delivers nothing."""

    backoff_floor: float = 0.5
    """First pause before a broken stream is opened again; doubles each time."""

    backoff_ceiling: float = 15.0
    """Longest pause before a broken stream is opened again."""

    unwatched_backoff_ceiling: float = 60.0
    """The same while the stream is held open for nobody; a viewer ends the pause."""

    cached_bytes: int = 16 * 1024 * 1024
    """Pictures that are kept for joining viewers and for what gets lost."""

    backlog: int = 75
    """Pictures that may wait for one viewer before it loses some."""

    key_frame_interval: float = 1.0
    """Least time between two key pictures that a viewer gets because it asks."""
