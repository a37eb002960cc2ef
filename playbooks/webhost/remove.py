"""What leaves the host: releases past those kept for rollback, what nobody uses any more, or all of a contract."""

from __future__ import annotations

from collections.abc import Sequence

from playbooks.kept import Kept
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
    """Return the script after which a database that the host gave holds nothing; it fails where that cannot be."""
    return sh(
        "if [ -s {access} ]; then {empty}; fi",
        access=layout.access,
        empty=program("mysql", python, "empty", layout.access),
    )


def drop_release(layout: Layout, kept: Kept) -> Sh:
    """Return the script that removes a release with its records."""
    return lines(
        forget(layout, kept.id),
        sh("rm -rf {folder} {run}", folder=layout.release(kept.id), run=layout.run(kept.manifest.release)),
    )


def drop_torn(layout: Layout, name: str) -> Sh:
    """Return the script that removes a folder among the releases which is none."""
    return sh("rm -rf {folder}", folder=layout.release(name))


def drop_artifacts(layout: Layout, digests: Sequence[str]) -> Sh:
    """Return the script that removes those of the artifacts that no release on the account names, with their templates.

    A release's manifest is written before its artifact is looked for, so what is in use is always named. What is being
    removed is first renamed: a copy that is half gone is never taken for whole.
    """
    one = sh(
        """\
for digest in {digests}; do
  if ! grep -qsF "\\"artifact\\": \\"$digest\\"" {account}/*/releases/*/release.json; then
    rm -f {templates}/"$digest"-*
    if [ -e {artifacts}/"$digest" ]; then
      mv {artifacts}/"$digest" {artifacts}/".gone-$digest-$$" && rm -rf {artifacts}/".gone-$digest-$$"
    fi
  fi
done""",
        digests=digests,
        account=layout.account,
        artifacts=layout.artifacts,
        templates=layout.templates,
    )
    return one if digests else sh(":")


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
    if not keep_data:
        return sh("if [ -e {root} ]; then find {root} | head -n 20; fi", root=layout.root)
    return sh(
        "if [ -d {root} ]; then find {root} -mindepth 1 -maxdepth 1 ! -name data | head -n 20; fi", root=layout.root
    )
