"""The files and the command of the ingress, for what a fleet says of it. Pure."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from importlib import resources

from crm import maintenance
from infra import naming
from infra.rollout import Limits, UploadFile
from infra.settings import HostSettings, Ingress

HOST = "crmhost"
"""What stands for the contract in labels of what a host has for all customers: no contract can be called so."""
FILES = f"{naming.INGRESS}-files"
LABEL_CONFIG = "crmhost.config"
LIMITS = Limits(256, "1.0")
FOLDER = "/etc/ingress"
DATA = "/ingress"  # no folder of any image: what an image has there would be copied into the volume, as root's
SITES = "/sites"
HTTP, HTTPS = 8080, 8443
USER = "10002:10002"
ARGV = ("caddy", "run", "--config", f"{FOLDER}/Caddyfile", "--adapter", "caddyfile")
ROOT_CERTIFICATE = f"{DATA}/caddy/pki/authorities/local/root.crt"
"""Where Caddy keeps the certificate of its own authority."""


def files(ingress: Ingress) -> tuple[UploadFile, ...]:
    """Return the files of FOLDER: only the certificates' source differs from host to host."""
    return (
        UploadFile("Caddyfile", 0o400, _text("Caddyfile")),
        UploadFile("certificates.caddy", 0o400, _certificates(ingress)),
        UploadFile("maintenance.caddy", 0o400, f"respond `{maintenance.page()}` 503\n"),
        UploadFile("upstream.caddy", 0o400, _text("upstream.caddy")),
    )


def environment(ingress: Ingress) -> dict[str, str]:
    """Return the container's environment; nothing in it is secret."""
    port = "" if ingress.https == 443 else f":{ingress.https}"
    return {"HOME": DATA, "XDG_CONFIG_HOME": f"{DATA}/config", "XDG_DATA_HOME": DATA, "HTTPS_PORT": port}


def ports(ingress: Ingress) -> tuple[tuple[str, int, int], ...]:
    """Return (address on the host, port there, port inside)."""
    return ((ingress.bind, ingress.http, HTTP), (ingress.bind, ingress.https, HTTPS))


def digest(settings: HostSettings) -> str:
    """Return the SHA-256 (hex) of all that makes the ingress what it is: where it differs, the ingress is replaced."""
    said = {
        "image": settings.images.ingress,
        "files": [asdict(file) for file in files(settings.ingress)],
        "argv": ARGV,
        "environment": environment(settings.ingress),
        "ports": ports(settings.ingress),
        "limits": asdict(LIMITS),
    }
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()


def _certificates(ingress: Ingress) -> str:
    if ingress.certificates == "internal":
        return "local_certs\n"
    return f"email {ingress.email}\n" if ingress.email else "# without an address, nobody is told of what goes wrong\n"


def _text(name: str) -> str:
    return resources.files("infra.ingress").joinpath(name).read_text("utf-8")
