"""pyinfra's deploy: run by pyinfra itself, in the environment of the peers. Its tasks are in the host's data."""

import io
import json
from pathlib import Path
from typing import Any

from pyinfra import config, host  # type: ignore[import-not-found] # of the peers' environment, not of ours
from pyinfra.facts.server import Command  # type: ignore[import-not-found] # the same
from pyinfra.operations import apt, files, postgres, server, systemd  # type: ignore[import-not-found] # the same

config.SUDO = True


def _ask(command: str, answer: str) -> None:
    """Ask by a fact, as pyinfra's own operations do; where the answer is another one, an operation says so."""
    if host.get_fact(Command, command=command) != answer:
        server.shell(name=command, commands=["false"])


def _psql(database: str, query: str) -> str:
    return f'runuser -u postgres -- psql -XAtq -d {database} -c "{query}"'


def _access(task: dict[str, Any]) -> dict[str, str]:
    return {"mode": task["mode"], "user": task["owner"], "group": task["group"]}


for task in json.loads(Path(host.data.tasks).read_text()):
    match task["do"]:
        case "packages":
            apt.packages(packages=task["names"])
        case "user":
            account = {"home": task["home"], "shell": task["shell"], "group": task["name"]}
            server.user(user=task["name"], system=True, ensure_home=False, **account)
        case "folder":
            files.directory(path=task["path"], **_access(task))
        case "file":
            files.put(src=io.StringIO(task["content"]), dest=task["path"], create_remote_dir=False, **_access(task))
        case "link":
            files.link(path=task["path"], target=task["target"])
        case "service":
            systemd.service(service=task["name"], running=task["active"], enabled=task["enabled"])
        case "role":
            postgres.role(role=task["name"], psql_port=int(task["port"]), _sudo_user="postgres")
        case "database":
            owned = {"owner": task["owner"], "psql_port": int(task["port"])}
            postgres.database(database=task["name"], _sudo_user="postgres", **owned)
        case "shell":
            _ask(task["command"], task["answer"])
        case "query":
            _ask(_psql(task["database"], task["query"]), task["answer"])
