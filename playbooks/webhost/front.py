"""What lets the host's own web server find the release that serves, and what a release brings for that. Pure.

The document root cannot be moved and holds nothing but one or two small files that stay the same from release to
release. They look where `current` leads, so that the switch of that link is the switch.
"""

from __future__ import annotations

import json
import posixpath
from collections.abc import Mapping
from importlib import resources
from urllib.parse import urlsplit

from crm.errors import Refused
from crm.plan import Want
from crm.recipe import Archive, Process, Recipe, Slotted
from crm.slots import Filled, fill_exec
from playbooks.asking import candidate_slots
from playbooks.kinds.door import MARK, DoorSeen, DoorWanted
from playbooks.manifest import Manifest, Runs
from playbooks.webhost.facts import Place
from playbooks.webhost.layout import Layout

HTACCESS = ".htaccess"
WSGI = "crmhost_wsgi"
FRONT = "crmhost_front.php"
_PHP_HTACCESS = """\
# {mark}: the host's PHP serves the CRM. Certificates are still proven by files.
RewriteEngine On
RewriteBase {base}/
RewriteRule ^\\.well-known/ - [L]
RewriteRule ^ - [E=HTTP_AUTHORIZATION:%{{HTTP:Authorization}}]
RewriteRule ^index\\.php$ - [L]
RewriteRule ^ index.php [L]
"""
_PASSENGER_HTACCESS = f"# {MARK}: the host's Passenger serves the CRM.\nPassengerEnabled on\n"
_STOP = 10  # seconds that a candidate has to end by itself


def processes_of(recipe: Recipe, layout: Layout) -> tuple[Process, ...]:
    """Return the processes that run as the account's own: all but the web process where the host's front runs it."""
    return tuple(process for process in recipe.processes if layout.front == "process" or process.name != "web")


def candidate(layout: Layout, want: Want, known: Mapping[str, str]) -> Runs:
    """Return the web process as it is tried on a spare port; raises Refused for what that front cannot run."""
    tried = candidate_slots(known)
    if layout.front == "php":
        server = (known["php"], "-S", tried["listen"], "-t", known["public"], f"{known['release']}/{FRONT}")
        return Runs("web", Filled(server, {}, known["release"]), _STOP)
    web = _web(want.recipe)
    if layout.front == "process":
        return Runs("web", fill_exec(web.run, tried, "process web"), web.stop)
    run = fill_exec(web.run, {**tried, "listen": ""}, "process web")
    argv = (known["python"], f"{known['release']}/{WSGI}.py", tried["listen"])
    return Runs("web", Filled(argv, run.env, run.cwd), _STOP)


def release_files(layout: Layout, want: Want, manifest: Manifest, known: Mapping[str, str]) -> Mapping[str, str]:
    """Return what the front needs in the release's folder: paths and texts, none of them secret."""
    match layout.front:
        case "passenger":
            return _wsgi_files(layout, want, manifest, known)
        case "php":
            return {f"{known['release']}/{FRONT}": _php_front(layout, want, manifest, known)}
        case "process":
            return {}


def _wsgi_files(layout: Layout, want: Want, manifest: Manifest, known: Mapping[str, str]) -> Mapping[str, str]:
    web = _web(want.recipe)
    run = fill_exec(web.run, {**known, "listen": ""}, "process web")
    spec = {
        "python": known["python"],
        "entry": web.wsgi,
        "cwd": run.cwd,
        "env": dict(run.env),
        "mark": manifest.mark,
        "closed": layout.closed,
        "page": layout.page,
        "log": layout.process_log("web"),
    }
    folder = known["release"]
    return {
        f"{folder}/{WSGI}.py": _text(f"{WSGI}.py"),
        f"{folder}/{WSGI}.json": json.dumps(spec, indent=1, sort_keys=True) + "\n",
    }


def _php_front(layout: Layout, want: Want, manifest: Manifest, known: Mapping[str, str]) -> str:
    given = {
        "APP": known["app"],
        "WEB": posixpath.join(known["app"], want.recipe.web_root).rstrip("/"),
        "DATA": known["data"],
        "BASE": base_of(known["url"]),
        "MARK": manifest.mark,
        "CLOSED": layout.closed,
        "PAGE": layout.page,
        "LOG": layout.process_log("web"),
    }
    return _filled(FRONT, given)


