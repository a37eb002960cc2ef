"""A target in memory, which runs the sequence in no time: it keeps releases, data, the site and who may run on what.

It refuses what must never happen: a process on a schema that its code did not make, and a customer who is let in to it.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from typing import BinaryIO

from crm.backup import Contents, Dump, Load, Snapshot, Why, backup_id
from crm.driver import Mover, Status, Work
from crm.errors import CrmhostError
from crm.made import made_with
from crm.plan import Change, Crossing, Event, Plan, Release, Upgrade, Want
from crm.recipe import Recipe, Step
from tests.support.wants import small_want

WANT = small_want("1.1")


def release(version: str, schema: str = "1", config: str = "c") -> Release:
    """Return a release of the small application."""
    return Release("smallapp", version, (config + version.replace(".", "")).ljust(64, "0"), schema)


OLD, NEW, TWO = release("1.0"), release("1.1"), release("2.0", "2")
BY_VERSION = {one.version: one for one in (OLD, NEW, TWO)}


@dataclass
class Backups:
    """Backups in memory."""

    kept: list[tuple[Snapshot, bytes]] = field(default_factory=list)
    breaks: dict[str, BaseException] = field(default_factory=dict)

    def save(self, release: Release, why: Why, dump: Dump) -> Snapshot:
        if "save" in self.breaks:
            raise self.breaks["save"]
        sink = io.BytesIO()
        contents = dump(sink)
        taken = (len(self.kept) + 1) * 1_000_000
        name = backup_id("acme", taken, release)
        snapshot = Snapshot(name, "acme", release, taken, why, len(sink.getvalue()), "", contents)
        self.kept.insert(0, (snapshot, sink.getvalue()))
        return snapshot

    def load(self, backup: str, load: Load) -> Contents:
        return load(io.BytesIO(next(content for one, content in self.kept if one.id == backup)))

    def list(self) -> Sequence[Snapshot]:
        return [one for one, _ in self.kept]

    def before_upgrade_from(self, release: Release) -> Snapshot | None:
        return next((one for one, _ in self.kept if one.release == release and one.why == "upgrade"), None)


@dataclass
class Target:
    """`breaks` names the call that fails; `calls` what was called; `shared` what is to be done besides the switch.

    data: schema and rows, as a customer wrote them. made: the secrets that its releases say they were made with.
    """

    kept: list[Release] = field(default_factory=list)
    served: str | None = None
    steps: tuple[Step, ...] = WANT.recipe.steps[:2]
    breaks: dict[str, BaseException] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)
    between: Callable[[], None] = lambda: None
    refusal: str | None = None
    movable: bool = True
    data: str = "1 rows"
    done: set[str] = field(default_factory=set)
    running: Release | None = None
    closed: bool = False
    remembered: Crossing | None = None
    shared: tuple[Change, ...] = ()
    made: frozenset[str] | None = None

    def did(self, name: str) -> None:
        self.calls.append(name)
        if name in self.breaks:
            raise self.breaks[name]

    def refuses(self, _recipe: Recipe) -> str | None:
        return self.refusal

    def plan(self, want: Want) -> Plan:
        self.did("plan")
        wanted = BY_VERSION[want.version]
        begun = self.remembered if self.remembered is not None and self.remembered.under_way else None
        changes = (
            ()
            if self.served == wanted.id and begun is None
            else (*self.shared, Change("link:current", "switch", "other"))
        )
        upgrade = None
        now = next((one for one in self.kept if one.id == self.served), None)
        if now is not None and now.schema != wanted.schema:
            upgrade = Upgrade(now, wanted)
        return Plan(want.contract, wanted, self.served, 3, changes, upgrade=upgrade, unfinished=begun)

    def lock(self, doing: str) -> AbstractContextManager[Work]:
        return self._locked(doing)

    @contextmanager
    def _locked(self, _doing: str) -> Iterator[Work]:
        self.did("lock")
        self.between()
        try:
            yield self
        finally:
            self.calls.append("unlock")

    def stage(self, _want: Want, plan: Plan) -> None:
        self.did("stage")
        self.keep(plan.release)

    def bring(self, _want: Want, release: Release) -> None:
        self.did(f"bring {release.version}")

    def due(self, want: Want) -> Sequence[Step]:
        return [step for step in self.steps if f"{step.name}>{want.version}" not in self.done]

    def run(self, want: Want, step: Step) -> None:
        schema = BY_VERSION[want.version].schema
        assert self.running is None or schema == self.data[0], "a step changes what a process uses"
        self.data = f"{schema} torn{self.data[self.data.index(' ') :]}"
        self.did(f"run {step.name}")
        self.data = self.data.replace(" torn", "")
        self.done.add(f"{step.name}>{want.version}")

    def ready(self, _want: Want, release: Release) -> None:
        self.did(f"ready {release.version}")
        self._on(release)

    def switch(self, _want: Want, release: Release) -> None:
        self.did(f"switch {release.version}")
        self._on(release)
        self.served, self.running = release.id, release
        self.keep(release)

    def revert(self, _want: Want, failed: Release) -> str:
        self.did(f"revert {failed.version}")
        others = [one.id for one in self.kept if one != failed]
        self.served = others[0] if others else None
        return f"{self.served or 'nothing'} serves"

    def retire(self, _want: Want, release: Release) -> None:
        self.did(f"retire {release.version}")

    def record(self, event: Event) -> None:
        self.calls.append(f"record {event.state}")

    def destroy(self, *, keep_data: bool) -> None:
        self.did(f"destroy {keep_data}")

    def mover(self) -> Mover | None:
        return self if self.movable else None

    def mark(self, crossing: Crossing | None) -> None:
        self.did(f"mark {crossing.phase if crossing is not None else 'nothing'}")
        self.remembered = crossing

    def close(self, _want: Want) -> None:
        self.did("close")
        self.closed = True

    def open(self, _want: Want) -> None:
        self.did("open")
        assert self.running is not None
        self._on(self.running)
        self.closed = False

    def fetch(self, want: Want) -> None:
        self.did(f"fetch {want.version}")

    def halt(self, want: Want, kept: Release | None = None) -> None:
        self.did(f"halt for {(kept or BY_VERSION[want.version]).version}")
        self.running = None

    def owner(self) -> Release | None:
        return next((one for one in self.kept if one.id == self.served), None)

    def dump(self, _want: Want, sink: BinaryIO) -> Contents:
        self.did("dump")
        sink.write(json.dumps([self.data, sorted(self.done)]).encode())
        return Contents({"public.note": 1}, 0, 0)

    def load(self, _want: Want, source: BinaryIO) -> Contents:
        self.did("load")
        assert self.running is None, "data is put back below a process"
        data, done = json.load(source)
        self.data, self.done = data, set(done)
        return Contents({"public.note": 1}, 0, 0)

    def made_with(self, _want: Want, secrets: frozenset[str]) -> frozenset[str]:
        self.did("made with")
        said = None if self.made is None else tuple(self.made)
        return made_with(secrets, [said for _ in self.kept], data=False)

    def serving(self) -> str | None:
        return self.served

    def crossing(self) -> Crossing | None:
        return self.remembered

    def status(self, want: Want) -> Status:
        return Status(want.contract, self.served, tuple(one.id for one in self.kept), (), None, None)

    def logs(self, process: str, lines: int) -> Iterator[str]:
        raise NotImplementedError(process, lines)

    def exec(self, want: Want, argv: Sequence[str]) -> int:
        raise NotImplementedError(want, argv)

    def releases(self) -> Sequence[Release]:
        return self.kept

    def inside(self, release: Release) -> AbstractContextManager[tuple[str, int]]:
        raise NotImplementedError(release)

    def keep(self, release: Release) -> None:
        self.kept = [release, *(one for one in self.kept if one != release)]

    def _on(self, release: Release) -> None:
        """Let a process run: what it meets must be of its own schema, and whole."""
        if not self.data.startswith(f"{release.schema} rows"):
            raise AssertionError(f"{release.id} runs on {self.data!r}")


def broken(target: Target, name: str, error: CrmhostError | BaseException) -> Target:
    """Let one call fail from now on."""
    target.breaks = {name: error}
    return target


def wants(version: str) -> Want:
    """Return what is wanted of that version."""
    return replace(WANT, version=version)
