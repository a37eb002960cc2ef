"""LAN servers on which the small application's environments lie already, as if another customer had needed them."""

from __future__ import annotations

import io
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from crm.release import artifact_digest, lock_of
from playbooks.kinds.venv import MARKER, VenvWanted
from tests.support.lanhost import LanHost, LanHosts
from tests.support.smallapp.recipe import RECIPE, VERSIONS

ARTIFACTS = "/var/lib/crmhost/artifacts"


@pytest.fixture(scope="session")
def packages(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Return a tar of what the application's lock installs: Python alone, so it runs on any server."""
    folder = tmp_path_factory.mktemp("packages")
    (folder / "lock.txt").write_text(lock_of(RECIPE, "1.0", "postgresql").lock)
    install = ("pip", "install", "--quiet", "--require-hashes", "--no-compile", "--only-binary=:all:")
    target = ("--target", str(folder / "packages"), "-r", str(folder / "lock.txt"))
    subprocess.run([sys.executable, "-m", *install, *target], check=True)
    sink = io.BytesIO()
    with tarfile.open(fileobj=sink, mode="w") as archive:
        archive.add(folder / "packages", "packages")
    return sink.getvalue()


@pytest.fixture
def lan(lan_hosts: LanHosts, packages: bytes) -> LanHost:
    """Return a server with PostgreSQL and nginx installed, and the application's environments."""
    return prepared(lan_hosts(), packages)


def prepared(host: LanHost, packages: bytes) -> LanHost:
    """Put the application's environments on a server."""
    host.container.put_archive("/srv", packages)
    host.run(f"mkdir -p {ARTIFACTS} && python3 -m venv --without-pip /srv/venv && chmod -R a+rX /srv")
    host.run("cp -r /srv/packages/. /srv/venv/lib/python3*/site-packages && rm -r /srv/packages")
    for version in VERSIONS:
        lend(host, version)
    return host


def lend(host: LanHost, version: str) -> None:
    """Put a version's environment on a server, as the kind leaves it."""
    lock = lock_of(RECIPE, version, "postgresql")
    folder = Path(ARTIFACTS) / artifact_digest(lock)
    wanted = VenvWanted(lock.lock, lock.python, lock.build)
    running = "$(python3 -c 'import sys; print(\"%d.%d.%d\" % sys.version_info[:3])')"
    host.run(f"cp -a /srv/venv {folder} && echo {wanted.digest} {running} >{folder}/{MARKER} && chmod -R a+rX {folder}")
