"""What a release runs, as resources of the host: an environment, or an unpacked archive with this release's own tree.

Pure, but for bringing an archive to this machine when it must be sent.
"""

from __future__ import annotations

import json
import posixpath
from collections.abc import Mapping, Sequence

from crm.errors import Refused
from crm.plan import Want
from crm.recipe import DATABASE_PASSWORD, Archive, Artifact, Php, PipLock
from playbooks.kind import Resource
from playbooks.kinds.archive import ArchiveKind, ArchiveWanted
from playbooks.kinds.php import PhpKind, PhpWanted, php_names
from playbooks.kinds.tree import TreeKind, TreeWanted
from playbooks.kinds.venv import VenvKind, VenvWanted
from playbooks.manifest import Manifest
from playbooks.webhost.layout import Layout

ANY_PHP = Php(((8, 0), (9, 0)))
"""What runs our own questions to a database where the recipe asks for no PHP."""
DRIVER = "pdo_mysql"
"""The extension that they need."""


def code(layout: Layout, want: Want, manifest: Manifest, made_of: Artifact, paths: Sequence[str]) -> list[Resource]:
    """Return the code of a release, keyed by absolute paths, the artifact first. paths: of the release's own files."""
    place = layout.artifact(manifest.artifact)
    if isinstance(made_of, PipLock):
        return [Resource(VenvKind(), place, VenvWanted(made_of.lock, made_of.python, made_of.build))]
    app = f"{layout.release(manifest.release.id)}/app"
    links = {path: posixpath.join(layout.data, folder) for path, folder in want.recipe.kept.items()}
    inside = sorted({posixpath.dirname(path)[len(app) + 1 :] for path in paths if path.startswith(f"{app}/")} - {""})
    return [
        Resource(ArchiveKind(lambda: _bytes(layout, made_of)), place, ArchiveWanted(made_of.sha256)),
        Resource(TreeKind(), app, TreeWanted(place, links, tuple(inside))),
        Resource(PhpKind(), layout.php, php_wanted(layout, made_of)),
    ]


def php_wanted(layout: Layout, made_of: Artifact) -> PhpWanted:
    """Return which PHP for programs a release needs."""
    php = (made_of.php if isinstance(made_of, Archive) else None) or ANY_PHP
    more = (DRIVER,) if layout.database == "mysql" else ()
    return PhpWanted(php.versions, tuple(dict.fromkeys((*php.extensions, *more))))


def access_of(layout: Layout, want: Want, made_of: Artifact) -> str:
    """Return the text of the file that says how the host's database is reached, or nothing where it is a file.

    Raises Refused when the fleet does not have the password that the host gave.
    """
    if layout.database != "mysql":
        return ""
    password = want.secrets.get(DATABASE_PASSWORD.name)
    if password is None:
        raise Refused(
            f"{want.contract}: the fleet lacks the password of the database that the host gave",
            f"Store it: crmhost secrets set {want.contract} {DATABASE_PASSWORD.name}",
        )
    given: Mapping[str, object] = {
        "kind": "mysql",
        "host": want.slots["dbhost"],
        "port": want.slots["dbport"],
        "name": want.slots["dbname"],
        "user": want.slots["dbuser"],
        "password": password,
        "php": [layout.php, *php_names(php_wanted(layout, made_of).minors)],
        **({"trial": layout.contract} if layout.copied else {}),
    }
    return json.dumps(given, indent=1, sort_keys=True) + "\n"


def _bytes(layout: Layout, archive: Archive) -> bytes:
    if layout.archives is None:
        raise Refused(
            f"the archive {archive.url} cannot be brought here", "This is a bug: the driver was given no archives."
        )
    return layout.archives(archive).read_bytes()
