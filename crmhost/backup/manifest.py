"""The manifest of a backup: a small JSON file beside it. Without its manifest a sealed file is no backup."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any, get_args

from contract.moment import instant, instant_text
from crm.backup import Contents, Snapshot, Why
from crm.errors import CrmhostError
from crm.plan import Release

VERSION = 1
SEALED, MANIFEST = ".age", ".json"
"""How the names of the two files of a backup end, after its id."""


def encode(snapshot: Snapshot) -> bytes:
    """Return the manifest's bytes, for people to read too."""
    body = {
        "version": VERSION,
        "id": snapshot.id,
        "contract": snapshot.contract,
        "taken": instant_text(snapshot.taken),
        "why": snapshot.why,
        "release": asdict(snapshot.release),
        "crmhost": snapshot.crmhost,
        "size": snapshot.size,
        "sha256": snapshot.digest,
        "contents": asdict(snapshot.contents),
        "proven": None if snapshot.proven is None else instant_text(snapshot.proven),
    }
    return (json.dumps(body, ensure_ascii=False, indent=1) + "\n").encode()


def decode(raw: bytes, where: str) -> Snapshot:
    """Return what a manifest says; raises CrmhostError naming `where` for one that no crmhost wrote, or a newer one."""
    try:
        body = json.loads(raw)
        if body["version"] > VERSION:
            raise CrmhostError(
                f"{where}: was written by a newer crmhost (form {body['version']}, this one knows {VERSION})",
                "Use that crmhost, or a newer one.",
            )
        return _snapshot(body)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise CrmhostError(
            f"{where}: is no manifest of a backup ({type(error).__name__}: {error})",
            "Put back the file that was there, or remove it; the backup beside it is not used meanwhile.",
        ) from error


def _snapshot(body: dict[str, Any]) -> Snapshot:
    held, proven = body["contents"], body["proven"]
    if body["why"] not in get_args(Why):
        raise ValueError(f"why: found {body['why']!r}")
    return Snapshot(
        id=body["id"],
        contract=body["contract"],
        release=Release(**body["release"]),
        taken=instant(body["taken"]),
        why=body["why"],
        size=int(body["size"]),
        digest=str(body["sha256"]),
        contents=Contents(
            {str(name): int(rows) for name, rows in held["tables"].items()},
            int(held["files"]),
            int(held["bytes"]),
            tuple(held["keys"]),
            held["database"],
        ),
        crmhost=body["crmhost"],
        proven=None if proven is None else instant(proven),
    )
