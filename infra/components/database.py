"""A customer's PostgreSQL: its volume, its passwords, its container.

The container starts by a script of crmhost's, which makes the cluster, the role and the database where they are
missing: so any image with PostgreSQL's programs on its PATH and a user `postgres` will do.
"""

from __future__ import annotations

import pulumi

from infra import naming
from infra.components.container import Attached, Health, Mounted, Spec, container
from infra.components.files import Files, Filled, script, volume
from infra.rollout import Service, UploadFile

FOLDER = "/var/lib/postgresql/data"
SOCKETS = "/tmp"  # noqa: S108 -- a tmpfs of the container's own
_SECRETS = "/run/crmhost"
_START = "postgresql.sh"
_HEALTH = ("psql", "-XAtq", "-U", naming.DATABASE_SYSTEM_USER, "-d", naming.DATABASE_NAME, "-c", "SELECT 1")


class Database(pulumi.ComponentResource):
    """PostgreSQL on the customer's own network; its volume is protected, and is never deleted to be replaced."""

    def __init__(
        self,
        contract: str,
        service: Service,
        network: pulumi.Input[str],
        options: pulumi.ResourceOptions,
        *,
        protect: bool,
    ) -> None:
        name = naming.database(contract)
        super().__init__("crmhost:cloud:Database", name, None, options)
        child = pulumi.ResourceOptions(parent=self)
        labels = naming.labels(contract, "db")
        data = Mounted(volume(name, labels, child, protect=protect).name, FOLDER)
        files = Files(
            Filled(
                name=naming.database_files(contract),
                contract=contract,
                role="files",
                release=None,
                image=service.image,
                owner=f"{naming.DATABASE_SYSTEM_USER}:{naming.DATABASE_SYSTEM_USER}",
                folder=_SECRETS,
                files=(UploadFile(_START, 0o500, script(_START)), *service.files),
                writable=(data,),
                rekeyed=service.rekeyed,
            ),
            child,
        )
        self.container = container(
            name,
            Spec(
                image=service.image,
                argv=("bash", f"{_SECRETS}/{_START}", *settings(service.limits.memory_mb)),
                user=naming.DATABASE_SYSTEM_USER,
                limits=service.limits,
                labels=naming.labels(contract, "db", rekeyed=service.rekeyed),
                networks=(Attached(network, (naming.DATABASE_HOST,)),),
                mounts=(data, files.mounted),
                # The image's folder for sockets is its user's; a tmpfs in its place would be root's. Hence PGHOST.
                env={"PGDATA": f"{FOLDER}/pgdata", "PGHOST": SOCKETS},
                health=Health(_HEALTH, interval=10, timeout=5),
                grace=60,
                stop_signal="SIGINT",  # PostgreSQL's fast shutdown: it waits for no client
            ),
            pulumi.ResourceOptions(parent=self, depends_on=[files.ready]),
        )
        self.register_outputs({})


def settings(memory_mb: int) -> tuple[str, ...]:
    """Return the server's settings that follow from its memory: a quarter for its own cache, half believed cached."""
    return (
        "-c",
        f"shared_buffers={max(memory_mb // 4, 16)}MB",
        "-c",
        f"effective_cache_size={max(memory_mb // 2, 16)}MB",
        "-c",
        "max_connections=100",
    )
