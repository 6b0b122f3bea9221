"""Seeded changes to offers: some that must not matter, some that break them."""

from collections.abc import Callable
import itertools
import random
import re

from .browser_offer import CHROMIUM
from .conftest import FIXTURES


def harmless(text: str, rng: random.Random) -> str:
    """Change what a peer must not care about: order, unknown lines, blanks."""
    session, *sections = re.split(r"(?m)^(?=m=)", text)
    for number, section in enumerate(sections):
        media, *rest = section.splitlines()
        rng.shuffle(rest)
        for _ in range(rng.randrange(4)):
            junk = rng.choice(
                ["a=junk", "a=x:y z", "b=TIAS:9", "i=hello", "k=clear:1", "a=:", "y=?"]
            )
            rest.insert(rng.randrange(len(rest) + 1), junk)
        if rng.random() < 0.3:
            rest = [line + " " * rng.randrange(3) for line in rest]
        sections[number] = "\n".join([media, *rest]) + "\n"
    if rng.random() < 0.3:
        session = re.sub(
            r"o=.*", f"o=- {rng.randrange(10**10)} 1 IN IP4 0.0.0.0", session
        )
    if rng.random() < 0.3:
        session = session.replace("t=0 0", "t=0 0\na=tool:x\na=msid-semantic: WMS")
    end = rng.choice(["\n", "\r\n", "\r"])
    return (session + "".join(sections)).replace("\n", end)


def damage(text: str, rng: random.Random) -> str:
    """Change anything, as broken senders and networks might."""
    lines = text.splitlines()
    for _ in range(rng.randrange(1, 4)):
        at = rng.randrange(len(lines))
        line = lines[at]
        match rng.randrange(7):
            case 0:
                del lines[at]
            case 1:
                lines.insert(at, rng.choice(lines))
            case 2:
                cut = rng.randrange(len(line) + 1)
                lines[at] = line[:cut]
            case 3:
                cut = rng.randrange(len(line) + 1)
                lines[at] = line[:cut] + chr(rng.randrange(1, 0x2100)) + line[cut:]
            case 4:
                lines[at] = re.sub(r"\d+", str(rng.randrange(-1, 10**6)), line, count=1)
            case 5:
                words = line.split(" ")
                rng.shuffle(words)
                lines[at] = " ".join(words)
            case 6:
                lines = lines[: max(1, at)]
        if not lines:
            break
    return "\n".join(lines) + "\n"


def mutations(change: Callable[[str, random.Random], str], count: int) -> list[str]:
    rng = random.Random(20261122)
    texts = [path.read_text() for path in sorted(FIXTURES.glob("offer-*.sdp"))]
    source = itertools.cycle([*texts, CHROMIUM])
    return [change(next(source), rng) for _ in range(count)]
