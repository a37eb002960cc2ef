"""kill -9 on a server, of the deploying process and of its work there, at lines of the journal; then the same again.

Each time the same command converges: the release serves, the plan is empty, what the customer wrote is there, every
step ran as often as it may, and nothing is left of the other releases, of the backup, or of the killed one's work.

CRMHOST_KILL_EVERY=1 kills both victims at every line (3: at every third one) instead of at some of every phase; with
`pytest -s` a table is printed of what was found at each. CRMHOST_KILL_FROM=30 begins there.
"""

from __future__ import annotations

import itertools
import os
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import TypeAlias

import pytest

from crm.errors import CrmhostError, HostError, LockHeld, Refused
from playbooks.lan.layout import BASE
from tests.playbooks.lan.conftest import lend
from tests.support.lanhost import LanHost
from tests.support.lankiller import Blow, Victim, killed_deploy
from tests.support.lans import LanCustomer
from tests.support.until import until
from tests.support.wants import SECRETS

EVERY = int(os.environ.get("CRMHOST_KILL_EVERY", "0"))
FROM = int(os.environ.get("CRMHOST_KILL_FROM", "1"))
pytestmark = [pytest.mark.slow, pytest.mark.cloud, pytest.mark.timeout(28800 if EVERY else 1800)]
LAST = 500
"""No deploy has so many lines."""
FREE = 60.0
"""Seconds within which the lock of the dead is free."""
PATIENCE = 300.0
"""Seconds after which a command that is given again hangs; a quiet machine needs ten."""
LATE = (0.0, 0.05, 0.3)
"""Seconds after the line, taken in turn: between two lines lies what the operator does without telling."""


@dataclass
class Row:
    """What was found after one kill. met: what happened when the same command was given again; seconds: until done."""

    scenario: str
    victim: Victim
    turn: int
    blow: Blow
    met: list[str] = field(default_factory=list)
    seconds: float = 0.0

    def __str__(self) -> str:
        """Return a line of the table."""
        who = f"{self.victim} ({self.blow.struck})" if self.victim == "host" else self.victim
        found = "; ".join(dict.fromkeys(self.met))
        return (
            f"{self.scenario:<12} {who:<31} {self.turn:>3} {self.blow.at[-70:]:<70} {found:<45} {self.seconds:5.1f} s"
        )


Turn: TypeAlias = Callable[[int, Victim], Row]
"""Takes a turn: kills the victim at that line, gives the same command again, and looks at what came of it."""


def strike(customer: LanCustomer, version: str, language: str, turn: int, victim: Victim, *, since: str = "") -> Blow:
    """Deploy and kill; who survives the death of its work on the server says what it was, and what to do."""
    until(partial(unlocked, customer), "the lock of the dead is free", FREE)
    late = LATE[turn % len(LATE)]
    blow = killed_deploy(customer, version, language, turn, victim, late=late, since=since)
    assert "Traceback" not in blow.said, blow.said
    if not blow.struck:
        assert blow.code == 0, blow.said
    elif victim == "host" and blow.code != 0:
        assert re.match(r"(HostError|GateFailed): .+\n.+", blow.said), blow.said
    return blow


def again(row: Row, customer: LanCustomer, version: str, language: str) -> Row:
    """Give the same command until it is done, as a person would; returns the row with what was met on the way."""
    begun = time.monotonic()

    def tried() -> bool:
        try:
            row.met.append(customer.deploy(version, language=language).did)
        except CrmhostError as error:
            row.met.append(excused(customer, error))
            return False
        return row.met[-1] != "restored"  # what was killed was going back already, and has arrived there now

    until(tried, "the same command again", PATIENCE)
    row.seconds = time.monotonic() - begun
    return row


def excused(customer: LanCustomer, error: CrmhostError) -> str:
    """Return what stood in the way, as a person would settle it; raises what must not."""
    match error:
        case LockHeld():
            time.sleep(0.2)
            return "waited for the lock"
        case Refused() if "has changed since the plan was shown" in error.what:
            return "the work ended meanwhile"
        case HostError() if "step register was begun and not finished" in error.what:
            done = customer.ask("select count(*) from registration") == "1"
            act = "update crmhost_steps set state = 'finished'" if done else "delete from crmhost_steps"
            customer.ask(f"{act} where name = 'register'")
            return "register was settled by hand"
    raise error


def unlocked(customer: LanCustomer) -> bool:
    """Tell whether nobody holds the lock: a deploy with nothing to do did not wait for the killed one's work."""
    lock = customer.layout.lock
    return customer.lan.run(f"if ! [ -e {lock} ] || flock -n {lock} true; then echo free; fi") == "free\n"


