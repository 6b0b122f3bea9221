"""What the integration's modules say, as far as texts are concerned."""

import ast
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class Code:
    """Literals of all modules, and the keys by which they ask for texts."""

    literals: set[str] = field(default_factory=set)
    steps: set[str] = field(default_factory=set)
    errors: set[str] = field(default_factory=set)
    aborts: set[str] = field(default_factory=set)
    # (section or entity platform, key, placeholders or None, where)
    keys: list[tuple[str, str, set[str] | None, str]] = field(default_factory=list)


def read_code(folder: Path) -> Code:
    """Read all modules."""
    code = Code()
    for path in sorted(folder.rglob("*.py")):
        module = path.relative_to(folder).as_posix()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"), module)):
            read_node(node, path.stem, module, code)
    return code


def read_node(node: ast.AST, stem: str, module: str, code: Code) -> None:
    """Note what one node says."""
    match node:
        case ast.Constant(value=str(text)):
            code.literals.add(text)
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
            code.steps.add(name.removeprefix("async_step_"))
        case ast.Assign(targets=[ast.Attribute() | ast.Name() as target, *_]):
            # async_step_user = async_step_account
            name = target.attr if isinstance(target, ast.Attribute) else target.id
            code.steps.add(name.removeprefix("async_step_"))
            if name == "_attr_translation_key" and (key := text_of(node.value)):
                code.keys.append((section_of_entity(stem), key, None, at(module, node)))
        case ast.Dict(
            keys=[ast.Constant(value="base")], values=[ast.Constant(value=str(key))]
        ):
            code.errors.add(key)
        case ast.Assign(
            targets=[ast.Subscript(value=ast.Name(id="errors"))],
            value=ast.Constant(value=str(key)),
        ):
            code.errors.add(key)
        case ast.Call():
            read_call(node, stem, module, code)


def read_call(call: ast.Call, stem: str, module: str, code: Code) -> None:
    """Note what one call says."""
    name = ast.unparse(call.func).rsplit(".", 1)[-1]
    arguments = {item.arg: item.value for item in call.keywords if item.arg}
    if name == "async_abort" and (reason := text_of(arguments.get("reason"))):
        code.aborts.add(reason)
    if name == "AbortFlow" and call.args and (reason := text_of(call.args[0])):
        code.aborts.add(reason)
    errors = arguments.get("errors")
    if name == "async_show_form" and isinstance(errors, ast.Dict):
        code.errors |= {key for value in errors.values if (key := text_of(value))}
    if (key := text_of(arguments.get("translation_key"))) is None:
        return
    placeholders: set[str] | None = set()
    given = arguments.get("translation_placeholders")
    if isinstance(given, ast.Dict) and all(given.keys):
        placeholders = {str(text_of(item)) for item in given.keys}
    elif given is not None or None in [item.arg for item in call.keywords]:
        placeholders = None
    if name.endswith("create_issue"):
        section = "issues"
    elif name.endswith("SelectorConfig"):
        section = "selector"
    elif name.endswith("Description") or name == "DeviceInfo":
        section = section_of_entity(stem)
    else:
        section = "exceptions"
    if name != "DeviceInfo":
        code.keys.append((section, key, placeholders, at(module, call)))


def section_of_entity(stem: str) -> str:
    """Platform modules are named after their platform; others may serve any."""
    platforms = {"binary_sensor", "button", "camera", "event", "sensor", "switch"}
    return stem if stem in platforms else "entity"


def text_of(node: ast.AST | None) -> str | None:
    """Return the text of a literal."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    return None


def at(module: str, node: ast.stmt | ast.expr) -> str:
    """Return the place of a node."""
    return f"{module}:{node.lineno}"
