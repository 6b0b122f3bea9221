"""What is private in aiortc and aioice is where the peer looks for it."""

import ast
from pathlib import Path

import aioice.ice
import aiortc.rtcpeerconnection
import pytest

from custom_components.kinesis_webrtc.peer import internals

PEER = Path(internals.__file__).parent


async def test_installed_libraries_fit() -> None:
    assert internals.missing() == []


@pytest.mark.parametrize(
    "name", ["_pair_remote_candidate", "sort_check_list", "gather_candidates"]
)
async def test_moved_name_is_noticed(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.delattr(aioice.ice.Connection, name)
    assert internals.missing() == [f"Connection.{name}"]


async def test_moved_method_of_aiortc_is_noticed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    name = "_RTCPeerConnection__connect"
    monkeypatch.delattr(aiortc.rtcpeerconnection.RTCPeerConnection, name)
    # The wrapper takes the name from the class, so it cannot even be built.
    assert internals.missing() == [f"RTCPeerConnection.{name}"]


async def test_connection_without_a_pair_has_no_types() -> None:
    connection = aioice.ice.Connection(ice_controlling=False)
    assert internals.selected_types(connection) == (None, None)


def _is_private(name: str) -> bool:
    return name.startswith("_") and not name.endswith("__")


def test_private_names_stand_in_two_modules() -> None:
    """Others may use private names of their own `self` alone."""
    for path in PEER.glob("*.py"):
        if path.name in {"internals.py", "takeover.py"}:
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Attribute) and _is_private(node.attr):
                owner = node.value
                assert isinstance(owner, ast.Name), (path.name, node.attr)
                assert owner.id in ("self", "cls"), (path.name, node.attr)


def test_libraries_of_others_stay_out() -> None:
    """The peer knows neither Home Assistant nor the protocol, nor its siblings."""
    for path in PEER.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                assert node.level <= 1, path.name
                names = [node.module or ""] if node.level == 0 else []
            else:
                continue
            for name in names:
                top = name.partition(".")[0]
                assert top not in ("homeassistant", "boto3", "botocore", "aiohttp")
                assert top != "custom_components"
