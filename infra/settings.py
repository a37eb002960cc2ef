"""What a fleet says about its Docker hosts, as the cloud driver gets it: parsed, frozen, without secrets."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from infra.engine.reach import Reach


@dataclass(frozen=True, slots=True)
class Images:
    """The images that crmhost does not build: references by digest (`name:tag@sha256:…`) or image ids.

    `python` is the base of the CRMs' own images. `authority`: a file of certificates that pip and the package manager
    trust while an image is built, for networks that inspect TLS; it is no part of the image. `network`: the network
    that builds use (`default`, `host`, `none` or a name).
    """

    python: str
    postgresql: str
    redis: str
    ingress: str
    authority: Path | None = None
    network: str = "default"


@dataclass(frozen=True, slots=True)
class Ingress:
    """How customers come in to a host.

    certificates: `acme` (public, with the `email` of who is told) or `internal` (the ingress's own authority, for
    closed networks). `http` and `https` are published on `bind`. `address`: (host, port) at which *this* machine
    reaches the ingress over TLS instead of what DNS says; `trust`: a file with the authority of the certificates
    (absent: the system's, and for `internal` the ingress is asked for its own).
    """

    certificates: Literal["acme", "internal"] = "acme"
    email: str = ""
    http: int = 80
    https: int = 443
    bind: str = "0.0.0.0"  # noqa: S104 -- customers come from everywhere
    address: tuple[str, int] | None = None
    trust: Path | None = None


@dataclass(frozen=True, slots=True)
class HostSettings:
    """One Docker host: how it is reached and what it is to use.

    `registry`: where built images are pushed (`registry.example:5000/crm`); None: they are built on the host and stay
    there. `parallel`: how many resources Pulumi changes at once; more than 8 meets the limits of sshd.
    """

    reach: Reach
    images: Images
    ingress: Ingress = Ingress()
    registry: str | None = None
    parallel: int = 8
