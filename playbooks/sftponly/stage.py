"""Bringing a release to the host: one upload, unpacked there by the installer; then its own few files and links."""

from __future__ import annotations

import posixpath
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from crm.driver import Archives
from crm.plan import Release, Want
from playbooks.sftponly.installer import Installer
from playbooks.sftponly.layout import Layout
from playbooks.sftponly.pack import Base, make
from playbooks.sftponly.place import Place
from playbooks.sftponly.release import DATABASE, Kept, Manifest, archive_of, encode
from playbooks.sftponly.send import Say, Sender
from playbooks.sftponly.sftp import Files
from playbooks.sftponly.survey import Drift, Survey, Wanted, link_to
from playbooks.sftponly.tree import Delta, Listing, Member, Tree, delta, parse

LIST_BYTES = 64 << 20
_BATCH_FILES, _BATCH_BYTES = 200, 8 << 20
"""How much one request mends, so that it ends in time."""


@dataclass(frozen=True, slots=True)
class Stager:
    """Writes to the host, under the lock. confirm: raises LockHeld when the lock is not ours any more."""

    files: Files
    installer: Installer
    layout: Layout
    archives: Archives
    say: Say
    confirm: Callable[[], None]

    def tree(self, want: Want, place: Place, release: Release) -> str:
        """Bring the tree of a release to the host, from what is kept there and what is sent; return its digest."""
        folder = f"releases/{release.id}"
        if release.id in place.torn:
            self.remove(folder)
        with self._opened(want) as tree:
            base, has = self._base(place)
            altered = [one.path for one in self._drift(base)]
            changes = delta(tree.listing, has, altered)
            pack = make(tree, tree.listing, changes, base)
            count = f"{len(changes.files)} of {len(tree.listing.members)} files"
            self.say("upload", "begin", f"{count}, {changes.bytes} bytes before they are compressed")
            self._sender().unpacked(pack, f"{folder}/app", f"{folder}/list")
            self.files.drop(self.layout.below(pack.name))
            return tree.listing.sha256

    def mend(self, want: Want, folder: str, drift: Sequence[Drift]) -> None:
        """Write altered and missing files of the release in that folder anew; what is there is first kept aside."""
        stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(self.installer.now()))
        aside = f"kept/{stamp}-{posixpath.basename(folder)}"
        with self._opened(want) as tree:
            self.say("mend", "begin", f"{len(drift)} files; what was there is kept in {self.layout.below(aside)}")
            self.files.folder(self.layout.below(aside))
            members = [tree.listing.members[one.path] for one in drift if one.path in tree.listing.members]
            for batch in batches(members):
                pack = make(tree, tree.listing, Delta(batch, (), None), None)
                self._sender().send(pack)
                self.installer.ask("mend", pack=pack.name, tree=f"{folder}/app", aside=aside)
                self.files.drop(self.layout.below(pack.name))
            self.say("mend", "done")

    def own(self, seen: Survey, tree: str) -> None:
        """Put the folders, the links and the configuration of a release in their places, its manifest last."""
        folder = seen.place.folder(seen.release.id)
        release = self.layout.below(folder)
        self.say("configuration", "begin")
        self.files.folder(self.layout.below("data"), 0o711)
        for name in seen.folders:  # the web server, which may be another account, hands out what is linked into a tree
            mode = 0o755 if name in seen.want.recipe.kept.values() else 0o700
            self.files.folder(self.layout.below(f"data/{name}"), mode)
        for path in seen.links:
            self._link(f"{release}/app/{path}", link_to(path, seen.want.recipe.kept[path]))
        for one, _ in seen.wrong:
            self.put(folder, one)
        recipe = seen.want.recipe
        secrets = tuple(sorted(seen.want.secrets))
        manifest = Manifest(seen.release, seen.artifact, tree, recipe.web_root, dict(recipe.kept), secrets)
        found = seen.place.find(seen.release.id)
        if found is None or found.manifest != manifest:
            self.files.write(f"{release}/release.json", encode(manifest))
        self.say("configuration", "done")

    def put(self, folder: str, one: Wanted) -> None:
        """Write one file of the configuration of the release there; its mode before its first byte."""
        path = f"{self.layout.below(folder)}/{one.path}"
        self.files.folder(posixpath.dirname(path), 0o755)
        self.files.write(path, one.content, one.mode)

    def remove(self, path: str) -> None:
        """Remove a folder below the contract's own."""
        self.installer.remove(path, self.confirm)

    def drift(self, kept: Kept) -> tuple[Drift, ...]:
        """Return the files of a kept release's tree that are not as they were sent."""
        return self._drift(_base(kept))

    @contextmanager
    def _opened(self, want: Want) -> Iterator[Tree]:
        replaced = [
            file.path.removeprefix("app/") for file in want.recipe.files_with(DATABASE) if file.path.startswith("app/")
        ]
        with Tree(self.archives(archive_of(want)), [*want.recipe.kept, *replaced]) as tree:
            yield tree

    def _base(self, place: Place) -> tuple[Base | None, Listing | None]:
        kept = place.find(place.serving) or next(iter(place.kept), None)
        if kept is None:
            return None, None
        path = self.layout.below(_base(kept).list)
        raw = self.files.read(path, LIST_BYTES)
        found = None if raw is None else parse(raw.decode("utf-8", "replace"), path)
        if found is None or found.sha256 != kept.manifest.tree:
            return None, None
        return _base(kept), found

    def _drift(self, base: Base | None) -> tuple[Drift, ...]:
        if base is None:
            return ()
        answers = self.installer.slices("check", tree=base.tree, list=base.list)
        return tuple(Drift(str(path), str(state)) for answer in answers for path, state in answer["differs"])

    def _sender(self) -> Sender:
        return Sender(self.files, self.installer, self.layout, self.say, self.confirm)

    def _link(self, path: str, target: str) -> None:
        self.files.folder(posixpath.dirname(path), 0o755)
        entry = self.files.entry(path)
        if entry is not None and entry.kind == "folder":
            self.files.drop_folder(path)
        self.files.link(target, path)


def _base(kept: Kept) -> Base:
    return Base(f"{kept.folder}/app", f"{kept.folder}/list")


def batches(members: Iterable[Member]) -> Iterator[tuple[Member, ...]]:
    """Return the files in their order, so many at once that no request takes too long. Pure."""
    batch: list[Member] = []
    for one in members:
        if batch and (len(batch) >= _BATCH_FILES or sum(each.size for each in batch) + one.size > _BATCH_BYTES):
            yield tuple(batch)
            batch = []
        batch.append(one)
    if batch:
        yield tuple(batch)
