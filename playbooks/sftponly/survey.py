"""Asking the host about everything that a contract needs there.

SFTP is asked for names, links and the few files of a release's configuration; PHP for the digests of a tree's files and
for the records in the customer's database. What neither can tell is in the plan's notes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from crm import crossing as crossings
from crm.errors import HostError, Refused
from crm.plan import Crossing, Release, Want
from crm.recipe import Php
from crm.release import artifact_digest
from crm.slots import fill_text, secret_names
from crm.steps import Due, Records, of_copy, without_release
from playbooks.sftponly.installer import Installer
from playbooks.sftponly.layout import ACCOUNT, Layout
from playbooks.sftponly.memory import recall
from playbooks.sftponly.place import Place, check_root, look
from playbooks.sftponly.release import DATABASE, Server, archive_of, release_of, values
from playbooks.sftponly.sftp import Files
from playbooks.sftponly.steps import database, due_of, records_of
from playbooks.terminal import safe_line

NEEDED = ("zlib", "hash", "json", "PDO", "pdo_mysql")
"""Extensions of PHP that the installer uses itself."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A file of the release's configuration. content may hold secrets."""

    path: str
    content: bytes
    mode: int
    secrets: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Drift:
    """A file of a tree that is not as its list says. state: altered or missing."""

    path: str
    state: str


@dataclass(frozen=True, slots=True)
class Survey:
    """What a contract wants of a host, and what was seen there.

    home: the contract's folder as PHP names it. drift: of the wanted release's tree. links: of `kept` that are missing.
    wrong: the files of its configuration that differ, with what is there. files: how many digests were compared.
    crossing: the last upgrade that the host remembers.
    """

    want: Want
    release: Release
    artifact: str
    layout: Layout
    home: str
    known: Mapping[str, str]
    place: Place
    records: Records
    due: Due
    drift: tuple[Drift, ...]
    wrong: tuple[tuple[Wanted, str], ...]
    links: tuple[str, ...]
    folders: tuple[str, ...]
    files: int
    crossing: Crossing | None = None

    @property
    def whole(self) -> bool:
        """Tell whether the wanted release's tree is on the host."""
        return self.place.find(self.release.id) is not None

    @property
    def serves(self) -> bool:
        """Tell whether the wanted release is the one that the document root leads to."""
        return self.place.serving == self.release.id and self.place.root.link == self.served

    @property
    def served(self) -> str:
        """Return where the document root must lead."""
        return self.layout.served(self.want.recipe.web_root)

    @property
    def proven(self) -> bool:
        """Tell whether the wanted release has passed every gate since it was last switched to."""
        kept = self.place.find(self.release.id)
        return self.serves and kept is not None and bool(kept.proven)


def survey(files: Files, installer: Installer, layout: Layout, want: Want, server: Server, run: str = "") -> Survey:
    """Ask the host about everything of the contract; changes nothing of it. run: of a copy, what is called so.

    Raises Refused for what cannot be, HostError when the host cannot be asked or holds what makes no sense.
    """
    release = release_of(want, server)
    archive = archive_of(want)
    db = database(server, want.contract)
    place = look(files, layout)
    check_root(layout.customer, place.root, want.recipe.web_root)
    home = _php(installer, layout, place, archive.php)
    known = values(want, release, home, server)
    records = records_of(installer.ask("records", database=db), server.name)
    if layout.copied:
        records = of_copy(want.contract, run, records)
    if place.find(release.id) is None:
        records = without_release(records, release.id)
    crossing = recall(files, layout)
    crossings.check(want.contract, release, crossing, None)
    drift, count = _drift(installer, layout, place, release)
    return Survey(
        want=want,
        release=release,
        artifact=artifact_digest(archive),
        layout=layout,
        home=home,
        known=known,
        place=place,
        records=records,
        due=due_of(want, release, records, crossing),
        drift=drift,
        wrong=_wrong(files, layout.below(place.folder(release.id)), configuration(want, known)),
        links=_links(files, layout.below(place.folder(release.id)), want),
        folders=_folders(files, layout, want),
        files=count,
        crossing=crossing,
    )


def configuration(want: Want, known: Mapping[str, str]) -> tuple[Wanted, ...]:
    """Return the files of a release's configuration, with their secrets. Pure."""
    return tuple(
        Wanted(
            file.path,
            fill_text(file.content, known, want.secrets, file.path).encode(),
            file.mode,
            secret_names(file.content),
        )
        for file in want.recipe.files_with(DATABASE)
    )


