"""A chain of OpenSSH servers on loopback, each reached through the one before it, and an agent of the test's own."""

from __future__ import annotations

import getpass
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from playbooks.connect import AcceptAt, Stop, connect_through
from playbooks.host import Host
from playbooks.keys import Ring
from playbooks.route import Place, Says, nothing_said, route
from tests.support.sshd import Sshd, serving
from tests.support.until import until

ME = getpass.getuser()


@dataclass(frozen=True, slots=True)
class Chain:
    """Servers that are up, and the one key that all of them accept. known: the fleet's file of host keys."""

    servers: tuple[Sshd, ...]
    key: Path
    known: Path

    def place(self, *ports: int) -> Place:
        """Return the way over these ports, or over all servers in order."""
        *jumps, last = ports or tuple(server.port for server in self.servers)
        return Place(ME, "127.0.0.1", last, tuple(f"{ME}@127.0.0.1:{port}" for port in jumps))

    def way(self, says: Says = nothing_said, *ports: int) -> tuple[Stop, ...]:
        """Return the stops of that way, with the key that all accept."""
        return route(self.place(*ports), says, self.key, ME)

    def reach(self, accept: AcceptAt, *ports: int, ring: Ring | None = None) -> Host:
        """Go that way."""
        return connect_through(self.way(nothing_said, *ports), self.known, ring=ring or Ring(), accept=accept)


@contextmanager
def chained(folder: Path, count: int) -> Iterator[Chain]:
    """Run that many servers, which accept one key; the home of each is its own folder."""
    with ExitStack() as stack:
        folders = [folder / f"host{number}" for number in range(1, count + 1)]
        servers = tuple(stack.enter_context(serving(one, {"HOME": str(one)})) for one in folders)
        for server in servers[1:]:
            shutil.copy(servers[0].folder / "client.pub", server.folder / "authorized_keys")
        yield Chain(servers, servers[0].key, folder / "known_hosts")


@contextmanager
def agent(folder: Path, *keys: Path) -> Iterator[Path]:
    """Run an agent that holds these keys; its socket's path is for SSH_AUTH_SOCK."""
    socket = folder / "agent"
    with subprocess.Popen(["ssh-agent", "-D", "-a", socket], stdout=subprocess.DEVNULL) as process:
        try:
            until(socket.exists, "the agent listens")
            for key in keys:
                environment = os.environ | {"SSH_AUTH_SOCK": str(socket)}
                subprocess.run(["ssh-add", "-q", key], env=environment, check=True, capture_output=True)
            yield socket
        finally:
            process.terminate()


def lock(key: Path, phrase: str) -> None:
    """Give a key a passphrase."""
    subprocess.run(["ssh-keygen", "-q", "-p", "-P", "", "-N", phrase, "-f", key], check=True, capture_output=True)
