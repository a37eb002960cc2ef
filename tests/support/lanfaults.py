"""What goes wrong with a LAN server in the middle of a deploy, at an event of it or at what is seen on the server."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal

from crm.plan import Event
from tests.support.lanhost import LanHost
from tests.support.lans import LanCustomer
from tests.support.until import until


@dataclass
class At:
    """Does something, once, when the progress of an operation tells of an event. subject: its beginning."""

    phase: str
    subject: str
    state: str
    act: Callable[[], object]
    struck: bool = field(default=False, init=False)

    def __call__(self, event: Event) -> None:
        """Hear of an event."""
        here = (event.phase, event.state) == (self.phase, self.state) and event.subject.startswith(self.subject)
        if here and not self.struck:
            self.struck = True
            self.act()


def cut(lan: LanHost, how: Literal["drop", "reset"]) -> None:
    """Let nothing of SSH pass any more; reset: both ends are told so at once, where they send something."""
    target = "DROP" if how == "drop" else "REJECT --reject-with tcp-reset"
    lan.run(f"iptables -A INPUT -p tcp --dport 22 -j {target}; iptables -A OUTPUT -p tcp --sport 22 -j {target}")


def mend(lan: LanHost) -> None:
    """Let everything pass again."""
    lan.run("iptables -F")


@contextmanager
def once(lan: LanHost, condition: str, act: Callable[[], object]) -> Iterator[None]:
    """Do something once a condition (of `sh`) holds on the server, while the block runs; fails where it never does."""
    loop = f"n=0; until {condition}; do n=$((n + 1)); [ $n -lt 9000 ] || exit 1; sleep 0.02; done"
    failed: list[BaseException] = []

    def wait() -> None:
        try:
            lan.run(loop)
            act()
        except BaseException as error:  # noqa: BLE001 -- raised again where the block ends
            failed.append(error)

    thread = threading.Thread(target=wait)
    thread.start()
    try:
        yield
    finally:
        thread.join()
    if failed:
        raise failed[0]


@contextmanager
def reading_notes(customer: LanCustomer) -> Iterator[None]:
    """Let somebody read the table of notes until the block ends: it can be dumped, and not changed."""
    lan, user = customer.lan, customer.layout.user
    script = "select count(*) from note; select pg_sleep(600)"
    reader = f'cd /; runuser -u postgres -- psql -q -d "{user}" -c "begin; {script}"'
    lan.container.exec_run(["sh", "-c", reader], detach=True)
    until(lambda: _readers(customer) == "1", "somebody reads the notes")
    try:
        yield
    finally:
        _end_readers(customer)


def _end_readers(customer: LanCustomer) -> None:
    """Let nobody read any more."""
    customer.lan.run(
        f'cd /; runuser -u postgres -- psql -XAtqc "select pg_terminate_backend(pid) {_WHERE}"', check=False
    )


def awaits_notes(customer: LanCustomer) -> str:
    """Return the condition that a step waits for those who read the notes."""
    query = "select count(*) from pg_locks join pg_database d on d.oid = database where not granted"
    return f'[ "$(cd /; runuser -u postgres -- psql -XAtqc "{query} and datname = \'{customer.layout.user}\'")" = 1 ]'


_WHERE = "from pg_stat_activity where query like '%pg_sleep(600)%' and pid <> pg_backend_pid()"


def _readers(customer: LanCustomer) -> str:
    return customer.lan.run(
        f"cd /; runuser -u postgres -- psql -XAtqc \"select count(*) {_WHERE} and state = 'active'\""
    ).strip()
