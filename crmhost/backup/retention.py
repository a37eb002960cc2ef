"""Which backups may go. Pure: from what there is, how long the contract keeps each, and what the time is."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import timedelta

from contract.calendars import CalendarName, months_later
from contract.duration import CalendarDuration, Micros
from contract.moment import EPOCH, micros
from crm.backup import BackupId, Snapshot

_MONTHS = {"month": 1, "year": 12, "jalali-month": 1, "jalali-year": 12}


def expired(
    snapshots: Sequence[Snapshot],
    keep: Micros | CalendarDuration | None,
    now: Micros,
    held: Collection[BackupId] = (),
) -> tuple[Snapshot, ...]:
    """Return the backups that may be removed, oldest first; none where the contract does not say how long one is kept.

    Never among them, however old: the newest of all, the newest that was proven, the newest that an upgrade made
    (a rollback to the release before restores it), and what is `held`.
    """
    if keep is None:
        return ()
    stay = {*held}
    for some in (
        snapshots,
        [one for one in snapshots if one.proven],
        [one for one in snapshots if one.why == "upgrade"],
    ):
        if some:
            stay.add(max(some, key=_age).id)
    return tuple(one for one in sorted(snapshots, key=_age) if one.id not in stay and later(one.taken, keep) <= now)


def later(instant: Micros, length: Micros | CalendarDuration) -> Micros:
    """Return the instant so long after another; months and years are counted by their calendar, in UTC."""
    if not isinstance(length, CalendarDuration):
        return instant + length
    begun = EPOCH + timedelta(microseconds=instant)
    calendar: CalendarName = "jalali" if length.unit.startswith("jalali") else "gregorian"
    day = months_later(calendar, begun.date(), length.count * _MONTHS[length.unit])
    return micros(begun.replace(year=day.year, month=day.month, day=day.day))


def _age(snapshot: Snapshot) -> tuple[Micros, BackupId]:
    return snapshot.taken, snapshot.id