def folders_of(want: Want) -> tuple[str, ...]:
    """Return the folders below {data} that a recipe needs. Pure."""
    return tuple(sorted({*want.recipe.folders, *want.recipe.kept.values()}))


def _php(installer: Installer, layout: Layout, place: Place, php: Php | None) -> str:
    """Return the contract's folder as PHP names it; raises Refused where PHP cannot do what is needed."""
    seen = installer.ask("look", extensions=sorted({*NEEDED, *(php.extensions if php is not None else ())}))
    if php is not None:
        check_version(str(seen["php"]), php)
    lacks = seen["lacks"]
    if lacks:
        raise Refused(
            f"PHP {safe_line(str(seen['php']), 20)} of this host has not: {safe_line(', '.join(map(str, lacks)))}",
            "Switch these extensions on in the control panel (often: Select PHP version), and run the command again.",
        )
    if not seen["writes"]:
        raise Refused(
            f"PHP cannot write to {safe_line(str(seen['home']))}, where SFTP puts {layout.account}",
            "Let the control panel allow PHP that folder (open_basedir), or run PHP as the account that SFTP logs in"
            " to; nothing was done.",
        )
    if not seen["same_account"]:
        raise Refused(
            "PHP runs as another account than SFTP, so neither could change or remove what the other made",
            "Have the host run PHP as your account (PHP-FPM, suPHP or CGI instead of plain mod_php); nothing was done.",
        )
    home = str(seen["home"])
    return home if place.known else f"{home}/{ACCOUNT}/{layout.contract}"


def check_version(found: str, php: Php) -> None:
    """Raise Refused for a PHP (`8.2.29`) that is too old or too new for the archive. Pure."""
    parts = found.split(".")
    oldest, too_new = php.versions
    if len(parts) < 2 or not all(part.isdecimal() for part in parts[:2]):
        raise HostError(f"PHP on the host calls its version {safe_line(found, 40)!r}", "Run the command again.")
    if not oldest <= (int(parts[0]), int(parts[1])) < too_new:
        raise Refused(
            f"the host runs PHP {safe_line(found, 40)}; what is to run there needs {oldest[0]}.{oldest[1]} or newer,"
            f" and older than {too_new[0]}.{too_new[1]}",
            "Choose another version for this domain in the control panel, or another version of the CRM.",
        )


def _drift(installer: Installer, layout: Layout, place: Place, release: Release) -> tuple[tuple[Drift, ...], int]:
    kept = place.find(release.id)
    if kept is None:
        return (), 0
    found: list[Drift] = []
    count = 0
    tree = kept.folder
    for answer in installer.slices("check", tree=f"{tree}/app", list=f"{tree}/list"):
        if answer.get("sha256") != kept.manifest.tree:
            raise HostError(
                f"{layout.below(tree)}/list is not the list that was written with the release",
                "Somebody altered it. Remove that release's folder over SFTP and deploy again: it is sent anew.",
            )
        found += [Drift(str(path), str(state)) for path, state in answer["differs"]]
        count = int(answer["files"])
    return tuple(found), count


def _wrong(files: Files, folder: str, wanted: Sequence[Wanted]) -> tuple[tuple[Wanted, str], ...]:
    differ = []
    for one in wanted:
        path = f"{folder}/{one.path}"
        entry = files.entry(path)
        if entry is None or entry.kind != "file":
            differ.append((one, "missing"))
        elif entry.size != len(one.content) or files.read(path, len(one.content)) != one.content:
            differ.append((one, "altered"))
        elif entry.mode != one.mode:
            differ.append((one, f"mode {entry.mode:o}"))
    return tuple(differ)


def _links(files: Files, folder: str, want: Want) -> tuple[str, ...]:
    kept = want.recipe.kept.items()
    return tuple(path for path, data in kept if files.target(f"{folder}/app/{path}") != link_to(path, data))


def link_to(path: str, folder: str) -> str:
    """Return what a link at `path` in a tree says, so that it leads to a folder below {data}. Pure."""
    return f"{'../' * (path.count('/') + 3)}data/{folder}"


def _folders(files: Files, layout: Layout, want: Want) -> tuple[str, ...]:
    return tuple(name for name in folders_of(want) if files.entry(layout.below(f"data/{name}")) is None)