def _filled(name: str, given: Mapping[str, str]) -> str:
    """Return a PHP text with its words, each in single quotes there."""
    text = _text(name)
    for word, value in given.items():
        text = text.replace(f"@{word}@", value.replace("\\", "\\\\").replace("'", "\\'"))
    return text


def doors(layout: Layout, manifest: Manifest) -> Mapping[str, DoorWanted]:
    """Return the files in places of the host's that lead to `current`, by their paths, in order.

    The last of Passenger's is the one that it looks at for a restart: another release is another text. Of a copy there
    are none: those places are the customer's, and go on leading to what he uses.
    """
    if layout.copied:
        return {}
    match manifest.front:
        case "passenger":
            above = posixpath.dirname(manifest.served)
            entry = _text("passenger_wsgi.py").replace("@CURRENT@", layout.current)
            return {
                f"{above}/passenger_wsgi.py": DoorWanted(entry, 0o600),
                f"{manifest.served}/{HTACCESS}": DoorWanted(_PASSENGER_HTACCESS, 0o644),
                restart(manifest): DoorWanted(f"{MARK}: {manifest.release.id}\n", 0o644, yields=True),
            }
        case "php":
            entry = _filled("index.php", {"CURRENT": layout.current, "ROOT": layout.root})
            rules = _PHP_HTACCESS.format(mark=MARK, base=base_of(manifest.listen))
            return {
                f"{manifest.served}/index.php": DoorWanted(entry, 0o644),
                f"{manifest.served}/{HTACCESS}": DoorWanted(rules, 0o644),
            }
        case "process":
            return {}


def check_doors(layout: Layout, seen: Mapping[str, object], place: Place) -> None:
    """Raise Refused when what lies in the document root is not ours, or would be shown instead of the CRM.

    A copy has nothing there.
    """
    if layout.front == "process" or layout.copied:
        return
    if place.document_root is None:
        raise Refused(
            f"target.document-root {layout.served} is not there",
            "Write the folder that the host's panel names for this domain, as in document-root: public_html",
        )
    foreign = sorted(name.partition(":")[2] for name, one in seen.items() if isinstance(one, DoorSeen) and one.foreign)
    shown = [f"{layout.served}/{name}" for name in place.shown]
    if foreign or shown:
        raise Refused(
            f"{', '.join((*foreign, *shown))} was not written by crmhost, and the web server would use it",
            "Move it away, and deploy again; nothing was done.",
        )


def restart(manifest: Manifest) -> str:
    """Return the file whose change lets Passenger start the application anew."""
    return posixpath.join(posixpath.dirname(manifest.served), "tmp", "restart.txt")


def refusal(recipe: Recipe, layout: Layout) -> str | None:
    """Return why the recipe cannot be served as its contract says, or None."""
    webs = [process for process in recipe.processes if process.name == "web"]
    unpacked = any(isinstance(artifact, Archive) for artifact in recipe.artifacts.values())
    texts = {
        name for file in recipe.files for part in file.content if isinstance(part, Slotted) for name in part.slots()
    }
    why = {
        "process": (
            (unpacked, "is a PHP application: write 'front: php'"),
            (not webs, "has no process called web"),
            ("listen" in texts, "has its address in a file, so a candidate cannot be tried on a spare port"),
        ),
        "passenger": (
            (unpacked, "is a PHP application: write 'front: php'"),
            (not any(web.wsgi for web in webs), "says no WSGI application, which Passenger needs"),
        ),
        "php": ((not unpacked, "is no PHP application: write 'front: process' or 'front: passenger'"),),
    }[layout.front]
    kinds = {
        "sqlite": "a file ('database: {kind: sqlite}')",
        "mysql": "the host's MySQL ('database: {kind: mysql, …}')",
    }
    reasons = (*why, (layout.database not in recipe.databases, f"does not run on {kinds.get(layout.database)}"))
    return next((f"{recipe.title} {reason}" for holds, reason in reasons if holds), None)


def base_of(url: str) -> str:
    """Return the path of a URL, as a prefix: `/crm`, or nothing."""
    return urlsplit(url).path.rstrip("/")


def _web(recipe: Recipe) -> Process:
    for process in recipe.processes:
        if process.name == "web":
            return process
    raise Refused(
        f"{recipe.title} has no web process, which 'front: process' and 'front: passenger' serve",
        "Write what the host serves it with: front: php",
    )


def _text(name: str) -> str:
    return resources.files("playbooks.webhost.door").joinpath(name).read_text("utf-8")
