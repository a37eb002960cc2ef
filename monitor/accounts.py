"""What `/metrics` shows, out of the running monitor and its database."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from sqlalchemy import ColumnElement, Connection, Engine, FromClause, func, select

from monitor.clock import Clock
from monitor.metrics import Backed, Books, Watching
from monitor.running import RunningPeriod, RunningPeriods
from monitor.store.database import reading
from monitor.store.ledger import credits_, outbox, settlements
from monitor.watch import Watch


class Accounts:
    """The Snapshot of one machine that watches, settles and delivers; `backups` tells how those stand."""

    def __init__(
        self,
        watch: Watch,
        engine: Engine,
        clock: Clock,
        periods: RunningPeriods,
        backups: Callable[[], Sequence[Backed]] = tuple,
    ) -> None:
        self._watch = watch
        self._engine = engine
        self._clock = clock
        self._periods = periods
        self._backups = backups

    def watching(self) -> Watching:
        """Tell what is seen now."""
        watch = self._watch
        return Watching(
            watch.vantage, self._clock.read().wall, watch.seen(), watch.steps, watch.stalls, watch.write_failures
        )

    def periods(self) -> Sequence[RunningPeriod]:
        """Measure the running periods."""
        return self._periods.read()

    def books(self) -> Books:
        """Count what the ledger holds, of one instant."""
        with reading(self._engine) as connection:
            return Books(
                settlements=_count(connection, settlements, settlements.c.contract),
                credits=_count(connection, credits_, credits_.c.contract),
                outbox=_count(connection, outbox, outbox.c.state),
            )

    def backups(self) -> Sequence[Backed]:
        """Tell how the promised backups stand."""
        return self._backups()


def _count(connection: Connection, table: FromClause, by: ColumnElement[str]) -> Mapping[str, int]:
    rows = connection.execute(select(by, func.count()).select_from(table).group_by(by))
    return {key: number for key, number in rows}  # noqa: C416 - rows are no pairs to dict()
