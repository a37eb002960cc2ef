"""A customer's PostgreSQL on a real engine, as the stack starts it, without Pulumi: for what works on data alone."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from infra import naming
from infra.components.database import FOLDER, SOCKETS
from infra.components.files import script
from infra.engine.engine import Engine
from infra.engine.files import Volume
from infra.engine.run import Bind, OneShot

_POSTGRES = 999
"""The user of the image; official ones have the same."""


@dataclass(frozen=True)
class Customer:
    """A contract whose database runs and whose data volume belongs to its CRM."""

    engine: Engine
    contract: str

    def sql(self, *statements: str, database: str = naming.DATABASE_NAME) -> str:
        """Run statements as the CRM's role would leave them, and return what they print."""
        output = self.engine.execute(
            naming.database(self.contract),
            ("psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-U", "postgres", "-d", database),
            stdin="\n".join(("SET ROLE crm;", *statements)).encode(),
            user="postgres",
            timeout=240,
        )
        assert output.code == 0, output.text
        return output.said

    def files(self) -> str:
        """Return the data volume's files with their modes and contents' lengths, sorted."""
        argv = ("find", "/data", "-mindepth", "1", "-printf", "%P %y %m %U %s\n")
        return "\n".join(sorted(self.shell(*argv).splitlines()))

    def shell(self, *argv: str, stdin: bytes = b"") -> str:
        """Run a program that has the data volume, as the CRM's user."""
        spec = OneShot(
            f"crmhost-{self.contract}-look",
            str(self.engine.client.inspect_container(naming.database(self.contract))["Image"]),
            argv,
            naming.labels(self.contract, "look"),
            binds=(Bind(naming.data(self.contract), naming.DATA_FOLDER),),
        )
        output = self.engine.run(spec, stdin=stdin, timeout=240)
        assert output.code == 0, output.text
        return output.said


@contextmanager
def customer(engine: Engine, contract: str, image: str) -> Iterator[Customer]:
    """Start a customer's database and give it; everything with the contract's label is removed at the end."""
    try:
        _start(engine, contract, image)
        yield Customer(engine, contract)
    finally:
        remove_all(engine, contract)


def remove_all(engine: Engine, contract: str) -> None:
    """Remove everything on the engine that has the contract's label."""
    left = engine.seen(contract)
    for container in left.containers:
        engine.remove(container)
    for volume in left.volumes:
        engine.remove_volume(volume)
    for network in left.networks:
        engine.remove_network(network)


def _start(engine: Engine, contract: str, image: str) -> None:
    name, files, data = naming.database(contract), naming.database_files(contract), naming.data(contract)
    for volume, role in ((name, "db"), (files, "files"), (data, "data")):
        engine.make_volume(volume, naming.labels(contract, role))
    secrets = {
        "postgresql.sh": script("postgresql.sh").encode(),
        "superuser-password": b"super",
        "password": b"pass",
    }
    engine.put(Volume(files), "/", secrets, mode=0o500, uid=_POSTGRES)
    own = OneShot(
        f"{name}-own",
        image,
        ("chown", f"{_POSTGRES}:{_POSTGRES}", "/db"),
        naming.labels(contract, "own"),
        binds=(Bind(name, "/db"), Bind(data, "/data")),
        user="0:0",
        capabilities=("CAP_CHOWN",),
    )
    assert engine.run(own, timeout=240).code == 0
    assert engine.run(_other(own, ("chown", f"{naming.UID}:{naming.UID}", "/data")), timeout=240).code == 0
    client = engine.client
    client.create_container(
        image,
        command=["bash", "/run/crmhost/postgresql.sh"],
        name=name,
        user="postgres",
        environment={"PGDATA": f"{FOLDER}/pgdata", "PGHOST": SOCKETS},
        labels=naming.labels(contract, "db"),
        host_config=client.create_host_config(
            binds=[f"{name}:{FOLDER}", f"{files}:/run/crmhost:ro"],
            read_only=True,
            tmpfs={SOCKETS: ""},
            network_mode="none",
            cap_drop=["ALL"],
        ),
    )
    engine.start(name)
    _wait(engine, name)


def _other(spec: OneShot, argv: tuple[str, ...]) -> OneShot:
    return OneShot(spec.name, spec.image, argv, spec.labels, binds=spec.binds, user="0:0", capabilities=("CAP_CHOWN",))


def _wait(engine: Engine, name: str) -> None:
    argv = ("psql", "-XAtq", "-U", "postgres", "-d", naming.DATABASE_NAME, "-c", "SELECT 1")
    until = time.monotonic() + 240
    while True:
        seen = engine.container(name)
        assert seen is not None
        assert seen.running, engine.logs(name, 50).decode(errors="replace")
        if engine.execute(name, argv, user="postgres", timeout=120).code == 0:
            return
        assert time.monotonic() < until, engine.logs(name, 50).decode(errors="replace")
        time.sleep(0.2)
