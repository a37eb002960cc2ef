"""What is read of a contract's place, by the real question in a real shell."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from crm.errors import HostError
from crm.plan import Release
from crm.slots import Filled
from crm.steps import Records
from playbooks.kind import Resource
from playbooks.manifest import Manifest, Runs, decode, encode
from playbooks.observe import Observation, question, rows, understood
from playbooks.webhost.facts import Place, PlaceKind, PlaceWanted, RecordKind, RecordWanted
from playbooks.webhost.layout import Layout

NONCE = "00112233"


def manifest(version: str, digest: str = "a1") -> Manifest:
    run = Filled(("/bin/python", "-m", "web app", "{x}"), {"LANG": "vi_VN.UTF-8"}, "/somewhere")
    release = Release("smallapp", version, version.replace(".", "").ljust(64, "0"), "1")
    return Manifest(release, digest, "127.0.0.1:8100", (Runs("web", run, 10),), Runs("web", run, 10), ())


def write(home: Path, one: Manifest, proven: str = "") -> str:
    folder = Path(Layout(str(home), "acme").release(one.release.id))
    folder.mkdir(parents=True)
    (folder / "release.json").write_text(encode(one))
    if proven:
        (folder / "proven").write_text(proven + "\n")
    return one.release.id


def ask(home: Path, *resources: Resource, path: str = os.environ["PATH"]) -> Observation:
    done = subprocess.run(
        ["/bin/sh", "-s"],
        input=question(resources, NONCE).text.encode(),
        env={"HOME": str(home), "PATH": path},
        capture_output=True,
        check=True,
    )
    return understood("host", resources, rows("host", done.stdout, NONCE))


def place(home: Path, document_root: str | None = None) -> Place:
    wanted = PlaceWanted(Layout(str(home), "acme"), document_root)
    seen = ask(home, Resource(PlaceKind(), "acme", wanted)).seen["place:acme"]
    assert isinstance(seen, Place)
    return seen


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Return a home folder whose name needs quoting."""
    home = tmp_path / 'a home\'s "folder"'
    home.mkdir()
    return home


def test_an_empty_home_has_nothing(home: Path) -> None:
    assert place(home) == Place(None, (), (), None)


def test_releases_are_ordered_by_their_proof_and_a_torn_one_is_named(home: Path) -> None:
    old = write(home, manifest("1.0"), "2026-11-01T10:00:00Z")
    new = write(home, manifest("1.1"), "2026-11-02T10:00:00Z")
    failed = write(home, manifest("1.2"))
    (home / ".crmhost/acme/releases/half").mkdir()
    (home / ".crmhost/acme/releases/wrong").mkdir()
    (home / ".crmhost/acme/releases/wrong/release.json").write_text(encode(manifest("1.3")))
    (home / ".crmhost/acme/current").symlink_to(f"releases/{new}")
    found = place(home)
    assert found.serving == new
    assert [kept.id for kept in found.kept] == [new, old, failed]
    assert found.torn == ("half", "wrong")
    before = found.before(new)
    assert before is not None
    assert before.id == old
    assert found.before(old) == found.find(new)


def test_where_the_document_root_leads_is_the_hosts_own_answer(home: Path) -> None:
    (home / "public_html").symlink_to(".")
    assert place(home, "public_html").document_root == str(home)
    assert place(home, "nowhere").document_root is None


def test_a_manifest_is_read_as_it_was_written() -> None:
    assert decode(encode(manifest("1.0")), "/x/release.json") == manifest("1.0")


@pytest.mark.parametrize("text", ["", "[]", "{", '{"version": 1}', '{"version": 2}'])
def test_what_is_no_manifest_is_said_so_with_its_path(text: str) -> None:
    with pytest.raises(HostError, match=r"/x/release\.json"):
        decode(text, "/x/release.json")


def record(home: Path, path: str = os.environ["PATH"]) -> Records:
    wanted = RecordWanted(str(home / "db.sqlite3"), str(home / "template.sqlite3"))
    seen = ask(home, Resource(RecordKind(str(home / "artifacts")), "acme", wanted), path=path).seen["record:acme"]
    assert isinstance(seen, Records)
    return seen


def artifact_python(home: Path) -> None:
    (home / "artifacts/a1/bin").mkdir(parents=True)
    (home / "artifacts/a1/bin/python").symlink_to(sys.executable)


def test_records_are_read_with_any_artifacts_python(home: Path) -> None:
    artifact_python(home)
    assert record(home) == Records({})
    (home / "db.sqlite3").touch()
    for name, template in (("template", True), ("db", False)):
        make(home / f"{name}.sqlite3")
        assert record(home) == Records({"seed": "finished"}, None, 1, template=template)


def make(path: Path) -> None:
    with closing(sqlite3.connect(path)) as db:
        db.executescript(
            "create table crmhost_steps (name, state, release, at); create table theirs (x);"
            "insert into crmhost_steps values ('seed', 'finished', 'r', 't')"
        )


def test_a_database_that_cannot_be_read_is_an_error_not_an_empty_one(home: Path) -> None:
    artifact_python(home)
    (home / "db.sqlite3").write_text("no database" * 1000)
    with pytest.raises(HostError, match="could not be read: file is not a database"):
        record(home)


def test_without_any_python_a_database_is_an_error(home: Path) -> None:
    tools = home / "tools"
    tools.mkdir()
    for name in ("sh", "od", "tr", "cat", "readlink"):
        (tools / name).symlink_to(f"/usr/bin/{name}")
    assert record(home, str(tools)) == Records({})
    (home / "db.sqlite3").write_text("x")
    with pytest.raises(HostError, match=r"no Python ≥ 3\.9"):
        record(home, str(tools))


def test_an_interpreter_that_complains_is_quoted(home: Path) -> None:
    python = home / "artifacts/a1/bin/python"
    python.parent.mkdir(parents=True)
    python.write_text("#!/bin/sh\necho 'no such library' >&2\nexit 1\n")
    python.chmod(0o700)
    (home / "db.sqlite3").write_text("x")
    with pytest.raises(HostError, match="no such library"):
        record(home)
