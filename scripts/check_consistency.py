"""Check what neither ruff nor mypy sees: that code, texts, icons and manifests agree.

One line for each finding. It stands in for Home Assistant's hassfest, which runs in GitHub
only, and goes further: a text that nothing uses is a finding too.

Usage: python -m scripts.check_consistency
"""

from collections.abc import Iterator
import json
from pathlib import Path
import re
import sys
from typing import Any

import yaml

from scripts.lib.code import Code, read_code

ROOT = Path(__file__).resolve().parent.parent
DOMAIN = "kinesis_webrtc"
INTEGRATION = ROOT / "custom_components" / DOMAIN

MAX_LINES = 350
# The Lambda function is one file, because it is deployed as one.
LONG_FILES = {"alexa/lambda_function.py"}

MANIFEST_REQUIRED = {
    "codeowners",
    "config_flow",
    "dependencies",
    "documentation",
    "domain",
    "integration_type",
    "iot_class",
    "issue_tracker",
    "name",
    "requirements",
    "version",
}
MANIFEST_ALLOWED = MANIFEST_REQUIRED | {
    "after_dependencies",
    "import_executor",
    "loggers",
    "quality_scale",
    "single_config_entry",
}
HACS_ALLOWED = {
    "content_in_root",
    "country",
    "filename",
    "hacs",
    "hide_default_branch",
    "homeassistant",
    "name",
    "persistent_directory",
    "render_readme",
    "zip_release",
}
# Home Assistant's own code brings these up, or has the text for them.
CORE_ABORTS_TRANSLATED = {
    "already_in_progress",
    "reauth_successful",
    "reconfigure_successful",
}
CORE_ABORTS_RAISED = {
    "already_configured",
    "single_instance_allowed",
    "unique_id_mismatch",
}

# English, and the other languages that Alexa speaks.
LANGUAGES = {"de", "en", "es", "fr", "it", "ja", "pt"}

KEY = re.compile(r"^(?!.+[_-]{2})(?![_-])[a-z0-9-_]+(?<![_-])$")
PLACEHOLDER = re.compile(r"{(\w+)}")
# What stays as it is in every language: placeholders, addresses, and code.
UNTRANSLATED = re.compile(r"{\w+}|https?://[^\s)`]+|`[^`]+`")

type Tree = dict[str, Any]


def main() -> int:
    """Print all findings."""
    findings = sorted(
        {
            *check_manifest(),
            *check_hacs(),
            *check_requirements(),
            *check_sizes(),
            *check_quality_scale(),
            *check_texts(),
            *check_languages(),
        }
    )
    for finding in findings:
        print(finding)
    return 1 if findings else 0


def load(path: Path) -> Tree:
    """Return a JSON or YAML file's content, or nothing while there is no such file."""
    if not path.exists():
        return {}
    text = path.read_text(encoding="utf-8")
    content = json.loads(text) if path.suffix == ".json" else yaml.safe_load(text)
    return content or {}


def check_manifest() -> Iterator[str]:
    """Check the manifest as hassfest does."""
    manifest = load(INTEGRATION / "manifest.json")
    keys = list(manifest)
    if keys != ["domain", "name", *sorted(set(keys) - {"domain", "name"})]:
        yield "manifest.json: keys are not sorted (domain, name, then by the alphabet)"
    for key in MANIFEST_REQUIRED - manifest.keys():
        yield f"manifest.json: {key} is missing"
    for key in manifest.keys() - MANIFEST_ALLOWED:
        yield f"manifest.json: {key} is not allowed"
    if manifest.get("domain") != DOMAIN:
        yield f"manifest.json: the domain is not {DOMAIN}"
    if not re.fullmatch(r"\d+\.\d+\.\d+", str(manifest.get("version"))):
        yield "manifest.json: the version is not like 1.2.3"
    for name in ("brand/icon.png", "brand/icon@2x.png"):
        if not (INTEGRATION / name).exists():
            yield f"{name} is missing"


def check_hacs() -> Iterator[str]:
    """Check hacs.json."""
    hacs = load(ROOT / "hacs.json")
    for key in hacs.keys() - HACS_ALLOWED:
        yield f"hacs.json: {key} is not allowed"
    if hacs.get("name") != load(INTEGRATION / "manifest.json").get("name"):
        yield "hacs.json: the name is not the manifest's"
    if hacs.get("zip_release") and hacs.get("filename") != f"{DOMAIN}.zip":
        yield f"hacs.json: the filename is not {DOMAIN}.zip, which scripts/package makes"
    if not re.fullmatch(r"\d{4}\.\d+\.\d+", str(hacs.get("homeassistant"))):
        yield "hacs.json: homeassistant is not a version"


