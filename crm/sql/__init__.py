"""Constant scripts for psql, with nothing of a customer in them."""

from __future__ import annotations

from importlib import resources


def script(name: str) -> str:
    """Return the text of a script of this package."""
    return resources.files("crm.sql").joinpath(f"{name}.sql").read_text(encoding="utf-8")
