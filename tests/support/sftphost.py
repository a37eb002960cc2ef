"""A real web host that gives SFTP and no command: a container with Apache, PHP, MariaDB and sshd, over TLS.

`python -m tests.support.sftphost` builds its image ahead of the tests.
"""

from __future__ import annotations

import io
import secrets
import tarfile
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import docker
from docker.models.containers import Container

from crm.driver import Archives, Progress
from crmhost.door import Door
from playbooks.connect import Address, connect
from playbooks.host import Host
from playbooks.sftponly.driver import SftpDriver
from playbooks.sftponly.ground import Spot
from playbooks.sftponly.layout import Layout
from playbooks.sftponly.lock import Lease
from playbooks.sftponly.release import Server
from playbooks.sftponly.web import Site
from tests.support.certificates import make_authority
from tests.support.engine import RealEngine, start
from tests.support.exclusive import exclusively
from tests.support.images import built, debian
from tests.support.sshd import make_key
from tests.support.until import until

NAME = "crm.acme.test"
TAG = "crmhost-test/sftponly:latest"
SERVER = Server("localhost", 3306, "acme", "acme", "host-gave-this")
ROOT = "/site/public"
_FRESH = "cp -a /srv/acme/site /srv/acme/new && rm -r /srv/acme/site && mv /srv/acme/new /srv/acme/site"
"""A folder of an image's layer can be given no other name; what a control panel makes can."""
PAGE = "the control panel made this page"
LEASE = Lease(silence=2.0, beat=0.5)
"""So that a test need not wait a minute for a killed holder."""


@dataclass(frozen=True, slots=True)
class SftpHost:
    """A web host that answers. folder: keys, known hosts and the authority of its certificate."""

    container: Container
    address: str
    folder: Path

    @property
    def door(self) -> Door:
        """Return how the site is reached from here."""
        return Door((self.address, 443), (self.folder / "authority.pem").read_text())

    @property
    def site(self) -> Site:
        """Return the site as the driver asks it."""
        return Site(f"https://{NAME}", (self.address, 443), (self.folder / "authority.pem").read_text())

    def reach(self) -> Host:
        """Log in over SFTP."""
        address = Address("acme", self.address, 22)
        return connect(address, self.folder / "known_hosts", key_file=self.folder / "client", accept_new=lambda _: True)

    def run(self, script: str) -> str:
        """Run a script as root beside the host's own doors, to look and to break, and return what it printed."""
        code, output = self.container.exec_run(["sh", "-c", script])
        assert isinstance(output, bytes)
        text = output.decode("utf-8", "replace")
        if code != 0:
            raise AssertionError(f"{script!r} ended with {code} on the test host: {text}")
        return text

    def reset(self) -> None:
        """Let it be as it was when it came up: an empty site, an empty database, a PHP that remembers nothing."""
        self.run(
            "trap '' HUP; cd /srv/acme && rm -rf site && install -d -o acme -g acme -m 755 site site/public &&"
            f" echo '{PAGE}' >/srv/acme/site/public/index.html && chown acme: /srv/acme/site/public/index.html &&"
            " mariadb -e 'drop database acme; create database acme' && pid=$(cat /run/apache2/apache2.pid) &&"
            " old=$(pgrep -x apache2 -P $pid) && kill -HUP $pid;"
            " for one in $old; do while kill -0 $one 2>/dev/null; do sleep 0.05; done; done"
        )
        until(lambda: _up(self), "the web host answers again", 120)

    def restart(self) -> None:
        """Start its servers anew, within the container: one that is started again may get another address."""
        self.run(
            "pkill -x sshd; pkill -x mariadbd; while pgrep -x 'sshd|mariadbd' >/dev/null; do sleep 0.1; done;"
            " pid=$(cat /run/apache2/apache2.pid); kill $pid; while kill -0 $pid 2>/dev/null; do sleep 0.1; done"
        )
        until(lambda: _up(self), "the web host answers again", 120)

    def web_root(self) -> Sequence[str]:
        """Return what lies in the document root, behind its link."""
        return sorted(self.run("ls -A /srv/acme/site/public/").split())

    @contextmanager
    def driver(
        self, archives: Archives, progress: Progress = lambda _: None, *, who: str = "ann@test", root: str = ROOT
    ) -> Iterator[SftpDriver]:
        """Give a driver of contract `acme` on it."""
        with self.reach() as host:
            spot = Spot(Layout("acme", root), self.site, SERVER, archives)
            yield SftpDriver(host, spot, who=who, progress=progress, lease=LEASE, patience=3.0)


def bring(engine: RealEngine) -> str:
    """Return the image's id, after building it where the engine lacks it."""
    with exclusively("test-images"), closing(engine.client()) as client:
        return built(client, "sftponly", TAG, debian(client))


@contextmanager
def serving(client: docker.DockerClient, image: str, folder: Path, setup: str = "true") -> Iterator[SftpHost]:
    """Run a host until the block ends. setup: a script that runs in it, as root, before its servers start."""
    folder.mkdir(parents=True, exist_ok=True)
    authority = make_authority(folder)
    authority.server(NAME)
    certificate = next(folder.glob("server-*.pem"))
    for key in ("host", "client"):
        make_key(folder / key)
    name = f"crmhost-sftp-{secrets.token_hex(4)}"
    servers = "while :; do setsid -w /usr/local/bin/webhost; end=$?; test $end -eq 0 -o $end -gt 128 || exit $end; done"
    command = ["sh", "-c", f"{_FRESH}; {setup}; {servers}"]
    container = client.containers.create(image, command, name=name, hostname="webhost")
    try:
        files = {
            "etc/ssh/ssh_host_ed25519_key": (folder / "host").read_bytes(),
            "etc/ssh/keys/acme": (folder / "client.pub").read_bytes(),
            "etc/ssl/site.pem": certificate.read_bytes(),
        }
        container.put_archive("/", _tar(files))
        container.start()
        container.reload()
        address = str(container.attrs["NetworkSettings"]["IPAddress"])
        host = SftpHost(container, address, folder)
        until(lambda: _up(host), "the web host answers", 120)
        yield host
    finally:
        container.remove(force=True, v=True)


def _up(host: SftpHost) -> bool:
    """Tell whether the web server answers, which is started after sshd and the database."""
    host.container.reload()
    if host.container.status != "running":
        raise AssertionError(f"the web host ended: {host.container.logs(tail=20).decode()}")
    return PAGE in host.site.get("/index.html", 5.0).text


def _tar(files: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size, info.mode = len(content), 0o600 if "host" in name else 0o644
            tar.addfile(info, io.BytesIO(content))
    return out.getvalue()


if __name__ == "__main__":
    bring(start())
