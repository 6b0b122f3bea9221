"""What each layer may import."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

INTEGRATION = Path(__file__).parent.parent / "custom_components" / "kinesis_webrtc"
LAYERS = ("signaling", "peer", "alexa")
MEDIA = {"aiortc", "aioice", "av"}


def modules(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.py"))


def imports(module: Path) -> Iterator[str]:
    """Yield what a module imports, wherever in it, as absolute names."""
    package = module.parent.relative_to(INTEGRATION.parent.parent).parts
    for node in ast.walk(ast.parse(module.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            stem = ".".join((*base, *([node.module] if node.module else [])))
            yield stem
            yield from (f"{stem}.{alias.name}" for alias in node.names)


def is_within(name: str, package: str) -> bool:
    return name == package or name.startswith(f"{package}.")


LAYER_MODULES = [
    pytest.param(layer, module, id=str(module.relative_to(INTEGRATION)))
    for layer in LAYERS
    for module in modules(INTEGRATION / layer)
]


def test_layers_are_found() -> None:
    found = {parameters.values[0] for parameters in LAYER_MODULES}

    assert {"signaling", "peer"} <= found


@pytest.mark.parametrize(("layer", "module"), LAYER_MODULES)
def test_layer_knows_neither_home_assistant_nor_the_others(
    layer: str, module: Path
) -> None:
    own = f"custom_components.kinesis_webrtc.{layer}"

    for name in imports(module):
        assert not is_within(name, "homeassistant"), name
        if is_within(name, "custom_components"):
            assert is_within(name, own), name


@pytest.mark.parametrize(
    "module",
    [
        pytest.param(module, id=str(module.relative_to(INTEGRATION)))
        for module in modules(INTEGRATION)
        if not module.is_relative_to(INTEGRATION / "peer")
    ],
)
def test_only_the_peer_knows_media_libraries(module: Path) -> None:
    for name in imports(module):
        assert name.partition(".")[0] not in MEDIA, name


def test_relative_imports_are_resolved() -> None:
    """The check itself must see through dots."""
    signaling = INTEGRATION / "signaling" / "client.py"

    names = set(imports(signaling))

    assert "custom_components.kinesis_webrtc.signaling.errors" in names
    assert "asyncio" in names