def check_requirements() -> Iterator[str]:
    """Check that tests run with what the manifest asks for."""
    wanted = set(load(INTEGRATION / "manifest.json").get("requirements", []))
    for name in ("requirements_test.txt", "tests/e2e/requirements.txt"):
        lines = (ROOT / name).read_text(encoding="utf-8").splitlines()
        for requirement in wanted - set(lines):
            yield f"{name}: lacks the manifest's {requirement}"


def check_sizes() -> Iterator[str]:
    """Check that no file has grown beyond what is read in one sitting."""
    for path in INTEGRATION.rglob("*.py"):
        lines = path.read_text(encoding="utf-8").count("\n")
        name = path.relative_to(INTEGRATION).as_posix()
        if lines > MAX_LINES and name not in LONG_FILES:
            yield f"{name}: {lines} lines, more than {MAX_LINES}"


def check_quality_scale() -> Iterator[str]:
    """Check that every rule is done, to do, or exempt for a reason."""
    rules = load(INTEGRATION / "quality_scale.yaml").get("rules", {})
    for rule, status in rules.items():
        if isinstance(status, dict):
            if status.get("status") not in {"done", "todo", "exempt"}:
                yield f"quality_scale.yaml: {rule}: unknown status"
            elif status["status"] == "exempt" and not status.get("comment"):
                yield f"quality_scale.yaml: {rule}: exempt without a comment"
        elif status not in {"done", "todo"}:
            yield f"quality_scale.yaml: {rule}: unknown status {status}"


def check_texts() -> Iterator[str]:
    """Check texts and icons against the code."""
    texts = load(INTEGRATION / "translations" / "en.json")
    services = load(INTEGRATION / "services.yaml")
    code = read_code(INTEGRATION)
    for value in strings_in(services):
        code.literals.add(value)
    yield from check_flows(texts, code)
    yield from check_keys(texts, code)
    yield from check_services(texts, services)
    yield from check_icons(texts, services)


def check_languages() -> Iterator[str]:
    """Check that each language has English's texts, and each of them what stays as it is."""
    folder = INTEGRATION / "translations"
    for name in {path.stem for path in folder.glob("*.json")} ^ LANGUAGES:
        yield f"translations/{name}.json: is missing, or is not one of the languages"
    english = dict(leaves(load(folder / "en.json")))
    for language in LANGUAGES:
        texts = load(folder / f"{language}.json")
        yield from check_form(f"{language}.json", texts)
        translated = dict(leaves(texts))
        for name in english.keys() - translated.keys():
            yield f"{language}.json: {name}: is missing"
        for name in translated.keys() - english.keys():
            yield f"{language}.json: {name}: is not in en.json"
        for name in english.keys() & translated.keys():
            wanted = UNTRANSLATED.findall(str(english[name]))
            found = UNTRANSLATED.findall(str(translated[name]))
            if sorted(wanted) != sorted(found):
                yield f"{language}.json: {name}: has {found} instead of {wanted}"


def check_form(file: str, texts: Tree) -> Iterator[str]:
    """Check each text of a language by itself."""
    for name, text in leaves(texts):
        where = f"{file}: {name}"
        for part in name.split("."):
            if not KEY.match(part):
                yield f"{where}: {part!r} is not a key"
        if not isinstance(text, str):
            yield f"{where}: is not a text"
            continue
        if not text or text != text.strip():
            yield f"{where}: is empty, or has blanks around it"
        if re.search(r"</?[a-zA-Z]", text):
            yield f"{where}: has HTML"
        if re.search(r"'{\w+}'", text):
            yield f"{where}: has a placeholder in single quotes"
        if text.startswith("[%key:"):
            yield f"{where}: is a reference, which only core's build resolves"


def flows_of(texts: Tree) -> Iterator[tuple[str, Tree]]:
    """Yield the flows that have texts, by name."""
    for name in ("config", "options"):
        if name in texts:
            yield name, texts[name]
    for name, flow in texts.get("config_subentries", {}).items():
        yield f"config_subentries.{name}", flow
    for name, issue in texts.get("issues", {}).items():
        if "fix_flow" in issue:
            yield f"issues.{name}.fix_flow", issue["fix_flow"]


