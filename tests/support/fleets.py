"""Several customers of the small application, each on a sandbox host of its own, worked on at once."""

from __future__ import annotations

import base64
import os
import shutil
import signal
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from crm.errors import HostError
from crm.plan import Event
from crmhost import deploy
from crmhost.fleetwide.child import Tell
from crmhost.fleetwide.choose import Job
from crmhost.fleetwide.ending import Ending
from crmhost.public import check
from crmhost.sandbox.host import Sandbox
from crmhost.sandbox.ports import free_port
from crmhost.sequence import Means
from playbooks.connect import Address, connect
from playbooks.course import Patience
from playbooks.known_hosts import name_of, pin
from playbooks.webhost.driver import WebHostDriver
from tests.support.deployments import Customer, lend_artifacts
from tests.support.wants import small_want


@dataclass(frozen=True, slots=True)
class Site:
    """Where a customer's sandbox is, in a form that other processes can be given."""

    root: Path
    ssh: int
    listen: str


@dataclass(frozen=True)
class SmallDeploy:
    """The work of a deploy, of the small application instead of one from the catalogue."""

    sites: Mapping[str, Site]
    version: str = "1.0"

    def __call__(self, contract: str, tell: Tell) -> Ending:
        """Deploy it."""
        site = self.sites[contract]
        want = replace(small_want(self.version, url=f"http://{site.listen}", listen=site.listen), contract=contract)
        address = Address("sandbox", "127.0.0.1", site.ssh)
        keys = {"key_file": site.root / "ssh" / "client", "accept_new": lambda _: True}
        with connect(address, site.root / "known_hosts", **keys) as host:  # type: ignore[arg-type] # see connect
            patience = Patience(10.0, 10.0)
            driver = WebHostDriver(
                host, contract, document_root=None, who="fleet@test", progress=tell, patience=patience
            )
            means = Means(tell, lambda want: check(want, patience=5.0))
            outcome = deploy.deploy(driver, want, means, confirm=lambda _: True)
        changes = len(outcome.plan.changes) if outcome.plan is not None else None
        return Ending(contract, outcome.did, outcome.release, changes)  # type: ignore[arg-type] # those of a deploy


@dataclass(frozen=True)
class Acting:
    """Work by its contract's name: `broken` fails, `bug` is one, `dead` kills itself, `slow` waits, `chatty`
    speaks with two voices without end, others end well.

    folder: where each leaves a file once it is at work, with its process id.
    """

    folder: Path

    def __call__(self, contract: str, tell: Tell) -> Ending:
        """Do what the name says."""
        tell(Event("stage", contract, "begin"))
        part = self.folder / f".{contract}"
        part.write_text(str(os.getpid()))
        part.rename(self.folder / contract)
        match contract.partition("-")[0]:
            case "broken":
                raise HostError(f"{contract}.example: the disk is full", "Make room.\nThen run it again.")
            case "bug":
                raise RuntimeError("deep inside")
            case "dead":
                os.kill(os.getpid(), signal.SIGKILL)
            case "slow":
                try:
                    time.sleep(120)  # the work itself; a test ends it
                finally:
                    (self.folder / f"{contract}.tidied").touch()
            case "chatty":
                speak = partial(_chatter, contract, tell)
                threading.Thread(target=speak, daemon=True).start()
                speak()
            case "brief":
                time.sleep(0.3)  # long enough to be seen beside another
        tell(Event("stage", contract, "done", seconds=0.1))
        return Ending(contract, "deployed", "small-1.0", 1)


def _chatter(contract: str, tell: Tell) -> None:
    for _ in range(10_000_000):
        tell(Event("stage", contract, "note", "x" * 20_000))


@dataclass
class Seen:
    """A watcher that remembers. most: how many were at work at once; by place, and in all."""

    began: list[str] = field(default_factory=list)
    ended: list[Ending] = field(default_factory=list)
    stops: list[tuple[str, ...]] = field(default_factory=list)
    events: list[tuple[str, Event]] = field(default_factory=list)
    at_work: dict[str, str] = field(default_factory=dict)
    most: dict[str, int] = field(default_factory=dict)
    each_tick: Callable[[], None] = lambda: None

    def begins(self, job: Job) -> None:
        self.began.append(job.contract)
        self.at_work[job.contract] = job.place
        places = list(self.at_work.values())
        for place, count in ((job.place, places.count(job.place)), ("", len(places))):
            self.most[place] = max(self.most.get(place, 0), count)

    def says(self, contract: str, message: object) -> None:
        if isinstance(message, Event):
            self.events.append((contract, message))

    def ends(self, ending: Ending) -> None:
        self.at_work.pop(ending.contract, None)
        self.ended.append(ending)

    def stopping(self, contracts: object) -> None:
        assert isinstance(contracts, list)
        self.stops.append(tuple(contracts))

    def tick(self) -> None:
        self.each_tick()


def jobs(*contracts: str, place: str = "", room: int = 8) -> tuple[Job, ...]:
    """Return a job for each, on a host of its own unless `place` names one for all."""
    return tuple(Job(one, place or f"{one}.example", room) for one in contracts)


@contextmanager
def customers(artifacts: Path, *names: str) -> Iterator[dict[str, Customer]]:
    """Open a sandbox for each customer, with the small application's artifacts on it."""
    with ExitStack() as stack:
        found = {}
        for name in names:
            root = stack.enter_context(tempfile.TemporaryDirectory(prefix="crmhost-"))
            box = stack.enter_context(Sandbox(Path(root), cron=False))
            lend_artifacts(artifacts, box)
            found[name] = Customer(box, name)
        yield found


def sites(found: Mapping[str, Customer]) -> dict[str, Site]:
    """Return where the customers are."""
    return {name: Site(one.box.root, one.box.address.port, f"127.0.0.1:{one.port}") for name, one in found.items()}


CONTRACT = """\
contract: {name}
customer: {{name: {name}, language: en}}
crm: {{recipe: creme, version: 2.8.6, url: "http://{listen}/"}}
target: {target}
term: {term}
"""


def contract_text(name: str, *, ssh: int = 9, target: str = "", term: str = "{signed: 2026-01-10}") -> str:
    """Return a contract for Creme on a sandbox that listens for SSH at that port; on another target where given."""
    listen = f"127.0.0.1:{free_port()}"
    sandbox = f"{{kind: webhost, host: 127.0.0.1, port: {ssh}, user: sandbox, listen: '{listen}'}}"
    return CONTRACT.format(name=name, listen=listen, target=target or sandbox, term=term)


@contextmanager
def sandboxes(count: int, key: Path, known_hosts: Path) -> Iterator[tuple[Sandbox, ...]]:
    """Open sandboxes that one key logs in to, as a fleet has one, each pinned in a fleet's known_hosts."""
    with ExitStack() as stack:
        found: list[Sandbox] = []
        for _ in range(count):
            root = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="crmhost-")))
            if found:
                (root / "ssh").mkdir(mode=0o700)
                for name in ("client", "client.pub"):
                    shutil.copy(found[0].root / "ssh" / name, root / "ssh" / name)
            found.append(stack.enter_context(Sandbox(root, cron=False)))
            algorithm, text = (root / "ssh" / "host.pub").read_text().split()[:2]
            pin(known_hosts, name_of("127.0.0.1", found[-1].address.port), algorithm, base64.b64decode(text))
        shutil.copy(found[0].key_file, key)
        yield tuple(found)
