"""What the engine reports while it works: as progress, as the changes of a plan, and as what went wrong.

Diagnostics of severity `debug` carry secrets in the clear, whether or not anybody asked for debugging: they are dropped
before anything else is done with them. Pulumi swallows what a callback raises, so nothing here raises.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from typing import Any

from pulumi.automation import EngineEvent
from pulumi.automation.events import StepEventMetadata

from crm.driver import Progress
from crm.plan import Action, Change, Disrupts, Event
from infra import naming

_KINDS = {
    "docker:index/container:Container": "container",
    "docker:index/volume:Volume": "volume",
    "docker:index/network:Network": "network",
}
_ACTIONS: Mapping[str, Action] = {
    "create": "create",
    "update": "update",
    "delete": "delete",
    "replace": "replace",
    "create-replacement": "replace",
    "delete-replaced": "replace",
}
_WEIGHT = {"replace": 3, "delete": 2, "create": 1, "update": 0}
_SHOWN = 80
_PROTECTED = re.compile(r"container:Container::\S+ cannot be deleted\s+because it is protected")


class Watcher:
    """Listens to one run. `changes`: what it does or would do, one a resource; `complaints`: what went wrong.

    `broke`: what telling the progress raised, to be raised when the run has ended.
    """

    def __init__(
        self, progress: Progress | None = None, phase: str = "stage", clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._progress, self._phase, self._clock = progress, phase, clock
        self._begun: dict[str, float] = {}
        self._changes: dict[str, Change] = {}
        self.complaints: list[str] = []
        self.broke: Exception | None = None

    def __call__(self, event: EngineEvent) -> None:
        """Take one event."""
        diagnostic = event.diagnostic_event
        if diagnostic is not None:
            if diagnostic.severity in {"error", "info#err"}:
                self.complaints.append(plain(diagnostic.message))
        elif event.resource_pre_event is not None:
            self._begin(event.resource_pre_event.metadata)
        elif event.res_outputs_event is not None:
            self._ended(event.res_outputs_event.metadata, "done")
        elif event.res_op_failed_event is not None:
            self._ended(event.res_op_failed_event.metadata, "failed")

    @property
    def changes(self) -> tuple[Change, ...]:
        """Return what differs, in the order in which the engine came to it."""
        return tuple(self._changes.values())

    @property
    def only_protected(self) -> bool:
        """Tell whether all that was complained of is that a container which serves is not to be deleted."""
        told = [text for text in self.complaints if text != "preview failed"]
        return bool(told) and all(_PROTECTED.search(text) is not None for text in told)

    def _begin(self, metadata: StepEventMetadata) -> None:
        change = change_of(metadata)
        if change is None:
            return
        known = self._changes.get(change.resource)
        if known is None or _WEIGHT[change.action] > _WEIGHT[known.action]:
            self._changes[change.resource] = change
        if change.resource not in self._begun:
            self._begun[change.resource] = self._clock()
            self._tell(Event(self._phase, change.resource, "begin", change.action))

    def _ended(self, metadata: StepEventMetadata, state: str) -> None:
        change = change_of(metadata)
        if change is None or (state == "done" and _operation(metadata) in {"delete-replaced", "replace"}):
            return
        seconds = self._clock() - self._begun.get(change.resource, self._clock())
        self._tell(
            Event(self._phase, change.resource, "failed" if state == "failed" else "done", change.action, seconds)
        )

    def _tell(self, event: Event) -> None:
        if self._progress is None or self.broke is not None:
            return
        try:
            self._progress(event)
        except Exception as error:  # noqa: BLE001 -- raised once the run has ended: Pulumi would swallow it here
            self.broke = error


def change_of(metadata: StepEventMetadata) -> Change | None:
    """Return what a step does to a thing on the engine, or None for what people do not call a change."""
    action = _ACTIONS.get(_operation(metadata))
    subject = subject_of(metadata)
    if action is None or subject is None:
        return None
    return Change(subject, action, why_of(metadata, action), diff_of(metadata), disrupts_of(subject, action))


def subject_of(metadata: StepEventMetadata) -> str | None:
    """Return `container:crmhost-acme-db`, or None for what is only Pulumi's: the stack, components, the provider."""
    kind = _KINDS.get(metadata.type)
    return None if kind is None else f"{kind}:{metadata.urn.rpartition('::')[2]}"


def why_of(metadata: StepEventMetadata, action: Action) -> str:
    """Return why in a few words."""
    if action == "create":
        return "is not there"
    if action == "delete":
        return "is no longer wanted"
    names = sorted({_top(path) for path in _differing(metadata)})
    return f"{', '.join(names)} differs" if names else "differs"


def diff_of(metadata: StepEventMetadata) -> tuple[str, ...]:
    """Return lines for people: `memory: 256 → 512`; the engine has masked secrets, and long values are not shown."""
    if metadata.old is None or metadata.new is None:
        return ()
    lines = []
    for name in sorted({_top(path) for path in _differing(metadata)}):
        old, new = (_shown((state.inputs or {}).get(name)) for state in (metadata.old, metadata.new))
        lines.append(f"{name}: {old} → {new}" if old and new and old != new else f"{name}: changed")
    return tuple(lines)


def disrupts_of(subject: str, action: Action) -> Disrupts:
    """Return what customers notice: data go with their volume; who loses a database or a web process is not served."""
    kind, _, name = subject.partition(":")
    if action not in {"replace", "delete"}:
        return "no"
    if kind == "volume":
        return "data" if name.endswith(("-db", "-data")) else "no"
    if kind == "network":
        return "outage"
    if name.endswith(("-db", "-redis", "-web")) or name == naming.INGRESS:
        return "outage"
    return "restart"


def plain(text: str) -> str:
    """Return a message without the marks that Pulumi colours it by."""
    out, rest = "", text
    while "<{%" in rest:
        before, _, rest = rest.partition("<{%")
        out += before
        rest = rest.partition("%}>")[2]
    return (out + rest).strip()


def _operation(metadata: StepEventMetadata) -> str:
    return str(getattr(metadata.op, "value", metadata.op))


def _differing(metadata: StepEventMetadata) -> list[str]:
    return list(metadata.detailed_diff or ()) or list(metadata.diffs or ())


def _top(path: str) -> str:
    return path.partition(".")[0].partition("[")[0]


def _shown(value: Any) -> str:  # noqa: ANN401 -- whatever an input is
    """Return a value in one short line, or nothing where it is no plain one."""
    if isinstance(value, dict | list) or value is None:
        return ""
    text = str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
    return text if len(text) <= _SHOWN else ""
