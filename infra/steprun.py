"""Running a step: a one-shot container between two records, judged by what it prints.

The container outlives whoever started it, and is removed only when its end has been recorded. So a step during which
crmhost was killed is not lost: whoever comes next waits for it, and writes down how it ended.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from datetime import UTC

from crm.due import last_of_upgrade
from crm.errors import HostError
from crm.plan import Release, Want
from crm.recipe import Ask, Step
from crm.slots import way
from crm.steps import Records, key, known_by_record
from infra import naming, records, steplog
from infra.asking import LONGEST, STEP, Site, answer, masked, ran, tail
from infra.engine.engine import Engine
from infra.engine.lock import Held
from infra.engine.stream import OutOfTime
from infra.naming import LABEL_RELEASE, LABEL_STEP
from infra.steplog import Failed


@dataclass(frozen=True, slots=True)
class Ended:
    """A step's container that nobody has recorded the end of. name: of its record; ok: it printed what it should.

    text: all that it printed, masked.
    """

    name: str
    release_id: str
    ok: bool
    code: int
    text: str = field(repr=False)


def run_step(site: Site, held: Held, step: Step) -> bool:
    """Run one step between its records; returns False where its question said that it is done already.

    To be called in the order of `crm.due.due`, after `settle`. Raises HostError when its output, or the recipe's
    question afterwards, is not what it should be: its record stays `started`.
    """
    engine, contract, release = site.engine, site.contract, site.placed.release
    name = key(step, release)
    reached = step.phase == "upgrade" and _is_last(site, step)
    if isinstance(step.done, Ask) and step.done.holds(answer(site, step.done)):
        records.mark(engine, contract, name, "finished", release, reached=reached)
        return False
    held.step(name)
    records.mark(engine, contract, name, "started", release)
    try:
        output = ran(site, way(step), f"step {step.name}", STEP, step.timeout, **{LABEL_STEP: name})
    except OutOfTime:
        said = masked(engine.finish(naming.step(contract), timeout=LONGEST).text, site.want)
        raise _failed(site, step, f"did not end within {step.timeout:.0f} s, so it was ended", said) from None
    _check(site, step, masked(output.text, site.want), output.code)
    records.mark(engine, contract, name, "finished", release, reached=reached)
    engine.remove(naming.step(contract))
    held.step("")
    return True


def ended(engine: Engine, want: Want) -> Ended | None:
    """Return the step whose end nobody has recorded, or None; changes nothing. One that runs has not ended."""
    container = engine.container(naming.step(want.contract))
    if container is None or container.state != "exited":
        return None
    name = container.labels.get(LABEL_STEP, "")
    step = _of(want, name)
    output = engine.finish(container.name, timeout=LONGEST)
    ok = step is not None and re.search(step.ok, output.text, re.DOTALL) is not None
    return Ended(name, container.labels.get(LABEL_RELEASE, ""), ok, output.code, masked(output.text, want))


def with_end(found: Records, end: Ended | None) -> Records:
    """Return the records as they are once that end has been recorded. Pure."""
    if end is None or not end.ok or found.steps.get(end.name) != "started":
        return found
    return replace(found, steps={**found.steps, end.name: "finished"})


def settle(engine: Engine, want: Want, release: Release) -> Ended | None:
    """Record the end of a step that crmhost did not live to see, and remove its container; None where there is none.

    To be called while the lock is held, before `crm.due.due`. What the recipe has a question for is left to it.
    """
    end = ended(engine, want)
    if end is not None and end.ok and end.release_id == release.id:
        found = records.read(engine, want.contract)
        step = _of(want, end.name)
        if found.steps.get(end.name) == "started" and step is not None:
            reached = step == last_of_upgrade(want.recipe, found, release)
            records.mark(engine, want.contract, end.name, "finished", release, reached=reached)
    if end is not None:
        if not end.ok:
            how = f"exit {end.code}, while crmhost was not there to see it"
            steplog.keep(engine, want.contract, Failed(_now(engine), end.name, end.release_id, how, end.text))
        engine.remove(naming.step(want.contract))
    return end


def _is_last(site: Site, step: Step) -> bool:
    """Tell whether the database has the release's schema once this step is finished."""
    found = records.read(site.engine, site.contract)
    return step == last_of_upgrade(site.want.recipe, found, site.placed.release)


def _of(want: Want, name: str) -> Step | None:
    """Return the step of a record's name that only its record knows the end of."""
    plain = re.split("[@>]", name, maxsplit=1)[0]
    return next((step for step in want.recipe.steps if step.name == plain and known_by_record(step)), None)


def _check(site: Site, step: Step, said: str, code: int) -> None:
    if re.search(step.ok, said, re.DOTALL) is None:
        raise _failed(site, step, f"did not print {step.ok!r} (exit {code})", said)
    if isinstance(step.done, Ask) and not step.done.holds(answer(site, step.done)):
        what = f"printed {step.ok!r}, and yet the recipe's question says that it is not done"
        raise _failed(site, step, what, said)


def _failed(site: Site, step: Step, how: str, said: str) -> HostError:
    """Return the error for a step that failed; what it printed is kept on the host, and its container is removed."""
    engine, contract, release = site.engine, site.contract, site.placed.release
    kept = steplog.keep(engine, contract, Failed(_now(engine), key(step, release), release.id, how, said))
    engine.remove(naming.step(contract))
    where = f"the whole output is kept on the host: crmhost logs {contract} {steplog.PROCESS} --lines 1000"
    return HostError(
        f"step {step.name} {how}; its output ends with:\n{tail(said)}",
        f"{where if kept else 'the host could not keep the whole output'}; mend the cause and deploy again",
    )


def _now(engine: Engine) -> str:
    return engine.now().astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
