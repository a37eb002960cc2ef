"""Initialised databases that the next customer of the same release begins with, instead of its migrations.

They lie in a volume of the host, which all its customers share, and hold nothing of a customer: a template is kept only
while no step was begun that may write a secret. Whatever a template is killed at, it is whole or passed over.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from crm.errors import HostError
from crm.plan import Want
from crm.release import artifact_digest, digest, template_key
from crm.steps import admin_names
from infra import dumpdb, naming, psql, records
from infra.engine.engine import Engine
from infra.engine.files import Volume
from infra.release import lock_of
from infra.settings import Images

_HEAD = b"crmhost-template "
_DUMP = ("pg_dump", "--format=custom", "--lock-wait-timeout=60s")


@dataclass(frozen=True, slots=True)
class Template:
    """An initialised database by its key; `dump` is pg_dump's custom format."""

    key: str
    dump: bytes


def key(want: Want, images: Images) -> str:
    """Return the name of the initialised database that the contract can begin with. Pure.

    It has everything that makes it another one, PostgreSQL's own image included: an older one cannot read a newer dump.
    """
    return f"{template_key(want, artifact_digest(lock_of(want)))}-{digest(images.postgresql)[:8]}"


def find(engine: Engine, key: str, *, volume: str = naming.TEMPLATES) -> Template | None:
    """Return the template, or None where the host has none that is whole."""
    content = engine.get(Volume(volume), _path(key))
    dump = None if content is None else unseal(content)
    return None if dump is None else Template(key, dump)


def keep(engine: Engine, contract: str, want: Want, images: Images, *, volume: str = naming.TEMPLATES) -> bool:
    """Keep the customer's initialised database as a template, unless there is one; returns whether it was kept.

    To be called when all steps of the phase `initialise` are finished. A database in which a step of the phase `admin`
    was ever begun may hold a customer's secret, and is not kept.
    """
    begun, name = records.read(engine, contract).steps, key(want, images)
    if any(step in begun for step in admin_names(want.recipe)) or find(engine, name, volume=volume) is not None:
        return False
    output = engine.execute(
        naming.database(contract),
        _DUMP,
        timeout=600,
        user=naming.DATABASE_SYSTEM_USER,
        env={"PGUSER": naming.DATABASE_SYSTEM_USER, "PGDATABASE": naming.DATABASE_NAME},
    )
    if output.code != 0:
        said = output.stderr.decode(errors="replace").strip()[-1000:]
        raise HostError(f"{contract}: the initialised database could not be dumped: {said}", "")
    engine.put(Volume(volume), "/", {_path(name).lstrip("/"): seal(output.stdout)}, uid=0)
    return True


def begin(engine: Engine, contract: str, template: Template | None) -> None:
    """Let the customer's database begin anew: as the template, or empty. What was in it is lost; nothing may use it.

    It is made beside the database and takes its place whole, so the same call again finishes what was cut off.
    """
    if template is None:
        system, name = naming.DATABASE_SYSTEM_USER, naming.DATABASE_NAME
        psql.run(engine, contract, "anew", within=system, database=name)
        return
    dumpdb.restore(engine, contract, iter((template.dump,)))
    dumpdb.swap(engine, contract)
    psql.run(engine, contract, "forget", release="")


def seal(dump: bytes) -> bytes:
    """Return the dump with its digest before it."""
    return _HEAD + hashlib.sha256(dump).hexdigest().encode() + b"\n" + dump


def unseal(content: bytes) -> bytes | None:
    """Return the dump of a sealed one, or None for one that is not whole. Pure."""
    head, _, dump = content.partition(b"\n")
    whole = head == _HEAD + hashlib.sha256(dump).hexdigest().encode()
    return dump if whole else None


def _path(key: str) -> str:
    return f"/{key}.dump"
