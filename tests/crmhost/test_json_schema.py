"""What `--json` prints: every line of cheap commands and of the reporter is one that the published schema allows."""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from contract.moment import instant
from crm.driver import Status
from crm.plan import Change, Event, Plan, Release
from crmhost.cli.run import run
from crmhost.fleet import Fleet
from crmhost.ledger import open_store
from crmhost.output import Machine, json_line
from monitor.span import Span
from monitor.store import spans
from monitor.store.database import writing

ROOT = Path(__file__).parents[2]
SCHEMA: dict[str, Any] = json.loads((ROOT / "docs" / "reference" / "json.schema.json").read_text("utf-8"))
COMMANDS = (ROOT / "docs" / "reference" / "commands.md").read_text("utf-8")
CHECKER = jsonschema.Draft202012Validator(SCHEMA)
TERM = ("term.signed=2025-01-10", "term.accepted=2025-09-01", "term.lasts=2 months")

Lines = list[dict[str, Any]]
Print = Callable[..., Lines]


@pytest.fixture
def printed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Print:
    """Return what runs a command in an empty home folder and returns its lines, each of them checked."""
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("XDG_CONFIG_HOME", "CRMHOST_AGE_KEY", "CRMHOST_AGE_KEY_FILE", "CRMHOST_FLEET", "SSH_AUTH_SOCK"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)

    def lines(*arguments: str, code: int = 0) -> Lines:
        capsys.readouterr()
        assert run(arguments) == code, capsys.readouterr().err
        return checked(capsys.readouterr().out)

    return lines


@pytest.fixture
def fleet(tmp_path: Path, printed: Print) -> Fleet:  # noqa: ARG001 - the empty home folder
    """Return a fleet with one contract that ended long ago: two months, of which the second was down for 16 h."""
    sets = [word for one in TERM for word in ("--set", one)]
    assert run(("init", "acme", "--listen", "127.0.0.1:8100", *sets)) == 0
    made = Fleet(tmp_path, {})
    known = (
        ("2025-08-31T00:00:00Z", "2025-10-03T00:00:00Z", "up", ""),
        ("2025-10-03T00:00:00Z", "2025-10-03T16:00:00Z", "down", "http-status-502"),
        ("2025-10-03T16:00:00Z", "2025-11-02T00:00:00Z", "up", ""),
    )
    found = [Span("local", instant(start), instant(end), state, why) for start, end, state, why in known]  # type: ignore[arg-type] # the two states
    rows = {("acme", one.start): spans.Row("acme", one, None) for one in found}
    with open_store(made) as engine, writing(engine) as connection:
        spans.write(connection, spans.Batch("local", rows))
    return made


def checked(text: str) -> Lines:
    """Return the lines of a text, each of them one that the schema allows."""
    found = [json.loads(line) for line in text.splitlines()]
    for one in found:
        assert [error.message for error in CHECKER.iter_errors(one)] == []
    return found


def kinds(lines: Lines) -> list[str]:
    return [one["type"] for one in lines]


def test_it_is_a_schema_and_every_line_has_a_version_and_a_type_of_its_own() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    for reference in SCHEMA["oneOf"]:
        name = reference["$ref"].rpartition("/")[2]
        definition = SCHEMA["$defs"][name]
        assert definition["properties"]["version"] == {"const": 1}
        if name not in {"figures", "demo"}:
            assert definition["properties"]["type"] == {"const": name}
        assert {"version", "type"} & set(definition["properties"]) <= set(definition["required"])
        assert f"`{name}`" in COMMANDS, f"commands.md does not name {name}"


@pytest.mark.parametrize("wrong", [{}, {"version": 1}, {"version": 2, "type": "check"}, {"version": 1, "type": "x"}])
def test_it_refuses_other_lines(wrong: dict[str, Any]) -> None:
    assert not CHECKER.is_valid(wrong)


def test_check(printed: Print) -> None:
    invalid = sorted((ROOT / "tests" / "contract" / "invalid").glob("*.yaml"))[:12]
    lines = printed("check", "--json", *map(str, invalid), code=1)
    assert set(kinds(lines)) == {"problem", "check"}
    valid = printed("check", "--json", *map(str, sorted((ROOT / "examples" / "contracts").glob("*.yaml"))))
    assert valid[-1]["errors"] == 0


def test_what_needs_no_contract(printed: Print) -> None:
    assert [(one["id"], one["targets"]) for one in printed("recipes", "--json") if not one["versions"]] == [
        (name, ["saas"]) for name in ("fxiaoke", "http", "zoho")
    ]
    assert set(kinds(printed("recipes", "--json"))) == {"recipe"}
    assert printed("recipes", "creme", "--json")[0]["answers"]["name"] == "Creme CRM"
    assert set(kinds(printed("doctor", "--json", code=1))) == {"finding"}


