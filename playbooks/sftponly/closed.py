"""Shutting customers out where no command runs, and letting them in again.

PHP remembers for two minutes, in each of its processes, where a link led, so a link that leads elsewhere shuts nobody
out. The folder of a release does: it gets another name, and a folder that holds the maintenance page alone takes its
place. What runs meanwhile for us, steps and questions, runs in the folder of the other name.

PHP goes on with what it has compiled of a release whose files are gone, until it is told to look anew. So a page of
ours gives the names and tells it so in one request; SFTP does what is left of it.
"""

from __future__ import annotations

import contextlib
import posixpath
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from crm import maintenance
from crm.errors import HostError
from playbooks.sftponly.installer import REMEMBERS, Installer, int_of
from playbooks.sftponly.layout import RELEASES, SHUT, Layout
from playbooks.sftponly.place import Place, look
from playbooks.sftponly.release import Kept
from playbooks.sftponly.sftp import Files
from playbooks.sftponly.web import Site
from playbooks.terminal import safe_line

_CLOSING = "closing"
_PAGE = """\
<?php
clearstatcache(true); // this process asks anew where links lead: it shows this page once at most when we are back
http_response_code(503);
header('Retry-After: {after}');
header('Content-Type: text/html; charset=utf-8');
header('Cache-Control: no-store');
?>
"""
_RULES = b"""\
<IfModule mod_rewrite.c>
RewriteEngine On
RewriteCond %{REQUEST_FILENAME} !-f
RewriteRule ^ index.php [L]
</IfModule>
"""
_SHOWN = 10.0
"""Seconds within which the page must be shown, once its folder is in place."""
_MORE = 10.0
"""Seconds within which a connection to the database is gone that was told to end."""
_OTHERS = 5
"""Seconds that other processes of PHP have at most to see it, which share nothing with the one that was told."""
_IN_A_ROW = 3, 12
"""How many answers in a row must be the page; and must be none, since each process may show it once more."""


def shut(files: Files, layout: Layout, kept: Iterable[Kept]) -> None:
    """Let the page take the place of these releases; what was done before, or half of it, is not done again."""
    for one in kept:
        here, there = layout.release(one.id), layout.below(f"{SHUT}/{one.id}")
        if one.shut and files.entry(here) is not None:
            continue
        closing = _made(files, layout, one)
        if not one.shut:
            files.folder(layout.below(SHUT), 0o711)
            files.rename(here, there)
        files.rename(closing, here)


def opened(files: Files, layout: Layout, kept: Iterable[Kept]) -> None:
    """Give these releases their places back, where they are shut."""
    for one in kept:
        if not one.shut:
            continue
        here, aside = layout.release(one.id), layout.below(f"{_CLOSING}/{one.id}")
        files.drop_folder(aside)
        if files.entry(here) is not None:
            files.folder(layout.below(_CLOSING), 0o711)
            files.rename(here, aside)
        files.rename(layout.below(one.folder), here)
    files.drop_folder(layout.below(_CLOSING))


def recover(files: Files, layout: Layout, place: Place, *, under_way: bool) -> bool:
    """Finish what a killed run left half; let customers in again unless an upgrade is under way. Tell whether it did.

    Whoever goes on with an upgrade decides then who is let in.
    """
    if under_way:
        shut(files, layout, (one for one in place.kept if one.shut))
        return False
    wrong = tuple(one for one in place.welcome if one.shut)
    opened(files, layout, wrong)
    shut(files, layout, (one for one in place.kept if one.shut and one not in wrong))
    files.drop_folder(layout.below(_CLOSING))
    return bool(wrong)


