"""The programs that run in a release's containers: what asks whether it is ready, and what starts its jobs."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import resources
from pathlib import Path

import pytest

PROBE, SCHEDULER = (str(resources.files("infra.probe") / name) for name in ("probe.py", "scheduler.py"))


class Crm(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        told = f"{self.path} {self.headers['Host']} {self.headers['X-Forwarded-Proto']}"
        status = 500 if self.path == "/broken" else 302 if self.path == "/elsewhere" else 200
        self.send_response(status)
        self.end_headers()
        self.wfile.write(f"ready: {told} {'x' * 100_000}\n<ö>".encode())

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def listening(answer: bytes) -> Iterator[str]:
    """Answer one connection with these bytes and close it."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            with server.accept()[0] as connection:
                connection.recv(1000)
                connection.sendall(answer)

        threading.Thread(target=serve, daemon=True).start()
        yield f"127.0.0.1:{server.getsockname()[1]}"


@pytest.fixture(scope="module")
def crm() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Crm) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def probe(
    address: str,
    path: str = "/ready",
    pattern: str = "^200 ready: ",
    *,
    database: str = "127.0.0.1:1",
    process: str = "web",
) -> tuple[int, str]:
    argv = [sys.executable, "-IS", PROBE, address, database, "GET", path, "crm.acme.example", "https", pattern]
    done = subprocess.run(
        argv, capture_output=True, text=True, check=False, env={"CRMHOST_PROCESS": process}, timeout=30
    )
    assert done.stderr == ""
    return done.returncode, done.stdout


def test_it_asks_as_the_ingress_does_and_judges_by_the_pattern(crm: str) -> None:
    code, said = probe(crm)
    assert code == 0
    assert said.startswith("200 ready: /ready crm.acme.example https xxx")
    assert len(said) < 5000
    assert probe(crm, pattern="<ö>$")[0] == 0  # the whole page is judged, though little of it is shown
    assert probe(crm, pattern="^200 no")[0] == 1


@pytest.mark.parametrize(("path", "status"), [("/broken", "500 "), ("/elsewhere", "302 ")])
def test_an_error_and_a_redirect_are_answers(crm: str, path: str, status: str) -> None:
    code, said = probe(crm, path)
    assert code == 1
    assert said.startswith(status)


@pytest.mark.parametrize("answer", [b"", b"SSH-2.0-x\r\n", b"HTTP/1.1"])
def test_what_is_no_http_is_no_answer(answer: bytes) -> None:
    with listening(answer) as address:
        code, said = probe(address, pattern="")
    assert said.startswith("no answer: ")
    assert code == 0  # an empty pattern accepts anything; recipes are kept from having one


def test_nobody_there_is_no_answer() -> None:
    code, said = probe("127.0.0.1:1")
    assert (code, said.partition(":")[0]) == (1, "no answer")


@pytest.mark.parametrize(("answer", "code"), [(b"N", 0), (b"S", 0), (b"HTTP/1.1 400", 1), (b"", 1)])
def test_other_processes_are_well_while_the_database_answers(answer: bytes, code: int) -> None:
    with listening(answer) as database:
        assert probe("127.0.0.1:1", process="worker", database=database)[0] == code
    assert probe("127.0.0.1:1", process="worker")[0] == 1


def test_it_starts_fast_enough_to_run_every_few_seconds(crm: str) -> None:
    before = os.times()
    for _ in range(5):
        probe(crm)
    spent = os.times()
    seconds = (spent.children_user + spent.children_system - before.children_user - before.children_system) / 5
    assert seconds < 0.08


EVERY = 0.01  # minutes


@contextmanager
def scheduled(folder: Path, *argvs: list[str]) -> Iterator[subprocess.Popen[str]]:
    jobs = [
        {"name": f"job{number}", "every": EVERY, "argv": argv, "env": {"COLOUR": "blue"}, "cwd": str(folder)}
        for number, argv in enumerate(argvs)
    ]
    (folder / "jobs.json").write_text(json.dumps(jobs))
    argv = [sys.executable, "-IS", SCHEDULER, str(folder / "jobs.json")]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def python(code: str) -> list[str]:
    return [sys.executable, "-IS", "-c", code]


def lines(process: subprocess.Popen[str]) -> Iterator[str]:
    assert process.stdout is not None
    for line in process.stdout:
        yield line.rstrip()


def until(process: subprocess.Popen[str], wanted: str) -> list[str]:
    """Return the lines up to the wanted one."""
    found = []
    for line in lines(process):
        found.append(line)
        if wanted in line:
            return found
    raise AssertionError(found)


@pytest.mark.slow
def test_jobs_run_again_and_again_with_their_output_and_their_failures(tmp_path: Path) -> None:
    says = python("import os; print('beat', os.environ['COLOUR'], os.getcwd()); raise SystemExit(3)")
    with scheduled(tmp_path, says, ["/nowhere"]) as process:
        found = until(process, "exit 3") + until(process, "exit 3") + until(process, "/nowhere")
    assert f"job0: beat blue {tmp_path}" in found
    assert "job1: [Errno 2] No such file or directory: '/nowhere'" in found


@pytest.mark.slow
def test_a_job_never_runs_twice_at_once(tmp_path: Path) -> None:
    code = "import os, time; os.mkdir('once'); time.sleep(1.2); os.rmdir('once'); print('alone')"
    with scheduled(tmp_path, python(code)) as process:
        found = until(process, "alone") + until(process, "alone")
    assert not [line for line in found if "FileExistsError" in line or "exit" in line]


@pytest.mark.slow
def test_it_ends_when_it_is_told_and_ends_what_runs_first(tmp_path: Path) -> None:
    code = """
import signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: sys.exit('ended in order'))
print('up', flush=True)
time.sleep(60)
"""
    with scheduled(tmp_path, python(code)) as process:
        until(process, "up")
        begun = time.monotonic()
        process.send_signal(signal.SIGTERM)
        rest = list(lines(process))
        assert process.wait(10) == 0
        assert time.monotonic() - begun < 10
    assert "job0: ended in order" in rest
