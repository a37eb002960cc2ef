"""The programs that run on the host, run here as the host runs them: a shell, a Python, its standard input."""

from __future__ import annotations

import http.server
import json
import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
import threading
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from playbooks.onhost.ask import LISTEN
from playbooks.programs import Program, program
from tests.support.certificates import self_signed

SERVER = """
import http.server, sys
host, port = sys.argv[1].split(":")
class H(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = f"{self.path} {self.headers['Host']} {self.headers['X-Forwarded-Proto']}".encode()
        self.send_response(503 if "not" in self.path else 200); self.end_headers(); self.wfile.write(body)
print("started", flush=True)
http.server.HTTPServer((host, int(port)), H).serve_forever()
"""


def run(name: Program, *args: str, stdin: Mapping[str, Any] | None = None) -> str:
    command = program(name, sys.executable, *args).text
    given = b"" if stdin is None else json.dumps(stdin).encode()
    return subprocess.run(["sh", "-c", command], input=given, capture_output=True, check=True).stdout.decode()


def step(tmp: Path, code: str, **changes: object) -> dict[str, Any]:
    spec = {
        "db": str(tmp / "db.sqlite3"),
        "name": "seed",
        "release": "r1",
        "schema": ["smallapp", "1.0", "1"],
        "reached": False,
        "argv": [sys.executable, "-c", code],
        "env": {"COLOUR": "blue"},
        "cwd": str(tmp),
        "stdin": "",
        "ok": "well done",
        "secrets": ["hunter22"],
        "log": str(tmp / "steps.log"),
        "guard": None,
    }
    answer: dict[str, Any] = json.loads(run("step", stdin={**spec, **changes}))
    return answer


def records(tmp: Path) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(run("records", "read", str(tmp / "db.sqlite3")))
    return answer


def test_a_step_is_judged_by_its_output_and_recorded(tmp_path: Path) -> None:
    good = "import os, sys; print('well done', os.environ['COLOUR'], os.getcwd(), sys.stdin.read()); sys.exit(3)"
    answer = step(tmp_path, good, stdin="line")
    assert answer == {"ok": True, "same": False, "code": 3, "output": f"well done blue {tmp_path} line\n"}
    found = records(tmp_path)
    assert found["steps"]["seed"][:2] == ["finished", "r1"]
    assert found["schema"] == ["smallapp", "1.0", "1"]


def test_a_step_that_says_nothing_good_stays_started_whatever_its_exit_code(tmp_path: Path) -> None:
    assert step(tmp_path, "print('oh no')") == {"ok": False, "same": False, "code": 0, "output": "oh no\n"}
    assert records(tmp_path)["steps"]["seed"][0] == "started"


def test_a_question_of_the_recipes_own_is_asked_before_and_after(tmp_path: Path) -> None:
    ask = {"kind": "sql", "db": str(tmp_path / "db.sqlite3"), "query": "select count(*) from theirs"}
    guard = {"ask": ask, "expect": "^1$", "address": None}
    lying = step(tmp_path, "print('well done')", guard=guard)
    assert not lying["ok"]
    assert "the recipe's question says that it is not done" in lying["output"]
    assert records(tmp_path)["steps"]["seed"][0] == "started"
    work = f"import sqlite3; d = sqlite3.connect({ask['db']!r}); d.execute('create table theirs as select 1 x')"
    assert step(tmp_path, f"{work}; d.commit(); print('well done')", guard=guard)["ok"]
    again = step(tmp_path, "raise SystemExit('never run')", guard=guard)
    assert (again["ok"], again["same"]) == (True, True)
    assert records(tmp_path)["steps"]["seed"][0] == "finished"


def test_a_program_that_is_not_there_is_an_answer(tmp_path: Path) -> None:
    answer = step(tmp_path, "", argv=["/nowhere/python"])
    assert (answer["ok"], answer["code"]) == (False, 127)


def test_a_secret_in_the_output_reaches_neither_log_nor_answer(tmp_path: Path) -> None:
    answer = step(tmp_path, "import sys; print('well done', sys.stdin.read())", stdin="password hunter22!")
    assert "password ***!" in answer["output"]
    assert "hunter22" not in (tmp_path / "steps.log").read_text()


def test_reading_makes_no_file_and_sees_other_peoples_tables(tmp_path: Path) -> None:
    assert records(tmp_path) == {"steps": {}, "schema": None, "others": 0, "error": None}
    assert list(tmp_path.iterdir()) == []
    with closing(sqlite3.connect(tmp_path / "db.sqlite3")) as db:
        db.execute("create table theirs (x)")
    assert records(tmp_path)["others"] == 1


def test_a_file_that_is_no_database_is_said_so(tmp_path: Path) -> None:
    (tmp_path / "db.sqlite3").write_text("x" * 4096)
    assert records(tmp_path)["error"] == "file is not a database"


def test_what_was_derived_for_a_release_is_forgotten_with_it(tmp_path: Path) -> None:
    for name in ("seed", "derive@r1", "derive@r2"):
        step(tmp_path, "print('well done')", name=name)
    run("records", "forget", str(tmp_path / "db.sqlite3"), "r1")
    assert sorted(records(tmp_path)["steps"]) == ["derive@r2", "seed"]


