"""All doors, by their names."""

from .door import Door
from .peer_doors import Answers, Candidates, Datagrams, Offers, Reports, Stills
from .signaling_doors import Aws, Envelopes, Masters, Notices
from .skill_doors import Amazon, Directives

DOORS: dict[str, type[Door]] = {
    door.name: door
    for door in (
        Offers,
        Answers,
        Candidates,
        Datagrams,
        Reports,
        Envelopes,
        Notices,
        Masters,
        Stills,
        Aws,
        Directives,
        Amazon,
    )
}
