"""pyinfra and Ansible, in an environment of their own: how they are installed, what they are given, how they are run.

The tasks are those of `benchmarks.lan.tasks`, said the way each tool's own documentation says them. ansible-core has no
module for PostgreSQL, so there psql is asked by `command`; the collection's modules would take longer.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.lan.tasks import Task

ROOT = Path(__file__).parents[2]
LOCK = ROOT / "requirements" / "peers.txt"
DEPLOY = Path(__file__).with_name("pyinfra_deploy.py")
PLACE = "CRMHOST_BENCH_PEERS"
"""The variable that names another folder than build/peers for the environment."""


@dataclass(frozen=True, slots=True)
class Server:
    """A server as the peers are told of it, by the same account and key that crmhost uses."""

    name: str
    address: str
    tasks: Sequence[Task]
    user: str = "deploy"


def environment() -> Path:
    """Return the folder of the peers' environment, after making it where it is not there or from another lock."""
    folder = Path(os.environ.get(PLACE) or ROOT / "build" / "peers")
    marker = folder / ".lock-digest"
    digest = hashlib.sha256(LOCK.read_bytes()).hexdigest()
    if marker.exists() and marker.read_text() == digest:
        return folder
    uv = str(Path(sys.executable).with_name("uv"))
    surroundings = {**os.environ, "UV_LINK_MODE": "copy"}
    python = str(folder / "bin" / "python")
    install = ("pip", "install", "--quiet", "--compile-bytecode", "--require-hashes", "--python", python)
    for words in (("venv", "--quiet", "--clear", "--python", sys.executable, str(folder)), (*install, "-r", str(LOCK))):
        subprocess.run([uv, *words], check=True, env=surroundings)
    marker.write_text(digest)
    return folder


@dataclass(frozen=True, slots=True)
class Peers:
    """The peers, and the files that they are given. key: the private key; known_hosts: the servers' keys."""

    environment: Path
    folder: Path
    key: Path
    known_hosts: Path

    def surroundings(self) -> dict[str, str]:
        """Return the environment that they run in: with their own settings, and nobody's SSH agent or configuration."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("ANSIBLE_", "SSH_"))}
        return {
            **kept,
            "HOME": str(self.folder),
            "PATH": f"{self.environment / 'bin'}{os.pathsep}{kept['PATH']}",
            "ANSIBLE_CONFIG": str(self.folder / "ansible.cfg"),
            "PYTHONPATH": "",
        }

    def pyinfra(self, servers: Sequence[Server], parallel: int = 0) -> list[str]:
        """Return the command with which pyinfra asks all about these servers. parallel: how many at once; 0: all."""
        hosts = []
        for one in servers:
            tasks = self.folder / f"{one.name}.tasks.json"
            tasks.write_text(json.dumps(one.tasks))
            data = {
                "tasks": str(tasks),
                "ssh_hostname": one.address,
                "ssh_user": one.user,
                "ssh_key": str(self.key),
                "ssh_known_hosts_file": str(self.known_hosts),
                "ssh_strict_host_key_checking": "yes",
                "ssh_allow_agent": False,
                "ssh_look_for_keys": False,
            }
            hosts.append((one.name, data))
        inventory = self.folder / "inventory.py"
        inventory.write_text(f"servers = {hosts!r}\n")
        several = ["--parallel", str(parallel)] if parallel else []
        return [str(self.environment / "bin" / "pyinfra"), "-y", *several, str(inventory), str(DEPLOY)]

    def ansible(self, server: Server, name: str = "playbook") -> list[str]:
        """Return the command with which Ansible asks all about a server; the first one says how it reaches any."""
        (self.folder / "ansible.cfg").write_text(_SETTINGS.format(folder=self.folder))
        arguments = {
            "ansible_host": server.address,
            "ansible_user": server.user,
            "ansible_ssh_private_key_file": str(self.key),
            "ansible_ssh_common_args": f"-o UserKnownHostsFile={self.known_hosts} -o IdentitiesOnly=yes",
            "ansible_python_interpreter": "/usr/bin/python3",
        }
        inventory = self.folder / "inventory.json"
        inventory.write_text(json.dumps({"all": {"hosts": {server.name: arguments}}}))
        playbook = self.folder / f"{name}.json"
        playbook.write_text(json.dumps(play(server.tasks), indent=1))
        return [str(self.environment / "bin" / "ansible-playbook"), "-i", str(inventory), str(playbook)]


_SETTINGS = """\
[defaults]
local_tmp = {folder}/ansible
[ssh_connection]
pipelining = True
ssh_args = -o ControlMaster=auto -o ControlPersist=60s
control_path_dir = {folder}/control
"""


def play(tasks: Sequence[Task]) -> list[Mapping[str, Any]]:
    """Return the playbook, whose YAML is JSON. Pure."""
    named = [{"name": f"{task['do']} {number}", **one} for number, task in enumerate(tasks) for one in _modules(task)]
    return [{"hosts": "all", "gather_facts": False, "become": True, "tasks": named}]


def _modules(task: Task) -> Iterator[Mapping[str, Any]]:  # noqa: C901 -- a case for each sort
    match task["do"]:
        case "packages":
            yield {"ansible.builtin.apt": {"name": task["names"], "state": "present"}}
        case "user":
            account = {"name": task["name"], "home": task["home"], "shell": task["shell"], "group": task["name"]}
            yield {"ansible.builtin.user": {**account, "system": True, "create_home": False}}
        case "folder":
            yield {"ansible.builtin.file": {"path": task["path"], "state": "directory", **_access(task)}}
        case "file":
            content = {"dest": task["path"], "content": _literal(task["content"])}
            yield {"ansible.builtin.copy": {**content, **_access(task)}}
        case "link":
            yield {"ansible.builtin.file": {"path": task["path"], "src": task["target"], "state": "link"}}
        case "service":
            yield {"ansible.builtin.systemd_service": dict(_service(task))}
        case "role":
            query = _ROLE.format(task["name"])
            yield _ask(_psql("postgres", query), "t")
        case "database":
            query = _DATABASE.format(task["name"])
            yield _ask(_psql("postgres", query), task["owner"])
        case "shell":
            yield {"ansible.builtin.shell": {"cmd": task["command"]}, **_judged(task["answer"])}
        case "query":
            yield _ask(_psql(task["database"], task["query"]), task["answer"])


_ROLE = "SELECT rolcanlogin AND NOT rolsuper FROM pg_roles WHERE rolname = '{}'"
_DATABASE = "SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = '{}'"


def _literal(text: str) -> str:
    """Return a text that is no template; one that looks like none stays as it is: an empty raw one is no content."""
    return "{% raw %}" + text + "{% endraw %}" if any(mark in text for mark in ("{{", "{%", "{#")) else text


def _psql(database: str, query: str) -> list[str]:
    return ["runuser", "-u", "postgres", "--", "psql", "-XAtq", "-d", database, "-c", query]


def _ask(argv: Sequence[str], answer: str) -> Mapping[str, Any]:
    return {"ansible.builtin.command": {"argv": list(argv)}, **_judged(answer)}


def _judged(answer: str) -> Mapping[str, Any]:
    return {"register": "asked", "changed_when": False, "failed_when": f"asked.stdout != '{answer}'"}


def _service(task: Task) -> Iterator[tuple[str, Any]]:
    yield "name", task["name"]
    if task["active"]:
        yield "state", "started"
    if task["enabled"] is not None:
        yield "enabled", task["enabled"]


def _access(task: Task) -> Mapping[str, str]:
    return {name: task[name] for name in ("mode", "owner", "group")}
