"""Debian's OpenSSH server on loopback, for this account alone: its keys and its files lie in a test's folder."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from crmhost.sandbox.ports import free_port
from tests.support.exclusive import exclusively
from tests.support.until import until

SSHD = Path("/usr/sbin/sshd")
SEPARATION = Path("/run/sshd")


@dataclass(frozen=True, slots=True)
class Sshd:
    """A server that is up. key: the private key that it accepts; known_hosts: a file that pins its own."""

    port: int
    folder: Path
    key: Path
    known_hosts: Path

    @property
    def line(self) -> str:
        """Return the line that pins the server's key."""
        algorithm, key = (self.folder / "host.pub").read_text().split()[:2]
        return f"[127.0.0.1]:{self.port} {algorithm} {key}"

    @property
    def fingerprint(self) -> str:
        """Return the fingerprint of the server's key, as ssh-keygen says it."""
        shown = subprocess.run(
            ["ssh-keygen", "-lf", self.folder / "host.pub"], capture_output=True, text=True, check=True
        )
        return shown.stdout.split()[1]


@contextmanager
def serving(folder: Path, environment: Mapping[str, str]) -> Iterator[Sshd]:
    """Run a server whose sessions get these variables."""
    bring()
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("host", "client"):
        make_key(folder / name)
    shutil.copy(folder / "client.pub", folder / "authorized_keys")
    port = free_port()
    (folder / "config").write_text(_configuration(folder, port, environment))
    log = folder / "log"
    with log.open("wb") as said, subprocess.Popen([SSHD, "-D", "-e", "-f", folder / "config"], stderr=said) as server:
        try:
            until(lambda: "Server listening" in log.read_text() or server.poll() is not None, "sshd")
            if server.poll() is not None:
                raise RuntimeError(f"sshd ended: {log.read_text()}")
            sshd = Sshd(port, folder, folder / "client", folder / "known_hosts")
            sshd.known_hosts.write_text(sshd.line + "\n")
            yield sshd
        finally:
            server.terminate()


def make_key(path: Path) -> Path:
    """Make an Ed25519 key without a passphrase."""
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", path], check=True)
    return path


def bring() -> None:
    """Install the server where it is missing, or skip the test."""
    if not SSHD.exists():
        if os.geteuid() != 0 or not shutil.which("apt-get"):
            pytest.skip("this machine cannot have sshd: root installs openssh-server with apt")
        with exclusively("openssh-server"):
            install = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", "openssh-server"]
            subprocess.run(
                install, check=True, capture_output=True, env=os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
            )
    if os.geteuid() == 0:
        SEPARATION.mkdir(exist_ok=True)


def _configuration(folder: Path, port: int, environment: Mapping[str, str]) -> str:
    variables = " ".join(f'"{name}={value}"' for name, value in environment.items())
    return "\n".join(
        (
            "ListenAddress 127.0.0.1",
            f"Port {port}",
            f"HostKey {folder}/host",
            f"AuthorizedKeysFile {folder}/authorized_keys",
            "PidFile none",
            "UsePAM no",
            "StrictModes no",
            "PermitRootLogin prohibit-password",
            "PasswordAuthentication no",
            "KbdInteractiveAuthentication no",
            f"SetEnv {variables}",
            "Subsystem sftp internal-sftp",
            "",
        )
    )
