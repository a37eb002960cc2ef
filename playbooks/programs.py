"""Programs for the host, as shell text: they run under the artifact's Python, with the standard library alone."""

from __future__ import annotations

import base64
import json
import zlib
from importlib import resources
from typing import Literal, TypeAlias

from playbooks.shell import Sh, sh

Program: TypeAlias = Literal["records", "ask", "step", "store", "hold", "relay", "site", "mysql", "mysqlstore"]
_PACKAGE = "playbooks.onhost"
_LOADER = """
import base64, json, sys, types, zlib
for name in ("playbooks", "playbooks.onhost"):
    sys.modules[name] = types.ModuleType(name)
for name, text in json.loads(zlib.decompress(base64.b64decode(sys.argv.pop(1)))):
    module = sys.modules[name] = types.ModuleType(name)
    exec(compile(text, name, "exec"), module.__dict__)
module.main()
"""
_NEEDS: dict[Program, tuple[str, ...]] = {
    "records": ("records",),
    "ask": ("psql", "mysql", "records", "ask"),
    "step": ("psql", "mysql", "records", "ask", "step"),
    "store": ("frames", "files", "records", "store"),
    "hold": ("psql", "mysql", "records", "ask", "hold"),
    "relay": ("relay",),
    "site": ("site",),
    "mysql": ("mysql",),
    "mysqlstore": ("frames", "files", "mysql", "mysqltext", "mysqlstore"),
}


def program(name: Program, python: str | Sh, *args: str | Sh) -> Sh:
    """Return the command that runs one of our programs; what it must read, it reads from standard input.

    The program's text is packed: a shell reads what it is sent byte by byte.
    """
    folder = resources.files(_PACKAGE)
    modules = [(f"{_PACKAGE}.{part}", (folder / f"{part}.py").read_text("utf-8")) for part in _NEEDS[name]]
    words = Sh(" ".join(sh("{word}", word=arg).text for arg in args))
    packed = base64.b64encode(zlib.compress(json.dumps(modules).encode(), 9)).decode()
    return sh(
        "{python} -I -S -c {loader} {packed} {args}",
        python=python,
        loader=_LOADER,
        packed=packed,
        args=words,
    )
