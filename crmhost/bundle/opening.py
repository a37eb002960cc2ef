"""Opening a bundle where crmhost is: proven as a whole first, then unpacked, then compared with what it is for."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from crm.errors import CrmhostError, Refused
from crmhost.bundle import own
from crmhost.bundle.format import BadBundle, Manifest, into, read_files, read_head
from monitor.statement.signature import parse_public_key, signature_holds

if TYPE_CHECKING:
    from crm.plan import Want
    from playbooks.host import Host
    from playbooks.lan.offline import Offline


@dataclass(frozen=True, slots=True)
class Opened:
    """A bundle that was proven. folder: its files, for as long as it is open."""

    path: Path
    manifest: Manifest
    folder: Path

    def offline(self) -> Offline:
        """Return what a server installs from, instead of any archive."""
        from playbooks.kinds.parcel import Packed, ParcelWanted
        from playbooks.lan.layout import Layout
        from playbooks.lan.offline import DEBS, WHEELS, Offline

        pieces = (*self.manifest.below(DEBS), *self.manifest.below(WHEELS))
        packed = tuple(Packed(piece.path, piece.size, piece.sha256) for piece in pieces)
        return Offline(Layout(self.manifest.contract).parcel, ParcelWanted(packed, self.folder))

    def refuse_want(self, want: Want) -> None:
        """Raise Refused where the bundle is of another contract, release or crmhost than what is to be deployed."""
        from crm.release import artifact_digest, lock_of
        from playbooks.lan.release import DATABASE

        said = self.manifest
        artifact = artifact_digest(lock_of(want.recipe, want.version, DATABASE))
        pairs = (
            ("contract", said.contract, want.contract),
            ("CRM", said.crm, f"{want.recipe.id} {want.version}"),
            ("crmhost", said.crmhost, own.version()),
            ("artifact", said.artifact, artifact),
        )
        differs = [f"its {what} is {its}, not {asked}" for what, its, asked in pairs if its != asked]
        if differs:
            raise Refused(f"{self.path}: {'; '.join(differs)}; nothing was done", f"crmhost bundle {want.contract} …")

    def refuse_host(self, host: Host, want: Want) -> None:
        """Raise Refused where the server is of another sort than the bundle is for."""
        from crmhost.bundle.gather import refuse_ground
        from crmhost.bundle.make import environment

        refuse_ground(self.manifest.ground, host, environment(want))


@contextmanager
def opened(path: Path, key: str, within: Path) -> Iterator[Opened]:
    """Prove a bundle by a public key, and give it unpacked below `within`; raises CrmhostError, and nothing is left.

    What is unpacked is gone when the block ends.
    """
    public = parse_public_key(key)
    try:
        within.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise CrmhostError(f"{within}: {error.strerror}", "Check the folder and its rights.") from error
    with tempfile.TemporaryDirectory(prefix="bundle-", dir=within) as folder:
        yield Opened(path, _unpacked(path, public, Path(folder)), Path(folder))


def _unpacked(path: Path, public: str, folder: Path) -> Manifest:
    try:
        with path.open("rb") as source:
            manifest = read_head(source, public, signature_holds)
            read_files(source, manifest, into(folder))
    except BadBundle as error:
        raise BadBundle(f"{path}: {error.what}; nothing was done", error.remedy) from error
    except OSError as error:
        remedy = "Check its name, its rights and the room on the disk."
        raise CrmhostError(f"{error.filename or path}: {error.strerror}", remedy) from error
    return manifest