@dataclass(frozen=True, slots=True)
class Entrance:
    """The way of customers to a contract's site. confirm: raises when the lock is lost.

    patient: seconds that a request which was let in has, until its connection to the database is ended.
    """

    files: Files
    installer: Installer
    site: Site
    layout: Layout
    confirm: Callable[[], None]
    sleep: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.monotonic
    patient: float = 30.0

    def close(self, place: Place, candidate: str | None, database: Mapping[str, object]) -> None:
        """Show the page in the place of every release, and wait until nobody else uses the database.

        candidate: one that stays as it is unless it served: nobody reaches it, and its steps are run.
        Raises HostError when the page is not shown, or somebody stays in the database.
        """
        self.confirm()
        closing = place.remembered(candidate)
        self._shut_at_once(closing)
        shut(self.files, self.layout, look(self.files, self.layout).remembered(candidate))
        self._fresh(closing, _OTHERS)
        if place.serving is not None:
            self._see()
        self.rest(database)

    def open(self, place: Place) -> None:
        """Let customers in to the releases that have the schema of the one that serves."""
        self.confirm()
        self._open_at_once(place.welcome)
        opened(self.files, self.layout, look(self.files, self.layout).welcome)
        self.see_anew(place)

    def see_anew(self, place: Place) -> None:
        """Let PHP look where links lead and what lies there, in each of its processes that answers."""
        self._fresh(place.welcome)
        begun, seen = self.clock(), 0
        while seen < _IN_A_ROW[1] and self.clock() - begun < REMEMBERS:
            answer = self.site.get("/")
            seen = 0 if _is_page(answer.status, answer.text) else seen + 1

    def rest(self, database: Mapping[str, object]) -> None:
        """Wait until nobody else is connected to the database, and end whoever still is when patience is over."""
        begun = self.clock()
        while True:
            waited = self.clock() - begun
            answer = self.installer.ask("others", database=database, end=waited >= self.patient)
            if not int_of(answer, "left"):
                return
            if waited >= self.patient + _MORE:
                raise HostError(
                    f"{self.layout.contract}: somebody else is still connected to the database, and does not end",
                    "The maintenance page is shown. Look in the control panel who uses that database, and give the same"
                    " command again.",
                )
            self.confirm()
            self.sleep(0.5)

    def _shut_at_once(self, closing: Iterable[Kept]) -> None:
        served = [one for one in closing if not one.shut]
        moves = []
        for one in served:
            _made(self.files, self.layout, one)
            moves += [(_serves(one), f"{SHUT}/{one.id}"), (f"{_CLOSING}/{one.id}", _serves(one))]
        self.files.folder(self.layout.below(SHUT), 0o711)
        self._at_once(served, moves)

    def _open_at_once(self, welcome: Iterable[Kept]) -> None:
        shown = [one for one in welcome if one.shut and self.files.entry(self.layout.release(one.id)) is not None]
        moves = []
        for one in shown:
            self.files.drop_folder(self.layout.below(f"{_CLOSING}/{one.id}"))
            moves += [(_serves(one), f"{_CLOSING}/{one.id}"), (one.folder, _serves(one))]
        self.files.folder(self.layout.below(_CLOSING), 0o711)
        self._at_once(shown, moves)

    def _at_once(self, shown: Iterable[Kept], moves: Iterable[tuple[str, str]]) -> None:
        """Let a page of ours give the names, which lies in what is shown of each and takes itself away first."""
        roots = [posixpath.normpath(f"{_serves(one)}/app/{one.manifest.web_root}") for one in shown]
        if roots:
            with contextlib.suppress(HostError):  # whatever it has left, SFTP does
                self.installer.ask("rename_all", moves=list(moves), roots=roots)
        self.installer.leave()

    def _fresh(self, changed: Iterable[Kept], others: int = 0) -> None:
        """Let PHP run what lies on the disk; where it may not be told to look there, wait until it does by itself.

        others: seconds to wait at most for processes of PHP that share nothing with the one that was told.
        """
        answer = self.installer.ask("fresh")
        stale, told = int_of(answer, "stale"), answer.get("code") is True
        waits = min(stale, others) if told else stale
        if waits:
            self.sleep(waits + 1.0)
        if not told:
            pages = (f"{RELEASES}/{one.id}/app/{one.manifest.web_root}/index.php" for one in changed)
            self.installer.ask("fresh", pages=[posixpath.normpath(page) for page in pages])

    def _see(self) -> None:
        begun, seen = self.clock(), 0
        while seen < _IN_A_ROW[0]:
            answer = self.site.get("/")
            seen = seen + 1 if _is_page(answer.status, answer.text) else 0
            if not seen and self.clock() - begun > _SHOWN:
                raise HostError(
                    f"{self.site.url}/ does not show the maintenance page: it answers {safe_line(str(answer), 200)!r}",
                    "Does something before the host cache the site, or PHP never look at its files again"
                    " (opcache.validate_timestamps)? Mend that in the control panel, and give the same command again.",
                )
            self.sleep(0.1)


def _is_page(status: int, text: str) -> bool:
    return status == 503 and text == maintenance.page()


def _serves(kept: Kept) -> str:
    """Return where a release lies, or the page in its place, while customers are asked in; below the contract's."""
    return f"{RELEASES}/{kept.id}"


def _made(files: Files, layout: Layout, kept: Kept) -> str:
    """Make the folder that takes a release's place, and return its path."""
    folder = layout.below(f"{_CLOSING}/{kept.id}")
    root = posixpath.normpath(f"{folder}/app/{kept.manifest.web_root}")
    files.drop_folder(folder)
    files.folder(layout.below(_CLOSING), 0o711)
    files.folder(root, 0o755)
    page = _PAGE.replace("{after}", str(maintenance.RETRY_AFTER)) + maintenance.page()
    files.create(f"{root}/index.php", page.encode(), 0o644)
    files.create(f"{root}/.htaccess", _RULES, 0o644)
    return folder
