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


LAN = ("--target", "lan", "--user", "deploy")


def test_two_contracts_with_one_site_are_a_mistake_of_both(crmhost: Crmhost, folder: Path) -> None:
    crmhost("init", "acme", *LAN, "--host", "192.0.2.10", "--url", "https://Beta.lan/")
    crmhost("init", "beta", *LAN, "--host", "192.0.2.10", "--url", "https://beta.lan/")
    lines = (folder / "contracts/acme.yaml").read_text().splitlines()
    line = 1 + next(i for i, one in enumerate(lines) if one.lstrip().startswith("url:"))
    said = crmhost("check")
    assert said.code == 1
    first, second, last = said.out.splitlines()
    assert first == (
        f"contracts/acme.yaml:{line}: crm.url: found 'https://beta.lan/', whose site contracts/beta.yaml has too;"
        " write the URL that this contract's own customers open: a name leads to one CRM"
    )
    assert second.startswith(f"contracts/beta.yaml:{line}: crm.url: found 'https://beta.lan/', whose site contracts/a")
    assert last == "2 contracts: 2 errors, 0 warnings."
    assert crmhost("check", "contracts/acme.yaml").code == 0, "what was not asked about is not looked at"


def test_which_contracts_may_have_one_name(crmhost: Crmhost) -> None:
    def said(first: tuple[str, ...], second: tuple[str, ...]) -> str:
        for name, more in (("acme", first), ("beta", second)):
            made = crmhost("init", name, "--replace", "--user", "deploy", *more)
            assert made.code == 0, made.err
        return crmhost("check").out.splitlines()[-1]

    lan = ("--target", "lan", "--host", "192.0.2.10", "--url")
    web = ("--host", "web1.example", "--listen", "127.0.0.1:8100", "--url")
    saas = ("--target", "saas", "--recipe", "fxiaoke", "--url")
    assert said((*lan, "https://crm.lan/"), (*lan, "http://crm.lan/")).startswith("2 contracts: 2 errors"), (
        "80 leads to 443"
    )
    assert said((*lan, "https://crm.lan/"), (*lan, "https://crm.lan:8443/")) == "2 contracts: 0 errors, 0 warnings."
    assert said((*lan, "https://crm.lan/"), (*web, "https://crm.lan/")).startswith("2 contracts: 2 errors")
    assert said((*web, "https://web1.example/a/"), (*web, "https://web1.example/b/")).startswith(
        "2 contracts: 0 errors"
    )
    assert said((*web, "https://web1.example/"), (*web, "https://web1.example/")).startswith("2 contracts: 2 errors")
    elsewhere = ("--target", "lan", "--host", "192.0.2.11", "--url")
    assert said((*lan, "https://crm.lan/"), (*elsewhere, "https://crm.lan/")) == "2 contracts: 0 errors, 2 warnings."
    assert said((*saas, "https://crm.lan/"), (*lan, "https://crm.lan/")).startswith("2 contracts: 0 errors")


def test_a_url_is_free_once_its_contract_has_moved_or_ended(crmhost: Crmhost, folder: Path) -> None:
    for name in ("acme", "beta"):
        crmhost("init", name, *LAN, "--host", "192.0.2.10", "--url", "https://beta.lan/")
    path = folder / "contracts/acme.yaml"
    text = path.read_text()
    path.write_text(f"{text}\namendments: [{{from: 2026-01-02, crm: {{url: 'https://new.lan/'}}}}]\n")
    assert crmhost("check").out == "2 contracts: 0 errors, 0 warnings.\n"
    other = folder / "contracts/beta.yaml"
    other.write_text(other.read_text().replace("https://beta.lan/", "https://new.lan/"))
    said = crmhost("check").out.splitlines()
    assert said[0].startswith("contracts/acme.yaml:")
    assert "amendments[0].crm.url: found 'https://new.lan/', whose site contracts/beta.yaml has too" in said[0]


def test_check_finds_what_the_catalogue_does_not_have(crmhost: Crmhost, folder: Path) -> None:
    crmhost("init", "acme", "--recipe", "tryton", "--crm-version", "8.0.12", "--host", "web1.example", "--user", "acme")
    path = folder / "contracts/acme.yaml"
    text = path.read_text()
    line = text[: text.index("8.0.12")].count("\n") + 1
    path.write_text(text.replace("8.0.12", "8.0.13"))
    said = crmhost("check")
    known = "write one that is known of Tryton: 7.8.18, 8.0.12"
    assert said.code == 1
    assert f"contracts/acme.yaml:{line}: crm.version: found '8.0.13'; {known}\n" in said.out
    assert crmhost("check", str(path)).out.startswith(f"{path}:{line}: crm.version: found '8.0.13'; {known}\n")
    path.write_text(text + "amendments: [{from: 2030-01-01, crm: {version: 9.0.0}}]\n")
    assert "amendments[0].crm.version: found '9.0.0'; write one" in crmhost("check").out
    path.write_text(text.replace("tryton", "trytom"))
    assert "crm.recipe: found 'trytom'; did you mean tryton? Known are: " in crmhost("check").out
    path.write_text(text)
    assert crmhost("check").code == 0
