"""The keys of a suite file, from the models: JSON Schema for editors, tables in docs/suite-files.md for readers.

`python -m bench.suite_reference` writes both.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from bench.settings import LARGEST, Suite

Schema = dict[str, Any]

# Tables that are kept as plain dictionaries, because a part of their keys is enough, and the model that says which.
_PARTIAL = {
    ("TrainingOverride", "optimizer"): "Optimizer",
    ("TrainingOverride", "schedule"): "Schedule",
    ("TrainingOverride", "augmentation"): "Augmentation",
    ("TrainingOverride", "sampling"): "Sampling",
}
DOCS = Path(__file__).resolve().parent.parent / "docs"
BEGIN, END = "<!-- keys, written by `python -m bench.suite_reference` -->", "<!-- end of the keys -->"


def suite_schema() -> Schema:
    """JSON Schema (draft 2020-12) of suite files. TOML has no null: a key without a value is left out."""
    found: Schema = _without_null(Suite.model_json_schema())
    for (model, key), of in _PARTIAL.items():
        entry = found["$defs"][model]["properties"][key]
        found["$defs"][model]["properties"][key] = _reference(of, entry["description"])
    data = found["properties"]["data"]
    one = {"$ref": data["$ref"]}
    found["properties"]["data"] = {
        "description": data["description"],
        "anyOf": [one, {"type": "array", "minItems": 1, "items": one}],
    }
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **found, "title": "Suite file"}


def _reference(model: str, description: str) -> Schema:
    return {"$ref": f"#/$defs/{model}", "description": description}


def _without_null(value: Any) -> Any:
    """The schema without null as a type or default, and without titles that only repeat a key."""
    if isinstance(value, list):
        return [_without_null(part) for part in value]
    if not isinstance(value, dict):
        return value
    kept = {
        key: _without_null(part)
        for key, part in value.items()
        if not (key == "default" and (part is None or isinstance(part, dict)))
        and not (key == "title" and isinstance(part, str))
    }
    branches = [branch for branch in kept.get("anyOf", []) if branch != {"type": "null"}]
    if len(branches) == 1:
        return {**branches[0], **{key: part for key, part in kept.items() if key != "anyOf"}}
    return {**kept, "anyOf": branches} if branches else kept


def schema_text() -> str:
    """The schema as it is committed."""
    return json.dumps(suite_schema(), indent=2, ensure_ascii=False) + "\n"


def key_tables() -> str:
    """A section with a table for each table of a suite file, in the order in which they are met."""
    schema = suite_schema()
    return "\n".join(_section(place, model, schema) for place, model in _places(schema))


def _places(
    schema: Schema, model: str | None = None, place: str = "", heading: str = ""
) -> Iterator[tuple[str, str | None]]:
    """How each table is called in a file, and the model that says its keys (None: the top level), each model once."""
    yield heading, model
    table = schema if model is None else schema["$defs"][model]
    for key, entry in table["properties"].items():
        inner = _model(entry)
        if inner is None or (model, key) in _PARTIAL or (model, inner) == ("When", "TrainingOverride"):
            continue  # described where it stands whole
        here = ".".join(part for part in (place, key, "NAME" if "additionalProperties" in entry else "") if part)
        yield from _places(schema, inner, here, f"[[{here}]]" if entry.get("type") == "array" else f"[{here}]")


def _model(entry: Mapping[str, Any]) -> str | None:
    """The model of an entry's table or tables."""
    for part in (entry, entry.get("items"), entry.get("additionalProperties"), *entry.get("anyOf", [])):
        if isinstance(part, dict) and "$ref" in part:
            return str(part["$ref"]).rsplit("/", 1)[-1]
    return None


def _section(place: str, model: str | None, schema: Schema) -> str:
    table = schema if model is None else schema["$defs"][model]
    required = table.get("required", [])
    rows = [
        f"| `{key}` | {_kind(entry)} | {_default(entry, key in required)} | {_cell(entry['description'])} |"
        for key, entry in table["properties"].items()
    ]
    heading = "### Top level" if model is None else f"### `{place}`"
    about = "" if model is None else f"{' '.join(str(table['description']).split())}\n\n"
    return "\n".join([heading, "", f"{about}| key | value | default | meaning |", "|---|---|---|---|", *rows, ""])


def _default(entry: Mapping[str, Any], required: bool) -> str:
    if required:
        return "required"
    if entry.get("default") in (None, "", [], {}):
        return ""
    return f"`{json.dumps(entry['default'])}`"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


_KINDS = {"string": "string", "integer": "whole number", "number": "number", "boolean": "true or false"}


def _kind(entry: Mapping[str, Any]) -> str:
    """The values that a key takes, in words."""
    if "enum" in entry:
        return ", ".join(f"`{json.dumps(value)}`" for value in entry["enum"])
    if "const" in entry:
        return f"`{json.dumps(entry['const'])}`"
    if "anyOf" in entry:
        return " or ".join(_kind(part) for part in entry["anyOf"])
    if "$ref" in entry:
        return "table"
    kind = entry.get("type")
    if kind == "array":
        inner = entry.get("items") or entry["prefixItems"][0]
        return "list of tables" if "$ref" in inner else f"list: {_kind(inner)}"
    if kind == "object":
        return "tables by name" if isinstance(entry.get("additionalProperties"), dict) else "table"
    return _KINDS[str(kind)] + _limits(entry)


def _limits(entry: Mapping[str, Any]) -> str:
    words = {"minimum": "at least", "exclusiveMinimum": "above", "maximum": "at most", "exclusiveMaximum": "below"}
    # the bound that keeps calculations safe tells readers nothing
    found = [f"{word} {entry[key]:g}" for key, word in words.items() if entry.get(key) not in (None, LARGEST)]
    return " " + ", ".join(found) if found else ""


def with_key_tables(text: str) -> str:
    """A page with today's key tables between its two marks. Raises ValueError where the marks are missing."""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"the page lacks the marks {BEGIN} and {END}")
    return f"{before}{BEGIN}\n\n{key_tables()}\n{END}{after}"


def files() -> dict[Path, str]:
    """The files that are made from the models, with what they should hold."""
    page = DOCS / "suite-files.md"
    return {DOCS / "suite.schema.json": schema_text(), page: with_key_tables(page.read_text(encoding="utf-8"))}


if __name__ == "__main__":
    for path, text in files().items():
        path.write_text(text, encoding="utf-8")
