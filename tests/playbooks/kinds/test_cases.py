"""Golden cases of every kind: what is wanted, what the host answers, and exactly what is planned and done.

A case: `summary`, `key`, `want` (null: not wanted), `rows` (what the host answers about the key), `change` (null: none;
then nothing is done either), `puts`, `guard` and `act`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from playbooks.kind import Act, Kind
from playbooks.kinds.account import AccountKind, AccountWanted
from playbooks.kinds.archive import ArchiveKind, ArchiveWanted
from playbooks.kinds.certificate import CertificateKind, CertificateWanted
from playbooks.kinds.cluster import ClusterKind, ClusterWanted
from playbooks.kinds.cron import CronKind, CronWanted
from playbooks.kinds.database import DatabaseKind, DatabaseWanted
from playbooks.kinds.door import DoorKind, DoorWanted
from playbooks.kinds.file import FileKind, FileWanted
from playbooks.kinds.firewall import FirewallKind
from playbooks.kinds.folder import FolderKind, FolderWanted
from playbooks.kinds.link import LinkKind, LinkWanted
from playbooks.kinds.nftables import FirewallWanted, Opening
from playbooks.kinds.package import PackageKind, PackageWanted
from playbooks.kinds.parcel import Packed, ParcelKind, ParcelWanted
from playbooks.kinds.pgdatabase import PgDatabaseKind, PgDatabaseWanted
from playbooks.kinds.php import PhpKind, PhpWanted
from playbooks.kinds.process import ProcessKind, ProcessWanted
from playbooks.kinds.role import RoleKind, RoleWanted
from playbooks.kinds.service import ServiceKind, ServiceWanted
from playbooks.kinds.site import SiteKind, SiteWanted
from playbooks.kinds.tree import TreeKind, TreeWanted
from playbooks.kinds.unit import UnitKind, UnitWanted
from playbooks.kinds.upstream import UpstreamKind, UpstreamWanted
from playbooks.kinds.venv import VenvKind, VenvWanted
from playbooks.shell import Sh

FOLDER = Path(__file__).parent
CASES = sorted(FOLDER.glob("*/cases/*.yaml"))


def file_wanted(want: Mapping[str, Any]) -> FileWanted:
    return FileWanted(
        want["content"].encode(),
        int(want["mode"], 8),
        want.get("secret", False),
        want.get("owner", ""),
        want.get("group", ""),
        want.get("keep_aside", ""),
        want.get("drawn", False),
    )


def folder_wanted(want: Mapping[str, Any]) -> FolderWanted:
    return FolderWanted(int(want["mode"], 8), want.get("linkable", False), want.get("owner", ""), want.get("group", ""))


def process_wanted(want: Mapping[str, Any]) -> ProcessWanted:
    return ProcessWanted(tuple(want["argv"]), want["cwd"], want["log"], want.get("env", {}), want.get("stop", 30))


def parcel_wanted(want: Mapping[str, Any]) -> ParcelWanted:
    """The files are those of a folder beside the cases, as a case lists them."""
    files = (Packed(path, size, digest) for path, size, digest in want["files"])
    return ParcelWanted(tuple(files), FOLDER / "parcel" / "source")


def venv_wanted(want: Mapping[str, Any]) -> VenvWanted:
    (low, high) = (tuple(map(int, text.split("."))) for text in want["python"])
    python = ((low[0], low[1]), (high[0], high[1]))
    return VenvWanted(want["lock"], python, want.get("build", ""), want.get("wheels", ""), want.get("shared", False))


def lists_as_tuples(want: Mapping[str, Any]) -> dict[str, Any]:
    return {name: tuple(value) if isinstance(value, list) else value for name, value in want.items()}


def php_wanted(want: Mapping[str, Any]) -> PhpWanted:
    (low, high) = (tuple(map(int, text.split("."))) for text in want["versions"])
    return PhpWanted(((low[0], low[1]), (high[0], high[1])), tuple(want["extensions"]))


def firewall_wanted(want: Mapping[str, Any]) -> FirewallWanted:
    return FirewallWanted(tuple(Opening(**lists_as_tuples(opening)) for opening in want["openings"]))


KINDS: Mapping[str, tuple[Kind[Any, Any], Callable[[Mapping[str, Any]], Any]]] = {
    "account": (AccountKind(), lambda w: AccountWanted(**lists_as_tuples(w))),
    "archive": (ArchiveKind(lambda: b"a tar of the tree"), lambda w: ArchiveWanted(w["sha256"])),
    "certificate": (CertificateKind(), lambda w: CertificateWanted(**w)),
    "cluster": (ClusterKind(), lambda w: ClusterWanted(**w)),
    "cron": (CronKind(), lambda w: CronWanted(Sh(w["command"]), w["lock"], w["log"], w["every"])),
    "database": (DatabaseKind(), lambda w: DatabaseWanted(int(w["mode"], 8))),
    "door": (DoorKind(), lambda w: DoorWanted(w["text"], int(w["mode"], 8), w.get("yields", False))),
    "file": (FileKind("salt"), file_wanted),
    "firewall": (FirewallKind(), firewall_wanted),
    "folder": (FolderKind(), folder_wanted),
    "link": (LinkKind(), lambda w: LinkWanted(**w)),
    "package": (PackageKind(), lambda w: PackageWanted(**lists_as_tuples(w))),
    "parcel": (ParcelKind(), parcel_wanted),
    "pgdatabase": (PgDatabaseKind(), lambda w: PgDatabaseWanted(**w)),
    "php": (PhpKind(), php_wanted),
    "process": (ProcessKind(), process_wanted),
    "role": (RoleKind(), lambda w: RoleWanted(**w)),
    "service": (ServiceKind(), lambda w: ServiceWanted(**w)),
    "site": (SiteKind(), lambda w: SiteWanted(**w)),
    "tree": (TreeKind(), lambda w: TreeWanted(**lists_as_tuples(w))),
    "unit": (UnitKind(), lambda w: UnitWanted(**w)),
    "upstream": (UpstreamKind(), lambda w: UpstreamWanted(**w)),
    "venv": (VenvKind(), venv_wanted),
}


def planned(kind_name: str, case: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the kind says of a case, in the words of a case."""
    kind, build = KINDS[kind_name]
    key, want = case["key"], None if case["want"] is None else build(case["want"])
    seen = kind.read([tuple(row) for row in case["rows"]])[key]
    change = kind.diff(key, want, seen)
    if change is None:
        return {"change": None}
    assert change.resource == f"{kind.name}:{key}"
    act: Act = kind.act(key, want, seen)
    words = {"action": change.action, "why": change.why, "disrupts": change.disrupts, "diff": list(change.diff)}
    return {
        "change": words,
        "puts": {put.name: put.content.decode() for put in act.puts},
        "guard": act.guard.text + "\n",
        "act": act.script.text + "\n",
    }


@pytest.mark.parametrize("path", CASES, ids=lambda path: f"{path.parts[-3]}/{path.stem}")
def test_a_case_is_planned_and_done_as_written(path: Path) -> None:
    case = YAML(typ="safe").load(path)
    expected = {name: case[name] for name in ("change", "puts", "guard", "act") if name in case}
    assert planned(path.parts[-3], case) == expected


def test_every_kind_has_cases() -> None:
    shared = {"__init__", "nftables", "places", "postgres", "systemd"}
    kinds = {path.stem for path in (FOLDER.parents[2] / "playbooks" / "kinds").glob("*.py")} - shared
    assert kinds == set(KINDS) == {path.parts[-3] for path in CASES}
