"""`serve` makes the backups that contracts promise when they are due, and lives through every failure."""

from __future__ import annotations

import threading
from collections.abc import MutableMapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
import structlog

from contract.duration import DAY, HOUR, MINUTE
from contract.model import Contract
from contract.moment import instant
from contract.parse import parse
from crm.backup import Snapshot
from crm.errors import CrmhostError
from crmhost.backup.keeper import LOOK_AGAIN, Keeper, make_by_command
from tests.crmhost.backup.conftest import HELD, OLD, Clock

TEXT = """contract: {name}
customer: {{name: ACME, language: en}}
crm: {{recipe: creme, version: 2.8.6, url: "https://crm.acme.example/"}}
target: {target}
term: {{signed: 2026-01-10, accepted: 2026-02-01, lasts: 1 year}}
data-protection: {{backup: {{every: day, keep: 30 days}}}}
"""
CLOUD = "{kind: cloud, docker: ssh://deploy@docker.example}"
BEGINS = instant("2026-02-01T00:00:00Z")


def contract(name: str = "acme", target: str = CLOUD) -> Contract:
    parsed = parse(TEXT.format(name=name, target=target).encode(), f"{name}.yaml")
    assert parsed.contract is not None, parsed.errors
    return parsed.contract


@dataclass
class World:
    """A store per contract, what is made for it, and what was logged."""

    clock: Clock
    failing: bool = False
    store: dict[str, list[Snapshot]] = field(default_factory=dict)
    made: list[str] = field(default_factory=list)
    looks: int = 0
    logged: list[dict[str, Any]] = field(default_factory=list)

    def shelf(self, name: str) -> Lister:
        return Lister(self, name)

    def make(self, name: str, stopping: threading.Event) -> None:
        assert not stopping.is_set()
        if self.failing:
            raise CrmhostError("the disk is full")
        self.made.append(name)
        taken = self.clock.now
        snapshot = Snapshot(f"{name}-{taken}", name, OLD, taken, "schedule", 7, "", HELD)
        self.store.setdefault(name, []).insert(0, snapshot)

    def keeper(self, *contracts: Contract) -> Keeper:
        def keep(_logger: object, level: str, event: MutableMapping[str, Any]) -> str:
            self.logged.append({"level": level, **event})
            raise structlog.DropEvent

        log = structlog.wrap_logger(None, processors=[keep], wrapper_class=structlog.BoundLogger)
        return Keeper(contracts, self.shelf, self.make, self.clock, log)


@dataclass
class Lister:
    world: World
    name: str

    def list(self) -> Sequence[Snapshot]:
        self.world.looks += 1
        return tuple(self.world.store.get(self.name, ()))


@pytest.fixture
def world() -> World:
    return World(Clock(BEGINS + 10 * DAY))


def test_the_first_is_made_at_once_and_the_next_a_day_later(world: World) -> None:
    keeper = world.keeper(contract())
    for _ in range(3):
        keeper.turn()
    assert world.made == ["acme"]
    world.clock.now += DAY - 1
    keeper.turn()
    assert world.made == ["acme"]
    world.clock.now += 1
    keeper.turn()
    assert world.made == ["acme", "acme"]


def test_one_that_was_made_elsewhere_counts(world: World) -> None:
    keeper = world.keeper(contract())
    keeper.turn()
    world.clock.now += DAY - MINUTE
    world.make("acme", threading.Event())  # by hand, on another machine
    world.clock.now += MINUTE
    keeper.turn()
    assert world.made == ["acme", "acme"]


def test_the_store_is_asked_seldom(world: World) -> None:
    keeper = world.keeper(contract())
    keeper.turn()
    looks = world.looks
    for _ in range(10):
        keeper.turn()
    assert world.looks == looks
    world.clock.now += LOOK_AGAIN
    keeper.turn()
    assert world.looks == looks + 1


@pytest.mark.parametrize(
    "serves",
    [
        "listen: '127.0.0.1:8100'",
        "front: php, document-root: public_html, database: {kind: mysql, name: crm, user: crm}",
    ],
    ids=["a file", "the host's MySQL"],
)
def test_what_runs_on_a_web_host_is_backed_up_too(world: World, serves: str) -> None:
    world.clock.now = BEGINS + DAY
    keeper = world.keeper(contract(target=f"{{kind: webhost, host: web.example, user: acme, {serves}}}"))
    keeper.turn()
    assert world.made == ["acme"]


@pytest.mark.parametrize(
    ("target", "now"),
    [
        ("{kind: saas}", BEGINS + DAY),
        (CLOUD, BEGINS - 1),
        (CLOUD, instant("2027-02-01T00:00:00Z")),
    ],
    ids=["somebody else's", "before it was accepted", "after its term"],
)
def test_what_is_not_owed_is_neither_made_nor_shown(world: World, target: str, now: int) -> None:
    world.clock.now = now
    keeper = world.keeper(contract(target=target))
    keeper.turn()
    assert (world.made, keeper.backed()) == ([], ())


def test_a_failure_is_logged_shown_and_tried_again_ever_more_seldom(world: World) -> None:
    world.failing = True
    keeper = world.keeper(contract())
    tried = []
    for _ in range(4 * 60):
        keeper.turn()
        (backed,) = keeper.backed()
        if backed.failed == world.clock.now:
            tried.append((world.clock.now - BEGINS - 10 * DAY) // MINUTE)
        world.clock.now += MINUTE
    assert tried == [0, 5, 15, 35, 75, 135, 195]
    assert world.logged[0] == {
        "level": "error",
        "event": "a backup failed; it is tried again",
        "contract": "acme",
        "error": "the disk is full",
        "minutes": 5,
    }
    world.failing = False
    world.clock.now += HOUR
    keeper.turn()
    (backed,) = keeper.backed()
    assert (backed.taken, backed.due) == (world.clock.now, world.clock.now + DAY)


def test_one_that_fails_does_not_keep_the_others_from_theirs(world: World) -> None:
    def make(name: str, stopping: threading.Event) -> None:
        if name == "acme":
            raise RuntimeError("a bug")
        world.make(name, stopping)

    keeper = Keeper([contract(), contract("umbrella")], world.shelf, make, world.clock, structlog.get_logger())
    keeper.turn()
    assert world.made == ["umbrella"]


def test_what_is_shown_tells_of_the_last_good_one_and_the_last_proof(world: World) -> None:
    keeper = world.keeper(contract())
    keeper.turn()
    world.store["acme"] = [replace(one, proven=world.clock.now) for one in world.store["acme"]]
    world.clock.now += LOOK_AGAIN
    keeper.turn()
    (backed,) = keeper.backed()
    taken = BEGINS + 10 * DAY
    assert (backed.taken, backed.proven, backed.size, backed.due, backed.failed) == (taken, taken, 7, taken + DAY, None)


@pytest.mark.slow
def test_by_the_command_its_error_is_told(tmp_path: Path) -> None:
    (tmp_path / "crmhost.yaml").write_text("fleet: Example\n")
    make = make_by_command(tmp_path, {"PATH": "", "HOME": str(tmp_path)})
    with pytest.raises(CrmhostError, match=r"contracts/acme\.yaml: there is no such contract"):
        make("acme", threading.Event())


@pytest.mark.slow
def test_a_command_under_way_is_ended_with_serve(tmp_path: Path) -> None:
    stopping = threading.Event()
    stopping.set()
    with pytest.raises(CrmhostError):
        make_by_command(tmp_path, {"PATH": "", "HOME": str(tmp_path)})("acme", stopping)
