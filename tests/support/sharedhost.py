"""Real shared web hosts for tests: Apache with Passenger and PHP, MariaDB and sshd in a container, and one account.

`python -m tests.support.sharedhost` builds the image ahead of the tests.
"""

from __future__ import annotations

import io
import os
import secrets
import tarfile
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
from docker import DockerClient
from docker.errors import NotFound
from docker.models.containers import Container

from playbooks.connect import Address, connect
from playbooks.host import Host
from tests.support.engine import RealEngine, start
from tests.support.exclusive import exclusively
from tests.support.images import built, debian
from tests.support.lannet import OWNER, owner, sweep
from tests.support.sshd import make_key
from tests.support.until import until

IMAGE = "crmhost-test/webhost:bookworm"
ACCOUNT = "customer"
HOME = f"/home/{ACCOUNT}"
UID = 1000
DATABASE = "customer_crm"
DATABASE_PASSWORD = "gi'ven $by \"the\\ host"  # noqa: S105 -- of a database in a container that lives for one test


@dataclass(frozen=True, slots=True)
class SharedHost:
    """A host that is up, and the account of one customer on it. address: its own; key: what the account accepts."""

    container: Container
    address: str
    key: Path
    public: str
    known_hosts: Path

    @property
    def url(self) -> str:
        """Return what the customer opens."""
        return f"http://{self.address}"

    def told(self) -> list[str]:
        """Return what another process finds it by."""
        return [str(self.container.id), self.address, str(self.key), self.public, str(self.known_hosts)]

    @classmethod
    def found(cls, client: DockerClient, told: Sequence[str]) -> SharedHost:
        """Return the host that was told of."""
        container, address, key, public, known = told
        return cls(client.containers.get(container), address, Path(key), public, Path(known))

    def reach(self) -> Host:
        """Log in as the customer."""
        return connect(
            Address(ACCOUNT, self.address, 22), self.known_hosts, key_file=self.key, accept_new=lambda _: False
        )

    def run(self, script: str, *, user: str = ACCOUNT, check: bool = True) -> str:
        """Run a script beside SSH, to look and to break, and return what it printed, both streams."""
        code, output = self.container.exec_run(
            ["sh", "-c", script], user=user, workdir=HOME, environment={"LC_ALL": "C.UTF-8", "HOME": HOME}
        )
        text = b"".join(output).decode("utf-8", "replace") if not isinstance(output, bytes) else output.decode()
        if check and code != 0:
            raise AssertionError(f"{script!r} ended with {code} on the test host: {text}")
        return str(text)

    def write(self, path: str, text: str) -> None:
        """Write a file of the account's."""
        folder, _, name = path.rpartition("/")
        self.container.put_archive(folder or HOME, _tar({name: (text.encode(), 0o600, UID)}))

    def sql(self, query: str) -> str:
        """Ask MariaDB, as its owner."""
        return self.run(f"mariadb -N -B -e {_quoted(query)}", user="root").strip()


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


def bring(engine: RealEngine) -> str:
    """Return the image's id, after building it where the engine lacks it or it was made from something else."""
    with exclusively("test-images"), closing(engine.client()) as client:
        return built(client, "webhost", IMAGE, debian(client))


@contextmanager
def serving(client: DockerClient, image: str, folder: Path, name: str) -> Iterator[SharedHost]:
    """Run a host until the block ends."""
    folder.mkdir(parents=True, exist_ok=True)
    for key in ("host", "client"):
        make_key(folder / key)
    container = client.containers.create(image, name=name, labels={OWNER: owner()})
    try:
        container.put_archive("/", _keys(folder))
        container.start()
        until(lambda: _ready(container), "the shared host is up", 180)
        address = _address(container)
        public = " ".join((folder / "host.pub").read_text().split()[:2])
        known = folder / "known_hosts"
        known.write_text(f"{address} {public}\n")
        yield SharedHost(container, address, folder / "client", public, known)
    finally:
        with suppress(NotFound):
            container.remove(force=True, v=True)


def give_database(host: SharedHost) -> None:
    """Make the database that the host gives its customer, and the account on it, as a hosting panel does."""
    quoted = DATABASE_PASSWORD.replace("\\", "\\\\").replace("'", "''")
    host.sql(
        f"set foreign_key_checks = 0; create or replace database {DATABASE} character set utf8mb4;"
        f"create or replace user {DATABASE}@localhost identified by '{quoted}';"
        f"grant all on {DATABASE}.* to {DATABASE}@localhost"
    )


def _ready(container: Container) -> bool:
    """Tell whether web server, database and sshd answer; fails when the container has ended."""
    container.reload()
    if container.status == "exited":
        raise AssertionError(f"the shared host ended: {container.logs(tail=20).decode(errors='replace')}")
    ask = "mariadb -e 'select 1' && bash -c 'echo >/dev/tcp/127.0.0.1/22 && echo >/dev/tcp/127.0.0.1/80'"
    code, _ = container.exec_run(["sh", "-c", ask])
    if code != 0:
        time.sleep(0.1)  # each look starts a program in the container
    return bool(code == 0)


def _keys(folder: Path) -> bytes:
    accepted = (folder / "client.pub").read_bytes()
    authority = os.environ.get("PIP_CERT")  # where packages come over TLS that is inspected on the way
    fetching: dict[str, tuple[bytes | None, int, int]] = (
        {
            "etc/ssl/authority.pem": (Path(authority).read_bytes(), 0o644, 0),
            "etc/pip.conf": (b"[global]\ncert = /etc/ssl/authority.pem\n", 0o644, 0),
        }
        if authority
        else {}
    )
    return _tar(
        {
            **fetching,
            "etc/ssh/ssh_host_ed25519_key": ((folder / "host").read_bytes(), 0o600, 0),
            "etc/ssh/ssh_host_ed25519_key.pub": ((folder / "host.pub").read_bytes(), 0o644, 0),
            f"{HOME[1:]}/.ssh": (None, 0o700, UID),
            f"{HOME[1:]}/.ssh/authorized_keys": (accepted, 0o600, UID),
        }
    )


def _tar(files: dict[str, tuple[bytes | None, int, int]]) -> bytes:
    sink = io.BytesIO()
    with tarfile.open(fileobj=sink, mode="w") as archive:
        for path, (content, mode, uid) in files.items():
            entry = tarfile.TarInfo(path)
            entry.mode, entry.uid, entry.gid, entry.size = mode, uid, uid, len(content or b"")
            entry.type = tarfile.DIRTYPE if content is None else tarfile.REGTYPE
            archive.addfile(entry, io.BytesIO(content or b""))
    return sink.getvalue()


def _address(container: Container) -> str:
    container.reload()
    (network,) = container.attrs["NetworkSettings"]["Networks"].values()
    return str(network["IPAddress"])


@pytest.fixture(scope="session")
def webhost_image(engine: RealEngine) -> str:
    """Return the id of the shared host's image on the engine."""
    with closing(engine.client()) as client:
        sweep(client)
    return bring(engine)


@pytest.fixture(scope="module")
def sharedhost(
    engine: RealEngine, webhost_image: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[SharedHost]:
    """Return a shared host for the tests of a module, each of which leaves the account as it was."""
    folder = tmp_path_factory.mktemp("sharedhost")
    name = f"web-{secrets.token_hex(3)}-crmhost"
    with closing(engine.client()) as client, serving(client, webhost_image, folder, name) as host:
        yield host


if __name__ == "__main__":
    bring(start())
