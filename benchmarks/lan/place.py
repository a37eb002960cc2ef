"""A company with LAN servers: real ones in containers, a fleet of contracts, and the command line in that fleet."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import docker

from tests.support import lanhost
from tests.support.engine import start
from tests.support.lanhost import LanHost, LanImages
from tests.support.lannet import LanNetwork, networked, sweep

CONTRACT = """\
contract: {name}
customer: {{name: {name}, language: en}}
crm: {{recipe: {recipe}, version: {version}, url: "https://{name}.lan/"}}
target: {{kind: lan, host: {host}, user: deploy, firewall: {{ssh-from: [{network}]}}}}
term: {{signed: 2026-01-10}}
"""

_ROOT = Path(__file__).parents[2]
_PRODUCT = ("contract", "crm", "infra", "playbooks", "monitor", "crmhost")
"""What an installation compiles; a tree that was edited since would be compiled anew at each start."""


@dataclass(frozen=True, slots=True)
class Crm:
    """What a contract runs: a recipe's id and a version."""

    recipe: str
    version: str


@dataclass
class Company:
    """A fleet folder beside servers, all of which one key logs in to.

    network: `ADDRESS/BITS` of the servers and of whoever works on them from here.
    """

    folder: Path
    client: docker.DockerClient
    images: LanImages
    lans: LanNetwork
    network: str
    stack: ExitStack
    environment: dict[str, str]
    made: list[LanHost] = field(default_factory=list)

    @property
    def fleet(self) -> Path:
        """Return the fleet's folder."""
        return self.folder / "fleet"

    @property
    def key(self) -> Path:
        """Return the private key that every server accepts."""
        return self.folder / "client"

    def server(self, *, stocked: bool = False) -> LanHost:
        """Return a new server, bare or with PostgreSQL and nginx installed, whose key the fleet knows."""
        folder = self.folder / f"server{len(self.made) + 1}"
        folder.mkdir()
        for name in ("client", "client.pub"):
            if self.made:
                shutil.copy(self.folder / name, folder / name)
        image = self.images.stocked if stocked else self.images.bare
        name = f"lan-{secrets.token_hex(3)}-crmhost-bench-{len(self.made) + 1}"
        host = self.stack.enter_context(lanhost.serving(self.client, image, folder, name, self.lans, {}))
        for name in ("client", "client.pub"):
            shutil.copy(folder / name, self.folder / name)
        self.made.append(host)
        with (self.fleet / "known_hosts").open("a") as known:
            known.write(f"{host.address} {host.public}\n")
        return host

    def call(self, name: str, host: LanHost) -> None:
        """Let the SSH configuration call a server by another name."""
        with (self.fleet / "ssh_config").open("a") as configuration:
            configuration.write(f"Host {name}\n  HostName {host.address}\n")

    def sign(self, name: str, host: str, crm: Crm) -> None:
        """Write a contract for a customer on a server, called by its address or a name of the SSH configuration."""
        text = CONTRACT.format(name=name, host=host, network=self.network, recipe=crm.recipe, version=crm.version)
        (self.fleet / "contracts" / f"{name}.yaml").write_text(text)

    def argv(self, *words: str) -> list[str]:
        """Return a command line of crmhost's."""
        return [str(Path(sys.executable).with_name("crmhost")), *words]

    def run(self, *words: str) -> dict[str, object]:
        """Run a command, and return the last of the JSON Lines that it printed; raises RuntimeError when it fails."""
        argv = self.argv(*words, "--json")
        done = subprocess.run(argv, cwd=self.fleet, env=self.environment, capture_output=True, text=True, check=False)
        if done.returncode not in (0, 2):
            raise RuntimeError(f"crmhost {' '.join(words)} ended with {done.returncode}: {done.stdout}{done.stderr}")
        last: dict[str, object] = json.loads(done.stdout.splitlines()[-1])
        return last


@contextmanager
def company(folder: Path) -> Iterator[Company]:
    """Give a company without contracts; its servers go when the block ends."""
    compiled = subprocess.run([sys.executable, "-m", "compileall", "-q", *_PRODUCT], cwd=_ROOT, check=False)
    if compiled.returncode != 0:
        raise RuntimeError(f"{_ROOT}: its Python files do not compile; mend what was said above")
    engine = start()
    images = lanhost.bring(engine)
    kept = {name: value for name, value in os.environ.items() if not name.startswith("CRMHOST_")}
    (folder / "fleet" / "contracts").mkdir(parents=True)
    (folder / "fleet" / "ssh_config").touch()
    environment = {**kept, "HOME": str(folder / "home"), "XDG_CACHE_HOME": str(folder / "cache")}
    (folder / "home").mkdir()
    with closing(engine.client()) as client, ExitStack() as stack:
        sweep(client)
        lans = stack.enter_context(networked(client))
        lans.network.reload()
        network = str(lans.network.attrs["IPAM"]["Config"][0]["Subnet"])
        made = Company(folder, client, images, lans, network, stack, environment)
        identity = made.argv("secrets", "identity")
        said = subprocess.run(
            identity, cwd=made.fleet, env=environment, capture_output=True, text=True, check=True
        ).stdout.strip()
        (made.fleet / "crmhost.yaml").write_text(
            f"fleet: Benchmark\nrecipients: [{said}]\nssh: {{key: {made.key}, config: ssh_config}}\n"
        )
        yield made
