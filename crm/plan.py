"""The words of deploying: what is wanted, what would change, and what happened."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Literal, TypeAlias

from crm.recipe import Recipe

Action: TypeAlias = Literal["create", "update", "replace", "delete", "run", "start", "restart", "stop", "switch"]
Disrupts: TypeAlias = Literal["no", "restart", "outage", "data"]
CrossingPhase: TypeAlias = Literal["begun", "saved", "open", "done", "restoring"]


@dataclass(frozen=True, slots=True)
class Release:
    """What runs: `<recipe>-<version>-<first 12 hex digits of the configuration's digest>` is its `id`.

    `config` is the SHA-256 (hex) over the recipe's rendered public configuration and *names* of secrets (never their
    content). `schema` is the database schema that it needs.
    """

    recipe: str
    version: str
    config: str
    schema: str

    @property
    def id(self) -> str:
        """Return the release's name, also the name of its folder."""
        return f"{self.recipe}-{self.version}-{self.config[:12]}"


@dataclass(frozen=True, slots=True)
class Want:
    """What a contract asks of a target: pure input of a driver's plan.

    `slots` are the values that do not depend on the host (url, host, language, timezone, admin, email, listen);
    the driver adds the rest. `secrets` maps names to their text and is left out of every repr.
    """

    contract: str
    recipe: Recipe
    version: str
    slots: Mapping[str, str]
    secrets: Mapping[str, str]

    def __repr__(self) -> str:
        """Show no secret."""
        return f"Want({self.contract!r}, {self.recipe.id} {self.version})"


@dataclass(frozen=True, slots=True)
class Upgrade:
    """A database that gets another schema: from the release that made its data to the one that is wanted."""

    old: Release
    new: Release


@dataclass(frozen=True, slots=True)
class Crossing:
    """The last upgrade of a database's schema, as the target remembers it, so that a crash at any point converges.

    begun: microseconds since the epoch, UTC; what is written after it is lost when `backup` is restored. phase: begun
    (nothing was changed yet), saved (`backup` is whole; steps may have begun), open (customers use the new release),
    done, or restoring (`backup` is being put back, with the old release).
    """

    old: Release
    new: Release
    begun: int
    phase: CrossingPhase = "begun"
    backup: str | None = None

    @property
    def under_way(self) -> bool:
        """Tell whether it was neither finished nor taken back."""
        return self.phase != "done"


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that differs on the target.

    resource: `kind:name`, such as `file:releases/…/settings.py`. diff: lines for people, without secrets. later: it
    depends on another change, so it is decided when that one is done.
    """

    resource: str
    action: Action
    why: str
    diff: tuple[str, ...] = ()
    disrupts: Disrupts = "no"
    later: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """The changes, in order, that would converge the target; none: nothing to do.

    resources: how many were asked. notes: what people should know (`this host has no cron …`). upgrade: the database
    gets another schema, so the deploy makes a backup first. unfinished: an upgrade that was begun and did not end.
    """

    contract: str
    release: Release
    serving: str | None
    resources: int
    changes: tuple[Change, ...]
    notes: tuple[str, ...] = ()
    upgrade: Upgrade | None = None
    unfinished: Crossing | None = None

    @property
    def digest(self) -> str:
        """Return the SHA-256 (hex) of the plan: what was confirmed is what is done."""
        text = json.dumps(asdict(self), sort_keys=True, separators=(",", ":"), ensure_ascii=True)
        return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Event:
    """One line of progress: people see it as a progress line, machines as a JSON line.

    phase: lock, plan, recover (what a killed run left), backup, stage, steps, gate, switch, retire, journal. state:
    begin, done, same, failed, note.
    """

    phase: str
    subject: str
    state: Literal["begin", "done", "same", "failed", "note"]
    detail: str = ""
    seconds: float | None = None
