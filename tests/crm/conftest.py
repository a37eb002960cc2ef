"""What the tests of the catalogue share: a folder made by hand as a recipe says, on this machine, without a driver."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from crm.recipe import Exec, Process, Recipe, Secret, Step, Text

SECRETS = {"admin-password": "Pa55 'wörd\" $x\\ {y}", "secret-key": "k3y 'with\" {braces} \\ and % signs" * 2}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def answer_of(url: str) -> str:
    """Return `STATUS BODY` of a GET, as `Ask` wants it; `0 …` when nobody answers."""
    try:
        with urllib.request.urlopen(url, timeout=10) as response:  # noqa: S310 - loopback, our own port
            return f"{response.status} {response.read().decode()}"
    except urllib.error.HTTPError as error:
        return f"{error.code} {error.read().decode()}"
    except OSError as error:
        return f"0 {error}"


@dataclass(frozen=True)
class HandMade:
    """A release laid out by hand: what a driver does, without its guarantees."""

    recipe: Recipe
    slots: Mapping[str, str]

    def text(self, parts: Text) -> str:
        return "".join(
            SECRETS[part.name] if isinstance(part, Secret) else part if isinstance(part, str) else part.fill(self.slots)
            for part in parts
        )

    def write_files(self) -> None:
        for file in self.recipe.files:
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

    def start(self, process: Process) -> subprocess.Popen[bytes]:
        argv, env, cwd = self.command(process.run)
        log = Path(self.slots["run"], f"{process.name}.log").open("ab")  # noqa: SIM115 - the process owns it
        with log:
            return subprocess.Popen(argv, env=env, cwd=cwd, stdout=log, stderr=log)

    def wait(self, path: str, holds: Callable[[str], bool], seconds: float = 30) -> str:
        deadline = time.monotonic() + seconds
        while True:
            answer = answer_of(f"http://{self.slots['listen']}{path}")
            if holds(answer) or time.monotonic() > deadline:
                return answer
            time.sleep(0.02)


MakeByHand = Callable[[Recipe, str], HandMade]


@pytest.fixture
def by_hand(tmp_path: Path) -> MakeByHand:
    """Return a function that lays out a release of a recipe in the test's folder; `python` is this interpreter."""

    def make(recipe: Recipe, version: str) -> HandMade:
        folders = {name: tmp_path / name for name in ("data", "run", "public", f"release-{version}", "app")}
        for folder in (*folders.values(), *(folders["data"] / name for name in recipe.folders)):
            folder.mkdir(exist_ok=True)
        listen = f"127.0.0.1:{free_port()}"
        slots = {
            "python": sys.executable, "bin": str(Path(sys.executable).parent), "php": "php", "app": str(folders["app"]),
            "release": str(folders[f"release-{version}"]), "data": str(folders["data"]), "run": str(folders["run"]),
            "public": str(folders["public"]), "listen": listen, "version": version, "url": f"http://{listen}",
            "host": "127.0.0.1", "db": str(folders["data"] / "db.sqlite3"), "language": "vi",
            "timezone": "Asia/Ho_Chi_Minh", "admin": "anna", "email": "anna@acme.example",
        }  # fmt: skip
        return HandMade(recipe, slots)

    return make


@pytest.fixture
def started() -> Iterator[list[subprocess.Popen[bytes]]]:
    """Processes put in here are ended with the test."""
    processes: list[subprocess.Popen[bytes]] = []
    yield processes
    for process in processes:
        process.kill()
        process.wait()
