"""A write that is killed leaves no half backup in the list, and the next one goes on as if nothing had been."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from crmhost.backup.bucket import Bucket, Credentials
from crmhost.backup.folder import Folder
from crmhost.backup.shelf import LEFT_AFTER, Shelf
from crmhost.backup.store import Store
from tests.crmhost.backup.conftest import OLD, Clock, Keys, dumping, loaded, shelf_of

SAVING = """
import sys, time
from pathlib import Path
from crm.backup import Contents
from crm.plan import Release
from crmhost.backup.bucket import Bucket, Credentials
from crmhost.backup.folder import Folder
from crmhost.backup.shelf import Shelf

def dump(sink):
    for _ in range(40):
        sink.write(bytes(1 << 20))
    sink.flush()
    print("half", flush=True)
    time.sleep(60)
    return Contents({}, 0, 0)

place, recipient, *credentials = sys.argv[1:]
store = Bucket(place, Credentials(*credentials)) if place.startswith("s3://") else Folder(Path(place))
shelf = Shelf("acme", store, [recipient], {}, lambda: 1_791_000_000_000_000)
shelf.save(Release("small", "1.0", "a" * 64, "1"), "asked", dump)
"""


def killed_half_way(place: str, who: Keys, *credentials: str) -> None:
    """Begin to save 40 MiB to there, and kill it when they are written but not all that was to come."""
    with subprocess.Popen(
        [sys.executable, "-c", SAVING, place, who.recipients[0], *credentials], stdout=subprocess.PIPE, text=True
    ) as saving:
        assert saving.stdout is not None
        assert saving.stdout.readline() == "half\n"
        saving.send_signal(signal.SIGKILL)


def goes_on(store: Store, who: Keys, clock: Clock) -> Shelf:
    """Show that nothing is listed, that the same second may be used again, and that the next one is whole."""
    shelf = shelf_of(store, who, clock)
    assert shelf.survey().snapshots == ()
    assert shelf.survey().troubles == ()
    assert loaded(shelf, shelf.save(OLD, "asked", dumping(b"whole")).id) == b"whole"
    return shelf


@pytest.mark.slow
def test_in_a_folder(tmp_path: Path, who: Keys, clock: Clock) -> None:
    folder = tmp_path / "to"
    killed_half_way(str(folder), who)
    assert [one.suffix for one in folder.iterdir()] == [".partial"]
    shelf = goes_on(Folder(folder), who, clock)
    assert shelf.prune(None).left == 0
    left = next(one for one in folder.iterdir() if one.suffix == ".partial")
    assert Folder(folder).sweep(left.stat().st_mtime_ns // 1000 + LEFT_AFTER) == 1


@pytest.mark.slow
def test_in_a_bucket(bucket: str, s3: Credentials, who: Keys, clock: Clock) -> None:
    place = f"{bucket}/acme"
    killed_half_way(place, who, *(str(one) for one in (s3.endpoint, s3.region, s3.key, s3.secret)))
    shelf = goes_on(Bucket(place, s3), who, clock)
    assert [entry.name.partition(".")[2] for entry in shelf.store.entries()] == ["age", "json"]
    assert shelf.store.sweep(0) == 0
    assert shelf.store.sweep(2**62) == 1
