"""What the customers of a server share: packages, services, folders, and what the contract says of the server. Pure."""

from __future__ import annotations

import posixpath
from dataclasses import dataclass, field, replace

from playbooks.kind import Resource
from playbooks.kinds.cluster import ClusterKind, ClusterWanted
from playbooks.kinds.file import FileKind, FileWanted
from playbooks.kinds.firewall import FirewallKind
from playbooks.kinds.folder import FolderKind, FolderWanted
from playbooks.kinds.package import packages
from playbooks.kinds.service import ServiceKind, ServiceWanted
from playbooks.kinds.upstream import FOLDER as UPSTREAMS
from playbooks.lan import acme, firewall
from playbooks.lan.acme import Acme
from playbooks.lan.facts import Place
from playbooks.lan.firewall import Asked
from playbooks.lan.layout import BASE, PARCELS, Layout
from playbooks.lan.offline import Offline
from playbooks.lan.sites import Certificate, Secured

JOURNAL = "/etc/systemd/journald.conf.d/crmhost.conf"
_JOURNAL = """\
# crmhost writes this file: the logs of all services outlive a reboot, and stay below this size.
[Journal]
Storage=persistent
SystemMaxUse=1G
"""
CONNECTIONS = 500
"""Connections of PostgreSQL for all customers of a server; its own number, 100, is enough for some forty."""
PACKAGES = ("nginx", "postgresql", "python3", "python3-venv")
CLOCK = "systemd-timesyncd"
NFTABLES = "nftables"
EVERY = (*PACKAGES, CLOCK, NFTABLES)
"""All Debian packages that a deploy may install, whatever a server has; by ACME also `playbooks.lan.acme.PACKAGES`."""
FIREWALL = "crmhost"


@dataclass(frozen=True, slots=True)
class Setup:
    """What a contract says of its server besides the CRM. key: of the certificate, PEM.

    acme: where the server gets its certificate by itself; there is no other one then.
    offline: what everything is installed from, where the server fetches nothing itself.
    """

    asked: Asked
    certificate: Certificate | None = None
    key: str | None = field(default=None, repr=False)
    offline: Offline | None = None
    acme: Acme | None = None

    @property
    def secured(self) -> Secured | None:
        """Return whose certificate the site shows, where it shows one."""
        return self.acme or self.certificate


def server(layout: Layout, place: Place, setup: Setup, salt: str) -> tuple[Resource, ...]:
    """Return what the server's customers share: packages, services, folders, the journal's size and the firewall.

    The folder above them is there already: whoever takes the lock makes it. layout: of the contract that is deployed,
    which keeps what it finds edited.
    """
    seen = place.server
    wall = firewall.together((setup.asked, *place.firewalls.values()))
    issuing = () if setup.acme is None else acme.PACKAGES
    names = (*PACKAGES, *issuing, *(() if seen.clock else (CLOCK,)), *(() if wall is None else (NFTABLES,)))
    brought = () if setup.offline is None else (setup.offline.resource(),)
    installed = packages(names, setup.offline.debs if setup.offline else "", tuple(one.id for one in brought))
    clock = () if seen.clock else (Resource(ServiceKind(), CLOCK, ServiceWanted(), (f"package:{CLOCK}",)),)
    folders = dict.fromkeys((f"{BASE}/artifacts", f"{BASE}/customers", f"{BASE}/public", UPSTREAMS), 0o755)
    if brought:
        folders[PARCELS] = 0o755
    alone = not place.taken and not place.firewalls and place.serving is None
    return (
        *brought,
        *installed,
        *(folder(path, FolderWanted(mode, owner="root", group="root")) for path, mode in folders.items()),
        folder(f"{BASE}/templates", FolderWanted(0o700, owner="root", group="root")),
        folder(posixpath.dirname(JOURNAL), FolderWanted(0o755, owner="root", group="root")),
        file(layout, salt, JOURNAL, FileWanted(_JOURNAL.encode(), 0o644, owner="root", group="root")),
        Resource(ServiceKind(), "nginx", ServiceWanted(), ("package:nginx",)),
        Resource(ClusterKind(), postgresql(place), ClusterWanted(CONNECTIONS, alone), ("package:postgresql",)),
        Resource(ServiceKind(), postgresql(place), ServiceWanted(), (f"cluster:{postgresql(place)}",)),
        *clock,
        Resource(FirewallKind(), FIREWALL, wall, (f"package:{NFTABLES}",)),
    )


def postgresql(place: Place) -> str:
    """Return the service of the cluster; before there is one, that which starts whatever is made."""
    cluster = place.server.cluster
    return "postgresql" if cluster is None else f"postgresql@{cluster[0]}-{cluster[1]}"


def folder(path: str, wanted: FolderWanted) -> Resource:
    """Return a folder as a resource of root's, below another one."""
    return Resource(FolderKind(account="root"), path, wanted, (f"folder:{posixpath.dirname(path)}",))


def file(layout: Layout, salt: str, path: str, wanted: FileWanted) -> Resource:
    """Return a file as a resource of root's, in a folder that is another one; another content there is kept aside.

    Not that of a file with a secret: each copy is one more place that it can be read from, and outlives the secret's
    next value.
    """
    kind, above = FileKind(salt, account="root"), f"folder:{posixpath.dirname(path)}"
    if wanted.secret:
        return Resource(kind, path, wanted, (above,))
    return Resource(kind, path, replace(wanted, keep_aside=layout.aside), (above, f"folder:{layout.aside}"))
