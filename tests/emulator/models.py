"""Requests checked against the service models that botocore ships.

botocore gives the data only; the checks are written here, because botocore's own ones
look neither at maxima nor at patterns or enumerations.
"""

from collections.abc import Mapping
from functools import cache
import re
from typing import Any
import unicodedata

from botocore.model import (
    ListShape,
    MapShape,
    OperationModel,
    ServiceModel,
    Shape,
    StringShape,
    StructureShape,
)
import botocore.session

from .errors import invalid_argument

# The signaling model documents a pattern that the service's own values break.
_UNENFORCED = {"Username", "Password"}
_ARN = r"arn:[a-z\d-]+:kinesisvideo:[a-z0-9-]+:[0-9]+:[a-z]+/[a-zA-Z0-9_.-]+/[0-9]+"
_TYPES: Mapping[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "long": (int,),
    "boolean": (bool,),
    "timestamp": (int, float),
    "structure": (dict,),
    "list": (list,),
    "map": (dict,),
}


@cache
def service_model(name: str) -> ServiceModel:
    """Return a service's model by botocore's name for the service."""
    return botocore.session.get_session().get_service_model(name)


@cache
def operations_by_path(name: str) -> Mapping[str, OperationModel]:
    """Return the operations of a REST service by their request URI."""
    model = service_model(name)
    operations = (model.operation_model(item) for item in model.operation_names)
    return {operation.http["requestUri"]: operation for operation in operations}


def is_arn(value: str) -> bool:
    """Whether it is the ARN of a channel or a stream, in any partition."""
    return len(value) <= 1024 and re.fullmatch(_ARN, value) is not None


def check_input(operation: OperationModel, params: Any) -> dict[str, Any]:
    """Return the members that the model knows; raise InvalidArgumentException."""
    problems: list[str] = []
    assert operation.input_shape is not None
    checked = _check(operation.input_shape, params, "", problems)
    if problems:
        count = f"{len(problems)} validation error{'s' * (len(problems) > 1)}"
        raise invalid_argument(f"{count} detected: {'; '.join(problems)}")
    members: dict[str, Any] = checked
    return members


def output_problems(operation: OperationModel, output: Any) -> list[str]:
    """Say in what an answer would break the model."""
    problems: list[str] = []
    if operation.output_shape is not None:
        _check(operation.output_shape, output, "", problems)
    return problems


def _check(shape: Shape, value: Any, path: str, problems: list[str]) -> Any:
    if not _has_type(value, _TYPES[shape.type_name]):
        problems.append(f"Value at '{path}' must be of type {shape.type_name}")
        return value
    match shape:
        case StructureShape():
            return _check_structure(shape, value, path, problems)
        case ListShape():
            _check_range(shape, len(value), path, "length", problems)
            return [
                _check(shape.member, item, f"{path}.{index + 1}.member", problems)
                for index, item in enumerate(value)
            ]
        case MapShape():
            _check_range(shape, len(value), path, "length", problems)
            for key, item in value.items():
                _check(shape.key, key, f"{path}.key", problems)
                _check(shape.value, item, f"{path}.value", problems)
        case StringShape():
            _check_string(shape, value, path, problems)
        case _ if shape.type_name in ("integer", "long"):
            _check_range(shape, value, path, "value", problems)
    return value


def _has_type(value: Any, expected: tuple[type, ...]) -> bool:
    return isinstance(value, expected) and (
        not isinstance(value, bool) or bool in expected
    )


def _check_structure(
    shape: StructureShape, value: dict[str, Any], path: str, problems: list[str]
) -> dict[str, Any]:
    members = shape.members
    given = {name: item for name, item in value.items() if item is not None}
    problems += [
        f"Value null at '{_join(path, name)}' failed to satisfy constraint: Member must"
        " not be null"
        for name in shape.metadata.get("required", [])
        if name not in given
    ]
    return {
        name: _check(member, given[name], _join(path, name), problems)
        for name, member in members.items()
        if name in given
    }


def _check_string(shape: Shape, value: str, path: str, problems: list[str]) -> None:
    _check_range(shape, len(value), path, "length", problems)
    enum = shape.metadata.get("enum")
    if enum and value not in enum:
        problems.append(
            f"Value at '{path}' failed to satisfy constraint: Member must satisfy enum"
            f" value set: [{', '.join(enum)}]"
        )
    pattern = shape.metadata.get("pattern")
    if pattern and shape.name not in _UNENFORCED and not _fits(shape, value):
        problems.append(
            f"Value at '{path}' failed to satisfy constraint: Member must satisfy"
            f" regular expression pattern: {pattern}"
        )


def _fits(shape: Shape, value: str) -> bool:
    if shape.name == "ResourceARN":
        return is_arn(value)
    pattern = shape.metadata["pattern"]
    if r"\p{" in pattern:
        return all(
            character in "_.:/=+-@" or unicodedata.category(character)[0] in "LZN"
            for character in value
        )
    return re.fullmatch(pattern, value) is not None


def _check_range(
    shape: Shape, number: int, path: str, what: str, problems: list[str]
) -> None:
    low, high = shape.metadata.get("min"), shape.metadata.get("max")
    if low is not None and number < low:
        problems.append(
            f"Value at '{path}' failed to satisfy constraint: Member must have {what}"
            f" greater than or equal to {low}"
        )
    if high is not None and number > high:
        problems.append(
            f"Value at '{path}' failed to satisfy constraint: Member must have {what}"
            f" less than or equal to {high}"
        )


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name
