from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from crm.errors import LockHeld
from monitor.store.lock import only_monitor

HOLD = """
import sys
from pathlib import Path
from monitor.store.lock import only_monitor
with only_monitor(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_second_monitor_is_refused_and_told_who_holds_the_database(tmp_path: Path) -> None:
    database = tmp_path / "fleet.db"
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(database)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(LockHeld, match=rf"process {holder.pid} on {socket.gethostname()}"), only_monitor(database):
            pass
        holder.kill()
        holder.wait()
        with only_monitor(database):  # free the moment its holder is dead, whatever the file says
            assert str(os.getpid()) in (tmp_path / "fleet.db.lock").read_text()
    with only_monitor(database):
        pass


def test_a_lock_file_full_of_nonsense_is_no_lock(tmp_path: Path) -> None:
    (tmp_path / "fleet.db.lock").write_text("\x00 nonsense")
    with only_monitor(tmp_path / "fleet.db"):
        pass
