"""Programs for the host, as shell text: they run under the artifact's Python, with the standard library alone."""

from __future__ import annotations

import json
from importlib import resources
from typing import Literal, TypeAlias

from playbooks.shell import Sh, sh

Program: TypeAlias = Literal["records", "ask", "step"]
_PACKAGE = "playbooks.webhost.onhost"
_LOADER = """
import json, sys, types
for name in ("playbooks", "playbooks.webhost", "playbooks.webhost.onhost"):
    sys.modules[name] = types.ModuleType(name)
for name, text in json.loads(sys.argv.pop(1)):
    module = sys.modules[name] = types.ModuleType(name)
    exec(compile(text, name, "exec"), module.__dict__)
module.main()
"""
_NEEDS: dict[Program, tuple[Program, ...]] = {
    "records": ("records",),
    "ask": ("records", "ask"),
    "step": ("records", "ask", "step"),
}


def program(name: Program, python: str | Sh, *args: str | Sh) -> Sh:
    """Return the command that runs one of our programs; what it must read, it reads from standard input."""
    folder = resources.files(_PACKAGE)
    modules = [(f"{_PACKAGE}.{part}", (folder / f"{part}.py").read_text("utf-8")) for part in _NEEDS[name]]
    words = Sh(" ".join(sh("{word}", word=arg).text for arg in args))
    return sh(
        "{python} -I -S -c {loader} {modules} {args}",
        python=python,
        loader=_LOADER,
        modules=json.dumps(modules),
        args=words,
    )
