"""From a contract and its secrets to what a driver is asked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal, TypeAlias
from urllib.parse import urlsplit

from crm.errors import Refused

if TYPE_CHECKING:
    from contract.model import Contract, Micros, WebHost
    from crm.plan import Want
    from crm.recipe import Database, Recipe, TargetKind

Front: TypeAlias = Literal["process", "passenger", "php"]
"""What a customer's requests meet on a web host: the account's own process, or the host's Passenger or PHP."""
ADMIN = "admin"
"""The name of the administrator account that a deploy makes for the customer."""


@dataclass(frozen=True, slots=True)
class Order:
    """What a deploy takes from a contract, and nothing else of it: plain texts and a port.

    user, host, port, jump, document_root, front, database, access: of a web host; port 0: as the SSH configuration
    says. docker: the address of a Docker engine. lan: what the contract says of its server, as `crmhost.lan` writes it.
    scratch: the slots of the second database that the host gave, for trials alone. copied: of a copy, the contract that
    it is a copy of; its slots are those of that second database then. site: of a copy, the URL of the customer's site.
    """

    contract: str
    file: str
    recipe: str
    version: str
    kind: TargetKind
    slots: Mapping[str, str]
    user: str = ""
    host: str = ""
    port: int = 0
    jump: tuple[str, ...] = ()
    document_root: str | None = None
    front: Front = "process"
    database: Database = "sqlite"
    access: Literal["ssh", "sftp"] = "ssh"
    docker: str = ""
    lan: str = ""
    scratch: Mapping[str, str] = field(default_factory=dict)
    copied: str = ""
    site: str = ""


def order_of(contract: Contract, file: str, now: Micros) -> Order:
    """Return what the contract, as it stands now, orders; raises Refused where its stage or target allows no deploy."""
    order = early_order(contract, file)
    refuse_stage(contract, file, now)
    return order


def early_order(contract: Contract, file: str) -> Order:
    """Return what the contract orders, signed or not; raises Refused where its target allows no deploy."""
    from contract.model import Cloud, Lan, WebHost

    _refuse_kind(contract, file)
    target = contract.target
    host = urlsplit(contract.crm.url).hostname or ""
    order = Order(
        contract=contract.id,
        file=file,
        recipe=contract.crm.recipe,
        version=contract.crm.version,
        kind=target.kind,
        slots={
            "url": contract.crm.url.rstrip("/"),
            "host": host,
            "language": contract.customer.language,
            "timezone": _zone(contract),
            "admin": ADMIN,
            "email": _email(contract, host or "localhost"),
        },
    )
    if isinstance(target, Cloud):
        return replace(order, docker=target.docker)
    if isinstance(target, Lan):
        from crmhost.lan import said

        return replace(
            order,
            user=target.user,
            host=target.host,
            port=target.port or 0,
            jump=target.jump,
            lan=said(target, contract.customer.contacts),
        )
    if not isinstance(target, WebHost) or (target.front == "process" and target.listen is None):
        raise Refused(
            f"{file}: target.listen: is absent, so the CRM has no address to serve at",
            "Write the loopback address that the host gives to your application: listen: 127.0.0.1:8100",
        )
    return replace(
        order,
        slots={**order.slots, **({} if target.listen is None else {"listen": target.listen}), **_server(target)},
        user=target.user,
        host=target.host,
        port=target.port or 0,
        jump=target.jump,
        document_root=target.document_root,
        front=target.front,
        database=target.database.kind,
        access=target.access,
        scratch=_scratch(target),
    )


def _server(target: WebHost) -> Mapping[str, str]:
    """Return the slots of the database that the host gave; a file has none."""
    database = target.database
    if database.name is None or database.user is None:
        return {}
    return _slots(database.host, database.port, database.name, database.user)


def _scratch(target: WebHost) -> Mapping[str, str]:
    """Return the same slots of the database for trials, where the host gave one."""
    database, scratch = target.database, target.database.scratch
    if scratch is None:
        return {}
    return _slots(scratch.host or database.host, scratch.port or database.port, scratch.name, scratch.user)


def _slots(host: str, port: int | None, name: str, user: str) -> Mapping[str, str]:
    return {"dbhost": host, "dbport": str(port or 3306), "dbname": name, "dbuser": user}


def make_want(order: Order, recipe: Recipe, secrets: Mapping[str, str]) -> Want:
    """Return what the order asks of its host; raises Refused when the recipe has no such version, or does not suit."""
    from crm.plan import Want

    if order.version not in recipe.versions:
        raise Refused(
            f"{order.file}: crm.version: found {order.version}; known of {recipe.title}: {', '.join(recipe.versions)}",
            f"Use one of these, or add the version to the recipe: crmhost recipes {recipe.id}",
        )
    if order.kind not in recipe.targets:
        raise Refused(
            f"{order.file}: target.kind: {order.kind} does not suit {recipe.title}",
            f"It suits {', '.join(recipe.targets)}: crmhost recipes {recipe.id}",
        )
    return Want(order.contract, recipe, order.version, order.slots, dict(secrets))


def _refuse_kind(contract: Contract, file: str) -> None:
    kind = contract.target.kind
    if kind == "saas":
        raise Refused(
            f"{file}: target.kind: saas is somebody else's service; crmhost measures and credits it",
            "There is nothing to deploy: crmhost serve measures it.",
        )


def refuse_stage(contract: Contract, file: str, now: Micros) -> None:
    """Raise Refused where the contract is not signed yet."""
    from contract.moment import instant_text
    from contract.term import signed_at

    if contract.term.signed is None:
        raise Refused(
            f"{file}: term.signed: is absent, and nothing is deployed before a contract is signed",
            "Write the date when it was signed: term: {signed: 2026-01-10, …}",
        )
    signed = signed_at(contract.term, contract.sla.period if contract.sla is not None else None)
    if signed is not None and signed > now:
        raise Refused(
            f"{file}: term.signed: {instant_text(signed)} lies in the future, and nothing is deployed before",
            "Deploy when it is signed, or write the date when it was.",
        )


def _zone(contract: Contract) -> str:
    from contract.model import MonthPeriod

    sla = contract.sla
    return sla.period.timezone if sla is not None and isinstance(sla.period, MonthPeriod) else "UTC"


def _email(contract: Contract, host: str) -> str:
    contacts = sorted(
        contract.customer.contacts, key=lambda contact: contact.role not in {"administrator", "operations"}
    )
    return contacts[0].email if contacts else f"admin@{host}"