@pytest.mark.slow
@pytest.mark.usefixtures("fleet")
def test_a_fleet(printed: Print) -> None:
    assert printed("check", "--json") == [{"version": 1, "type": "check", "files": 1, "errors": 0, "warnings": 0}]
    assert kinds(printed("secrets", "list", "--json")) == ["secrets"]
    assert printed("credits", "list", "--json") == []
    window = ("acme", "--from", "2099-10-04T02:00:00Z", "--to", "2099-10-04T03:00:00Z", "--reason", "ticket 4711")
    assert (run(("maintenance", "announce", *window)), run(("exclude", "add", *window))) == (0, 0)
    assert kinds(printed("maintenance", "list", "--json")) == ["maintenance"]
    assert kinds(printed("exclude", "list", "--json")) == ["customer"]
    assert set(kinds(printed("doctor", "--json", code=1))) == {"finding"}, "there is no key for SSH in this home"


@pytest.mark.slow
def test_paying_back(printed: Print, fleet: Fleet, capsys: pytest.CaptureFixture[str]) -> None:
    """The whole of it, from evidence to the proof of a statement."""
    capsys.readouterr()
    assert run(("evidence", "acme", "--period", "2025-10")) == 0
    evidence = fleet.folder / "evidence.jsonl"
    evidence.write_text(capsys.readouterr().out)
    [figures] = printed("sla", "contracts/acme.yaml", str(evidence), "--period", "2025-10", "--json")
    assert figures["credit"]["seconds"] == 3 * 16 * 3600
    settled = printed("settle", "--json")
    assert [(one["type"], one["credit"]) for one in settled] == [("settled", None), ("settled", "crd_acme_2025-10_1")]
    [credit] = printed("credits", "list", "--json")
    assert credit["state"] == "pending"
    assert printed("credits", "show", str(credit["number"]), "--json")[0]["history"]
    assert run(("credits", "reverse", "1", "--why", "a test")) == 0
    assert {one["kind"] for one in printed("credits", "list", "--json")} == {"credit", "reversal"}
    [statement] = printed("statement", "acme", "2025-10", "--json")
    assert printed("verify", statement["file"], "--key", statement["key"], "--json")[0]["accepted"]
    assert not printed("verify", statement["file"], "--key", "0" * 64, "--json", code=1)[0]["accepted"]


@pytest.mark.slow
def test_a_period_that_waits(printed: Print, fleet: Fleet) -> None:
    with open_store(fleet) as engine, writing(engine) as connection:
        connection.exec_driver_sql("DELETE FROM spans")
    assert set(kinds(printed("settle", "--json", code=1))) == {"left"}


RELEASE = Release("creme", "2.8.6", "0" * 64, "2.8")
CHANGES = (
    Change("file:site.ini", "update", "the content differs", ("- a", "+ b"), "restart"),
    Change("step:migrate", "run", "create the tables", later=True),
)


@pytest.mark.parametrize(
    ("changes", "serving"), [((), RELEASE.id), (CHANGES, None)], ids=["nothing to do", "two changes"]
)
def test_plans(capsys: pytest.CaptureFixture[str], changes: Sequence[Change], serving: str | None) -> None:
    Machine().plan(Plan("acme", RELEASE, serving, 42, tuple(changes), ("this host has no cron",)))
    assert kinds(checked(capsys.readouterr().out)) == ["change"] * len(changes) + ["plan"]


def test_events_and_outcomes(capsys: pytest.CaptureFixture[str]) -> None:
    machine = Machine()
    for state in ("begin", "done", "same", "failed", "note"):
        machine.event(Event("gate", RELEASE.id, state, "detail", None if state == "begin" else 1.5))
    for did in ("nothing", "declined", "deployed", "rolled back"):
        machine.result("outcome", {"contract": "acme", "did": did, "release": None, "seconds": 1.5}, "")
    machine.result("outcome", {"contract": "acme", "did": "destroyed", "data_kept": True, "seconds": 1.5}, "")
    assert kinds(checked(capsys.readouterr().out)) == ["event"] * 5 + ["outcome"] * 5


def test_status_and_login(capsys: pytest.CaptureFixture[str]) -> None:
    processes = (("web", "up", "process 12"), ("jobs", "down", ""))
    json_line("status", **asdict(Status("acme", RELEASE.id, (RELEASE.id,), processes, 3, None)))
    json_line("status", **asdict(Status("acme", None, (), (), None, "ann@laptop: deploy, since 10:00")))
    json_line("login", contract="acme", url="https://x/", administrator="accepted", defaults={"root": "refused"})
    assert kinds(checked(capsys.readouterr().out)) == ["status", "status", "login"]
