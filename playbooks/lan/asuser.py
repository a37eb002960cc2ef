"""Doing something on a server as a customer's user: with its groups, and without a way to more rights. Pure.

The kernel's locks go with descriptors, so this is a program that becomes another user and not a unit: what runs holds
the contract's lock, and ends with the operation. psql too runs so: a customer owns the database and may have put
functions of any name into it, so crmhost never works in one with more rights than that.
"""

from __future__ import annotations

from playbooks.lan.layout import SOCKETS, Layout
from playbooks.lan.units import PATH

PYTHON = "/usr/bin/python3"
"""What runs crmhost's own programs: the distribution's, which no customer's release can change."""


def before(layout: Layout, home: str, *, folder: str | None = None) -> tuple[str, ...]:
    """Return the words before a program of the customer's; what follows may begin with `NAME=value` words.

    home: its home folder; folder: where it runs, if not where whoever starts it is.
    """
    where = () if folder is None else ("-C", folder)
    return (
        "setpriv", f"--reuid={layout.user}", f"--regid={layout.user}", "--init-groups", "--no-new-privs",
        "--inh-caps=-all", "--bounding-set=-all", "--", "env", "-i", *where, f"PATH={PATH}", f"HOME={home}",
        "LANG=C.UTF-8", "PYTHONDONTWRITEBYTECODE=1",
    )  # fmt: skip


def psql(layout: Layout, port: str) -> tuple[str, ...]:
    """Return the words that start psql on the customer's database; what it is to do comes from standard input."""
    return (*_libpq(layout, port), "psql", "-XAtqw", "--set=ON_ERROR_STOP=1")


def pg_dump(layout: Layout, port: str) -> tuple[str, ...]:
    """Return the words that start pg_dump on the customer's database, in its own compressed format."""
    return (*_libpq(layout, port), "pg_dump", "-w", "--format=custom", "--lock-wait-timeout=60s")


def pg_restore(layout: Layout, port: str) -> tuple[str, ...]:
    """Return the words that start pg_restore into the customer's database: whoever owned the objects, the user does."""
    return (
        *_libpq(layout, port),
        "pg_restore", "-w", "--no-owner", "--no-acl", "--exit-on-error", "--single-transaction",
        f"--dbname={layout.user}",
    )  # fmt: skip


def _libpq(layout: Layout, port: str) -> tuple[str, ...]:
    return (
        *before(layout, "/", folder="/"),
        f"PGHOST={SOCKETS}",
        f"PGPORT={port}",
        f"PGUSER={layout.user}",
        f"PGDATABASE={layout.user}",
        "PGCLIENTENCODING=UTF8",
    )
