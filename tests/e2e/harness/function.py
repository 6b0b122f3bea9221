"""The skill's function, loaded by itself as AWS does."""

import importlib.util
import sys
from types import ModuleType

import pytest

from .emulator import Emulator
from .home_assistant import INTEGRATION, REPOSITORY

SKILL_ID = "amzn1.ask.skill.1"
_FILE = REPOSITORY / "custom_components" / INTEGRATION / "alexa" / "lambda_function.py"


def load_function(
    *,
    emulator: Emulator,
    lwa_url: str,
    ssm_url: str,
    monkeypatch: pytest.MonkeyPatch,
) -> ModuleType:
    """Load the one file, with the variables that it has in AWS."""
    account = emulator.lambda_function
    for name, value in {
        **emulator.environment,
        "AWS_ENDPOINT_URL_SSM": ssm_url,
        "AWS_ACCESS_KEY_ID": account.access_key_id,
        "AWS_SECRET_ACCESS_KEY": account.secret_access_key,
        "CHANNEL_REGION": account.region,
        "SKILL_ID": SKILL_ID,
        "LWA_URL": lwa_url,
        "AWS_LAMBDA_FUNCTION_NAME": "kinesis-webrtc",
    }.items():
        monkeypatch.setenv(name, value)
    spec = importlib.util.spec_from_file_location("lambda_function", _FILE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "lambda_function", module)
    spec.loader.exec_module(module)
    return module
