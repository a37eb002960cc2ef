"""Runs in a container of its own: starts the jobs of a release by the clock.

    scheduler.py JOBS.json

JOBS.json lists objects with `name`, `every` (minutes), `argv`, `env`, `cwd`. A job begins at each minute since 1970
that `every` divides, as cron's would, and never while its run before is still going. What it prints goes to standard
output, each line after its name. SIGTERM ends the jobs that run, then the scheduler.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from typing import Any

MINUTE = 60
GRACE = 20.0
"""Seconds that a running job has to end by itself; what runs this ends it after 30."""


def main() -> None:
    """Start each job in a thread of its own; wait for the signal, then for the jobs."""
    with open(sys.argv[1], encoding="utf-8") as file:  # noqa: PTH123 - pathlib costs more than all of this
        jobs = json.load(file)
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: ended.set())
    threads = [threading.Thread(target=repeat, args=(job, ended)) for job in jobs]
    for thread in threads:
        thread.start()
    say(f"scheduler: {', '.join(job['name'] for job in jobs)}")
    ended.wait()
    for thread in threads:
        thread.join()


def repeat(job: "dict[str, Any]", ended: threading.Event) -> None:
    """Run one job at its minutes until the end; one thread never runs two at once."""
    every = float(job["every"]) * MINUTE
    while not ended.wait(every - time.time() % every):
        run(job, ended)


def run(job: "dict[str, Any]", ended: threading.Event) -> None:
    """Run the job once; what cannot be started is a line of output too."""
    try:
        process = subprocess.Popen(  # noqa: S603 - the recipe's own program, never a shell
            job["argv"],
            env={**os.environ, **job["env"]},
            cwd=job["cwd"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        )
    except OSError as error:
        say(f"{job['name']}: {error}")
        return
    ender = threading.Thread(target=end, args=(process, ended))
    ender.start()
    for line in process.stdout or ():
        say(f"{job['name']}: {line.rstrip()}")
    code = process.wait()
    ender.join()
    if code != 0:
        say(f"{job['name']}: exit {code}")


def end(process: "subprocess.Popen[str]", ended: threading.Event) -> None:
    """Wait for the job's own end, or end it once the scheduler is to end."""
    while process.poll() is None:
        if ended.wait(0.2):
            stop(process, signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(GRACE)
            stop(process, signal.SIGKILL)


def stop(process: "subprocess.Popen[str]", number: int) -> None:
    """Send the signal to the job and all that it started."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, number)


def say(line: str) -> None:
    """Print one line at once."""
    print(line, flush=True)  # noqa: T201 - the container's log


if __name__ == "__main__":
    main()
