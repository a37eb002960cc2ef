"""What leaves the host with a contract, or when what is on it is to be derived anew."""

from __future__ import annotations

from playbooks.leaving import left_but_data
from playbooks.programs import Program, program
from playbooks.shell import Sh, lines, sh
from playbooks.webhost.facts import any_python
from playbooks.webhost.layout import Layout


def forget(layout: Layout, release_id: str) -> Sh:
    """Return the script that forgets what was derived for a release, so that it is derived anew with its folder."""
    name: Program = "records" if layout.database == "sqlite" else "mysql"
    return lines(
        any_python(layout.artifacts),
        sh(
            'if [ -n "$python" ] && [ -s {records} ]; then {forget}; fi',
            records=layout.records,
            forget=program(name, Sh('"$python"'), "forget", layout.records, release_id),
        ),
    )


def emptied(layout: Layout, python: str) -> Sh:
    """Return the script after which a database that the host gave holds nothing; it fails where that cannot be.

    One for trials goes on to say whose copy is in it, and is left as it is where that is another one.
    """
    return _told(layout, python, "empty")


def vacated(layout: Layout, python: str) -> Sh:
    """Return the script after which nothing of the contract is in a database that the host gave."""
    return _told(layout, python, "leave" if layout.copied else "empty")


def _told(layout: Layout, python: str, verb: str) -> Sh:
    return sh(
        "if [ -s {access} ]; then {told}; fi",
        access=layout.access,
        told=program("mysql", python, verb, layout.access),
    )


def drop_contract(layout: Layout, *, keep_data: bool) -> Sh:
    """Return the script that removes the contract's folder, and the account's where nothing else is in it."""
    gone = (
        sh("find {root} -mindepth 1 -maxdepth 1 ! -name data -exec rm -rf {{}} +", root=layout.root)
        if keep_data
        else sh("rm -rf {root}", root=layout.root)
    )
    return lines(
        gone,
        sh(
            """\
others=
for folder in {account}/*; do
  case $folder in {artifacts}|{templates}) ;; *) if [ -d "$folder" ]; then others=yes; fi ;; esac
done
if [ -z "$others" ]; then
  rm -rf {artifacts} {templates} {account}/crontab.lock
  rmdir {account} 2>/dev/null || true
fi""",
            account=layout.account,
            artifacts=layout.artifacts,
            templates=layout.templates,
        ),
    )


def left_over(layout: Layout, *, keep_data: bool) -> Sh:
    """Return the script that prints what of the contract is still there; nothing is what it should print."""
    if keep_data:
        return left_but_data(layout)
    return sh("if [ -e {root} ]; then find {root} | head -n 20; fi", root=layout.root)
