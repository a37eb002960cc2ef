"""`crmhost serve`: the monitor, its pages, settling, delivering and backups, as one process that ends cleanly."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from types import FrameType

import structlog
from sqlalchemy import Engine

from contract.amend import at
from contract.model import Contract
from crm.errors import CrmhostError
from crmhost.backup.keeper import Keeper, make_by_command
from crmhost.backup.shelf import open_shelf
from crmhost.fleet import Fleet
from crmhost.ledger import adapters, agreed, beat, now, open_store, refuse_unknown_systems, settling
from crmhost.ways import authorities, connections, unsigned
from monitor.accounts import Accounts
from monitor.billing.adapter import Adapter
from monitor.billing.delivery import deliver_due
from monitor.clock import SystemClock
from monitor.ledger.deliveries import troubles
from monitor.metrics import Exposition
from monitor.post import watched_from
from monitor.probe.handle import Ways
from monitor.running import RunningPeriods
from monitor.server import Server, make_app
from monitor.settling import Agreed, Left, Settling, settle_due
from monitor.store.database import reading
from monitor.store.lock import only_monitor
from monitor.watch import Options, Watch

TURN = 1.0
"""Seconds between two looks at what is due to be settled or delivered."""
LOOK_AGAIN = 600


def serve(fleet: Fleet, listen: str | None, log: structlog.stdlib.BoundLogger) -> None:
    """Measure, settle, deliver and back up for every contract of the fleet, until SIGTERM or Ctrl-C.

    Raises CrmhostError for what is wrong before it starts; what goes wrong later is logged and shown in /metrics and
    /healthz, and tried again.
    """
    contracts = agreed(fleet)
    refuse_unknown_systems(fleet, contracts)
    systems = adapters(fleet)
    host, _, port = (listen or fleet.settings.serve.listen).rpartition(":")
    with ExitStack() as stack:
        engine = stack.enter_context(open_store(fleet))
        stack.enter_context(only_monitor(fleet.store))
        work = settling(fleet, engine, contracts)
        stopping = stack.enter_context(_stop_signals())
        watch = stack.enter_context(_watching(fleet, contracts, engine, log))
        office = Office(fleet, work, contracts, systems, log)
        keeper = stack.enter_context(_keeping(fleet, contracts, log))
        shown = Shown(watch, engine, office, keeper)
        stack.enter_context(_serving(fleet, shown, (host.strip("[]"), int(port)), log))
        log.info("serving", contracts=len(contracts), vantage=watch.vantage)
        office.work_until(stopping)
        log.info("stopping")


class Office:
    """Settles and delivers what is due, turn by turn, in the thread that called `serve`."""

    def __init__(
        self,
        fleet: Fleet,
        work: Settling,
        contracts: Sequence[Agreed],
        systems: Mapping[str, Adapter],
        log: structlog.stdlib.BoundLogger,
    ) -> None:
        self._fleet = fleet
        self._work = work
        self._contracts = contracts
        self._systems = systems
        self._log = log
        self._said: set[tuple[str, str, str]] = set()
        self._waiting: set[tuple[str, str]] = set()
        self._turns = 0
        self.trouble: str | None = None
        self.public_key = work.key.public

    def work_until(self, stopping: threading.Event) -> None:
        """Take turns until told to stop. A turn that fails is logged, shown, and tried again."""
        while not stopping.wait(TURN):
            try:
                self.turn()
                self.trouble = None
            except CrmhostError as error:
                self._trouble(error.what)
            except Exception as error:  # noqa: BLE001 -- a bug in settling must not end the measuring
                self._trouble(f"{type(error).__name__}: {error}")

    def turn(self) -> None:
        """Settle and deliver what is due now. What was left is looked at again after LOOK_AGAIN turns."""
        self._turns = (self._turns + 1) % LOOK_AGAIN
        if self._turns == 0:
            self._waiting.clear()
        for outcome in settle_due(self._work, self._contracts, skip=self._waiting):
            if isinstance(outcome, Left):
                self._left(outcome)
                self._waiting.add((outcome.contract, outcome.period))
            else:
                self._log.info("settled", contract=outcome.contract, period=outcome.period, credit=outcome.credit)
        for one in deliver_due(self._work.engine, self._systems, now):
            self._log.info("delivery", key=one.key, system=one.system, state=one.state, detail=one.detail)
        with reading(self._work.engine) as connection:
            for trouble in troubles(connection, frozenset(self._systems)):
                if self._first((trouble.key, "", trouble.reason)):
                    self._log.warning("a credit needs a person", key=trouble.key, reason=trouble.reason)

    def _left(self, left: Left) -> None:
        """Log what waits for a person once, not at every turn."""
        if self._first((left.contract, left.period, left.reason)):
            self._log.warning("not settled", contract=left.contract, period=left.period, reason=left.reason)

    def _first(self, what: tuple[str, str, str]) -> bool:
        new = what not in self._said
        self._said.add(what)
        return new

    def _trouble(self, text: str) -> None:
        if text != self.trouble:
            self._log.error("settling or delivering failed; it is tried again", error=text)
        self.trouble = text


@contextmanager
def _watching(
    fleet: Fleet, contracts: Sequence[Agreed], engine: Engine, log: structlog.stdlib.BoundLogger
) -> Iterator[Watch]:
    vantage = fleet.settings.serve.vantage
    measured = [_measured(one.contract, fleet) for one in contracts]
    watched = watched_from(vantage, measured)
    for name in unsigned(fleet, measured):
        log.warning("its site has no authority yet, so it cannot be believed; deploy it and start again", contract=name)
    ways = Ways(authorities(fleet, measured), connections(fleet, measured))
    options = Options(vantage=vantage, ca_file=ways.ca_file, instead=ways.instead, beat=beat(contracts))
    watch = Watch(watched, engine, SystemClock(), log, options)
    watch.start()
    try:
        yield watch
    finally:
        watch.stop()


def _measured(contract: Contract, fleet: Fleet) -> Contract:
    """Return the contract as it stands now, with the fleet's control targets where it names none of its own."""
    today = at(contract, now())
    if today.monitor.control:
        return today
    monitor = today.monitor.model_copy(update={"control": fleet.settings.serve.control})
    return today.model_copy(update={"monitor": monitor})


