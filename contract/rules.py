"""Rules between the values of a contract: what makes a promise that cannot be kept or computed an error."""

from collections.abc import Iterator

from contract.explain import Finding
from contract.model import Amendment, Micros
from contract.moment import first_instant, zone
from contract.sections import Sections


def check(sections: Sections) -> Iterator[Finding]:
    """Yield what is wrong or odd between values that could be read."""
    monitor = sections.monitor
    if monitor is not None and not len(monitor.vantages) < 2 * monitor.quorum <= 2 * len(monitor.vantages):
        count = len(monitor.vantages)
        yield Finding(
            ("monitor", "quorum"), f"write more than half of the {count} vantages, from {count // 2 + 1} to {count}"
        )


def check_order(amendments: tuple[Amendment, ...], sections: Sections) -> Iterator[Finding]:
    """Yield amendments that do not follow the one before."""
    last: Micros | None = None
    local = zone(sections.sla.period.timezone if sections.sla is not None else "UTC")
    for index, amendment in enumerate(amendments):
        start = first_instant(amendment.start, local)
        if last is not None and start <= last:
            yield Finding(("amendments", index, "from"), "write amendments in the order of their dates, each later")
        last = start
