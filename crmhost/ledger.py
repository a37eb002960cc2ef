"""The fleet's store on this machine, its billing systems and its signing key, for the commands that need them."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Engine

from contract.model import Contract, Micros
from crm.errors import CrmhostError
from crmhost.fleet import Fleet
from crmhost.vault import FLEET
from monitor.billing.adapter import Adapter
from monitor.billing.file import FileAdapter
from monitor.billing.webhook import WebhookAdapter
from monitor.settling import Agreed, Settling
from monitor.statement.signature import SigningKey
from monitor.store.database import migrate, open_database


def now() -> Micros:
    """Return the present instant."""
    return time.time_ns() // 1000


@contextmanager
def open_store(fleet: Fleet) -> Iterator[Engine]:
    """Open this machine's store of the fleet, made and brought up to date where that is due."""
    fleet.state.mkdir(mode=0o700, exist_ok=True)
    engine = open_database(fleet.store)
    try:
        migrate(engine)
        yield engine
    finally:
        engine.dispose()


def signing_key(fleet: Fleet) -> SigningKey:
    """Return the key that signs the fleet's statements; raises CrmhostError where there is none, or another one."""
    seed = fleet.vault.get(FLEET, "statement-key")
    if seed is None:
        raise CrmhostError(
            f"{fleet.vault.folder}/{FLEET}/statement-key.age: is not there, so no statement can be signed",
            "Bring it back from the fleet's repository; customers know its public half.",
        )
    try:
        key = SigningKey(bytes.fromhex(seed))
    except ValueError as error:
        raise CrmhostError("_fleet/statement-key: is not 64 hexadecimal digits", "Bring the right one back.") from error
    if fleet.settings.statement_key not in (None, key.public):
        raise CrmhostError(
            "crmhost.yaml: statement-key: is not the public half of the secret _fleet/statement-key",
            f"The secret's public half is {key.public}. Customers verify with the one that they were given.",
        )
    return key


def settling(fleet: Fleet, engine: Engine, contracts: Sequence[Agreed]) -> Settling:
    """Return what settling needs. The grace is never so short that the end of a period is not written down yet."""
    written = [one.contract.monitor.interval + one.contract.monitor.timeout + beat(contracts) for one in contracts]
    return Settling(engine, signing_key(fleet), now, max([fleet.settings.serve.grace, *written]))


def beat(contracts: Sequence[Agreed]) -> Micros:
    """Return how often the monitor writes down what it knows: as often as it probes, at most every five seconds."""
    from monitor.watch import BEAT

    return min([BEAT, *(one.contract.monitor.interval for one in contracts)])


def agreed(fleet: Fleet, names: tuple[str, ...] = ()) -> tuple[Agreed, ...]:
    """Return the contracts of the fleet that promise something, or those that are named, with their files' bytes."""
    found = []
    for name in names or fleet.names():
        contract = fleet.contract(name)
        if contract.sla is not None or contract.amendments:
            _refuse_other_key(fleet, contract)
            found.append(Agreed(contract, fleet.contract_file(name).read_bytes()))
    return tuple(found)


def _refuse_other_key(fleet: Fleet, contract: Contract) -> None:
    pinned = contract.billing.statement_key if contract.billing is not None else None
    if pinned is not None and fleet.settings.statement_key not in (None, pinned):
        raise CrmhostError(
            f"contracts/{contract.id}.yaml: billing.statement-key: is not the fleet's statement-key",
            f"The customer could verify no statement. The fleet's is {fleet.settings.statement_key}.",
        )


def adapters(fleet: Fleet) -> Mapping[str, Adapter]:
    """Return the billing systems that crmhost.yaml sets up, by the name that contracts give them."""
    systems = fleet.settings.billing
    file = Path(systems.file.path).expanduser() if systems.file is not None else Path("credits.csv")
    found: dict[str, Adapter] = {"file": FileAdapter(fleet.folder / file)}
    if systems.webhook is not None:
        secret = fleet.vault.get(FLEET, "billing-webhook")
        if secret is None:
            raise CrmhostError(
                f"{fleet.vault.folder}/{FLEET}/billing-webhook.age: is not there, so no credit can be signed",
                "Store the secret that the receiver knows (whsec_…): crmhost secrets set _fleet billing-webhook",
            )
        found["webhook"] = WebhookAdapter(systems.webhook.url.rstrip("/"), tuple(secret.split()), now)
    return found


def refuse_unknown_systems(fleet: Fleet, contracts: tuple[Agreed, ...]) -> None:
    """Raise CrmhostError where a contract names a billing system that crmhost.yaml does not set up."""
    for one in contracts:
        billing = one.contract.billing
        if billing is not None and billing.system == "webhook" and fleet.settings.billing.webhook is None:
            raise CrmhostError(
                f"contracts/{one.contract.id}.yaml: billing.system: webhook, but crmhost.yaml sets up no webhook",
                "Write where credits go: billing: {webhook: {url: https://billing.example/crmhost}}",
            )
