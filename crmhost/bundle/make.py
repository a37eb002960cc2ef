"""Making a bundle: what a contract's deploy takes, gathered, packed and signed with the fleet's key."""

from __future__ import annotations

import json
import os
import secrets
import tempfile
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeAlias

from contract.moment import instant_text
from crm.errors import CrmhostError, Refused
from crm.plan import Want
from crm.release import artifact_digest, lock_of
from crmhost import lanacme
from crmhost.bundle import own
from crmhost.bundle.boot import OWN
from crmhost.bundle.format import PROGRAM, Manifest, Piece, encoded, in_order, piece_of, write
from crmhost.bundle.gather import Wanted
from crmhost.bundle.ground import Ground
from crmhost.fleet import SETTINGS, Fleet
from crmhost.reach import way
from crmhost.target import Wish
from crmhost.vault import FLEET, Vault
from monitor.statement.signature import BadKey, SigningKey, key_id
from playbooks.kinds.venv import VenvWanted
from playbooks.known_hosts import look_up, pin
from playbooks.lan.release import DATABASE
from playbooks.lan.server import EVERY

KEY = "bundle-key"
"""The fleet's secret that signs bundles."""
FLEET_FOLDER = "fleet"
"""The folder of a bundle that is a fleet of this one contract."""

Gather: TypeAlias = Callable[[Wanted, Path], Ground]
"""Fetches what is wanted into a folder, as `crmhost.bundle.gather` does, and returns what sort of server it is for."""
Phase: TypeAlias = Callable[[str, str], AbstractContextManager[None]]
"""Tells that a phase begins, of what, and how it ended."""


@dataclass(frozen=True, slots=True)
class Made:
    """A bundle that was made. key: the public half of what signed it; program: the SHA-256 of its `install.pyz`.

    new: the names of the contract's secrets that the fleet lacked. They were made up, though nobody could ask the
    server whether it was made with others.
    """

    path: Path
    manifest: Manifest
    key: str
    program: str
    new: tuple[str, ...] = ()


def signing_key(fleet: Fleet) -> SigningKey:
    """Return the key that signs the fleet's bundles, made on first use; raises CrmhostError for what is none."""
    seed = fleet.vault.ensure(FLEET, KEY, lambda: secrets.token_hex(32))
    try:
        return SigningKey(bytes.fromhex(seed))
    except (ValueError, BadKey) as error:
        raise CrmhostError(f"{FLEET}/{KEY}: is not 64 hexadecimal digits", "Bring the right one back.") from error


def public_key(fleet: Fleet) -> str | None:
    """Return the public half of the key that signs the fleet's bundles; None where it has signed none yet."""
    return signing_key(fleet).public if fleet.vault.get(FLEET, KEY) is not None else None


def environment(want: Want) -> VenvWanted:
    """Return the CRM's Python environment on a server."""
    lock = lock_of(want.recipe, want.version, DATABASE)
    return VenvWanted(lock.lock, lock.python, lock.build)


def make(wish: Wish, gather: Gather, recipients: Sequence[str], path: Path, phase: Phase) -> Made:
    """Write the bundle of a contract to `path`; raises CrmhostError for what cannot be had.

    recipients: who can read the secrets in the bundle.
    """
    from crmhost.sequence import micros

    if wish.order.kind != "lan":
        raise Refused(
            f"{wish.order.file}: target.kind: {wish.order.kind}; a bundle is for a server in a customer's network",
            "Only target.kind: lan is deployed without a network.",
        )
    contract = wish.order.contract
    key = signing_key(wish.fleet)
    fresh = wish.fresh()
    want = wish.want(fresh)
    new = frozenset(fresh.lacking)
    fresh.store()
    crm = environment(want)
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".bundle-", dir=path.parent) as temporary:
        folder = Path(temporary)
        with phase("gather", contract):
            asked = lanacme.packages(wish.order.lan)
            ground = gather(Wanted((*EVERY, *asked), crm, own.lock(), own.installer()), folder)
        with phase("pack", contract):
            (folder / OWN).mkdir(mode=0o700, exist_ok=True)
            own.write_wheel(folder / OWN)
            own.write_program(folder / PROGRAM)
            new |= _write_fleet(wish, recipients, folder / FLEET_FOLDER)
            manifest = _manifest(want, ground, key.public, instant_text(micros()), _pieces(folder))
            _write(path, manifest, key, folder)
    return Made(path, manifest, key.public, manifest.files[0].sha256, tuple(sorted(new)))


def _write_fleet(wish: Wish, recipients: Sequence[str], folder: Path) -> frozenset[str]:
    """Write a fleet of the one contract: its file as it is, and its secrets, which only the recipients can read.

    The keys that its server has shown go with it, so that it is no other machine on which it is installed. Returns the
    names of secrets that the contract's fleet lacked for its certificate.
    """
    from crmhost.lan import setup_of

    fresh = wish.fresh()
    setup_of(wish, datetime.now(UTC), fresh)  # a certificate that is due is made now, and so is in the bundle
    new = frozenset(fresh.lacking)
    fresh.store()
    contract, vault = wish.order.contract, wish.vault()
    kept = Vault(folder / "secrets", tuple(recipients), {})
    stored = {name for owner, name in vault.names() if owner == contract}
    for name in sorted(stored | set(wish.recipe.secrets)):
        value = vault.get(contract, name)
        if value is not None:
            kept.set(contract, name, value)
    written = wish.fleet.contract_file(contract)
    copy = folder / "contracts" / written.name
    copy.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    copy.write_bytes(written.read_bytes())
    for path in lanacme.files(wish.order.lan):
        beside = folder / path
        beside.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        beside.write_bytes((wish.fleet.folder / path).read_bytes())
    company = json.dumps(wish.fleet.settings.fleet, ensure_ascii=False)
    (folder / SETTINGS).write_text(f"fleet: {company}\nrecipients: [{', '.join(recipients)}]\n", "utf-8")
    name = way(wish.fleet, wish.order, wish.access)[-1].pinned
    for known in look_up(wish.fleet.known_hosts, name):
        pin(folder / wish.fleet.known_hosts.name, name, known.algorithm, known.key)
    return new


def _pieces(folder: Path) -> tuple[Piece, ...]:
    files = (file for file in folder.rglob("*") if file.is_file())
    return in_order(piece_of(file.relative_to(folder).as_posix(), file) for file in files)


def _manifest(want: Want, ground: Ground, key: str, made: str, pieces: tuple[Piece, ...]) -> Manifest:
    return Manifest(
        contract=want.contract,
        crm=f"{want.recipe.id} {want.version}",
        artifact=artifact_digest(lock_of(want.recipe, want.version, DATABASE)),
        crmhost=own.version(),
        made=made,
        key=key_id(key),
        ground=ground,
        files=pieces,
    )


def _write(path: Path, manifest: Manifest, key: SigningKey, folder: Path) -> None:
    """Write the file whole or not at all; nobody else may read it."""
    raw = encoded(manifest)
    temporary = folder / ".whole"
    with temporary.open("xb") as sink:
        temporary.chmod(0o600)
        write(sink, raw, key.sign(raw), ((piece, folder / piece.path) for piece in manifest.files))
        sink.flush()
        os.fsync(sink.fileno())
    temporary.replace(path)
