"""What every part of a contract is made of: frozen models with kebab-case keys, and errors that say what to write."""

from typing import Any

from pydantic import BaseModel, ConfigDict
from pydantic_core import PydanticCustomError

WRONG = "contract"
"""The type of the validation errors whose context holds `remedy`, and `found` where the text alone says too little."""


def kebab(name: str) -> str:
    """Return a field's key in the file: `at_most` is written `at-most`."""
    return name.replace("_", "-")


def wrong(remedy: str, found: str | None = None) -> PydanticCustomError:
    """Return the error of a value that cannot be used; `remedy` says what to write, `found` describes what was read."""
    context: dict[str, Any] = {"remedy": remedy}
    if found is None:
        return PydanticCustomError(WRONG, "{remedy}", context)
    return PydanticCustomError(WRONG, "found {found}; {remedy}", context | {"found": found})


class Model(BaseModel):
    """A frozen part of a contract.

    Python code gives exact values by the fields' names; a file gives texts by kebab-case keys, and is validated with
    `by_name=False`, so that `at_most` is unknown there. Unknown keys are errors. Serialised in JSON mode it is the
    file's own grammar again, in a canonical form.
    """

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        alias_generator=kebab,
        validate_by_name=True,
        validate_by_alias=True,
        serialize_by_alias=True,
        defer_build=True,
        hide_input_in_errors=True,
    )