def converged(customer: LanCustomer, version: str, language: str, notes: list[str]) -> None:
    """Fail unless the release serves, alone, with the customer's data, and nothing is left to do."""
    lan = customer.lan
    until(partial(unlocked, customer), "the lock of the dead is free", FREE)
    assert customer.plan(version, language=language).changes == ()
    assert customer.get() == f"200 ready {version}, 1 accounts"
    assert customer.get("/static/style.css").startswith(f"200 /* {version} */")
    assert customer.log_in("admin", SECRETS["admin-password"]) is not None
    assert customer.ask("select count(*) from registration") == "1"
    assert customer.ask("select name from account") == "admin"
    assert customer.ask("select text from note order by id").splitlines() == notes
    assert customer.ask("select datname from pg_database where datname like 'crm-%'") == customer.layout.user
    units = f"systemctl list-units --plain --no-legend 'crmhost-{customer.contract}.*.service' | cut -d' ' -f1"
    running = [unit for unit in lan.run(units).split() if ".job-" not in unit]
    assert sorted(running) == sorted([customer.unit("web"), customer.unit("worker")])
    assert lan.run(f"ls -A {customer.layout.data}").split() == ["faults", "files"]


def first_deploy(lan: LanHost) -> Turn:
    """Kill the first deploy of a customer who has the server to himself, and remove him."""

    def take(turn: int, victim: Victim) -> Row:
        customer = LanCustomer(lan, f"c{turn}{victim[0]}")
        lan.run("rm -rf /etc/systemd/journald.conf.d")
        if "artifacts" not in lan.run(f"ls {BASE} 2>/dev/null || true"):
            lan.run(f"mkdir -p {BASE}/artifacts")
            lend(lan, "1.0")
        blow = strike(customer, "1.0", "vi", turn, victim)
        row = again(Row("first", victim, turn, blow), customer, "1.0", "vi")
        converged(customer, "1.0", "vi", [])
        customer.destroy()
        assert lan.run(f"ls -d {BASE} 2>/dev/null; ls /etc/systemd/system | grep crmhost; true") == ""
        return row

    return take


def same_schema(lan: LanHost) -> Turn:
    """Kill a deploy that takes over from the release before, on one database."""
    customer = standing(lan)

    def take(turn: int, victim: Victim) -> Row:
        version = "1.1" if customer.get().startswith("200 ready 1.0") else "1.0"
        language = f"l{turn}{victim[0]}"
        blow = strike(customer, version, language, turn, victim)
        assert customer.ask("select text from note") == "precious"
        row = again(Row(f"later {version}", victim, turn, blow), customer, version, language)
        converged(customer, version, language, ["precious"])
        return row

    return take


def other_schema(lan: LanHost) -> Turn:
    """Kill an upgrade across schemas once it is more than a deploy, finish it, and take it back."""
    customer = standing(lan)

    def take(turn: int, victim: Victim) -> Row:
        blow = strike(customer, "2.0", "vi", turn, victim, since="remember the upgrade")
        row = again(Row("other schema", victim, turn, blow), customer, "2.0", "vi")
        converged(customer, "2.0", "vi", ["precious"])
        assert customer.rollback(version="2.0", sure=lambda _: True).did == "rolled back"
        converged(customer, "1.0", "vi", ["precious"])
        return row

    return take


def standing(lan: LanHost) -> LanCustomer:
    """Return a customer who has written something, in a release of schema 1."""
    customer = LanCustomer(lan)
    customer.deploy("1.0")
    customer.write("precious")
    return customer


@pytest.mark.parametrize(
    ("scenario", "turns"),
    [
        (first_deploy, {"operator": (85,), "host": (75,)}),
        (same_schema, {"operator": (30,), "host": (55,)}),
        (other_schema, {"operator": (14,), "host": (17, 38)}),
    ],
)
def test_the_same_command_again_converges_after_a_kill_at_any_line(
    lan: LanHost, scenario: Callable[[LanHost], Turn], turns: Mapping[Victim, tuple[int, ...]]
) -> None:
    """The turns lie in another phase each: staging, steps or backup, gate, switch, retiring."""
    take = scenario(lan)
    for victim, some in turns.items():
        for turn in itertools.takewhile(lambda at: at < LAST, itertools.count(FROM, EVERY)) if EVERY else some:
            try:
                row = take(turn, victim)
            except BaseException as error:
                error.add_note(f"the {victim} was killed at line {turn}")
                raise
            print(row, flush=True)  # noqa: T201 -- the table, with `pytest -s`
            if not row.blow.struck:
                assert EVERY, f"there is no line {turn}"
                break
