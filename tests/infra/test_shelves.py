"""Which shelves are nobody's any more, and that those of a killed process go while those in use stay."""

import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from infra import naming, shelves
from infra.engine.connect import Reach, connect
from infra.engine.engine import Engine
from infra.engine.files import LABEL_MAKER, Volume, place
from infra.engine.seen import Seen, SeenContainer
from infra.shelves import Here, left_of
from tests.support.engine import RealEngine

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
HERE = Here("here", {7: 1000.0}.get, NOW)
HOLD = """\
import sys, time
from infra.engine.connect import Reach, connect
from infra.engine.files import Volume, place
with connect(Reach(sys.argv[1])) as engine, place(engine.client, Volume(sys.argv[2]), "/") as (shelf, _):
    print(shelf, flush=True)
    sys.stdin.read()
"""


def shelf(maker: str, age: timedelta = timedelta(seconds=1), role: str = "shelf") -> SeenContainer:
    return SeenContainer(
        id="1" * 64, name="x", image="i", state="created", health="", code=0,
        labels={naming.LABEL_ROLE: role, LABEL_MAKER: maker}, networks={}, mounts=(), user="", read_only=False,
        memory=0, memory_swap=0, nano_cpus=0, restart="no", capabilities=frozenset(), dropped=frozenset(),
        security=frozenset(), ports={}, restarts=0, created=NOW - age,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("found", "left"),
    [
        (shelf("7 1000.00 here"), False),
        (shelf("7 1000.00 here", timedelta(days=3)), False),  # it lives, however long
        (shelf("7 900.00 here"), True),  # another process has its number now
        (shelf("8 1000.00 here"), True),
        (shelf("8 1000.00 there"), False),
        (shelf("8 1000.00 there", timedelta(hours=3)), True),
        (shelf("", timedelta(hours=3)), True),
        (shelf("8 1000.00 here", role="web"), False),
    ],
)
def test_a_shelf_is_left_when_its_maker_is_gone(found: SeenContainer, left: bool) -> None:
    assert left_of(Seen("acme", {found.name: found}), HERE) == ((found.name,) if left else ())


@pytest.fixture
def host(engine: RealEngine) -> Iterator[Engine]:
    with connect(Reach(engine.url)) as connected:
        yield connected


@pytest.mark.slow
@pytest.mark.cloud
def test_the_shelf_of_a_killed_process_goes_and_one_in_use_stays(host: Engine, engine: RealEngine) -> None:
    contract = f"t{uuid.uuid4().hex[:8]}"
    volume = naming.journal(contract)
    host.make_volume(volume, naming.labels(contract, "journal"))
    try:
        with (
            place(host.client, Volume(volume), "/") as (mine, _),
            subprocess.Popen(
                [sys.executable, "-c", HOLD, engine.url, volume],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            ) as other,
        ):
            assert other.stdout is not None
            theirs = other.stdout.readline().strip()
            assert shelves.remove_left(host, contract) == ()
            os.kill(other.pid, signal.SIGKILL)
            other.wait()
            assert len(shelves.remove_left(host, contract)) == 1
            assert host.container(theirs) is None
            assert host.container(mine) is not None
    finally:
        for name in host.seen(contract).containers:
            host.remove(name)
        host.remove_volume(volume)
