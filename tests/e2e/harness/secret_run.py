"""A run of Home Assistant, and the secrets that were used in it."""

from tests.helpers.secrets import MARKS, addresses_of, credentials_of, find_secrets

from .emulator import Emulator
from .home_assistant import HomeAssistant
from .left_behind import left_behind
from .scenario import SharedCamera

STREAM_PASSWORD = "stream-password-0123456789"
# A viewer's address that nobody can mistake. Nothing is sent there, as it is a link's own;
# those that are used are this machine's.
ADDRESS = "169.254.99.88"
CANDIDATE = f"candidate:9 1 udp 2013266430 {ADDRESS} 50000 typ host"


def telling(offer: str) -> str:
    """Return an offer with one more candidate in each section."""
    lines = offer.splitlines()
    for at, line in reversed(list(enumerate(lines))):
        if line.startswith("m="):
            lines.insert(at + 1, f"a={CANDIDATE}")
    return "\n".join(lines) + "\n"


class Run:
    """A Home Assistant in which all is used, and the secrets that have been so far."""

    def __init__(
        self, *, home: HomeAssistant, shared: SharedCamera, aws: Emulator
    ) -> None:
        self.home = home
        self.shared = shared
        self.aws = aws
        account = aws.home_assistant
        self.secrets = {
            account.access_key_id,
            account.secret_access_key,
            STREAM_PASSWORD,
            ADDRESS,
        }

    def betray(self, offer: str, *answers: str) -> None:
        """Take for secrets the credentials in all of these, and the viewer's addresses.

        An answer's are Home Assistant's own and those of its relays.
        """
        self.secrets |= addresses_of(offer).union(
            credentials_of(offer), *map(credentials_of, answers)
        )

    async def channel_arn(self) -> str:
        """Return the shared camera's channel."""
        channels = (await self.aws.state())["channels"]
        return str(channels["ha-front-door"]["ChannelARN"])

    async def leaks(self, **texts: str) -> list[str]:
        """Return where a secret is, in what is left behind and in these texts."""
        texts |= await left_behind(self.home, self.shared.entry_id)
        assert self.shared.viewers in texts["states"]
        assert self.aws.home_assistant.region in texts["diagnostics"]
        assert "device 1" in texts
        recorded = "".join(text for name, text in texts.items() if "_v2.db" in name)
        assert self.shared.viewers in recorded
        return find_secrets(texts, self.secrets | MARKS)
