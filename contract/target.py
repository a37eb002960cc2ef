"""Where a CRM runs, as a union by `kind`."""

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import Discriminator, Field, Tag

from contract.authority import LETS_ENCRYPT, DirectoryUrl, FleetFile
from contract.base import Model
from contract.network import Network
from contract.scalar import (
    DatabaseWord,
    DockerUrl,
    Email,
    ExactVersion,
    Folder,
    Hop,
    Host,
    Label,
    Loopback,
    Port,
    Url,
    User,
)


class CrmChoice(Model):
    """Which CRM, at which exact version, and the URL that the customer uses."""

    recipe: Label = Field(description="The CRM's recipe, as `crmhost recipes` lists it")
    version: ExactVersion = Field("", description="Its exact version; only a service run by others has none")
    url: Url = Field(description="What the customer opens, and what is measured")


class ScratchDatabase(Model):
    """A second database that the host gave, for trials alone: a copy that proves a backup is brought up in it.

    It is empty but while a copy runs. Its password is the contract's secret `scratch-database-password`.
    """

    name: DatabaseWord = Field(description="Its name, as the host gave it; never the customer's own database")
    user: DatabaseWord = Field(description="The account on it, as the host gave it")
    host: Host | None = Field(None, description="Its server, where not that of the customer's database")
    port: Port | None = Field(None, description="Its port, where not that of the customer's database")


class HostDatabase(Model):
    """The database: a file of the account's own, or one on the host's MySQL or MariaDB.

    Of the latter the host gives name, user and password; the password is the contract's secret `database-password`.
    """

    kind: Literal["sqlite", "mysql"] = Field("sqlite", description="A file, or a database that the host gave")
    host: Host = Field("localhost", description="Where the host's database server is reached from the host")
    port: Port | None = Field(None, description="Its port, where it is not 3306")
    name: DatabaseWord | None = Field(None, description="The database's name, as the host gave it")
    user: DatabaseWord | None = Field(None, description="The account on it, as the host gave it")
    scratch: ScratchDatabase | None = Field(None, description="A second database that the host gave, for trials alone")


class WebHost(Model):
    """A shared web host that is reached over SSH, through `jump` hosts in order, without root.

    `access: sftp` is for hosts that give SFTP and a control panel, and let no command run.

    `front` says what the customer's requests meet: a proxy before a process of the account's own at the loopback
    address `listen`, or the host's own Passenger or PHP, which find the CRM through `document_root`, the folder that
    the host serves as files (nothing secret may lie in it).
    """

    host: Host = Field(description="The host, as SSH reaches it, or as the last jump host does")
    user: User = Field(description="The customer's account on it")
    port: Port | None = Field(None, description="SSH's port: 22, or the one of the user's SSH configuration")
    jump: tuple[Hop, ...] = Field((), description="The hosts on the way, in order")
    listen: Loopback | None = Field(None, description="Where the host's front end expects the web process")
    document_root: Folder | None = Field(None, description="The folder that the host serves as files")
    front: Literal["process", "passenger", "php"] = Field(
        "process", description="What serves: a process of the account's behind a proxy, or the host's Passenger or PHP"
    )
    access: Literal["ssh", "sftp"] = Field("ssh", description="What the account may do: run commands, or SFTP alone")
    database: HostDatabase = Field(default_factory=HostDatabase, description="Where the CRM keeps its data")
    kind: Literal["webhost"] = Field("webhost", description="A shared web host, without root")


class Firewall(Model):
    """Who reaches the server: SSH and the customers' sites are let in, and nothing else."""

    ssh_from: tuple[Network, ...] = Field(description="The networks from which SSH is reached")
    web_from: tuple[Network, ...] = Field((), description="The networks from which the site is reached; none: all")


class Acme(Model):
    """The ACME authority that issues a site's certificate, and how the server comes to believe it."""

    directory: DirectoryUrl = Field(LETS_ENCRYPT, description="The URL of its directory")
    email: Email | None = Field(None, description="Where it writes to; none: to the first contact for operations")
    root: FleetFile | None = Field(
        None, description="Certificates (PEM) that it is believed by, where not the system's"
    )


class Lan(Model):
    """A server in the customer's own network, with sudo, reached through `jump` hosts in order.

    `tls` says whose certificate an https URL has: one by an authority that crmhost makes for this customer, the
    customer's own, which are the contract's secrets `tls-certificate` and `tls-key`, or one that the server gets and
    renews by ACME, whose authority's terms are accepted by that.
    """

    host: Host = Field(description="The server, as the last jump host reaches it")
    user: User = Field(description="An account that may use sudo")
    port: Port | None = Field(None, description="SSH's port: 22, or the one of the user's SSH configuration")
    jump: tuple[Hop, ...] = Field((), description="The hosts on the way, in order")
    tls: Literal["internal", "own", "acme"] = Field("internal", description="Whose certificate the site has")
    acme: Acme | None = Field(None, description="The ACME authority that is asked; absent: Let's Encrypt")
    firewall: Firewall | None = Field(None, description="Who reaches the server; absent: no firewall is touched")
    kind: Literal["lan"] = Field("lan", description="A server with sudo in the customer's network")


class Cloud(Model):
    """A Docker host: `docker` is an ssh:// or tcp:// address."""

    docker: DockerUrl = Field(description="The Docker engine's address")
    kind: Literal["cloud"] = Field("cloud", description="A Docker host")


class Saas(Model):
    """A service that somebody else runs: measured and credited, never deployed."""

    kind: Literal["saas"] = Field("saas", description="A service that somebody else runs: only measured")


KINDS = {"webhost": "WebHost", "lan": "Lan", "cloud": "Cloud", "saas": "Saas"}


def _which(value: Any) -> str | None:  # noqa: ANN401 - pydantic gives whatever the caller gave
    if isinstance(value, dict):
        kind = value.get("kind")
        return KINDS.get(kind) if isinstance(kind, str) else None
    return type(value).__name__


Target: TypeAlias = Annotated[
    Annotated[WebHost, Tag("WebHost")]
    | Annotated[Lan, Tag("Lan")]
    | Annotated[Cloud, Tag("Cloud")]
    | Annotated[Saas, Tag("Saas")],
    Discriminator(_which),
]
