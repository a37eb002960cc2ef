"""Where certificates come from: an ACME authority's address, and the file of what it is believed by."""

import re
from typing import Annotated, TypeAlias
from urllib.parse import urlsplit

from pydantic import PlainValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

from contract.base import wrong
from contract.scalar import ask_text, host

LETS_ENCRYPT = "https://acme-v02.api.letsencrypt.org/directory"
"""The authority that a contract means which names none."""


def directory(value: object) -> str:
    """Return the https URL of an ACME authority's directory, exactly as it is written."""
    remedy = "write the https URL of the ACME authority's directory, as in https://ca.acme.example/acme/acme/directory"
    written = ask_text(value, remedy)
    try:
        parts = urlsplit(written)
        _ = parts.port
        host(parts.hostname)
    except (ValueError, PydanticCustomError):
        raise wrong(remedy) from None
    plain = re.fullmatch(r"[!-~]+", written) and not re.search(r"[\\\"'%$`]", written)
    if parts.scheme != "https" or parts.username is not None or parts.fragment or not plain:
        raise wrong(remedy)
    return written


def fleet_file(value: object) -> str:
    """Return the path of a file below the fleet's folder."""
    remedy = "write the path of a file inside the fleet's folder, as in authorities/acme.pem"
    written = ask_text(value, remedy)
    parts = written.split("/")
    if {"", ".", ".."} & set(parts) or "\\" in written or "~" in written or any(ord(c) < 32 for c in written):
        raise wrong(remedy)
    return written


DirectoryUrl: TypeAlias = Annotated[
    str,
    PlainValidator(directory),
    WithJsonSchema(
        {
            "type": "string",
            "description": "An ACME authority's directory",
            "examples": [LETS_ENCRYPT, "https://ca.acme.example/acme/acme/directory"],
            "pattern": "^https://[^\\s]+$",
        }
    ),
]
FleetFile: TypeAlias = Annotated[
    str,
    PlainValidator(fleet_file),
    WithJsonSchema(
        {
            "type": "string",
            "description": "A file in the fleet's folder",
            "examples": ["authorities/acme.pem"],
            "pattern": "^(?!/)(?!(.*/)?\\.{1,2}(/|$))",
        }
    ),
]
