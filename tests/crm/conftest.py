"""What the tests of the catalogue share: a folder made by hand as a recipe says, on this machine, without a driver."""

from __future__ import annotations

import http.client
import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from crm.recipe import Ask, Exec, Http, Process, Recipe, Secret, Sql, Step, Text
from crmhost.sandbox.ports import free_port

SECRETS = {"admin-password": "Pa55 'wörd\" $x\\ {y}", "secret-key": "k3y 'with\" {braces} \\ and % signs" * 2}


def answer_of(listen: str, path: str) -> str:
    """Return `STATUS BODY` of a GET, as `Ask` wants it; `0 …` when nobody answers. Redirects are not followed."""
    connection = http.client.HTTPConnection(listen, timeout=30)
    with closing(connection):
        try:
            connection.request("GET", path)
            response = connection.getresponse()
            return f"{response.status} {response.read().decode()}"
        except OSError as error:
            return f"0 {error}"


@dataclass(frozen=True)
class HandMade:
    """A release laid out by hand: what a driver does, without its guarantees."""

    recipe: Recipe
    slots: Mapping[str, str]
    secrets: Mapping[str, str]

    def text(self, parts: Text) -> str:
        return "".join(
            self.secrets[part.name]
            if isinstance(part, Secret)
            else part
            if isinstance(part, str)
            else part.fill(self.slots)
            for part in parts
        )

    def write_files(self) -> None:
        for file in self.recipe.files_with("sqlite"):
            path = Path(self.slots["release"], file.path)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(self.text(file.content).encode())
            path.chmod(file.mode)

    def command(self, run: Exec) -> tuple[list[str], dict[str, str], str]:
        argv = [self.text((arg,)) for arg in run.argv]
        env = {"PATH": os.environ["PATH"], "HOME": self.slots["data"], "LANG": "C.UTF-8"}
        env |= {name: self.text((value,)) for name, value in run.env.items()}
        return argv, env, self.text((run.cwd,)) if run.cwd is not None else self.slots["release"]

    def exec(self, run: Exec) -> str:
        argv, env, cwd = self.command(run)
        done = subprocess.run(
            argv, env=env, cwd=cwd, input=self.text(run.stdin).encode(), capture_output=True, check=False, timeout=300
        )
        return (done.stdout + done.stderr).decode()

    def step(self, step: Step) -> str:
        way = step.ways[0]
        assert isinstance(way, Exec)
        return self.exec(way)

    def asked(self, ask: Ask, seconds: float = 30) -> bool:
        match ask.how:
            case Sql(query=query):
                with closing(sqlite3.connect(self.slots["db"])) as db:
                    return ask.holds(str(db.execute(query).fetchone()[0]))
            case Exec():
                return ask.holds(self.exec(ask.how))
            case Http(path=path):
                return ask.holds(self.wait(path, ask.holds, seconds))

    def start(self, process: Process) -> subprocess.Popen[bytes]:
        argv, env, cwd = self.command(process.run)
        log = Path(self.slots["run"], f"{process.name}.log").open("ab")  # noqa: SIM115 - the process owns it
        with log:
            return subprocess.Popen(argv, env=env, cwd=cwd, stdout=log, stderr=log)

    def wait(self, path: str, holds: Callable[[str], bool], seconds: float = 30) -> str:
        deadline = time.monotonic() + seconds
        while True:
            answer = answer_of(self.slots["listen"], path)
            if holds(answer) or time.monotonic() > deadline:
                return answer
            time.sleep(0.02)


def lay_out(recipe: Recipe, version: str, folder: Path, python: str = sys.executable) -> HandMade:
    """Make the folders of a release below `folder`; a second one of another version shares the data."""
    folders = {name: folder / name for name in ("data", "run", "public", f"release-{version}", "app")}
    for path in (*folders.values(), *(folders["data"] / name for name in recipe.folders)):
        path.mkdir(exist_ok=True, parents=True)
    listen = f"127.0.0.1:{free_port()}"
    slots = {
        "python": python, "bin": str(Path(python).parent), "app": str(folders["app"]),
        "release": str(folders[f"release-{version}"]), "data": str(folders["data"]), "run": str(folders["run"]),
        "public": str(folders["public"]), "listen": listen, "version": version, "url": f"http://{listen}",
        "host": "127.0.0.1", "db": str(folders["data"] / "db.sqlite3"), "language": "vi",
        "timezone": "Asia/Ho_Chi_Minh", "admin": "anna", "email": "anna@acme.example",
        **dict.fromkeys(("dbhost", "dbport", "dbname", "dbuser", "redis"), ""),
    }  # fmt: skip
    return HandMade(recipe, slots, SECRETS)


MakeByHand = Callable[[Recipe, str], HandMade]


@pytest.fixture
def by_hand(tmp_path: Path) -> MakeByHand:
    """Return a function that lays out a release of a recipe in the test's folder; `python` is this interpreter."""
    return lambda recipe, version: lay_out(recipe, version, tmp_path)


@pytest.fixture
def started() -> Iterator[list[subprocess.Popen[bytes]]]:
    """Processes put in here are ended with the test."""
    processes: list[subprocess.Popen[bytes]] = []
    yield processes
    for process in processes:
        process.kill()
        process.wait()
