"""What leaves the host: releases past those kept for rollback, or all of a contract."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from crm.errors import HostError
from crm.plan import Crossing
from playbooks.sftponly.installer import Installer, Silent, sweep
from playbooks.sftponly.layout import RELEASES, Layout
from playbooks.sftponly.place import Place, look
from playbooks.sftponly.release import Server
from playbooks.sftponly.sftp import Files
from playbooks.sftponly.stage import LIST_BYTES
from playbooks.sftponly.steps import database, records_of
from playbooks.sftponly.tree import parse
from playbooks.sftponly.web import Site
from playbooks.terminal import safe_line

KEEP = 3
"""How many proven releases stay, the serving one among them."""
_PROBES = 3
"""Of how many files of the tree the site is asked, once they are removed."""


def past(place: Place, serving: str, crossing: Crossing | None = None) -> tuple[str, ...]:
    """Return the releases to remove once `serving` has proven itself: all but the last few, and failed candidates.

    crossing: an upgrade that is under way; those that it leads from and to stay, since it may have to go back.
    """
    proven = [kept.id for kept in place.kept if kept.proven and kept.id != serving]
    stay = {serving, *proven[: KEEP - 1], *((crossing.old.id, crossing.new.id) if crossing is not None else ())}
    return (*(kept.id for kept in place.kept if kept.id not in stay), *(name for name in place.torn if name != serving))


def drop_account(files: Files, layout: Layout) -> None:
    """Remove what all contracts beside a document root share, after the last of them."""
    if all(entry.name.startswith(".") for entry in files.list(layout.account)):
        files.drop_folder(layout.account)


@dataclass(frozen=True, slots=True)
class Remover:
    """Removes under the lock. confirm: raises LockHeld when the lock is not ours any more."""

    files: Files
    installer: Installer
    site: Site
    layout: Layout
    server: Server
    confirm: Callable[[], None]

    def unserve(self, place: Place) -> None:
        """Give the document root back what the host had made there; a copy has none."""
        root = self.layout.document_root
        self.files.drop(self.layout.current)
        if self.layout.copied:
            return
        if place.root.link is None:
            return
        self.files.drop(root)
        if self.files.entry(self.layout.found) is not None:
            self.files.rename(self.layout.found, root)
        else:
            self.files.folder(root, 0o755)

    def contract(self, *, keep_data: bool) -> None:
        """Remove everything of the contract, the data too unless they are kept; raises HostError for what is left."""
        place = look(self.files, self.layout)
        probes = self._probes(place)
        self.installer.leave()
        self.unserve(place)
        if self.layout.copied:
            self.left_by_copy()
        elif not keep_data:
            self.installer.ask("clear", database=database(self.server, self.layout.contract))
        self._folders(("data",) if keep_data else ())
        self.installer.leave()
        sweep(self.files, (self.files.resolved(self.layout.document_root),))
        self.files.drop_folder(self.layout.root, ("data",) if keep_data else ())
        drop_account(self.files, self.layout)
        self._prove(probes, keep_data=keep_data)

    def left_by_copy(self) -> None:
        """Remove what a copy has made: in the database for trials, only where that says that it is this copy's."""
        db = database(self.server, self.layout.contract)
        trial = records_of(self.installer.ask("records", database=db), self.server.name).trial
        if trial is not None and trial[0] == self.layout.contract:
            self.installer.ask("clear", database=db)
        self._folders()

    def folder(self, name: str) -> None:
        """Remove a folder below the contract's own: by PHP, or by SFTP where it is silent."""
        try:
            self.installer.remove(name, self.confirm)
        except Silent:
            self.files.drop_folder(self.layout.below(name))

    def _folders(self, but: tuple[str, ...] = ()) -> None:
        """Remove the folders below the contract's own; that of the releases last."""
        entries = self.files.list(self.layout.root)
        for entry in sorted(entries, key=lambda one: one.name == RELEASES):
            if entry.kind == "folder" and entry.name not in but:
                self.folder(entry.name)

    def _probes(self, place: Place) -> tuple[str, ...]:
        """Return paths of the site that only this contract's release can answer."""
        kept = place.find(place.serving)
        if kept is None:
            return ()
        path = f"{self.layout.below(kept.folder)}/list"
        raw = self.files.read(path, LIST_BYTES)
        root = f"{kept.manifest.web_root}/".lstrip("/")
        found = () if raw is None else tuple(parse(raw.decode("utf-8", "replace"), path).members)
        served = (one.removeprefix(root) for one in found if one.startswith(root))
        plain = (one for one in served if one.isascii() and "/" not in one and not one.startswith("index."))
        return tuple(f"/{one}" for one in plain)[:_PROBES]

    def _prove(self, probes: tuple[str, ...], *, keep_data: bool) -> None:
        left = [entry.name for entry in self.files.list(self.layout.root) if not (keep_data and entry.name == "data")]
        if left or (not keep_data and self.files.entry(self.layout.root) is not None):
            raise HostError(
                f"{self.layout.root} still holds {safe_line(', '.join(left[:10]))}", "Run crmhost destroy once more."
            )
        answering = [path for path in probes if self.site.get(path).status == 200]
        if answering:
            raise HostError(
                f"{self.site.url} still hands out {safe_line(', '.join(answering))}, though SFTP does not list it",
                "Something before the host caches it: empty that cache, and run crmhost destroy once more.",
            )
