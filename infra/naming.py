"""The names and labels on a Docker engine: what belongs to whom can be told by looking. Pure."""

from __future__ import annotations

from typing import Literal, TypeAlias

LABEL_CONTRACT = "crmhost.contract"
LABEL_ROLE = "crmhost.role"
LABEL_RELEASE = "crmhost.release"
LABEL_STEP = "crmhost.step"
LABEL_REKEYED = "crmhost.rekeyed"
"""How often the secrets that a container was started with had been changed; absent: never. It tells nothing of them."""

EDGE = "crmhost-edge"
"""The network that the ingress and every customer's web containers are on."""
SITES = "crmhost-sites"
INGRESS_DATA = "crmhost-ingress-data"
TEMPLATES = "crmhost-templates"
INGRESS = "crmhost-ingress"

UID = 10001
"""User and group of every process of a CRM."""
WEB_PORT = 8000

# Inside containers of a CRM.
APP_FOLDER = "/opt/crm"
RELEASE_FOLDER = "/release"
DATA_FOLDER = "/data"
RUN_FOLDER = "/run/crm"

# Inside the customer's own network, and inside PostgreSQL.
DATABASE_HOST = "db"
DATABASE_PORT = 5432
DATABASE_NAME = "crm"
DATABASE_USER = "crm"
DATABASE_SYSTEM_USER = "postgres"
REDIS_HOST = "redis"
REDIS_PORT = 6379

OUTPUT = "recorded"
"""A stack's only output: what it was asked to hold."""

Role: TypeAlias = str
"""`network`, `db`, `redis`, `data`, `files`, `run`, `lock`, `journal`, `step`, `ingress`, or a process: `web`, …"""
ReleaseVolume: TypeAlias = Literal["files", "run"]


def network(contract: str) -> str:
    """Return the name of the customer's own, internal network."""
    return f"crmhost-{contract}"


def database(contract: str) -> str:
    """Return the name of the PostgreSQL container, and of the volume with its data."""
    return f"crmhost-{contract}-db"


def database_files(contract: str) -> str:
    """Return the name of PostgreSQL's volume of secrets, and of the one-shot container that sets its owner."""
    return f"crmhost-{contract}-db-files"


def redis(contract: str) -> str:
    """Return the name of the redis container."""
    return f"crmhost-{contract}-redis"


def data(contract: str) -> str:
    """Return the name of the volume with what outlives a release."""
    return f"crmhost-{contract}-data"


def release_volume(contract: str, tag: str, kind: ReleaseVolume) -> str:
    """Return the name of a release's volume; that of `files` is also the name of the one-shot that sets its owner."""
    return f"crmhost-{contract}-{tag}-{kind}"


def process(contract: str, tag: str, name: str) -> str:
    """Return the name of the container of a release's process."""
    return f"crmhost-{contract}-{tag}-{name}"


def lock(contract: str) -> str:
    """Return the name of the container that is the lock."""
    return f"crmhost-{contract}-lock"


def journal(contract: str) -> str:
    """Return the name of the volume with the journal."""
    return f"crmhost-{contract}-journal"


def step(contract: str) -> str:
    """Return the name of the container that runs a step."""
    return f"crmhost-{contract}-step"


def web_alias(slot: str, host: str) -> str:
    """Return what the ingress calls a web container on the edge network."""
    return f"{slot}.{host}"


def host_stack(url: str) -> str:
    """Return the name of the stack of what a Docker host has once for all customers."""
    kept = "".join(letter if letter.isalnum() or letter in "-." else "-" for letter in url.partition("://")[2])
    return f"host-{kept.strip('-.') or 'local'}"


def labels(contract: str, role: Role, release: str | None = None, rekeyed: int = 0) -> dict[str, str]:
    """Return the labels of a thing on the engine; `release` is a release's id, `rekeyed` see LABEL_REKEYED."""
    own = {LABEL_CONTRACT: contract, LABEL_ROLE: role}
    if release is not None:
        own[LABEL_RELEASE] = release
    if rekeyed:
        own[LABEL_REKEYED] = str(rekeyed)
    return own
