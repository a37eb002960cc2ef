"""When the next backup is due. Pure: from the contract, the last good one, and how often it failed since."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from contract.duration import DAY, HOUR, MINUTE, CalendarDuration, Micros
from crm.backup import Snapshot
from crmhost.backup.retention import later

_EVERY: dict[str, Micros | CalendarDuration] = {
    "hour": HOUR,
    "day": DAY,
    "week": 7 * DAY,
    "month": CalendarDuration(1, "month"),
}
FIRST_PAUSE, LONGEST_PAUSE = 5 * MINUTE, HOUR
"""How long is waited after one failure, and at the most after many."""


def due_at(every: Literal["hour", "day", "week", "month"], snapshots: Sequence[Snapshot]) -> Micros | None:
    """Return when the next backup is due: `every` after the last one, whatever that was made for; None: at once."""
    last = max((one.taken for one in snapshots), default=None)
    return None if last is None else later(last, _EVERY[every])


def try_again_at(failed: Micros, failures: int) -> Micros:
    """Return when to try again after so many failures in a row, the last at `failed`."""
    return failed + min(FIRST_PAUSE << min(failures - 1, 10), LONGEST_PAUSE)
