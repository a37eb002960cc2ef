"""What lies on the host of a contract, as SFTP lists it: releases, who serves, and what the document root is."""

from __future__ import annotations

import posixpath
from dataclasses import dataclass

from crm.errors import HostError, Refused
from crm.plan import Release
from crm.steps import Records
from playbooks.sftponly.layout import INSTALLER, RELEASES, SHUT, Layout
from playbooks.sftponly.release import Kept, decode
from playbooks.sftponly.sftp import Files
from playbooks.terminal import safe_line

HARMLESS = frozenset(("index.html", "index.htm", "favicon.ico", "robots.txt", "cgi-bin", ".well-known"))
"""What a control panel puts into a new document root; anything else is somebody's."""


@dataclass(frozen=True, slots=True)
class Root:
    """The document root. link: where it leads, as written; None: it is a folder. foreign: what is not a panel's own."""

    link: str | None
    foreign: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Place:
    """What was seen. kept: the releases that are whole, newest proof first; torn: folders that are none.

    known: there is a folder of this contract. serving: the id of the release that `current` names.
    """

    root: Root
    known: bool
    serving: str | None
    kept: tuple[Kept, ...]
    torn: tuple[str, ...]

    def find(self, release_id: str | None) -> Kept | None:
        """Return the kept release of that name."""
        return next((kept for kept in self.kept if kept.id == release_id), None)

    def before(self, release_id: str) -> Kept | None:
        """Return the proven release that served last, other than this one."""
        return next((kept for kept in self.kept if kept.id != release_id and kept.proven), None)

    def proven_beside(self, failed: Release) -> Kept | None:
        """Return the proven release that served last, other than this one, among those that have its schema."""
        kept = [one for one in self.kept if one.id != failed.id and one.proven]
        return next((one for one in kept if one.manifest.release.schema == failed.schema), None)

    def still(self, candidate: Release) -> str:
        """Return a sentence that says what serves once a candidate did not become ready."""
        if self.serving is None or self.serving == candidate.id:
            return "Nothing was switched; the candidate is kept on the host, and the next deploy tries again."
        return f"{self.serving} still serves; the candidate is kept on the host, and the next deploy tries again."

    def remembered(self, candidate: str | None) -> tuple[Kept, ...]:
        """Return the releases that customers may reach: a process of PHP remembers what served, if only for a moment.

        candidate: the name of one that customers cannot have met, unless it serves or has proven itself.
        """
        return tuple(one for one in self.kept if one.id != candidate or one.proven or one.id == self.serving)

    @property
    def welcome(self) -> tuple[Kept, ...]:
        """Return the releases that customers may reach: old code never runs on a schema that it did not make."""
        serving = self.find(self.serving)
        if serving is None:
            return ()
        return tuple(one for one in self.kept if one.manifest.release.schema == serving.manifest.release.schema)

    @property
    def shut(self) -> bool:
        """Tell whether customers see the maintenance page in the place of what they may reach."""
        return any(one.shut for one in self.welcome)

    def folder(self, release_id: str) -> str:
        """Return where a release lies or will lie, below the contract's folder."""
        kept = self.find(release_id)
        return kept.folder if kept is not None else f"{RELEASES}/{release_id}"

    def maker(self, records: Records) -> Release | None:
        """Return the release that made the data, as far as one is kept that has its schema: rather what serves."""
        if records.schema is None:
            return None
        recipe, version, schema = records.schema
        made_it = [one.manifest.release for one in self.kept if one.manifest.release.schema == schema]
        made_it.sort(key=lambda one: ((one.recipe, one.version) != (recipe, version), one.id != self.serving))
        return made_it[0] if made_it else None


def look(files: Files, layout: Layout) -> Place:
    """Return what lies there; raises HostError or Refused for a document root that cannot be used."""
    kept: list[Kept] = []
    torn: list[str] = []
    known = files.entry(layout.root) is not None
    for name, folder in _folders(files, layout).items() if known else ():
        path = f"{layout.below(folder)}/release.json"
        raw = files.read(path)
        proven = (files.read(f"{layout.below(folder)}/proven", 100) or b"").decode("ascii", "replace").strip()
        one = None if raw is None else Kept(decode(raw, path), proven, folder.startswith(f"{SHUT}/"))
        if one is not None and one.id == name:
            kept.append(one)
        else:
            torn.append(name)
    kept.sort(key=lambda one: (one.proven, one.id), reverse=True)
    current = files.target(layout.current) if known else None
    serving = None if current is None else posixpath.basename(current)
    return Place(_root(files, layout), known, serving, tuple(kept), tuple(torn))


def _folders(files: Files, layout: Layout) -> dict[str, str]:
    """Return where each release lies, by its name."""
    return {entry.name: f"{top}/{entry.name}" for top in (RELEASES, SHUT) for entry in files.list(layout.below(top))}


def check_root(layout: Layout, root: Root, web_root: str) -> None:
    """Raise Refused for a document root that leads elsewhere, or in which somebody's files lie. Pure."""
    if root.link is not None and not root.link.startswith(f"{layout.served('')}"):
        raise Refused(
            f"target.document-root: {layout.document_root} is a link to {safe_line(root.link)}, which crmhost did not"
            " make",
            "Name another folder, or remove the link over SFTP; nothing was done.",
        )
    if root.foreign:
        shown = ", ".join(safe_line(name, 60) for name in root.foreign[:5])
        raise Refused(
            f"target.document-root: {layout.document_root} holds {len(root.foreign)} files or folders that crmhost did"
            f" not put there: {shown}",
            "It becomes a link to the release that serves, so it must be empty but for the control panel's first page."
            f" Move them away, or name another folder. Nothing was done. ({layout.served(web_root)})",
        )


def _root(files: Files, layout: Layout) -> Root:
    path = layout.document_root
    entry = files.entry(path)
    if entry is None:
        raise HostError(
            f"target.document-root: SFTP finds no {path}",
            "Write it as an SFTP client shows it, and let the control panel serve it at the contract's URL.",
        )
    if entry.kind == "link":
        return Root(files.target(path), ())
    if entry.kind != "folder":
        raise HostError(f"target.document-root: {path} is a {entry.kind}, not a folder", "Name the folder.")
    names = [one.name for one in files.list(path)]
    return Root(None, tuple(name for name in names if name not in HARMLESS and not INSTALLER.fullmatch(name)))


def web_folders(files: Files, layout: Layout) -> tuple[str, ...]:
    """Return the folders that PHP may take for the document root, resolved: what it is now first.

    PHP remembers for two minutes, in each of its processes, where a link led; so a page that must be found is put into
    the trees of all kept releases, and what killed runs have left is looked for there. A copy has no tree there.
    """
    layout = layout.customer
    found = [layout.document_root, layout.found]
    for name, folder in _folders(files, layout).items():
        raw = files.read(f"{layout.below(folder)}/release.json")
        if raw is not None:
            found.append(posixpath.normpath(f"{layout.release(name)}/app/{decode(raw, name).web_root}"))
    there = [path for path in found if files.entry(path) is not None]
    return tuple(dict.fromkeys(files.resolved(path) for path in there))
