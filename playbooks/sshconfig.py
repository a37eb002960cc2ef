"""What the user's OpenSSH configuration says of a host; only what cannot run a program is honoured.

paramiko reads the file. What it would run (`Match exec`), resolve, or read in another way than OpenSSH does is taken
out before, and said of the hosts that it concerns.
"""

from __future__ import annotations

import glob
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from crm.errors import HostError
from playbooks.lean import import_lean
from playbooks.route import Said, Says
from playbooks.terminal import safe_line

if TYPE_CHECKING:
    from paramiko import SSHConfig

_HONOURED = frozenset({"all", "host", "originalhost", "localuser"})
"""The criteria of a Match line that are understood as OpenSSH does."""
_MARK = "xcrmhostrefused"
_SETTING = re.compile(r"\s*([A-Za-z]+)(?:\s*=\s*|\s+)(.+?)\s*")
_DEEPEST = 16  # files that include one another; OpenSSH has the same limit


def read(path: Path) -> Says:
    """Return what the file says of each host; raises HostError for what cannot be read, with its line."""
    import_lean()
    from paramiko import ConfigParseError, SSHConfig

    text = "\n".join(_lines(path, path.parent, 0))
    try:
        config = SSHConfig.from_text(text)
    except (ConfigParseError, ValueError) as error:
        raise HostError(
            f"{path}: cannot be read as an SSH configuration: {safe_line(str(error))}",
            "Mend it, or name another in crmhost.yaml: ssh: {config: FILE}, or none.",
        ) from error
    return lambda host: _said(path, config, host)


def _said(path: Path, config: SSHConfig, host: str) -> Said:
    found = config.lookup(host)
    proxy = found.get("proxycommand")
    jump = "none" if proxy else found.get("proxyjump") or "none"
    port = found.get("port", "")
    if port and not (port.isascii() and port.isdigit() and 0 < int(port) < 65536):
        raise HostError(f"{path}: Port: found {safe_line(port)}; of {host}", "Write a port from 1 to 65535.")
    return Said(
        host=found["hostname"],
        user=found.get("user", ""),
        port=int(port) if port else None,
        identities=tuple(Path(name).expanduser() for name in found.get("identityfile", ()) if name.lower() != "none"),
        only=found.get("identitiesonly", "").lower() == "yes",
        jump=() if jump.lower() == "none" else tuple(hop.strip() for hop in jump.split(",")),
        pinned=found.get("hostkeyalias", "").lower(),
        refused=found.get(_MARK, ""),
        command=f"{path} says ProxyCommand of it" if proxy else "",
    )


def _lines(path: Path, base: Path, depth: int) -> Iterator[str]:
    """Yield the lines as paramiko is to read them, with the files that they include."""
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise HostError(f"{path}: cannot be read: {error}", "Mend it, or name another in crmhost.yaml: ssh.") from error
    within = False
    for number, line in enumerate(text.splitlines(), 1):
        setting = _SETTING.fullmatch(line)
        key, value = (setting[1].lower(), setting[2]) if setting else ("", "")
        where = f"{path}:{number}"
        within = within or key in {"host", "match"}
        if key == "match":
            yield from _match(where, value)
        elif key == "include":
            if within or depth == _DEEPEST:
                raise HostError(
                    f"{where}: an Include within a Host or Match block, or too deep, is not honoured",
                    "Move it to the top of the file.",
                )
            for name in _words(where, value):
                for found in sorted(glob.glob(str(base / Path(name).expanduser()))):  # noqa: PTH207 - an absolute pattern
                    yield from _lines(Path(found), base, depth + 1)
                    yield "Host *"  # what follows is said of every host again
        elif key == "canonicalizehostname" and value.lower() != "no":
            yield f"{_MARK} {where} says CanonicalizeHostname of it"
        else:
            yield line


def _match(where: str, value: str) -> Iterator[str]:
    """Yield the line without what is not honoured, and a mark in its block for the hosts that it may be about."""
    kept: list[str] = []
    left: list[str] = []
    words = _words(where, value)
    while words:
        word = words.pop(0)
        name = word.removeprefix("!").lower()
        more = [words.pop(0)] if name not in {"all", "canonical", "final"} and words else []
        if name in _HONOURED:
            kept += [word, *more]
        else:
            left.append(name)
    yield "Match " + (shlex.join(kept) or "all")
    if left:
        yield f"{_MARK} {where} says Match {' and '.join(left)} of it"


def _words(where: str, value: str) -> list[str]:
    try:
        return shlex.split(value)
    except ValueError as error:
        raise HostError(f"{where}: cannot be read: {error}", "Close the quotation mark.") from error
