"""The installer: a page of PHP that is put into the web root for some minutes, and what it is asked for.

Nobody can use it without the token, of which the host gets only the digest. It deletes itself when it is told to, and
when anybody calls it after its time; what a killed run has left is removed by the next operation.
"""

from __future__ import annotations

import base64
import hashlib
import json
import posixpath
import re
import secrets
import time
import urllib.parse
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from importlib import resources
from typing import Any, Literal, TypeAlias

from crm.errors import CrmhostError, HostError
from playbooks.sftponly.layout import INSTALLER, Layout, relative
from playbooks.sftponly.place import web_folders
from playbooks.sftponly.sftp import Files
from playbooks.sftponly.verbs import refused, stuck
from playbooks.sftponly.web import Answer, Asked, Site, Whole
from playbooks.terminal import safe_line

May: TypeAlias = Literal["ask", "work", "show"]
"""What an installer does: only what changes nothing; all; or nothing but to show the pages of one release."""
LIFE = 900
"""Seconds that an installer works, by the web server's clock."""
_MARGIN = 120  # seconds before its end at which another one is put there
ANSWER = 90.0
"""Seconds that one answer is waited for; the installer itself stops after a few and goes on when asked again."""
REMEMBERS = 125.0
"""Seconds for which a process of PHP remembers where a link led (`realpath_cache_ttl` is 120), and some more."""
_PARTS = "//@PARTS@\n"
_CARRIES: Mapping[May, tuple[str, ...]] = {
    "ask": ("pages", "trial"),
    "work": ("pages", "trial", "dump", "fill"),
    "show": ("pages",),
}
"""Which files of PHP lie in an installer's own text, since it must be one file."""
_HOME = re.compile(r"[./A-Za-z0-9_-]+")


class Silent(HostError):
    """PHP does not answer as it should on this site."""


def page(token: str, until: int, may: May, home: str, tail: str = "", shows: str = "") -> bytes:
    """Return the text of an installer. home: the contract's folder, relative to the installer's own.

    tail: how that folder's path must end, however PHP names it; empty where it is not there yet. shows: of one that may
    only show, where the release lies, below the contract's folder.
    """
    if not _HOME.fullmatch(home + tail + shows):
        raise HostError(f"{home!r}: a folder on the way has a name that crmhost does not write into a program", "")
    text = _text("installer").replace(_PARTS, "".join(_part(name) for name in _CARRIES[may]))
    filled = {
        "@TOKEN_SHA256@": hashlib.sha256(token.encode()).hexdigest(),
        "@UNTIL@": str(until),
        "@MAY@": may,
        "@HOME@": home,
        "@TAIL@": tail,
        "@SHOWS@": shows,
    }
    for mark, value in filled.items():
        text = text.replace(mark, value)
    return text.encode()


def _text(name: str) -> str:
    return resources.files("playbooks.sftponly.onhost").joinpath(f"{name}.php").read_text(encoding="utf-8")


def _part(name: str) -> str:
    """Return a file of PHP without the head that the installer has already."""
    return _text(name).partition("\nnamespace crmhost;\n")[2]


@dataclass(frozen=True, slots=True)
class Shown:
    """A release as its pages are asked for. folder: where it lies, below the contract's.

    web_root: what of its tree would be served. at: the URL that it believes to be asked at; empty: the site's own.
    """

    folder: str
    web_root: str
    at: str = ""


@dataclass(frozen=True, slots=True)
class Planted:
    """An installer on the host. folders: where it lies, resolved; until: by the web server's clock."""

    folders: tuple[str, ...]
    name: str
    until: int
    token: str = field(repr=False)


