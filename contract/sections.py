"""The sections of a contract file, each read on its own, so that one mistake does not hide another's."""

from dataclasses import dataclass
from typing import Any

from pydantic import TypeAdapter, ValidationError

from contract.base import kebab
from contract.explain import Finding, finding
from contract.model import (
    SECTIONS,
    Billing,
    Care,
    Contract,
    CrmChoice,
    Customer,
    DataProtection,
    Installation,
    Licence,
    Monitor,
    Sla,
    Support,
    Target,
    Term,
    Terms,
    Training,
)
from contract.source import Mapping, plain_data


@dataclass(frozen=True, slots=True)
class Sections:
    """What could be read of a file. A section that has mistakes is None and named in `broken`."""

    contract: str | None = None
    customer: Customer | None = None
    crm: CrmChoice | None = None
    target: Target | None = None
    term: Term | None = None
    sla: Sla | None = None
    installation: Installation | None = None
    support: Support | None = None
    licence: Licence | None = None
    data_protection: DataProtection | None = None
    care: Care | None = None
    training: Training | None = None
    monitor: Monitor | None = None
    billing: Billing | None = None
    broken: frozenset[str] = frozenset()
    written: frozenset[str] = frozenset()

    def values(self) -> dict[str, Any]:
        """Return the sections that there are, by Python's names."""
        found = {name: getattr(self, name) for name in ("contract", *SECTIONS)}
        return {name: value for name, value in found.items() if value is not None}


KEYS = {kebab(name): name for name in ("contract", *SECTIONS)}
"""Python's names of the sections by their keys in a file."""


def read_sections(root: Mapping) -> tuple[Sections, tuple[Finding, ...]]:
    """Return the sections of a file without its amendments, and what is wrong with each."""
    data = plain_data(root)
    written = frozenset(KEYS[key] for key in root.items if key in KEYS)
    try:
        whole = Terms.model_validate(data, by_alias=True, by_name=False)
    except ValidationError as error:
        # a default that depends on another field is not computed where that field is wrong: no mistake of its own
        errors = [
            one
            for one in error.errors(include_url=False, include_input=False)
            if one["type"] != "default_factory_not_called"
        ]
    else:
        found = {name: getattr(whole, name) for name in KEYS.values()}
        return Sections(**found, written=written), ()
    findings = tuple(dict.fromkeys(finding(one, root, (Contract,)) for one in errors))
    broken = frozenset(KEYS[str(one["loc"][0])] for one in errors if one["loc"] and str(one["loc"][0]) in KEYS)
    return Sections(**_readable(data, broken), broken=broken, written=written), findings


def _readable(data: dict[str, Any], broken: frozenset[str]) -> dict[str, Any]:
    """Return the sections that have no mistakes, defaults for those that are not written."""
    found: dict[str, Any] = {}
    for key, name in KEYS.items():
        field = Terms.model_fields[name]
        if name in broken:
            continue
        if key in data:
            adapter = TypeAdapter[Any](field.rebuild_annotation())
            found[name] = adapter.validate_python(data[key], by_alias=True, by_name=False)
        else:
            found[name] = field.get_default(call_default_factory=True)
    return found