def test_a_template_is_a_whole_private_copy_made_before_any_secret(tmp_path: Path) -> None:
    db, template = tmp_path / "db.sqlite3", tmp_path / "templates" / "key.sqlite3"
    step(tmp_path, "print('well done')")
    step(tmp_path, "print('well done')", name="derive@r1")
    with closing(sqlite3.connect(db, isolation_level=None)) as live:
        live.execute("pragma journal_mode = wal")
        live.execute("create table theirs (x)")
        live.execute("insert into theirs values (42)")
        assert run("records", "template", str(db), str(template), "admin").strip() == "done"
    assert [path.name for path in template.parent.iterdir()] == ["key.sqlite3"]
    assert template.stat().st_mode & 0o777 == 0o600
    with closing(sqlite3.connect(template)) as copy:
        assert copy.execute("select x from theirs").fetchall() == [(42,)]
        assert copy.execute("select name from crmhost_steps").fetchall() == [("seed",)]
    assert run("records", "template", str(db), str(template), "admin").strip() == "same"
    step(tmp_path, "print('well done')", name="admin")
    assert run("records", "template", str(db), str(tmp_path / "late.sqlite3"), "admin").strip() == "begun"
    assert not (tmp_path / "late.sqlite3").exists()


def trial(tmp: Path, code: str, path: str = "/ready", patience: float = 5) -> dict[str, Any]:
    spec = {
        "ask": {
            "kind": "http",
            "method": "GET",
            "path": path,
            "headers": {"Host": "crm.acme.example", "X-Forwarded-Proto": "https"},
            "body": None,
        },
        "expect": "^200 /ready crm.acme.example https$",
        "patience": patience,
        "address": None,
        "candidate": {
            "argv": [sys.executable, "-c", textwrap.dedent(code), LISTEN],
            "env": {},
            "cwd": str(tmp),
            "stop": 2,
            "run": str(tmp / "run" / "c"),
            "log": str(tmp / "candidate.log"),
        },
    }
    answer: dict[str, Any] = json.loads(run("ask", stdin=spec))
    return answer


def test_a_candidate_is_asked_on_a_spare_port_and_ended(tmp_path: Path) -> None:
    answer = trial(tmp_path, "import os; open('pid', 'w').write(str(os.getpid()))" + SERVER)
    assert answer["held"], answer
    assert (tmp_path / "candidate.log").read_text().startswith("started")
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)


def test_a_candidate_that_answers_wrong_is_given_up(tmp_path: Path) -> None:
    answer = trial(tmp_path, SERVER, path="/not", patience=0.5)
    assert not answer["held"]
    assert answer["answer"].startswith("503 /not")
    assert answer["died"] is None


def test_a_candidate_that_ends_is_given_up_at_once(tmp_path: Path) -> None:
    answer = trial(tmp_path, "print('no such module'); raise SystemExit(7)", patience=60)
    assert (answer["held"], answer["died"]) == (False, 7)
    assert answer["seconds"] < 30
    assert (tmp_path / "candidate.log").read_text() == "no such module\n"


def test_a_candidate_does_not_outlive_what_started_it(tmp_path: Path) -> None:
    fifo = tmp_path / "alive"
    os.mkfifo(fifo)
    code = f"import os, time; w = open({str(fifo)!r}, 'w'); w.write(str(os.getpid())); w.flush(); time.sleep(600)"
    spec = {
        "ask": {"kind": "sql", "db": str(tmp_path / "none"), "query": "select 1"},
        "expect": "never",
        "patience": 600,
        "address": None,
        "candidate": {
            "argv": [sys.executable, "-c", code],
            "env": {},
            "cwd": str(tmp_path),
            "stop": 2,
            "run": str(tmp_path / "run"),
            "log": str(tmp_path / "log"),
        },
    }
    command = "exec " + program("ask", sys.executable).text
    with subprocess.Popen(["sh", "-c", command], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as asker:
        assert asker.stdin is not None
        asker.stdin.write(json.dumps(spec).encode())
        asker.stdin.close()
        with fifo.open() as reader:
            first = reader.read(1)
            asker.send_signal(signal.SIGKILL)
            rest = reader.read()  # ends when the last writer of the fifo has ended
        assert (first + rest).isdigit()


@pytest.mark.parametrize(("body", "answer"), [(None, "404 "), ("password=x", "no answer: SSLCertVerificationError")])
def test_a_site_is_asked_on_its_host_whoever_vouches_for_its_certificate_but_for_a_form(
    tmp_path: Path, body: str | None, answer: str
) -> None:
    with http.server.HTTPServer(("127.0.0.1", 0), http.server.SimpleHTTPRequestHandler) as server:
        server.socket = self_signed(tmp_path, "crm.acme.example").wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.handle_request, daemon=True).start()
        method = "POST" if body else "GET"
        ask: dict[str, Any] = {"kind": "http", "method": method, "path": "/nowhere", "body": body, "headers": {}}
        url = f"https://localhost:{server.server_port}"
        spec = {"ask": ask, "expect": "$", "patience": 0, "address": url, "candidate": None}
        assert json.loads(run("ask", stdin=spec))["answer"].startswith(answer)


@pytest.mark.parametrize(
    ("ask", "expected"),
    [
        ({"kind": "sql", "query": "select count(*) from sqlite_master"}, "0"),
        ({"kind": "sql", "query": "select null"}, ""),
        ({"kind": "sql", "query": "select x from nowhere"}, "no answer: no such table: nowhere"),
        ({"kind": "exec", "argv": ["/bin/cat"], "stdin": "hello"}, "hello"),
        ({"kind": "exec", "argv": ["/nowhere"], "stdin": ""}, "FileNotFoundError: [Errno 2] No such file or directory"),
    ],
)
def test_every_kind_of_question_has_an_answer(tmp_path: Path, ask: dict[str, Any], expected: str) -> None:
    sqlite3.connect(tmp_path / "db").close()
    (tmp_path / "db").touch()
    asked = {"env": {}, "cwd": str(tmp_path), "db": str(tmp_path / "db"), **ask}
    spec = {"ask": asked, "expect": "$", "patience": 0, "address": "127.0.0.1:1", "candidate": None}
    answer = json.loads(run("ask", stdin=spec))
    assert answer["held"]
    assert answer["answer"].startswith(expected)