class Installer:
    """One operation's installer: put there when it is first asked, and again when its time is nearly over.

    Raises Silent, with a remedy, when PHP does not run or may not do what is needed. shows: see `page`.
    """

    def __init__(  # noqa: PLR0913 -- the last of them by name
        self,
        files: Files,
        site: Site,
        layout: Layout,
        may: May,
        tell: Callable[[str], None] = lambda _: None,
        sleep: Callable[[float], None] = time.sleep,
        *,
        shows: str = "",
    ) -> None:
        self._files = files
        self._site = site
        self._layout = layout
        self._may: May = may
        self._tell = tell
        self._sleep = sleep
        self._shows = shows
        self._ahead: float | None = None
        self._planted: Planted | None = None

    def ask(self, verb: str, **given: object) -> Mapping[str, Any]:
        """Return the answer to one question; raises HostError with what PHP said when it cannot do it."""
        return self.ask_within(ANSWER, verb, **given)

    def ask_within(self, longest: float, verb: str, **given: object) -> Mapping[str, Any]:
        """Ask, and wait for the answer for so many seconds; see `ask`. PHP may go on where that is not enough."""
        planted = self._there()
        order = base64.b64encode(json.dumps({"verb": verb, **given}).encode()).decode()
        form = {"token": planted.token, "do": order}
        answer = self._run(lambda: self._site.post(f"/{planted.name}", form, longest))
        return self._answer(answer, verb)

    def slices(self, verb: str, at: int = 0, place: object = None, **given: object) -> Iterator[Mapping[str, Any]]:
        """Ask until it is done, each time from where it stopped; yield each answer. at, place: of an answer before."""
        done = False
        while not done:
            answer = self.ask(verb, at=at, place=place, **given)
            if int_of(answer, "at") <= at and answer.get("done") is not True:
                raise stuck(verb)
            at, place, done = int_of(answer, "at"), answer.get("place"), answer.get("done") is True
            yield answer

    def run(self, folder: str, script: str, stdin: bytes, timeout: float) -> Answer:
        """Run a PHP file of a release, with these bytes as the request's body, and return what it printed.

        folder: where the release lies, below the contract's.
        """
        planted = self._there()
        headers = {
            "X-Crmhost-Token": planted.token,
            "X-Crmhost-Release": folder,
            "X-Crmhost-Script": script,
        }
        return self._run(lambda: self._site.send(f"/{planted.name}", stdin, headers, timeout))

    def page(self, shown: Shown, path: str, form: Mapping[str, str], timeout: float) -> Answer:
        """Ask a release for a page as if it served, and return what it answered.

        form: empty for a GET, else it is sent as a POST.
        """
        planted = self._there()
        headers = {
            "Content-Type": "application/x-www-form-urlencoded",
            **_asks(planted, shown, f"{'POST' if form else 'GET'} {path}"),
        }
        body = urllib.parse.urlencode(form).encode()
        return self._run(lambda: self._site.send(f"/{planted.name}", body, headers, timeout))

    def passed(self, shown: Shown, asked: Asked, timeout: float) -> Whole:
        """Pass a browser's request on to a release, and return the whole answer; see `Site.whole`."""
        planted = self._there()
        headers = {**asked.headers, **_asks(planted, shown, f"{asked.method} {asked.path}")}
        return self._site.whole(f"/{planted.name}", asked.body, headers, timeout)

    def remove(self, path: str, confirm: Callable[[], None]) -> None:
        """Remove a folder below the contract's own: by PHP, which is a thousand times faster than SFTP.

        What PHP leaves is this page, wherever it was put into that folder. confirm: called after each slice.
        """
        for _ in self.slices("remove", path=path):
            confirm()
        self._files.drop_folder(self._layout.below(path))

    def leave(self) -> None:
        """Let it delete itself, and make sure over SFTP."""
        planted, self._planted = self._planted, None
        if planted is not None:
            for folder in planted.folders:
                self._files.drop(f"{folder}/{planted.name}")

    def now(self) -> int:
        """Return the web server's time, in seconds since 1970; ours where it does not say."""
        if self._ahead is None:
            seen = self._site.get("/", 30.0)
            self._ahead = 0.0 if seen.clock is None else seen.clock - time.time()
        return int(time.time() + self._ahead)

    def _run(self, send: Callable[[], Answer]) -> Answer:
        """Send, and once more when PHP looked for the page where the document root led before, so that nothing ran."""
        answer = send()
        if answer.status == 500 and not answer.ours:
            self._tell(f"PHP answers 500 before it runs a page: asked again in {REMEMBERS:.0f} s, when it looks anew")
            self._sleep(REMEMBERS)
            answer = send()
        return answer

    def _there(self) -> Planted:
        now = self.now()
        if self._planted is not None and self._planted.until - now > _MARGIN:
            return self._planted
        self.leave()
        self._planted = self._plant(now + LIFE)
        return self._planted

    def _plant(self, until: int) -> Planted:
        known = self._files.entry(self._layout.root) is not None
        home = self._files.resolved(self._layout.root if known else self._layout.base)
        tail = f"/{'/'.join(home.split('/')[-2:])}" if known else ""
        folders = web_folders(self._files, self._layout)
        token = secrets.token_hex(32)
        name = f"crmhost-{self._may}-{until:08x}-{secrets.token_hex(8)}.php"
        planted = Planted(folders, name, until, token)
        for folder in folders:
            # Read by PHP, which may run as another account; it holds no secret, and no token.
            text = page(token, until, self._may, relative(home, folder), tail, self._shows)
            self._files.create(f"{folder}/{name}", text, 0o644)
        return planted

    def _answer(self, answer: Answer, verb: str) -> Mapping[str, Any]:
        try:
            raw = json.loads(answer.text) if answer.status == 200 else None
        except ValueError:
            raw = None
        if not isinstance(raw, dict) or "ok" not in raw:
            raise Silent(
                f"{self._site.url}: the page of PHP that crmhost put into {self._layout.document_root} answered"
                f" {safe_line(str(answer), 200)!r}",
                "Check that target.document-root is the folder which the control panel serves at this URL, that PHP"
                " runs there, and that no rule forbids it (.htaccess, a firewall for web applications).",
            )
        if raw["ok"] is not True:
            raise refused(verb, raw.get("why"))
        return raw


def _asks(planted: Planted, shown: Shown, page: str) -> Mapping[str, str]:
    return {
        "X-Crmhost-Token": planted.token,
        "X-Crmhost-Release": shown.folder,
        "X-Crmhost-Root": shown.web_root,
        "X-Crmhost-At": shown.at,
        "X-Crmhost-Page": page,
    }


def sweep(files: Files, folders: tuple[str, ...], *, dead_at: int | None = None) -> tuple[str, ...]:
    """Remove the installers that killed runs left in the folders, and return their names.

    dead_at: only installers whose time is over then (seconds, by the web server's clock), since others are at work.
    """
    gone = []
    for folder in folders:
        for entry in files.list(folder):
            installer = INSTALLER.fullmatch(entry.name)
            if installer is not None and (dead_at is None or int(installer[2], 16) < dead_at):
                files.drop(posixpath.join(folder, entry.name))
                gone.append(entry.name)
    return tuple(gone)


def int_of(answer: Mapping[str, Any], name: str) -> int:
    """Return a number of an answer; raises CrmhostError where it is none."""
    value = answer.get(name)
    if isinstance(value, bool) or not isinstance(value, int):
        raise CrmhostError(f"the host answered {safe_line(str(value))!r} for {name}", "Run the command again.")
    return value