def check_flows(texts: Tree, code: Code) -> Iterator[str]:
    """Check steps, fields, errors and aborts."""
    known: dict[str, set[str]] = {"step": set(), "error": set(), "abort": set()}
    for flow_name, flow in flows_of(texts):
        for kind in known:
            known[kind] |= flow.get(kind, {}).keys()
        for step_name, step in flow.get("step", {}).items():
            where = f"en.json: {flow_name}.step.{step_name}"
            if step_name not in code.steps:
                yield f"{where}: there is no such step"
            for group_name, group in [
                (where, step),
                *(
                    (f"{where}.sections.{name}", section)
                    for name, section in step.get("sections", {}).items()
                ),
            ]:
                described = group.get("data_description", {}).keys()
                fields = group.get("data", {}).keys()
                for key in described - fields:
                    yield f"{group_name}.data_description.{key}: is not in data"
                for key in fields - described:
                    yield f"{group_name}.data.{key}: has no data_description"
                for key in fields - code.literals:
                    yield f"{group_name}.data.{key}: no code uses it"
        for kind, raised in (("error", set()), ("abort", CORE_ABORTS_RAISED)):
            for key in flow.get(kind, {}).keys() - code.literals - raised:
                yield f"en.json: {flow_name}.{kind}.{key}: no code uses it"
    for kind, used in (
        ("error", code.errors),
        ("abort", code.aborts - CORE_ABORTS_TRANSLATED),
    ):
        for key in used - known[kind]:
            yield f"en.json: no flow has the {kind} {key}"


def check_keys(texts: Tree, code: Code) -> Iterator[str]:
    """Check exceptions, issues, selectors and entities."""
    entities: Tree = texts.get("entity", {})
    anywhere = {key for keys in entities.values() for key in keys}
    for section, key, placeholders, where in code.keys:
        if section in {"exceptions", "issues", "selector"}:
            known = texts.get(section, {}).keys()
        elif section == "entity":
            known = anywhere
        else:
            known = entities.get(section, {}).keys()
        if key not in known:
            yield f"{where}: {section} {key} has no text in en.json"
            continue
        if placeholders is None or section not in {"exceptions", "issues"}:
            continue
        wanted = {
            name
            for _, text in leaves(texts[section][key])
            for name in PLACEHOLDER.findall(str(text))
        }
        for name in wanted - placeholders:
            yield f"{where}: {section} {key} lacks the placeholder {name}"
    for section in ("exceptions", "issues", "selector"):
        for key in texts.get(section, {}).keys() - code.literals:
            yield f"en.json: {section}.{key}: no code uses it"
    for name, selector in texts.get("selector", {}).items():
        for key in selector.get("options", {}).keys() - code.literals:
            yield f"en.json: selector.{name}.options.{key}: no code uses it"
    for platform, keys in entities.items():
        for key, entity in keys.items():
            where = f"en.json: entity.{platform}.{key}"
            if key not in code.literals:
                yield f"{where}: no code uses it"
            for state in entity.get("state", {}).keys() - code.literals:
                yield f"{where}.state.{state}: no code uses it"


def check_services(texts: Tree, services: Tree) -> Iterator[str]:
    """Check actions and their fields."""
    described: Tree = texts.get("services", {})
    for name in services.keys() ^ described.keys():
        place = "services.yaml" if name in described else "en.json"
        yield f"{place}: lacks the action {name}"
    for name in services.keys() & described.keys():
        for part in {"name", "description"} - described[name].keys():
            yield f"en.json: services.{name} lacks its {part}"
        fields = ((services[name] or {}).get("fields") or {}).keys()
        texts_of_fields: Tree = described[name].get("fields", {})
        for key in fields ^ texts_of_fields.keys():
            place = "services.yaml" if key in texts_of_fields else "en.json"
            yield f"{place}: lacks the field {name}.{key}"
        for key, text in texts_of_fields.items():
            for part in {"name", "description"} - text.keys():
                yield f"en.json: services.{name}.fields.{key} lacks its {part}"


def check_icons(texts: Tree, services: Tree) -> Iterator[str]:
    """Check that each icon belongs to a text, and each action has an icon."""
    icons = load(INTEGRATION / "icons.json")
    for platform, keys in icons.get("entity", {}).items():
        for key in keys.keys() - texts.get("entity", {}).get(platform, {}).keys():
            yield f"icons.json: entity.{platform}.{key} has no text in en.json"
    for name in icons.get("services", {}).keys() ^ services.keys():
        place = "services.yaml" if name in icons.get("services", {}) else "icons.json"
        yield f"{place}: lacks the action {name}"
    for name, icon in leaves(icons):
        if not str(icon).startswith("mdi:"):
            yield f"icons.json: {name}: {icon} is not an mdi: icon"


def leaves(tree: Tree, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield each text with the dotted name that leads to it."""
    for key, value in tree.items():
        if isinstance(value, dict):
            yield from leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def strings_in(value: object) -> Iterator[str]:
    """Yield all strings of a structure, keys included."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for item in (*value.keys(), *value.values()):
            yield from strings_in(item)
    elif isinstance(value, list):
        for item in value:
            yield from strings_in(item)


if __name__ == "__main__":
    sys.exit(main())
