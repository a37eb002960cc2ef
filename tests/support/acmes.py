"""A real ACME authority (Pebble, Debian's package) in a container beside LAN servers, and a customer who asks it."""

from __future__ import annotations

import io
import json
import ssl
import tarfile
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime

from docker.errors import NotFound
from docker.models.containers import Container

from crmhost.door import Door
from crmhost.lancertificate import authority, issue
from playbooks.lan.acme import Acme
from playbooks.lan.firewall import Asked
from playbooks.lan.server import Setup
from tests.support.lanhost import LanHost, LanHosts
from tests.support.lannet import OWNER, owner
from tests.support.lans import LanCustomer
from tests.support.until import until

NAME = "ca.lan"
_CONFIG = {
    "pebble": {
        "listenAddress": "0.0.0.0:14000",
        "managementListenAddress": "0.0.0.0:15000",
        "certificate": "/srv/cert.pem",
        "privateKey": "/srv/key.pem",
        "httpPort": 80,
        "tlsPort": 443,
    }
}
_ALWAYS = {"PEBBLE_VA_NOSLEEP": "1", "PEBBLE_WFE_NONCEREJECT": "0", "PEBBLE_AUTHZREUSE": "0"}
"""It tries clients by chance otherwise: waits, refuses good nonces, and does not ask what it has asked before."""


@dataclass(frozen=True, slots=True)
class Authority:
    """An authority that is up. trusted: PEM of what it and what it issues are believed by."""

    container: Container
    address: str
    trusted: str

    @property
    def directory(self) -> str:
        """Return the URL of its directory."""
        return f"https://{NAME}:14000/dir"

    def knows(self, name: str, address: str) -> None:
        """Let a name lead to an address, as the authority sees it."""
        assert self.container.exec_run(["sh", "-c", f"echo '{address} {name}' >>/etc/hosts"])[0] == 0

    @contextmanager
    def shut_out(self, lan: LanHost) -> Iterator[None]:
        """Let a server's network refuse the authority at port 80 until the block ends."""
        rule = f"add rule inet shut in ip saddr {self.address} tcp dport 80 reject with tcp reset"
        chain = "add chain inet shut in {type filter hook input priority -1;}"
        lan.run(f"nft 'add table inet shut; {chain}; {rule}'")
        try:
            yield
        finally:
            lan.run("nft delete table inet shut")


@contextmanager
def beside(lan_hosts: LanHosts, lan: LanHost) -> Iterator[Authority]:
    """Run an authority that a server finds by its name, until the block ends."""
    client, address = lan_hosts.client, lan_hosts.network.address()
    now = datetime.now(UTC)
    root = authority(NAME, now)
    pair = issue(root, NAME, now)
    network = str(lan_hosts.network.network.name)
    container = client.containers.create(
        lan_hosts.images.acme,
        ["pebble", "-config", "/srv/pebble.json"],
        name=f"{lan_hosts.prefix}-ca",
        environment=_ALWAYS,
        stop_signal="SIGKILL",
        labels={OWNER: owner()},
        network=network,
        networking_config={network: client.api.create_endpoint_config(ipv4_address=address)},
    )
    try:
        files = {"pebble.json": json.dumps(_CONFIG), "cert.pem": pair.certificate, "key.pem": pair.key}
        container.put_archive("/srv", _packed(files))
        container.start()
        lan.run(f"echo '{address} {NAME}' >>/etc/hosts")
        yield Authority(container, address, root.certificate + _issuing(address, root.certificate))
    finally:
        with suppress(NotFound):
            container.remove(force=True, v=True)


def _issuing(address: str, trusted: str) -> str:
    """Return the certificate with which the authority signs, which it makes at each start."""
    context = ssl.create_default_context(cadata=trusted)
    context.check_hostname = False  # it is asked by its address
    got: list[str] = []

    def answers() -> bool:
        with suppress(OSError), urllib.request.urlopen(f"https://{address}:15000/roots/0", context=context) as page:
            got.append(page.read().decode())
        return bool(got)

    until(answers, "the ACME authority answers", 30)
    return got[0]


def _packed(files: dict[str, str]) -> bytes:
    sink = io.BytesIO()
    with tarfile.open(fileobj=sink, mode="w") as archive:
        for name, text in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(text.encode())
            archive.addfile(entry, io.BytesIO(text.encode()))
    return sink.getvalue()


@dataclass
class AcmeCustomer(LanCustomer):
    """A customer whose server gets its certificate from an authority; before it has one, crmhost makes it."""

    by: Authority | None = None

    @property
    def setup(self) -> Setup:
        """Return what its contract says of the server."""
        if self.by is None:
            return super().setup
        chosen = Acme(self.by.directory, self.host, "it@acme.lan", self.by.trusted)
        return Setup(Asked(22, (80, 443)), acme=chosen)

    @property
    def door(self) -> Door:
        """Return how its URL is reached from here."""
        return super().door if self.by is None else Door((self.lan.address, 443), self.by.trusted)

    def shown(self) -> str:
        """Return the serial number of the certificate that its site shows."""
        ask = f"openssl s_client -connect 127.0.0.1:443 -servername {self.host} </dev/null 2>/dev/null"
        return self.lan.run(f"{ask} | openssl x509 -noout -serial").strip()
