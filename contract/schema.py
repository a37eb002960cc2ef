"""The JSON Schema of contract files (2020-12): editors complete keys by it and check values.

It says what a schema can say: keys, shapes, units. Rules between values are `contract.rules`' and only `crmhost check`
knows them.
"""

import re
from collections.abc import Iterator
from typing import Any, TypeAlias

from contract.base import Model, kebab
from contract.explain import models_of
from contract.model import Amendment, Contract, Tier

Schema: TypeAlias = dict[str, Any]
DIALECT = "https://json-schema.org/draft/2020-12/schema"

_CHOSEN_BY = {"WebHost": "kind", "Lan": "kind", "Cloud": "kind", "Saas": "kind", "MonthPeriod": "every"}
"""Models of a union, and the key that chooses them: a file must have it, Python need not."""
_WHOLE = frozenset({"period", "formula", "holidays"})
"""What an amendment replaces as a whole, so that nothing may be left out there."""


def schema() -> Schema:
    """Return the schema of a whole contract file: kebab-case keys, descriptions, examples, defaults as written."""
    made: Schema = Contract.model_json_schema(by_alias=True, mode="validation")
    definitions: Schema = made.pop("$defs")
    models: list[type[Model]] = [Contract, *_models(Contract, set())]
    defaults = {model.__name__: _defaults(model) for model in models}
    for name, definition in (("Contract", made), *definitions.items()):
        _polish(definition, defaults.get(name, {}))
        if name in _CHOSEN_BY:
            definition["required"] = sorted({*definition.get("required", ()), _CHOSEN_BY[name]})
    definitions[Tier.__name__]["oneOf"] = [{"required": ["percent"]}, {"required": ["days"]}]
    definitions |= _changes(definitions)
    return {"$schema": DIALECT} | made | {"title": "A crmhost contract", "$defs": dict(sorted(definitions.items()))}


def _models(model: type[Model], seen: set[type[Model]]) -> Iterator[type[Model]]:
    """Yield every model that a model's fields hold, once."""
    for field in model.model_fields.values():
        for found in models_of(field.annotation):
            if found not in seen:
                seen.add(found)
                yield found
                yield from _models(found, seen)


def _defaults(model: type[Model]) -> Schema:
    """Return a model's defaults as a file would write them, by their keys; those that are plain values."""
    made = model.model_construct().model_dump(mode="json", exclude_none=True, warnings=False)
    return {key: value for key, value in made.items() if isinstance(value, str | int | bool)}


def _polish(definition: Schema, defaults: Schema) -> None:
    """Take out of a definition what Python means and a file does not: null, titles, exact defaults."""
    for key, value in definition.get("properties", {}).items():
        value.pop("title", None)
        value.pop("default", None)
        if key in defaults:
            value["default"] = defaults[key]
        _without_null(value)
    description = " ".join(definition.get("description", "").split("\n\n")[0].split())
    definition["description"] = re.sub(r"`[a-z_]+`", lambda name: kebab(name[0]), description)
    definition.pop("title", None)


def _without_null(value: Schema) -> None:
    options = [option for option in value.get("anyOf", ()) if option != {"type": "null"}]
    if len(options) == 1:
        del value["anyOf"]
        description = value.get("description")
        value |= options[0] | ({"description": description} if description else {})
    elif options:
        value["anyOf"] = options


def _changes(definitions: Schema) -> Schema:
    """Return the definitions of what an amendment may write: nothing required, and `none` for what is taken away."""
    amendment = definitions[Amendment.__name__]
    amendment["minProperties"] = 2
    made: Schema = {}
    for key, value in amendment["properties"].items():
        if key != "from":
            amendment["properties"][key] = _changed(value, definitions, made)
    return made


def _changed(value: Schema, definitions: Schema, made: Schema) -> Schema:
    """Return a property's schema with references to what may be left out."""
    if "$ref" in value:
        name = value["$ref"].rpartition("/")[2]
        changed = f"{name}Change"
        if changed not in made:
            made[changed] = {}
            made[changed] = _partial(definitions[name], definitions, made)
        return value | {"$ref": f"#/$defs/{changed}"}
    options = {
        kind: [_changed(option, definitions, made) for option in value[kind]]
        for kind in ("anyOf", "oneOf")
        if kind in value
    }
    if "oneOf" in options:
        options["anyOf"] = options.pop("oneOf")
        value = {key: part for key, part in value.items() if key != "oneOf"}
    return value | options


def _partial(definition: Schema, definitions: Schema, made: Schema) -> Schema:
    properties = {
        key: {"anyOf": [value if key in _WHOLE else _changed(value, definitions, made), {"const": "none"}]}
        for key, value in definition.get("properties", {}).items()
    }
    kept = {key: value for key, value in definition.items() if key != "required"}
    return kept | {"properties": properties}
