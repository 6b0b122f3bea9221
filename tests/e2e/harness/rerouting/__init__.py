"""Fakes in place of services whose addresses are fixed."""

from collections.abc import Mapping
import json
from pathlib import Path


def rerouted(origins: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of a Python process that sends to others instead."""
    return {"PYTHONPATH": str(Path(__file__).parent), "REROUTED": json.dumps(origins)}
