"""A PHP release laid out by hand on a shared host: what a driver does, without its guarantees."""

from __future__ import annotations

import base64
import io
import posixpath
import tarfile
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from crm.recipe import Archive, Ask, Exec, File, Http, Recipe, Sql, Step
from crm.slots import fill_text, script_of
from crmhost.fetch import Shelf
from tests.support.sharedhost import DATABASE, DATABASE_PASSWORD, HOME, UID, SharedHost
from tests.support.until import until

SECRETS = {
    "database-password": DATABASE_PASSWORD,
    "admin-password": "Pa55 'wörd\" $x {y}",
    "secret-key": "k3y 'with\" {braces} \\ and % signs",
    "instance-key": "inst4nce 'with\" {braces} \\ and % signs",
    "cron-key": "cr0nKey4lettersAndDigits",
}
DOOR = "<?php chdir($r = dirname(__DIR__)); $f = $r.'/'.basename($_SERVER['QUERY_STRING']); unset($r); include $f;"


@dataclass(frozen=True)
class PhpSite:
    """One release; `port` is where `serve` lets PHP's own web server listen, on the host's address."""

    host: SharedHost
    recipe: Recipe
    version: str
    port: int
    slots: Mapping[str, str]

    @property
    def release(self) -> str:
        """The release's folder."""
        return self.slots["release"]

    def file(self, file: File) -> bytes:
        """What a file of the release holds."""
        return fill_text(file.content, self.slots, SECRETS, file.path).encode()

    def shell(self, script: str, **more: str) -> str:
        """Run a script as the customer."""
        return self.host.run(script, check=False, **more)

    def run(self, way: Exec | Http) -> str:
        """Run a way with PHP's program."""
        script = script_of(way)
        assert script is not None
        assert isinstance(way, Exec)
        self._put("input", fill_text(way.stdin, self.slots, SECRETS, script).encode())
        return self.shell(f"cd {self.release} && php {script} <{self.release}/input; rm {self.release}/input")

    def door(self, way: Exec | Http) -> str:
        """Run a way over HTTP, as a host without a shell has to."""
        script = script_of(way)
        assert script is not None
        assert isinstance(way, Exec)
        body = fill_text(way.stdin, self.slots, SECRETS, script).encode()
        head = {"Content-Type": "application/octet-stream"}
        url = f"http://{self.host.address}:{self.port + 1}/door.php?{script}"
        return _asked(urllib.request.Request(url, body, head)).removeprefix("200 ")

    def step(self, step: Step) -> str:
        """Run a step with PHP's program."""
        return self.run(step.ways[0])

    def asked(self, ask: Ask) -> str:
        """Return the answer to a question."""
        match ask.how:
            case Sql(query=query):
                return self.host.run(f"echo {_b64(query)} | base64 -d | mariadb -N -B {DATABASE} 2>&1", user="root")
            case Http(method="GET", path=path):
                return _asked(urllib.request.Request(self.slots["url"] + path))  # noqa: S310 - the container
            case Http(path=path, form=form):
                body = "&".join(
                    f"{name}={urllib.request.quote(fill_text(text, self.slots, SECRETS, path))}"  # type: ignore[attr-defined]
                    for name, text in form.items()
                )
                return _asked(urllib.request.Request(self.slots["url"] + path, body.encode()))  # noqa: S310 - the same
            case Exec():
                return self.run(ask.how)

    def holds(self, ask: Ask) -> bool:
        """Tell whether the answer is the expected one."""
        return ask.holds(self.asked(ask).rstrip("\n"))

    def serve(self) -> None:
        """Let PHP serve the site, and beside it the door."""
        self._serve(self.port, posixpath.join(self.slots["app"], self.recipe.web_root))
        self._serve(self.port + 1, f"{self.release}/door")

    def _serve(self, port: int, folder: str) -> None:
        log = f"{self.release}/{port}.log"
        served = f"PHP_CLI_SERVER_WORKERS=2 setsid php -S 0.0.0.0:{port} >{log} 2>&1 </dev/null"
        self.shell(f"cd {folder}; {served} & echo $! >>{HOME}/served")
        request = urllib.request.Request(f"http://{self.host.address}:{port}/nothing")
        until(lambda: not _asked(request).startswith("0 "), f"PHP serves on {port}", 20)

    def end(self) -> None:
        """End what serves, of every release that was laid out on the host, and remove this one's folders."""
        # Each with its workers, which would go on serving on its port.
        self.shell(f"for p in $(cat {HOME}/served); do kill -- -$p; done")
        self.shell(f"rm -rf {HOME}/served {posixpath.dirname(self.release)}")

    def rows(self) -> dict[str, int]:
        """Count the rows of every table."""
        names = self.asked(Ask(Sql("SHOW TABLES"), "")).split()
        each = [f"SELECT '{name}', count(*) FROM `{name}`" for name in names]  # noqa: S608 - its own tables
        query = " UNION ALL ".join(each) or "SELECT 'none', 0"
        lines = self.asked(Ask(Sql(query), "")).splitlines()
        return {name: int(count) for name, count in (line.split("\t") for line in lines)}

    def _put(self, name: str, content: bytes) -> None:
        self.host.container.put_archive(self.release, _tar({name: (content, 0o600)}))


