"""From a contract and its secrets to what a driver is asked for."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

from contract.model import Contract, MonthPeriod, WebHost
from crm.errors import Refused
from crm.plan import Want
from crm.recipe import Recipe

ADMIN = "admin"
"""The name of the administrator account that a deploy makes for the customer."""


def refuse_stage(contract: Contract, file: str) -> None:
    """Raise Refused when the contract's stage or target does not allow a deploy (yet)."""
    kind = contract.target.kind
    if kind == "saas":
        raise Refused(
            f"{file}: target.kind: saas is somebody else's service; crmhost measures and credits it",
            "There is nothing to deploy: crmhost serve measures it.",
        )
    if kind != "webhost":
        raise Refused(
            f"{file}: target.kind: {kind} cannot be deployed by this version; the driver for it is being built",
            "Use target.kind: webhost (an account on a host, over SSH); deployed by hand, it is measured all the same.",
        )
    if contract.term.signed is None:
        raise Refused(
            f"{file}: term.signed: is absent, and nothing is deployed before a contract is signed",
            "Write the date when it was signed: term: {signed: 2026-01-10, …}",
        )


def refuse_recipe(contract: Contract, recipe: Recipe, file: str) -> None:
    """Raise Refused when the recipe has no such version, or does not suit the target."""
    if contract.crm.version not in recipe.versions:
        raise Refused(
            f"{file}: crm.version: found {contract.crm.version}; known of {recipe.title}: {', '.join(recipe.versions)}",
            f"Use one of these, or add the version to the recipe: crmhost recipes {recipe.id}",
        )
    if contract.target.kind not in recipe.targets:
        raise Refused(
            f"{file}: target.kind: {contract.target.kind} does not suit {recipe.title}",
            f"It suits {', '.join(recipe.targets)}: crmhost recipes {recipe.id}",
        )


def make_want(contract: Contract, recipe: Recipe, secrets: Mapping[str, str], file: str) -> Want:
    """Return what the contract asks of its host; raises Refused for what is missing in `file`."""
    target = contract.target
    if not isinstance(target, WebHost) or target.listen is None:
        raise Refused(
            f"{file}: target.listen: is absent, so the CRM has no address to serve at",
            "Write the loopback address that the host gives to your application: listen: 127.0.0.1:8100",
        )
    parts = urlsplit(contract.crm.url)
    slots = {
        "url": contract.crm.url.rstrip("/"),
        "host": parts.hostname or "",
        "listen": target.listen,
        "language": contract.customer.language,
        "timezone": _zone(contract),
        "admin": ADMIN,
        "email": _email(contract, parts.hostname or "localhost"),
    }
    return Want(contract.id, recipe, contract.crm.version, slots, dict(secrets))


def _zone(contract: Contract) -> str:
    sla = contract.sla
    return sla.period.timezone if sla is not None and isinstance(sla.period, MonthPeriod) else "UTC"


def _email(contract: Contract, host: str) -> str:
    contacts = sorted(
        contract.customer.contacts, key=lambda contact: contact.role not in {"administrator", "operations"}
    )
    return contacts[0].email if contacts else f"admin@{host}"
