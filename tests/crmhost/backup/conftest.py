"""A shelf in a folder and one in a bucket of a real S3 server, an identity, and a clock that tests turn."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import pytest

from crm.backup import Contents, Dump
from crm.plan import Release
from crmhost.backup.folder import Folder
from crmhost.backup.shelf import Shelf
from crmhost.backup.store import Store
from crmhost.vault import make_identity

if TYPE_CHECKING:
    from crmhost.backup.bucket import Credentials

DAY = 86_400_000_000
OLD = Release("small", "1.0", "a" * 64, "1")
NEW = Release("small", "2.0", "b" * 64, "2")
HELD = Contents({"public.notes": 3}, 1, 5, ("secret-key",), "PostgreSQL 15.6")


@dataclass
class Clock:
    """Microseconds since the epoch, UTC, that stand still until they are turned on."""

    now: int = 1_791_000_000_000_000

    def __call__(self) -> int:
        return self.now


@dataclass(frozen=True)
class Keys:
    """Who seals and opens: `environment` names the identity."""

    recipients: tuple[str, ...]
    environment: dict[str, str]


def keys(folder: Path, *names: str) -> Keys:
    """Identities of these names, the first of which opens."""
    recipients = tuple(make_identity(folder / f"{name}.key") for name in names)
    return Keys(recipients, {"CRMHOST_AGE_KEY_FILE": str(folder / f"{names[0]}.key")})


def dumping(content: bytes, held: Contents = HELD) -> Dump:
    """A dump that writes this and says that."""

    def dump(sink: BinaryIO) -> Contents:
        sink.write(content)
        return held

    return dump


def loaded(shelf: Shelf, backup: str) -> bytes:
    """What loading a backup hands over."""
    found = []

    def load(source: BinaryIO) -> Contents:
        found.append(source.read())
        return HELD

    shelf.load(backup, load)
    return found[0]


def shelf_of(store: Store, who: Keys, clock: Clock) -> Shelf:
    return Shelf("acme", store, who.recipients, who.environment, clock)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def who(tmp_path: Path) -> Keys:
    return keys(tmp_path, "linh", "mai")


@pytest.fixture(scope="session")
def s3() -> Iterator[Credentials]:
    """A real S3 server on loopback, without proxies in between."""
    from moto.server import ThreadedMotoServer

    from crmhost.backup.bucket import Credentials

    proxies = {name: os.environ.pop(name) for name in list(os.environ) if name.lower().endswith("_proxy")}
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    try:
        yield Credentials(f"http://{host}:{port}/", "us-east-1", "key", "secret")
    finally:
        server.stop()
        os.environ.update(proxies)


@pytest.fixture
def bucket(s3: Credentials, request: pytest.FixtureRequest) -> str:
    """The URL of a prefix in a new bucket."""
    import s3fs  # type: ignore[import-untyped]  # it has no types

    name = f"b{abs(hash(request.node.nodeid)):x}"
    files = s3fs.S3FileSystem(
        key=s3.key, secret=s3.secret, endpoint_url=s3.endpoint, client_kwargs={"region_name": s3.region}
    )
    files.call_s3("create_bucket", Bucket=name)
    return f"s3://{name}/crm"


@pytest.fixture(params=["folder", pytest.param("bucket", marks=pytest.mark.slow)])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    """Each kind of store in turn."""
    if request.param == "folder":
        return Folder(tmp_path / "backups" / "acme")
    from crmhost.backup.bucket import Bucket

    return Bucket(request.getfixturevalue("bucket") + "/acme", request.getfixturevalue("s3"))


@pytest.fixture
def shelf(store: Store, who: Keys, clock: Clock) -> Shelf:
    return shelf_of(store, who, clock)
