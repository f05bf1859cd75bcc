"""The keys of a suite file, from the models: JSON Schema for editors, tables in docs/suite-files.md for readers.

`python -m bench.planning.reference` writes both.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from bench.planning.settings import Suite
from bench.recipe.kinds import OPTIMIZER, SCHEDULE, KindTable, model_of
from bench.recipe.tables import LARGEST

Schema = dict[str, Any]

# Tables that are kept as plain dictionaries: because a part of their keys is enough (the model says which), or because
# their keys depend on their `name`.
_PARTIAL = {("TrainingOverride", "augmentation"): "Augmentation", ("TrainingOverride", "sampling"): "Sampling"}
_KIND_TABLES: dict[str, KindTable[Any]] = {"optimizer": OPTIMIZER, "schedule": SCHEDULE}
_WHERE_WHOLE = {
    ("When", "training"), *_PARTIAL, *(("TrainingOverride", key) for key in _KIND_TABLES),
}  # fmt: skip
"""Tables that are described elsewhere, where they stand whole."""
DOCS = Path(__file__).resolve().parents[2] / "docs"
BEGIN, END = "<!-- keys, written by `python -m bench.planning.reference` -->", "<!-- end of the keys -->"


def suite_schema() -> Schema:
    """JSON Schema (draft 2020-12) of suite files. TOML has no null: a key without a value is left out."""
    schema: Schema = _without_null(Suite.model_json_schema())
    for (model, key), of in _PARTIAL.items():
        entry = schema["$defs"][model]["properties"][key]
        schema["$defs"][model]["properties"][key] = _reference(of, entry["description"])
    for key, table in _KIND_TABLES.items():
        schema["$defs"] |= _kind_schemas(key, table)
        for model, partial in (("Training", False), ("TrainingOverride", key == "optimizer")):
            entry = schema["$defs"][model]["properties"][key]
            branches = [_branch(key, kind.name, partial or kind.name == table.default) for kind in table.kinds.built_in]
            schema["$defs"][model]["properties"][key] = {"description": entry["description"], "anyOf": branches}
    data = schema["properties"]["data"]
    one = {"$ref": data["$ref"]}
    schema["properties"]["data"] = {
        "description": data["description"],
        "anyOf": [one, {"type": "array", "minItems": 1, "items": one}],
    }
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "title": "Suite file"}


def _reference(model: str, description: str) -> Schema:
    return {"$ref": f"#/$defs/{model}", "description": description}


def _kind_schemas(key: str, table: KindTable[Any]) -> dict[str, Schema]:
    """A schema for each of the kinds that such a table may name."""
    schemas: dict[str, Schema] = {}
    for kind in table.kinds.built_in:
        schema = _without_null(model_of(kind).model_json_schema())
        schemas |= schema.pop("$defs", {})
        name = {"const": kind.name, "description": "the kind"}
        if kind.name == table.default:
            name["default"] = kind.name
        schemas[f"{key}_{kind.name}"] = schema | {"properties": {"name": name, **schema["properties"]}}
    return schemas


def _branch(key: str, name: str, without_name: bool) -> Schema:
    reference = {"$ref": f"#/$defs/{key}_{name}"}
    return reference if without_name else reference | {"required": ["name"]}


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
        here = ".".join(part for part in (place, key, "NAME" if "additionalProperties" in entry else "") if part)
        for inner in [] if (model, key) in _WHERE_WHOLE else _models(entry):
            yield from _places(schema, inner, here, f"[[{here}]]" if entry.get("type") == "array" else f"[{here}]")


def _models(entry: Mapping[str, Any]) -> list[str]:
    """The models of an entry's table or tables, each once."""
    parts = (entry, entry.get("items"), entry.get("additionalProperties"), *entry.get("anyOf", []))
    references = [str(part["$ref"]) for part in parts if isinstance(part, dict) and "$ref" in part]
    return [reference.rsplit("/", 1)[-1] for reference in dict.fromkeys(references)]


def _section(place: str, model: str | None, schema: Schema) -> str:
    table = schema if model is None else schema["$defs"][model]
    required, heading = table.get("required", []), "### Top level" if model is None else f"### `{place}`"
    kind = table["properties"].get("name", {})
    if "const" in kind:  # one of those that the table may name
        heading += f" named `{kind['const']}`"
        required = required if "default" in kind else ["name", *required]
    rows = [
        f"| `{key}` | {_kind(entry)} | {_default(entry, key in required)} | {_cell(entry['description'])} |"
        for key, entry in table["properties"].items()
    ]
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
        return " or ".join(dict.fromkeys(_kind(part) for part in entry["anyOf"]))
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
    bounds = [f"{word} {entry[key]:g}" for key, word in words.items() if entry.get(key) not in (None, LARGEST)]
    return " " + ", ".join(bounds) if bounds else ""


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
