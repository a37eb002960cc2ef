"""The whole story, the first time (packages cached, nothing built) and the second (environment and template reused)."""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.measure import show


def main() -> None:
    """Tell the story twice in a cache of its own."""
    pip = os.environ.get("PIP_CACHE_DIR") or str(Path.home() / ".cache" / "pip")
    with tempfile.TemporaryDirectory(prefix="crmhost-bench-") as cache:
        environment = {**os.environ, "XDG_CACHE_HOME": cache, "PIP_CACHE_DIR": pip}
        first, second = _told(environment), _told(environment)
    rows = []
    for name, ending, bar in (("first", first, "180 s"), ("second", second, "90 s")):
        outage = f"outage {ending['outage_measured_seconds']:.2f} s, caused {ending['outage_caused_seconds']:.2f} s"
        rows.append((f"crmhost demo, {name} time", f"{ending['wall_seconds']:.0f} s", outage, bar))
    show(rows)


def _told(environment: dict[str, str]) -> dict[str, float]:
    argv = [sys.executable, "-m", "crmhost", "demo", "--json"]
    run = subprocess.run(argv, env=environment, capture_output=True, text=True, check=False)
    if run.returncode != 0:
        raise RuntimeError(run.stderr[-2000:])
    ending: dict[str, float] = json.loads(run.stdout.splitlines()[-1])
    return ending


if __name__ == "__main__":
    main()
