"""The JSON Schema (2020-12) of a contract, generated from the model. Editors use it; the reader does not need it.

`python -m albor_contracts.json_schema` writes contract.schema.json beside this file.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from .links import EVERYWHERE, FORMS, Form
from .load.bind import MAX_NAME, Rule, Shape, rules_of
from .model import Contract, Entry, Obligation

PATH = Path(__file__).with_name("contract.schema.json")

# The reader refuses texts without a visible character.
_NOT_BLANK = r"\S"


def contract_schema() -> dict[str, Any]:
    """The schema as a dictionary."""
    definitions: dict[str, Any] = {}
    root = _entry(Contract, definitions)
    obligation = definitions["Obligation"]
    obligation["allOf"] = [_parameters(kind, forms) for kind, forms in FORMS.items()]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "albor-contracts contract",
        "description": "The mathematics of one kernel: equations, obligations, falsification tests and faults.",
        **root,
        "$defs": dict(sorted(definitions.items())),
    }


def render() -> str:
    return json.dumps(contract_schema(), indent=1, ensure_ascii=False) + "\n"


def _entry(cls: type[Entry], definitions: dict[str, Any]) -> dict[str, Any]:
    rules = rules_of(cls)
    properties = {}
    for rule in rules.values():
        schema = _value(rule.shape, rule, definitions)
        properties[rule.key] = {"description": rule.doc, **schema}
    return {
        "type": "object",
        "properties": properties,
        "patternProperties": {"^x-": {}},
        "required": [rule.key for rule in rules.values() if rule.required],
        "additionalProperties": False,
    }


def _value(shape: Shape, rule: Rule, definitions: dict[str, Any]) -> dict[str, Any]:
    match shape.kind:
        case "entry":
            assert shape.entry is not None
            name = shape.entry.__name__
            if name not in definitions:
                definitions[name] = {}  # holds the place while the entry refers to itself
                definitions[name] = _entry(shape.entry, definitions)
            return {"$ref": f"#/$defs/{name}"}
        case "list":
            assert shape.item is not None
            least = {"minItems": 1} if rule.required else {}
            return {"type": "array", **least, "items": _value(shape.item, rule, definitions)}
        case "map":
            assert shape.item is not None
            least = {"minProperties": 1} if rule.required else {}
            return {
                "type": "object",
                **least,
                "propertyNames": {"pattern": f"^(?:{rule.keys})$", "maxLength": MAX_NAME},
                "additionalProperties": _value(shape.item, rule, definitions),
            }
        case "text":
            return _text(rule)
        case "bool":
            return {"type": "boolean"}
        case "any":
            return {}
    limits = {"exclusiveMinimum": rule.over, "exclusiveMaximum": rule.under}
    kind = "integer" if shape.kind == "int" else "number"
    return {"type": kind, **{word: limit for word, limit in limits.items() if limit is not None}}


def _text(rule: Rule) -> dict[str, Any]:
    if rule.one_of:
        return {"enum": list(rule.one_of)}
    schema: dict[str, Any] = {"type": ["string", "number"] if rule.number else "string"}
    if rule.pattern:
        schema["pattern"] = f"^(?:{rule.pattern})$"
        schema["maxLength"] = 2 * MAX_NAME
    elif not rule.empty:
        schema["pattern"] = _NOT_BLANK
    return schema


def _parameters(kind: str, forms: tuple[Form, ...]) -> dict[str, Any]:
    """If the obligation is of this type, then one of its forms: what it demands, and nothing foreign."""
    every = [key for key in rules_of(Obligation) if key not in EVERYWHERE]
    choices = []
    for form in forms:
        choice: dict[str, Any] = {}
        if form.required:
            choice["required"] = list(form.required)
        if form.any_of:
            choice["anyOf"] = [{"required": [key]} for key in form.any_of]
        choice["properties"] = {key: False for key in every if key not in form.permitted}
        choices.append(choice)
    then = choices[0] if len(choices) == 1 else {"anyOf": choices}
    return {"if": {"properties": {"type": {"const": kind}}, "required": ["type"]}, "then": then}


if __name__ == "__main__":
    PATH.write_text(render(), encoding="utf-8")
