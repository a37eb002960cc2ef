"""`crmhost backup` and `restore` by the command line: what they say where nothing runs, and their JSON Lines."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from crm.backup import Contents, Snapshot
from crmhost.backup.shelf import Shelf, open_shelf
from crmhost.cli.backup import fields
from crmhost.fleet import Fleet
from crmhost.output import json_line
from tests.crmhost.backup.conftest import DAY, OLD, Clock, dumping
from tests.crmhost.conftest import Crmhost

ROOT = Path(__file__).parents[3]
SCHEMA: dict[str, Any] = json.loads((ROOT / "docs" / "reference" / "json.schema.json").read_text("utf-8"))
CHECKER = jsonschema.Draft202012Validator(SCHEMA)
CLOUD = ("--target", "cloud", "--set", "target.docker=ssh://deploy@docker.example")
PROMISE = ("--set", "data-protection.backup.every=day", "--set", "data-protection.backup.keep=30 days")


@pytest.fixture
def shelf(crmhost: Crmhost, folder: Path, clock: Clock) -> Shelf:
    """The backups of a contract that promises some; the clock is a test's own."""
    said = crmhost("init", "acme", *CLOUD, *PROMISE)
    assert said.code == 0, said.err
    return open_shelf(Fleet(folder, {}), "acme", clock)


def lines(text: str) -> list[dict[str, Any]]:
    """JSON Lines, each of which the published schema allows."""
    found = [json.loads(line) for line in text.splitlines()]
    for one in found:
        assert [error.message for error in CHECKER.iter_errors(one)] == []
    return found


def save(shelf: Shelf, clock: Clock, days: int = 0) -> Snapshot:
    clock.now += days * DAY
    return shelf.save(OLD, "asked", dumping(b"plain", Contents({"public.notes": 3, "public.none": 0}, 2, 9)))


def test_a_list_for_people_and_for_machines(crmhost: Crmhost, shelf: Shelf, clock: Clock) -> None:
    assert "no backup in" in crmhost("backup", "acme", "list").out
    old, new = save(shelf, clock), save(shelf, clock, days=1)
    (shelf.store.path / f"{old.id}.age").unlink()  # type: ignore[attr-defined] # it is a folder
    said = crmhost("backup", "acme", "list")
    assert said.code == 0
    assert said.out.splitlines()[0].split() == ["BACKUP", "TAKEN", "WHY", "RELEASE", "ROWS", "FILES", "SIZE", "PROVEN"]
    assert said.out.splitlines()[1].split()[:3] == [new.id, "2026-10-04T04:00:00Z", "asked"]
    assert f"{old.id}.json: the sealed file of this manifest is missing" in said.err
    found = lines(crmhost("backup", "acme", "list", "--json").out)
    assert [one["type"] for one in found] == ["backup", "trouble"]
    assert (found[0]["rows"], found[0]["tables"], found[0]["files"], found[0]["proven"]) == (3, 2, 2, None)


def test_prune_removes_what_the_contract_keeps_no_longer(crmhost: Crmhost, shelf: Shelf, clock: Clock) -> None:
    kept = [save(shelf, clock, days) for days in (-400, 1)]  # long ago, and a day after that
    assert [one["removed"] for one in lines(crmhost("backup", "acme", "prune", "--json").out)] == [[kept[0].id]]
    assert crmhost("backup", "acme", "prune").out == "acme: nothing to remove.\n"
    assert [snapshot.id for snapshot in shelf.list()] == [kept[1].id]


def test_what_promises_nothing_keeps_all(crmhost: Crmhost, folder: Path, clock: Clock) -> None:
    crmhost("init", "umbrella", *CLOUD)
    shelf = open_shelf(Fleet(folder, {}), "umbrella", clock)
    save(shelf, clock, -400)
    save(shelf, clock, 1)
    assert crmhost("backup", "umbrella", "prune").out == "umbrella: promises no backups, so every one is kept.\n"
    assert len(shelf.list()) == 2


@pytest.mark.parametrize(
    "command", [("backup", "acme"), ("restore", "acme", "--to", "scratch"), ("restore", "acme", "--backup", "x")]
)
def test_what_others_run_is_not_backed_up(crmhost: Crmhost, command: tuple[str, ...]) -> None:
    assert crmhost("init", "acme", "--target", "saas").code == 0
    said = crmhost(*command)
    assert said.code == 1
    assert "target.kind: saas: this version of crmhost cannot copy what runs there" in said.err


def test_a_host_s_one_database_is_never_a_copy_s(crmhost: Crmhost, folder: Path, clock: Clock) -> None:
    given = ("front=php", "document-root=public_html", "database.kind=mysql", "database.name=crm", "database.user=crm")
    on = ("--target", "webhost", "--host", "web.example", "--user", "acme", "--recipe", "dolibarr")
    chosen = ("term.signed=2026-01-10", *(f"target.{one}" for one in given))
    assert crmhost("init", "acme", *on, *(word for one in chosen for word in ("--set", one))).code == 0
    save(open_shelf(Fleet(folder, {}), "acme", clock), clock)
    said = crmhost("restore", "acme", "--to", "scratch")
    assert (said.code, "target.database: a copy needs a database of its own" in said.err) == (1, True)


def test_a_restore_needs_a_backup_that_there_is(crmhost: Crmhost, shelf: Shelf) -> None:
    said = crmhost("restore", "acme")
    assert (said.code, "which backup? Nothing was done" in said.err) == (1, True)
    said = crmhost("restore", "acme", "--backup", "acme-yesterday")
    assert (said.code, "has no backup 'acme-yesterday'" in said.err) == (1, True)
    said = crmhost("restore", "acme", "--to", "scratch")
    assert (said.code, f"there is no backup in {shelf.store.place}" in said.err) == (1, True)


def test_a_proof_for_machines(shelf: Shelf, clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    proven = shelf.mark_proven(save(shelf, clock).id)
    capsys.readouterr()
    counts = {"tables": dict(proven.contents.tables), "files": 2, "bytes": 9}
    json_line("proof", **fields(proven), login="accepted", counts=counts, ran=OLD.id, seconds=1.5)
    assert lines(capsys.readouterr().out)[0]["proven"] == "2026-10-03T04:00:00.000000Z"
