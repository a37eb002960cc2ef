"""What the driver must know of a contract's place on the host, asked in the same round trip as everything else.

Two kinds that only ask: `record` (the steps in the customer's database) and `place` (releases, who serves, what the
host serves as files). Neither is ever converged by a batch: steps are run one by one, and a place has no wish.
"""

from __future__ import annotations

import posixpath
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from crm.errors import HostError
from crm.steps import Records
from playbooks import kept
from playbooks.kind import Account, Row
from playbooks.kinds.door import MARK
from playbooks.looking import Looks
from playbooks.programs import program
from playbooks.shell import Sh, lines, sh
from playbooks.webhost.layout import Layout
from playbooks.webhost.steps import parse

_PANEL = (
    "Nothing was changed. Are host, name, user and password those of the host's panel? The password is stored with"
    " crmhost secrets set, with --replace where there is one; a copy's is scratch-database-password."
)


@dataclass(frozen=True, slots=True)
class Place(kept.Place):
    """What lies in the contract's folder.

    document_root: where the host's own answer to that path leads; shown: names in it that a web server would show as
    the start page, and that crmhost did not write.
    """

    document_root: str | None
    shown: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PlaceWanted:
    """Where to look: the contract's layout, and the document root as the contract writes it."""

    layout: Layout
    document_root: str | None


@dataclass(frozen=True, slots=True)
class PlaceKind(Looks):
    """Reads the contract's folder."""

    name: str = "place"
    account: Account = "login"

    def ask(self, wants: Mapping[str, PlaceWanted]) -> Sh:
        """Print rows KEY WHAT VALUE… for each place."""
        return lines(*(self._ask(key, want) for key, want in wants.items()))

    def read(self, rows: Sequence[Row]) -> Mapping[str, Place]:
        """Return each place; raises HostError for a row of another shape."""
        by_key: dict[str, list[Row]] = {}
        for row in rows:
            by_key.setdefault(row[0], []).append(row[1:])
        return {key: _place(key, found) for key, found in by_key.items()}

    def _ask(self, key: str, want: PlaceWanted) -> Sh:
        layout = want.layout
        root = want.document_root
        served = (
            sh(":")
            if root is None
            else sh(
                """\
row {key} document-root "$(cd {root} 2>/dev/null && pwd -P)"
for f in {root}/index.* {root}/default.*; do
  if [ -e "$f" ] && ! head -n 3 -- "$f" 2>/dev/null | grep -qF {mark}; then row {key} shown "${{f##*/}}"; fi
done""",
                key=key,
                root=posixpath.join(layout.home, root),
                mark=MARK,
            )
        )
        return sh(
            """\
row {key} serving "$(readlink {current} 2>/dev/null)"
for folder in {releases}/*/; do
  [ -d "$folder" ] || continue
  folder=${{folder%/}}
  row {key} release "${{folder##*/}}" "$(cat "$folder/release.json" 2>/dev/null)" "$(cat "$folder/proven" 2>/dev/null)"
done
{served}""",
            key=key,
            current=layout.current,
            releases=layout.releases,
            served=served,
        )


def _place(key: str, rows: Sequence[Row]) -> Place:
    serving: str | None = None
    document_root: str | None = None
    releases: list[tuple[str, str, str]] = []
    shown: list[str] = []
    for row in rows:
        match row:
            case ("serving", link):
                serving = posixpath.basename(link) or None
            case ("document-root", path):
                document_root = path or None
            case ("shown", name):
                shown.append(name)
            case ("release", name, text, proven):
                releases.append((name, text, proven))
            case _:
                raise HostError(f"{key}: the host answered {row!r} about its releases", "run the command again")
    return Place(serving, *kept.sorted_out(key, releases), document_root, tuple(shown))


def any_python(artifacts: str) -> Sh:
    """Return shell that sets `python` to what runs our programs: any artifact's, else the host's, else nothing."""
    return sh(
        """\
python=
for p in {artifacts}/*/bin/python; do
  if [ -x "$p" ]; then python=$p; break; fi
done
if [ -z "$python" ] && python3 -c 'import sqlite3, sys; sys.exit(sys.version_info < (3, 9))' 2>/dev/null; then
  python=python3
fi""",
        artifacts=artifacts,
    )


@dataclass(frozen=True, slots=True)
class RecordWanted:
    """The customer's database, and the template that it would begin as while it is empty; both are absolute paths.

    access: JSON that says how a database of the host's is reached, see `playbooks.onhost.mysql`; then there is no file.
    """

    db: str
    template: str
    access: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class RecordKind(Looks):
    """Reads the records of a contract's steps."""

    artifacts: str
    """The folder of the artifacts, any of whose interpreters will do; else the host's own, where it is new enough."""
    name: str = "record"
    account: Account = "login"

    def ask(self, wants: Mapping[str, RecordWanted]) -> Sh:
        """Print a row KEY SOURCE TEXT for each; the source is `none`, `database`, `template` or `no-python`."""
        asks = [
            self._server(key, want)
            if want.access
            else sh(
                """\
if [ -s {db} ]; then source=database db={db}
elif [ -s {seed} ]; then source=template db={seed}
else source=none; fi
if [ "$source" != none ] && [ -z "$python" ]; then source=no-python; fi
case $source in
  none|no-python) row {key} "$source" '' ;;
  *) row {key} "$source" "$({read} 2>&1)" ;;
esac""",
                key=key,
                db=want.db,
                seed=want.template,
                read=program("records", Sh('"$python"'), "read", Sh('"$db"')),
            )
            for key, want in wants.items()
        ]
        return lines(any_python(self.artifacts), *asks)

    @staticmethod
    def _server(key: str, want: RecordWanted) -> Sh:
        """Return the question for a database of the host's. The password stays in the shell: `printf` is its own."""
        return sh(
            """\
if [ -z "$python" ]; then row {key} no-python ''
else row {key} server "$(printf %s {access} | {read} 2>&1)"; fi""",
            key=key,
            access=want.access,
            read=program("mysql", Sh('"$python"'), "read", "-"),
        )

    def read(self, rows: Sequence[Row]) -> Mapping[str, Records]:
        """Return the records of each; raises HostError when a database is there and cannot be read."""
        seen: dict[str, Records] = {}
        for row in rows:
            match row:
                case (key, "none", _):
                    seen[key] = Records({})
                case (key, "database", text):
                    seen[key] = parse(text, key)
                case (key, "server", text):
                    seen[key] = parse(text, key, _PANEL)
                case (key, "template", text):
                    seen[key] = replace(parse(text, f"the template of {key}"), template=True)
                case (key, "no-python", _):
                    raise HostError(
                        f"{key} is there, and the host has no Python ≥ 3.9 to read its records with",
                        "install python3 on the host",
                    )
                case _:
                    raise HostError(f"the host answered {row!r} about its records", "run the command again")
        return seen
