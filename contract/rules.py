"""Rules between the values of a contract: what makes a promise that cannot be kept or computed an error."""

from collections.abc import Iterator

from contract.explain import Finding
from contract.model import Amendment
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
    yield from ()
