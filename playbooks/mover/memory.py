"""What a host remembers of the last upgrade of a database's schema, and whether its customers are shut out."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from crm.crossing import decode, encode
from crm.plan import Change, Crossing
from playbooks.host import Host
from playbooks.kind import Account, Act, Resource, Row
from playbooks.kinds.places import malformed
from playbooks.observe import observe
from playbooks.shell import Sh, lines, sh


@dataclass(frozen=True, slots=True)
class Places:
    """Two files: the last upgrade, and the one while whose existence the maintenance page is shown. Absolute paths."""

    crossing: str
    closed: str


@dataclass(frozen=True, slots=True)
class Memory:
    """What the files say."""

    crossing: Crossing | None
    closed: bool


@dataclass(frozen=True, slots=True)
class MemoryKind:
    """Reads them; keys are contracts. Nothing ever differs."""

    account: Account = "login"
    name: str = "memory"

    def ask(self, wants: Mapping[str, Places]) -> Sh:
        """Print a row KEY TEXT CLOSED for each; what there is not is empty."""
        return lines(
            *(
                sh(
                    'c=; if [ -e {closed} ]; then c=closed; fi\nrow {key} "$(cat {path} 2>/dev/null)" "$c"',
                    key=key,
                    path=want.crossing,
                    closed=want.closed,
                )
                for key, want in wants.items()
            )
        )

    def read(self, rows: Sequence[Row]) -> Mapping[str, Memory]:
        """Return what each contract's files say; raises HostError for a text that makes no sense."""
        found = {}
        for row in rows:
            if len(row) != 3:
                raise malformed(self.name, row)
            key, text, closed = row
            raw = text.encode("utf-8", "surrogateescape")
            found[key] = Memory(decode(raw, f"the upgrade of {key}") if text else None, closed == "closed")
        return found

    def diff(self, key: str, want: Places | None, seen: Memory | None) -> Change | None:  # noqa: ARG002 - see above
        """Return None: it is what it is."""
        return None

    def act(self, key: str, want: Places | None, seen: Memory | None) -> Act:
        """Raise: nothing ever differs."""
        raise NotImplementedError(key, want, seen)


def recall(host: Host, contract: str, places: Places, account: Account = "login") -> Memory:
    """Ask the host what it remembers."""
    resource = Resource(MemoryKind(account), contract, places)
    found: Memory = observe(host, [resource]).seen[resource.id]
    return found


def remember(path: str, crossing: Crossing | None) -> Sh:
    """Return the script that writes it whole or not at all, and does not end before it has reached the disk."""
    folder = posixpath.dirname(path)
    if crossing is None:
        write = sh("rm -f {path}", path=path)
    else:
        write = sh(
            "(umask 077; printf %s {text} >{new})\n{{ sync {new} 2>/dev/null || sync; }}\nmv -f {new} {path}",
            text=encode(crossing).decode(),
            new=f"{path}.new",
            path=path,
        )
    return lines(sh("set -e"), write, sh("{{ sync {folder} 2>/dev/null || sync; }}", folder=folder))
