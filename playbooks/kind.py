"""The shape of a kind: the code that observes and converges all resources of one sort on a host.

The unit of asking is the kind, not the resource: forty files are one fragment of shell. `ask` never writes. What
decides (`read`, `diff`, `act`) is pure; `playbooks.observe` and `playbooks.converge` do the work.

Every fragment runs in the account's home folder with LC_ALL=C and umask 077, so keys that are paths may be relative.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, TypeAlias, TypeVar

from crm.plan import Change
from playbooks.shell import Sh

Account: TypeAlias = Literal["login", "root", "postgres"]
Row: TypeAlias = tuple[str, ...]
"""One answer of a kind: its fields as the host had them; the first is the resource's key.

Bytes that are not UTF-8 arrive as surrogate escapes.
"""


@dataclass(frozen=True, slots=True)
class Put:
    """A file to send: `content` lands in the 0700 staging folder as `name`, mode 0600, before the batch's script runs.

    The act's script moves it into place. Content may hold secrets and is left out of every repr. Names are unique in
    a batch; `playbooks.paths.staged` makes one from a resource's key.
    """

    name: str
    content: bytes = field(repr=False)


NEVER_RIGHT = Sh("false")


@dataclass(frozen=True, slots=True)
class Act:
    """How one resource is made as it should be: shell that may run twice, and the files that it needs.

    The script runs with `set -e`, without standard input, and finds its files in "$staging"; what it prints is shown
    when it fails. guard: shell that succeeds when the resource is right already (the act is then `same`).
    """

    script: Sh
    puts: tuple[Put, ...] = ()
    guard: Sh = NEVER_RIGHT


Want_contra = TypeVar("Want_contra", contravariant=True)
Seen = TypeVar("Seen")


class Kind(Protocol[Want_contra, Seen]):
    """One sort of resource. A `want` of None means: it must not be there."""

    @property
    def name(self) -> str:
        """The word before the colon in a resource's id."""
        ...

    @property
    def account(self) -> Account:
        """Who asks and acts."""
        ...

    def ask(self, wants: Mapping[str, Any]) -> Sh:
        """Return ONE fragment that calls `row KEY FIELD…` for each key; it never writes.

        `row` must be called in the script's own shell (not in a pipe or in parentheses), since it counts. A missing
        tool is a row that says so.
        """
        ...

    def read(self, rows: Sequence[Row]) -> Mapping[str, Seen]:
        """Turn the rows into what was seen, by key; raises HostError for a row that the fragment cannot have meant."""
        ...

    def diff(self, key: str, want: Want_contra | None, seen: Seen | None) -> Change | None:
        """Return what would change, or None when the resource is as it should be. Shows no secret."""
        ...

    def act(self, key: str, want: Want_contra | None, seen: Seen | None) -> Act:
        """Return what makes the resource as it should be, from what was seen."""
        ...


@dataclass(frozen=True, slots=True)
class Resource:
    """One thing on a host. `id` is `kind:key`; `needs` are ids of resources that must be right before this one."""

    kind: Kind[Any, Any]
    key: str
    want: Any
    needs: tuple[str, ...] = ()

    @property
    def id(self) -> str:
        """Return the name that plans, journals and errors use."""
        return f"{self.kind.name}:{self.key}"
