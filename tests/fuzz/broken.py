"""Strategies: what is right, broken here and there."""

from collections.abc import Callable, Iterator, Sequence
import copy
import json
from typing import Any

from hypothesis import strategies as st

type Json = Any
type Path = tuple[str | int, ...]

# What has been, or might be, taken for something else.
_WORDS = st.sampled_from(
    [
        "",
        " ",
        "0",
        "-1",
        "65536",
        "9" * 5000,
        "1e999",
        "NaN",
        "\u0663",
        "\u00b2",
        "\0",
        "\n",
        "\r\na=x",
        "\ud800",
        "%s%n",
        "{}",
        "::ffff:127.0.0.1",
        "169.254.169.254",
        "localhost.local",
        "x" * 70_000,
        "a" * 300,
    ]
)
_LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.sampled_from([0, -1, 2**31, 2**64, 10**400]),
    st.floats(),
    _WORDS,
    st.text(max_size=20),
    st.sampled_from([[], {}, [[]], [None], {"": None}, [0] * 1000]),
)
VALUES = st.recursive(
    _LEAVES,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.text(max_size=8), inner, max_size=3),
    ),
    max_leaves=6,
)


@st.composite
def texts(draw: Callable[..., Any], seeds: Sequence[str]) -> str:
    """Draw a text of lines that is broken in one to four places."""
    lines = draw(st.sampled_from(seeds)).splitlines()
    for _ in range(draw(st.integers(1, 4))):
        if not lines:
            break
        at = draw(st.integers(0, len(lines) - 1))
        line = lines[at]
        cut = draw(st.integers(0, len(line)))
        match draw(st.integers(0, 8)):
            case 0:
                del lines[at]
            case 1:
                lines.insert(at, lines[draw(st.integers(0, len(lines) - 1))])
            case 2:
                lines[at] = line[:cut]
            case 3:
                lines[at] = line[:cut] + draw(st.text(max_size=8)) + line[cut:]
            case 4:
                words = line.split(" ")
                words[draw(st.integers(0, len(words) - 1))] = draw(_WORDS)
                lines[at] = " ".join(words)
            case 5:
                lines[at] = " ".join(draw(st.permutations(line.split(" "))))
            case 6:
                lines = lines[:at]
            case 7:
                name, colon, _ = line.partition(":")
                lines[at] = name + colon + draw(_WORDS)
            case 8:
                lines[at:at] = [line] * draw(st.sampled_from([2, 40, 2500]))
    end = draw(st.sampled_from(["\r\n", "\n", "\r"]))
    # A frame is not larger than that.
    return (end.join(lines) + draw(st.sampled_from([end, ""])))[:250_000]


@st.composite
def structures(draw: Callable[..., Any], seeds: Sequence[Json]) -> Json:
    """Draw JSON that is broken in one to three places, or is something else."""
    if draw(st.integers(0, 19)) == 0:
        return copy.deepcopy(draw(VALUES))
    value = copy.deepcopy(draw(st.sampled_from(seeds)))
    for _ in range(draw(st.integers(1, 3))):
        paths = [path for path in _paths(value) if path]
        if not paths:
            break
        *way, last = draw(st.sampled_from(paths))
        holder = value
        for step in way:
            holder = holder[step]
        match draw(st.integers(0, 3)):
            case 0:
                del holder[last]
            case 1 if isinstance(holder[last], str):
                holder[last] = draw(texts([holder[last] or "x"]))
            case 2:
                holder[last] = [holder[last]]
            case _:
                holder[last] = copy.deepcopy(draw(VALUES))
    return value


def payloads(seeds: Sequence[Json]) -> st.SearchStrategy[str]:
    """Draw the text of JSON that is broken inside, or that is none."""
    written = structures(seeds).map(to_json)
    return st.one_of(
        written,
        written,
        written,
        texts([to_json(seed) for seed in seeds]),
        st.text(max_size=60),
        st.sampled_from(["", "[" * 100_000, "null", '"', "\ufeff{}", "9" * 5000]),
    )


def to_json(value: Json) -> str:
    """Write JSON as the most careless would."""
    return json.dumps(value)


@st.composite
def packets(draw: Callable[..., Any], seeds: Sequence[str]) -> str:
    """Draw the hexadecimal form of bytes that are broken in one to four places."""
    if draw(st.integers(0, 9)) == 0:
        return draw(st.binary(max_size=64)).hex()
    data = bytearray.fromhex(draw(st.sampled_from(seeds)))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(data)))
        match draw(st.integers(0, 3)):
            case 0:
                data[at : at + 1] = draw(st.binary(min_size=1, max_size=1))
            case 1:
                del data[at:]
            case 2:
                data[at:at] = draw(st.binary(max_size=8))
            case 3:
                del data[at : at + draw(st.integers(1, 8))]
    return data.hex()


def _paths(value: Json, path: Path = ()) -> Iterator[Path]:
    yield path
    items: Iterator[tuple[Any, Json]] = iter(())
    if isinstance(value, dict):
        items = iter(value.items())
    elif isinstance(value, list):
        items = iter(enumerate(value))
    for key, inner in items:
        yield from _paths(inner, (*path, key))
