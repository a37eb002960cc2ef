"""Running a step of a recipe between its two records, where a page or a PHP file of the release is all that runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from crm.due import last_of_upgrade
from crm.errors import HostError
from crm.plan import Event, Release, Want
from crm.recipe import Ask, Step
from crm.steps import Records, key
from playbooks.sftponly.ask import Asker
from playbooks.sftponly.installer import Installer
from playbooks.sftponly.steps import Request, masked, way_of

_LINES = 12
"""How many lines of an answer an error shows."""


@dataclass(frozen=True, slots=True)
class Runner:
    """Runs steps of one release. records: as they were before the first of them; log: keeps what a step answered."""

    want: Want
    release: Release
    records: Records
    asker: Asker
    installer: Installer
    database: Mapping[str, object] = field(repr=False)
    record: Callable[[Event], None]
    log: Callable[[str], None]

    def run(self, step: Step) -> None:
        """Run it; raises HostError when its output is not what it should be."""
        name, want, asker = key(step, self.release), self.want, self.asker
        guard = step.done if isinstance(step.done, Ask) else None
        self.record(Event("steps", name, "begin"))
        if guard is not None and asker.holds(guard):
            self._mark(step, "finished")
            return
        self._mark(step, "started")
        given = way_of(step, want, asker.known)
        answer = asker.do(given, step.timeout)
        text = str(answer) if isinstance(given, Request) else answer.text
        shown = masked(text, want)
        self.log(f"--- {name} of {self.release.id}\n{shown}\n")
        if not Ask(want.recipe.live.how, step.ok).holds(text):
            raise HostError(
                f"step {step.name} did not answer {step.ok!r}; its answer ends with:\n{_tail(shown)}",
                f"the whole answer: crmhost logs {want.contract} steps; mend the cause and deploy again",
            )
        if guard is not None and not asker.holds(guard):
            raise HostError(
                f"step {step.name} answered {step.ok!r}, and yet the recipe's question says that it is not done",
                f"look at its answer: crmhost logs {want.contract} steps",
            )
        self._mark(step, "finished")
        self.record(Event("steps", name, "done"))

    def _mark(self, step: Step, state: str) -> None:
        release = self.release
        last = last_of_upgrade(self.want.recipe, self.records, release)
        self.installer.ask(
            "mark",
            database=self.database,
            name=key(step, release),
            state=state,
            release=release.id,
            schema=[release.recipe, release.version, release.schema],
            reached=state == "finished" and step == last,
        )


def _tail(text: str) -> str:
    return "\n".join(f"  {line}" for line in text.rstrip().splitlines()[-_LINES:])