def lay_out(host: SharedHost, recipe: Recipe, version: str, shelf: Shelf, *, name: str, port: int) -> PhpSite:
    """Put a release of the version there; its data is shared with other releases of the same `name`'s folder."""
    release = f"{HOME}/{name}/{version}"
    slots = {
        "php": "/usr/bin/php", "app": f"{release}/app", "release": release, "data": f"{HOME}/{name}/data",
        "url": f"http://{host.address}:{port}", "host": host.address, "version": version, "language": "vi",
        "timezone": "Asia/Ho_Chi_Minh", "admin": "anna", "email": "anna@acme.example", "db": "",
        "dbhost": "localhost", "dbport": "3306", "dbname": DATABASE, "dbuser": DATABASE,
    }  # fmt: skip
    site = PhpSite(host, recipe, version, port, slots)
    artifact = recipe.artifacts[version]
    assert isinstance(artifact, Archive)
    folders = " ".join(f"{HOME}/{name}/data/{folder}" for folder in recipe.folders)
    host.run(f"umask 077; mkdir -p {release}/app {release}/door {folders}")
    host.container.put_archive(f"{release}/app", _owned(shelf(artifact).read_bytes()))
    for path, folder in recipe.kept.items():
        host.run(f"rm -rf {release}/app/{path}; ln -s {HOME}/{name}/data/{folder} {release}/app/{path}")
    files = {file.path: (site.file(file), file.mode) for file in recipe.files_with("mysql")}
    folders = " ".join(sorted({posixpath.dirname(f"{release}/{path}") for path in files}))
    host.run(f"mkdir -p {folders}")
    host.container.put_archive(release, _tar({**files, "door/door.php": (DOOR.encode(), 0o600)}))
    return site


def _asked(request: urllib.request.Request) -> str:
    opener = urllib.request.build_opener(_Stays)
    try:
        with opener.open(request, timeout=120) as answer:
            return f"{answer.status} {answer.read().decode('utf-8', 'replace')}"
    except urllib.error.HTTPError as error:
        with error:
            return f"{error.code} {error.read().decode('utf-8', 'replace')}"
    except OSError as error:
        return f"0 {error}"


class _Stays(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any, **__: Any) -> None:  # noqa: ANN401 - urllib's own arguments
        return None


def _b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def _tar(files: Mapping[str, tuple[bytes, int]]) -> bytes:
    sink = io.BytesIO()
    with tarfile.open(fileobj=sink, mode="w") as archive:
        for path, (content, mode) in files.items():
            entry = tarfile.TarInfo(path)
            entry.mode, entry.uid, entry.gid, entry.size = mode, UID, UID, len(content)
            archive.addfile(entry, io.BytesIO(content))
    return sink.getvalue()


def _owned(packed: bytes) -> bytes:
    """Return the tree's tar with the customer as the owner of everything."""
    sink = io.BytesIO()
    with tarfile.open(fileobj=io.BytesIO(packed)) as source, tarfile.open(fileobj=sink, mode="w") as out:
        for entry in source:
            entry.uid = entry.gid = UID
            out.addfile(entry, source.extractfile(entry) if entry.isreg() else None)
    return sink.getvalue()
