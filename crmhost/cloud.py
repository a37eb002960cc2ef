"""Opening the target of a contract on a Docker host: engine, stack and driver, and how its URL is reached from here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crm.errors import CrmhostError, Refused
from crmhost.target import Accept, Target, Wish, backups_of, who
from crmhost.vault import FLEET, Vault
from infra.engine.reach import Reach
from infra.naming import host_stack
from infra.settings import HostSettings, Images, Ingress

if TYPE_CHECKING:
    from crmhost.door import Door
    from crmhost.fleet import Fleet
    from crmhost.settings import Settings
    from infra.driver import CloudDriver
    from infra.stack import Access

PASSPHRASE = "pulumi-passphrase"  # noqa: S105 -- the name of a secret
"""The fleet's secret that encrypts what Pulumi keeps."""
_STATE = ".state"


def plain(settings: Settings) -> Mapping[str, Any]:
    """Return what crmhost.yaml says of Docker hosts as JSON can keep it; raises Refused where it says nothing."""
    if settings.cloud is None:
        raise Refused(
            "crmhost.yaml: cloud: is absent, so nobody knows which images customers' containers are made of",
            "Write it: docs/howto/cloud.md has an example, docs/reference/fleet.md every key.",
        )
    said: Mapping[str, Any] = settings.cloud.model_dump(mode="json", by_alias=True)
    return said


def host_settings(said: Mapping[str, Any], reach: Reach, fleet: Path) -> HostSettings:
    """Return what holds for the Docker host at `reach`; `said` as `plain` has it."""
    images, ingress = dict(said["images"]), dict(said["ingress"])
    authority, trust = images.pop("ca"), ingress.pop("authority")
    address = ingress.pop("address")
    return HostSettings(
        reach=reach,
        images=Images(**images, authority=_path(fleet, authority)),
        ingress=Ingress(
            **{**ingress, "email": ingress["email"] or ""},
            address=None if address is None else _address(address),
            trust=_path(fleet, trust),
        ),
        registry=None if said["registry"] is None else said["registry"]["url"],
        parallel=said["parallel"],
    )


def reach_of(fleet: Fleet, url: str, key_file: Path | None, said: Mapping[str, Any]) -> Reach:
    """Return how the engine at `url` is reached; without host keys of the fleet's own the user's are believed."""
    return Reach(url, key_file, _existing(fleet.known_hosts), _path(fleet.folder, said["tls"]))


@contextmanager
def open_cloud(wish: Wish, accept: Accept) -> Iterator[Target]:
    """Give the target, its engine connected; raises HostError with a remedy where that cannot be."""
    from crmhost.hosts import trust
    from infra.driver import CloudDriver
    from infra.engine.connect import connect
    from infra.ready import Patience
    from infra.release import SECRETS
    from infra.stack import Stack
    from infra.survey import Cloud

    fleet, order, said = wish.fleet, wish.order, wish.access.cloud or {}
    trust(reach_of(fleet, order.docker, wish.key_file, said), fleet.known_hosts, accept)
    reach = reach_of(fleet, order.docker, wish.key_file, said)
    settings = host_settings(said, reach, fleet.folder)
    fresh = wish.fresh()
    want = wish.want(fresh, *SECRETS)
    pulumi = Pulumi.of(fleet, wish.vault(), said, make_secrets=wish.make_secrets)
    with connect(reach) as engine:
        cloud = Cloud(
            contract=order.contract,
            engine=engine,
            stack=Stack(pulumi.access(order.contract), order.contract, settings),
            settings=settings,
            host_access=pulumi.access(host_stack(reach.url)),
            who=who(),
            progress=wish.progress,
            refresh=wish.refresh,
        )
        driver = CloudDriver(cloud, want.slots["host"], None if wish.patience is None else Patience(wish.patience))
        yield Target(
            driver,
            want,
            wish.progress,
            door=lambda: _door(driver, settings),
            backups=lambda: backups_of(wish, want),
            fresh=fresh if wish.make_secrets else None,
        )


@dataclass(frozen=True, slots=True)
class Pulumi:
    """Where a fleet keeps its stacks. state: the URL of the state; programs: the folder of Pulumi's programs."""

    folder: Path
    state: str
    passphrase: str = field(repr=False)
    programs: Path
    environment: Mapping[str, str] = field(repr=False)

    @classmethod
    def of(cls, fleet: Fleet, vault: Vault, said: Mapping[str, Any], *, make_secrets: bool) -> Pulumi:
        """Return what the fleet says; make_secrets: a passphrase that is missing is made."""
        from infra.toolchain import default_cache, find

        folder = fleet.state / "pulumi"
        backend = said["state"]["backend"]
        secret = vault.ensure(FLEET, PASSPHRASE) if make_secrets else vault.get(FLEET, PASSPHRASE)
        cache = default_cache(fleet.environment)
        try:
            programs = find(fleet.environment, cache).folder
        except CrmhostError:  # what needs it says so; much is done without
            programs = cache / "bin"
        return cls(
            folder,
            _beside(folder) if backend == "file" else backend,
            secret or "nothing is encrypted yet",
            programs,
            fleet.environment,
        )

    def access(self, stack: str) -> Access:
        """Return how one stack is run."""
        from infra.stack import Access

        if self.state == _beside(self.folder):
            (self.folder / _STATE).mkdir(mode=0o700, parents=True, exist_ok=True)
        return Access(self.folder / stack, self.state, self.passphrase, self.programs, self.environment)


def _beside(folder: Path) -> str:
    """Return the URL of the state that lies beside a fleet's stacks."""
    return f"file://{folder / _STATE}"


def _door(driver: CloudDriver, settings: HostSettings) -> Door:
    from crmhost.door import Door

    ingress = settings.ingress
    if ingress.trust is not None:
        authority: str | None = ingress.trust.read_text()
    else:
        authority = driver.authority() if ingress.certificates == "internal" else None
    return Door(ingress.address, authority)


def _path(fleet: Path, written: str | None) -> Path | None:
    return None if written is None else fleet / Path(written).expanduser()


def _existing(path: Path) -> Path | None:
    return path if path.exists() else None


def _address(written: str) -> tuple[str, int]:
    host, _, port = written.rpartition(":")
    return host.strip("[]"), int(port)
