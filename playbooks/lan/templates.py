"""Initialised databases that the next customer of the same release begins with, instead of its migrations. Pure.

They are dumps by pg_dump, made and read as a customer's user, and hold nothing of a customer: one is kept only while no
step was begun that may write a secret. It is moved into place whole, or it is not there.
"""

from __future__ import annotations

from crm.recipe import Recipe
from crm.sql import script
from crm.steps import Records, admin_names
from playbooks.kinds.postgres import identifier, tell
from playbooks.lan.asuser import pg_dump, pg_restore, psql
from playbooks.lan.layout import Layout
from playbooks.shell import Sh, lines, sh


def may_keep(recipe: Recipe, records: Records) -> bool:
    """Tell whether a database holds no customer's secret: no step that may write one was ever begun."""
    return records.schema is not None and not any(name in records.steps for name in admin_names(recipe))


def keep(layout: Layout, name: str, port: str) -> Sh:
    """Return the script that keeps the customer's database as a template, where there is none of that name."""
    return sh(
        """\
set -e
if [ -s {file} ]; then exit 0; fi
{dump} >{file}.$$
sync {file}.$$
mv -f {file}.$$ {file}""",
        file=layout.template(name),
        dump=sh("{words}", words=pg_dump(layout, port)),
    )


def begin(layout: Layout, name: str, port: str) -> Sh:
    """Return the script that fills an empty database with the template, where there is one, in one transaction.

    What had been derived for somebody else's releases is forgotten.
    """
    return sh(
        """\
set -e
if [ ! -s {file} ]; then exit 0; fi
t=$(printf '%s\\n' {count} | {psql})
if [ "$t" != 0 ]; then exit 0; fi
{restore} <{file}
printf '%s\\n' {forget} | {psql} --set=release=""",
        file=layout.template(name),
        count=_TABLES,
        psql=sh("{words}", words=psql(layout, port)),
        restore=sh("{words}", words=pg_restore(layout, port)),
        forget=script("forget"),
    )


def empty(layout: Layout) -> Sh:
    """Return the script after which there is no database, whoever uses it; the kind makes it anew."""
    return lines(sh("set -e"), tell(f"DROP DATABASE IF EXISTS {identifier(layout.user)} WITH (FORCE);"))


_TABLES = "SELECT count(*) FROM pg_tables WHERE schemaname = 'public';"
