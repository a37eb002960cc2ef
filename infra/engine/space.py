"""How much is free on the disk that a Docker engine keeps its things on. Nothing is started there."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess

from infra.engine.reach import PATIENCE, Reach
from infra.engine.ssh import ssh_command

_LINE = re.compile(r"\s\d+\s+\d+\s+(\d+)\s+(?:\d+%|-)\s")


def free(reach: Reach, folder: str) -> int | None:
    """Return the bytes that are free below the engine's folder on its host; None where that cannot be seen.

    An ssh:// host is asked with `df`, this machine's own engine by the file system; one at tcp:// shows nothing.
    """
    if reach.scheme == "unix":
        try:
            return shutil.disk_usage(folder).free
        except OSError:
            return None
    if reach.scheme != "ssh":
        return None
    try:
        said = subprocess.run(  # noqa: S603 -- an argument vector
            [*ssh_command(reach), shlex.join(["df", "-Pk", folder])],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=2 * PATIENCE,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    found = _LINE.search(said.stdout.decode("utf-8", "replace"))
    return None if said.returncode != 0 or found is None else int(found[1]) << 10
