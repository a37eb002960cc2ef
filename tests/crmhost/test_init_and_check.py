"""The first minutes: a fleet, a contract, and its mistakes."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

from tests.crmhost.conftest import Crmhost


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_init_makes_a_fleet_and_a_contract_that_passes_check(crmhost: Crmhost, folder: Path) -> None:
    made = crmhost("init", "acme", "--host", "web1.example", "--user", "acme", "--listen", "127.0.0.1:8100")
    assert made.code == 0, made.err
    text = (folder / "contracts/acme.yaml").read_text()
    assert text.startswith("# yaml-language-server: $schema=../contract.schema.json\n")
    assert "path: /creme_login/" in text, "the page that proves that the database is reached"
    assert json.loads((folder / "contract.schema.json").read_text())["$schema"].endswith("2020-12/schema")
    said = crmhost("check")
    assert (said.code, said.out) == (0, "1 contract: 0 errors, 0 warnings.\n")


def test_the_identity_is_outside_the_fleet_and_private(crmhost: Crmhost, folder: Path) -> None:
    crmhost("init")
    identity = Path(os.environ["HOME"]) / ".config/crmhost/age.key"
    assert mode(identity) == 0o600
    assert mode(identity.parent) == 0o700
    assert "AGE-SECRET-KEY" not in "".join(
        path.read_text() for path in folder.rglob("*") if path.suffix != ".age" and path.is_file()
    )
    assert mode(folder / "secrets/_fleet/statement-key.age") == 0o600
    assert ".crmhost/" in (folder / ".gitignore").read_text()


def test_a_second_contract_joins_the_fleet_and_a_second_init_of_one_is_refused(crmhost: Crmhost, folder: Path) -> None:
    crmhost("init", "acme", "--host", "web1.example", "--user", "acme")
    before = (folder / "crmhost.yaml").read_bytes()
    assert crmhost("init", "globex", "--host", "web1.example", "--user", "globex").code == 0
    assert (folder / "crmhost.yaml").read_bytes() == before
    again = crmhost("init", "acme")
    assert again.code == 1
    assert again.err.startswith(f"crmhost: {folder}/contracts/acme.yaml: is there already\n")
    assert crmhost("init", "acme", "--replace", "--host", "web2.example", "--user", "acme").code == 0
    assert "host: web2.example" in (folder / "contracts/acme.yaml").read_text()


def test_a_wrong_setting_leaves_nothing_behind(crmhost: Crmhost, folder: Path) -> None:
    said = crmhost("init", "--set", "serve.listen=0.0.0.0:80")
    assert said.code == 1
    assert said.err == (
        "crmhost: crmhost.yaml:7: serve.listen: found '0.0.0.0:80'; "
        "write a loopback address with a port, as in 127.0.0.1:8000\nMend what was given with --set.\n"
    )
    assert not (folder / "crmhost.yaml").exists()
    said = crmhost("init", "acme", "--host", "web1.example", "--user", "acme", "--set", "sla.availability=101 %")
    assert said.code == 1
    assert "sla.availability" in said.err
    assert not (folder / "contracts/acme.yaml").exists()


def test_check_names_every_mistake_with_its_line_and_fails(crmhost: Crmhost, folder: Path) -> None:
    crmhost("init", "acme", "--host", "web1.example", "--user", "acme")
    path = folder / "contracts/acme.yaml"
    path.write_text(path.read_text().replace("99.9 %", "101 %").replace("interval: 30 s", "intervall: 30 s"))
    lines = path.read_text().splitlines()
    said = crmhost("check")
    assert said.code == 1
    first, second, last = said.out.splitlines()
    assert first.startswith(f"contracts/acme.yaml:{1 + next(i for i, one in enumerate(lines) if '101 %' in one)}: ")
    assert "did you mean 'interval'?" in second
    assert last == "1 contract: 2 errors, 0 warnings."
    as_json = [json.loads(line) for line in crmhost("check", "--json").out.splitlines()]
    assert [line["type"] for line in as_json] == ["problem", "problem", "check"]
    assert as_json[-1]["errors"] == 2


def test_settings_with_mistakes_are_named_too(crmhost: Crmhost, folder: Path) -> None:
    crmhost("init")
    path = folder / "crmhost.yaml"
    path.write_text(path.read_text().replace("fleet:", "flet:"))
    said = crmhost("check")
    assert said.code == 1
    assert "did you mean 'fleet'?" in said.err
