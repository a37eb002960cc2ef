"""A real LAN server that is reached through a bastion alone."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from playbooks.become import Become
from playbooks.connect import connect_through
from playbooks.host import Host
from playbooks.keys import Ring
from playbooks.route import Place, nothing_said, route
from tests.support.lanhost import PASSWORD, LanHost, LanHosts, asked, serving
from tests.support.lannet import networked


@dataclass(frozen=True, slots=True)
class Jumped:
    """A server in a network of its own, and the bastion that alone reaches it; both accept one key.

    known_hosts: a fleet's file that pins both.
    """

    bastion: LanHost
    server: LanHost
    known_hosts: Path

    @property
    def jump(self) -> str:
        """Return the bastion as a contract's `target.jump` has it."""
        return f"deploy@{self.bastion.address}"

    def root(self, user: str = "deploy") -> Host:
        """Log in through the bastion, and work as root."""
        way = route(Place(user, self.server.address, None, (self.jump,)), nothing_said, self.server.key, user)
        become = Become(asked(PASSWORD)) if user == "asks" else Become()
        return connect_through(way, self.known_hosts, ring=Ring(), accept=lambda _, __: False, become=become)


@pytest.fixture
def jumped(lan_hosts: LanHosts) -> Iterator[Jumped]:
    """Return a bastion and a stocked server behind it."""
    hidden = {"com.docker.network.bridge.inhibit_ipv4": "true"}  # nor does this machine reach it
    with networked(lan_hosts.client, internal=True, options=hidden) as inner, ExitStack() as hosts:
        bastion = lan_hosts(lan_hosts.images.bare)
        inner.network.connect(bastion.container, ipv4_address=inner.address())
        folder = lan_hosts.folder / "behind"
        folder.mkdir()
        for name in ("client", "client.pub"):
            shutil.copy(bastion.key.with_name(name), folder)
        images, name = lan_hosts.images, f"{lan_hosts.prefix}-behind"
        server = hosts.enter_context(serving(lan_hosts.client, images.stocked, folder, name, inner, {}))
        known = lan_hosts.folder / "known_hosts"
        behind = f"{server.address}%{bastion.address} {server.public}\n"
        known.write_text(bastion.known_hosts.read_text() + behind)
        yield Jumped(bastion, server, known)
        inner.network.disconnect(bastion.container, force=True)
