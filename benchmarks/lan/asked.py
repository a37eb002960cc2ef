"""What a deploy asks a server, again: the very scripts and resources of the driver, without its command line."""

from __future__ import annotations

import io
import secrets
import tarfile
import time
from datetime import UTC, datetime

from benchmarks.lan.place import Company
from benchmarks.lan.timing import Act
from crm.recipe import Recipe
from crmhost.fleet import Fleet
from crmhost.lan import setup_of
from crmhost.order import read_order
from crmhost.target import Wish
from playbooks.kind import Resource
from playbooks.lan.facts import PlaceKind, RecordKind, RecordWanted
from playbooks.lan.layout import Layout
from playbooks.lan.server import Setup
from playbooks.lan.survey import Survey, places, survey
from playbooks.mover.memory import MemoryKind
from playbooks.observe import question
from playbooks.shell import Sh
from tests.support.lanhost import LanHost


def surveyed(company: Company, name: str, host: LanHost, recipe: Recipe) -> Survey:
    """Return what a contract wants of a server, and what is there."""
    wish = _wish(company, name, recipe)
    with host.root() as reached:
        return survey(
            reached, Layout(name), wish.want(wish.fresh()), setup_for(company, name, recipe), secrets.token_hex(16)
        )


def setup_for(company: Company, name: str, recipe: Recipe) -> Setup:
    """Return what a contract says of its server, with the certificate that the fleet has for it."""
    wish = _wish(company, name, recipe)
    return setup_of(wish, datetime.now(UTC), wish.fresh())


def _wish(company: Company, name: str, recipe: Recipe) -> Wish:
    fleet = Fleet(company.fleet, company.environment, local=False)
    order, access = read_order(fleet, name, time.time_ns() // 1000)
    return Wish(fleet, order, access, recipe, lambda _: None, make_secrets=True, refresh=False)


def scripts(name: str, seen: Survey) -> tuple[Sh, Sh]:
    """Return the two scripts that a plan sends: what the server is, and every resource. Pure but for their nonces."""
    layout = Layout(name)
    first = (Resource(PlaceKind(), name, layout), Resource(MemoryKind("root"), name, places(layout)))
    record = RecordWanted(layout, seen.known["dbport"], layout.template(seen.template[0]))
    second = (*seen.staged.resources, *seen.serving, Resource(RecordKind(), name, record))
    return (
        question(first, secrets.token_hex(8), root=True),
        question(second, secrets.token_hex(8), root=True),
    )


def on_the_host(host: LanHost, name: str, seen: Survey) -> Act:
    """Return an act that runs both scripts on the server itself, as root, by its own clock: no SSH, no sudo."""
    paths = []
    for number, script in enumerate(scripts(name, seen)):
        paths.append(f"/root/ask{number}.sh")
        host.container.put_archive("/", _tar(paths[-1], script.text.encode()))
    program = (
        "import subprocess, time\nbegun = time.perf_counter()\n"
        f"for path in {paths!r}:\n    subprocess.run(['sh', '-s'], stdin=open(path), capture_output=True, check=True)\n"
        "print(time.perf_counter() - begun)\n"
    )
    host.container.put_archive("/", _tar("/root/ask.py", program.encode()))
    return lambda: float(host.run("python3 /root/ask.py"))


def _tar(path: str, content: bytes) -> bytes:
    sink = io.BytesIO()
    with tarfile.open(fileobj=sink, mode="w") as archive:
        entry = tarfile.TarInfo(path.lstrip("/"))
        entry.size, entry.mode = len(content), 0o600
        archive.addfile(entry, io.BytesIO(content))
    return sink.getvalue()
