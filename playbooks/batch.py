"""The one script of a batch: every act with its guard, each reported as begin and then done, same or failed. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from playbooks.journal import quoted
from playbooks.kind import Act
from playbooks.shell import Sh, lines, sh


@dataclass(frozen=True, slots=True)
class Todo:
    """One act to do; `subject` is the resource's id."""

    subject: str
    act: Act


_BEGIN = sh(
    """\
LC_ALL=C; export LC_ALL
sync "$staging"/* 2>/dev/null || sync
""",
)


def script(todos: Sequence[Todo]) -> Sh:
    """Return the script that does the acts in order and stops at the first that fails.

    It runs below `playbooks.keeper`, which gives it `note`, `failed` and "$staging". What was sent is on the disk
    before the first act renames it.
    """
    return lines(_BEGIN, *(_act(todo) for todo in todos))


def _act(todo: Todo) -> Sh:
    return sh(
        """\
subject={subject}
note begin "$subject"
if (
{guard}
) >/dev/null 2>&1 </dev/null; then note same "$subject"
else
(
set -e
{act}
) >"$staging/.out" 2>&1 </dev/null
code=$?
if [ "$code" = 0 ]; then note done "$subject"; else failed "$subject" "$code"; fi
fi""",
        subject=quoted(todo.subject),
        guard=todo.act.guard,
        act=todo.act.script,
    )
