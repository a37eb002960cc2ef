"""What a release is on a host without commands, and what the host keeps of it. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

from crm.errors import HostError, Refused
from crm.plan import Release, Want
from crm.recipe import Archive, Database
from crm.release import artifact_of, configuration, digest
from playbooks.manifest import names_of
from playbooks.sftponly.layout import RELEASES, SHUT

DATABASE: Database = "mysql"
VERSION = 1
_LAYOUT = "1"
"""Raised when the folders of a release change their meaning, so that older releases get another name."""


@dataclass(frozen=True, slots=True)
class Server:
    """The database that the host gave: where its own web server reaches it, and as whom. password None: not stored.

    trial: of the second one that it gave, for trials alone, the copy that may be brought up there.
    """

    host: str
    port: int
    name: str
    user: str
    password: str | None = field(default=None, repr=False)
    trial: str = ""


@dataclass(frozen=True, slots=True)
class Manifest:
    """A release as the host keeps it. tree: the digest of its list of files; web_root: the folder that is served.

    secrets: as in `playbooks.manifest.Manifest`.
    """

    release: Release
    artifact: str
    tree: str
    web_root: str
    kept: Mapping[str, str]
    secrets: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Kept:
    """A release that lies on the host, whole. proven: when it last passed every gate (UTC, ISO 8601), or empty.

    shut: customers see the maintenance page in its place, and it lies elsewhere.
    """

    manifest: Manifest
    proven: str
    shut: bool = False

    @property
    def id(self) -> str:
        """Return the release's name."""
        return self.manifest.release.id

    @property
    def folder(self) -> str:
        """Return where it lies, below the contract's folder."""
        return f"{SHUT if self.shut else RELEASES}/{self.id}"


def archive_of(want: Want) -> Archive:
    """Return the archive of what is wanted; raises Refused for what is none."""
    artifact = artifact_of(want.recipe, want.version, DATABASE)
    if not isinstance(artifact, Archive):
        raise Refused(
            f"{want.recipe.title} is no archive that PHP runs; nothing else can be put on a host by SFTP alone",
            "choose another recipe, or a host that gives SSH",
        )
    return artifact


def release_of(want: Want, server: Server) -> Release:
    """Return the release that a contract asks for."""
    place = [server.host, server.port, server.name, server.user]
    config = digest({"layout": _LAYOUT, "sftp": place, **configuration(want, DATABASE)})
    return Release(recipe=want.recipe.id, version=want.version, config=config, schema=want.recipe.schema(want.version))


def values(want: Want, release: Release, home: str, server: Server, below: str = "") -> Mapping[str, str]:
    """Return every slot's value; `home`: the contract's folder as PHP names it.

    below: where the release lies in it, when it does not lie where it serves.
    """
    folder = f"{home}/{below or f'{RELEASES}/{release.id}'}"
    return {
        **want.slots,
        "version": release.version,
        "php": "php",
        "app": f"{folder}/app",
        "release": folder,
        "data": f"{home}/data",
        "public": f"{folder}/app/{want.recipe.web_root}".rstrip("/"),
        "db": "",
        "dbhost": server.host,
        "dbport": str(server.port),
        "dbname": server.name,
        "dbuser": server.user,
        "redis": "",
        "run": "",
    }


def encode(manifest: Manifest) -> bytes:
    """Return the manifest's bytes: the same for the same manifest."""
    body = {"version": VERSION, **asdict(manifest), "kept": dict(manifest.kept)}
    return (json.dumps(body, sort_keys=True, indent=1, ensure_ascii=True) + "\n").encode()


def decode(text: bytes, path: str) -> Manifest:
    """Return the manifest that was read at `path`; raises HostError when it is none of ours."""
    try:
        raw = json.loads(text)
        if raw["version"] != VERSION:
            raise HostError(
                f"{path} was written by another crmhost (format {raw['version']!r}, this one reads {VERSION})",
                "use the crmhost that deployed it, or a newer one",
            )
        return Manifest(
            release=Release(**{name: str(raw["release"][name]) for name in ("recipe", "version", "config", "schema")}),
            artifact=str(raw["artifact"]),
            tree=str(raw["tree"]),
            web_root=str(raw["web_root"]),
            kept={str(path): str(folder) for path, folder in raw["kept"].items()},
            secrets=names_of(raw.get("secrets")),
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise HostError(f"{path} is not a release's manifest ({type(error).__name__}: {error})", "") from error
