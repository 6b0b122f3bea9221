"""What the integration's modules say, as far as texts are concerned."""

import ast
from collections.abc import Iterable
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
    modules = {
        path: ast.parse(path.read_text(encoding="utf-8"), str(path))
        for path in sorted(folder.rglob("*.py"))
    }
    for tree in modules.values():
        inline_constants(tree, modules.values())
    for path, tree in modules.items():
        module = path.relative_to(folder).as_posix()
        for node in ast.walk(tree):
            read_node(node, path.stem, module, code)
    return code


def inline_constants(tree: ast.Module, modules: Iterable[ast.Module]) -> None:
    """Put texts in place of the names that modules give them, as in const.py."""
    constants: dict[str, str] = {}
    for module in modules:
        for node in module.body:
            match node:
                case (
                    ast.Assign(
                        targets=[ast.Name(id=name)], value=ast.Constant(value=str(text))
                    )
                    | ast.AnnAssign(
                        target=ast.Name(id=name), value=ast.Constant(value=str(text))
                    )
                ):
                    constants[name] = text
    for call in ast.walk(tree):
        if isinstance(call, ast.Call):
            for item in call.keywords:
                if isinstance(item.value, ast.Name) and item.value.id in constants:
                    item.value = ast.Constant(constants[item.value.id])


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
        case ast.ClassDef(name=name, body=body) if name.endswith("Error"):
            # An exception's class names its text.
            for item in body:
                match item:
                    case ast.Assign(
                        targets=[ast.Name(id="key")],
                        value=ast.Constant(value=str(key)),
                    ):
                        code.keys.append(("exceptions", key, None, at(module, item)))
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
    section = section_of_entity(stem)
    key = text_of(arguments.get("translation_key"))
    if key is None:
        key = text_of(arguments.get("key"))
        if key and section != "entity":
            # The entity's base class makes it the translation key.
            code.keys.append((section, key, None, at(module, call)))
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
    elif not name.endswith("Description"):
        section = "exceptions"
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