@contextmanager
def _keeping(fleet: Fleet, contracts: Sequence[Agreed], log: structlog.stdlib.BoundLogger) -> Iterator[Keeper]:
    make = make_by_command(fleet.folder, fleet.environment)
    keeper = Keeper([one.contract for one in contracts], lambda name: open_shelf(fleet, name), make, now, log)
    keeper.start()
    try:
        yield keeper
    finally:
        keeper.stop()


@dataclass(frozen=True, slots=True)
class Shown:
    """What /metrics, /healthz and the pages tell of."""

    watch: Watch
    engine: Engine
    office: Office
    keeper: Keeper

    def unwell(self) -> list[str]:
        """Return what is wrong with the monitor itself."""
        found = [] if self.watch.alive else ["the monitor does not probe"]
        return [*found, *([self.office.trouble] if self.office.trouble else [])]


@contextmanager
def _serving(
    fleet: Fleet, shown: Shown, address: tuple[str, int], log: structlog.stdlib.BoundLogger
) -> Iterator[Server]:
    from monitor.pages.routes import statement_routes

    contracts = [fleet.contract(name) for name in fleet.names()]
    periods = RunningPeriods(shown.engine, SystemClock(), contracts)
    exposition = Exposition(Accounts(shown.watch, shown.engine, SystemClock(), periods, shown.keeper.backed))
    pages = statement_routes(shown.engine, shown.office.public_key)
    server = Server(make_app(exposition, shown.unwell, pages), *address)
    server.start()
    log.info("listening", metrics=f"{server.url}metrics")
    try:
        yield server
    finally:
        server.stop()


@contextmanager
def _stop_signals() -> Iterator[threading.Event]:
    """Give an event that SIGTERM and SIGINT set."""
    stopping = threading.Event()

    def stop(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 -- the signature of a handler
        stopping.set()

    before = [(number, signal.signal(number, stop)) for number in (signal.SIGTERM, signal.SIGINT)]
    try:
        yield stopping
    finally:
        for which, handler in before:
            signal.signal(which, handler)
