"""What a contract says of the ACME authority of its server's site, and what the fleet keeps for it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crm.errors import Refused
from crmhost.files import read_text

if TYPE_CHECKING:
    from contract.model import Contact
    from contract.target import Lan
    from playbooks.lan.acme import Acme


def said(target: Lan, contacts: tuple[Contact, ...]) -> dict[str, str | None] | None:
    """Return what an order keeps of it; None where no such authority is asked."""
    from contract.target import Acme as Chosen

    if target.tls != "acme":
        return None
    chosen = target.acme or Chosen()
    operations = next((one.email for one in contacts if one.role == "operations"), None)
    return {"directory": chosen.directory, "email": chosen.email or operations, "root": chosen.root}


def acme_of(fleet: Path, file: str, host: str, kept: dict[str, Any]) -> Acme:
    """Return the authority that a server is to ask, from what an order keeps; raises Refused for a wrong root."""
    from playbooks.lan.acme import Acme

    root = None if kept["root"] is None else root_of(fleet, file, kept["root"])
    return Acme(kept["directory"], host, kept["email"] or "", root)


def packages(lan: str) -> tuple[str, ...]:
    """Return the Debian packages that a server needs for it, from what an order keeps of its target."""
    from playbooks.lan.acme import PACKAGES

    return PACKAGES if "acme" in json.loads(lan) else ()


def files(lan: str) -> tuple[str, ...]:
    """Return the files of the fleet that an order names for it."""
    kept = json.loads(lan).get("acme") or {}
    return (kept["root"],) if kept.get("root") else ()


def root_of(fleet: Path, file: str, path: str) -> str:
    """Return the certificates (PEM) of a file in the fleet's folder; raises Refused where there are none in it."""
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import Encoding

    text = read_text(fleet / path)
    try:
        found = x509.load_pem_x509_certificates(text.encode())
    except ValueError:
        raise Refused(
            f"{file}: target.acme.root: {path} holds no certificate as PEM",
            "Put the certificate of the authority there, as it gives it out; nothing was done.",
        ) from None
    return "".join(one.public_bytes(Encoding.PEM).decode() for one in found)
