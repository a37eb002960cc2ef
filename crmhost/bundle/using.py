"""Deploying from a bundle: over SSH from the fleet, or on the server itself, from the fleet that the bundle brings."""

from __future__ import annotations

import hashlib
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from crm.catalogue import find
from crm.driver import Progress
from crm.errors import Refused
from crmhost.bundle.boot import here, refuse
from crmhost.bundle.format import BadBundle
from crmhost.bundle.make import FLEET_FOLDER, KEY, public_key
from crmhost.bundle.opening import Opened, opened
from crmhost.fleet import Fleet
from crmhost.lan import open_lan
from crmhost.order import read_order
from crmhost.target import Accept, Target, Wish
from crmhost.vault import FLEET, load_identity
from playbooks.lan.layout import BASE

FLEETS = Path(BASE) / "fleets"
"""Where a server keeps what bundles brought: a fleet of one contract each, with its secrets encrypted."""


@contextmanager
def from_here(fleet: Fleet, name: str, path: Path, accept: Accept, progress: Progress) -> Iterator[Target]:
    """Give a contract's server over SSH, which installs from a bundle of this very fleet alone.

    Raises BadBundle for a file that is not whole, or not signed by this fleet; Refused for one of another contract, of
    another text of it, or for another sort of server.
    """
    key = public_key(fleet)
    if key is None:
        raise Refused(
            f"{fleet.folder}: has no secret {FLEET}/{KEY}, so it has signed no bundle", f"crmhost bundle {name} …"
        )
    with opened(path, key, fleet.state) as bundle:
        refuse_text(bundle, fleet, name)
        with _open(fleet, name, bundle, accept, progress) as target:
            yield target


@contextmanager
def on_the_server(bundle: Opened, fleet: Fleet, accept: Accept, progress: Progress) -> Iterator[Target]:
    """Give this machine as the server of a bundle's contract."""
    with _open(fleet, bundle.manifest.contract, bundle, accept, progress) as target:
        yield target


def settle(bundle: Opened, environment: Mapping[str, str], fleets: Path = FLEETS) -> Fleet:
    """Keep the fleet of a bundle on this server, in place of an older one, and return it.

    Raises BadBundle where this is another sort of server, CrmhostError where nobody here can read the secrets: then
    nothing is kept. What this server has pinned and backed up stays.
    """
    try:
        refuse(bundle.manifest, here())
    except BadBundle as error:
        raise BadBundle(f"{bundle.path}: {error.what}", error.remedy) from error
    load_identity(environment)
    folder = fleets / bundle.manifest.contract
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    new = folder / ".new"
    shutil.rmtree(new, ignore_errors=True)
    shutil.copytree(bundle.folder / FLEET_FOLDER, new)
    for part in sorted(new.iterdir()):
        old = folder / part.name
        if old.is_dir():
            shutil.rmtree(old)
        part.replace(old)
    new.rmdir()
    return Fleet(folder, environment, local=True)


def refuse_text(bundle: Opened, fleet: Fleet, name: str) -> None:
    """Raise Refused where the contract says something else now than when the bundle was made."""
    path = f"{FLEET_FOLDER}/contracts/{name}.yaml"
    packed = next((piece.sha256 for piece in bundle.manifest.files if piece.path == path), None)
    remedy = f"Make it anew: crmhost bundle {name} …"
    if packed is None:
        raise Refused(f"{bundle.path}: is for {bundle.manifest.contract}, not for {name}; nothing was done", remedy)
    file = fleet.contract_file(name)
    if file.is_file() and hashlib.sha256(file.read_bytes()).hexdigest() != packed:
        raise Refused(f"{fleet.shown(file)}: has changed since {bundle.path} was made; nothing was done", remedy)


@contextmanager
def _open(fleet: Fleet, name: str, bundle: Opened, accept: Accept, progress: Progress) -> Iterator[Target]:
    order, access = read_order(fleet, name, time.time_ns() // 1000)
    if order.kind != "lan":
        raise Refused(f"{order.file}: target.kind: {order.kind} is not deployed from a bundle", "Only lan is.")
    wish = Wish(fleet, order, access, find(order.recipe), progress, make_secrets=True, refresh=False)
    with open_lan(wish, accept, bundle) as target:
        yield target
