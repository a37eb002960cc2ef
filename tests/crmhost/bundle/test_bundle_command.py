"""What the commands about bundles say of what they cannot do."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from crmhost.cli.bundle import warning
from crmhost.cli.run import run
from crmhost.vault import make_identity

CONTRACT = """\
contract: acme
customer: {name: ACME Co., language: en}
crm: {recipe: creme, version: 2.8.6, url: https://crm.acme.example/}
target: TARGET
term: {signed: 2026-01-10}
"""
LAN = "{kind: lan, host: 192.0.2.10, user: deploy}"
WEBHOST = "{kind: webhost, host: web.example, user: acme, listen: 127.0.0.1:8100}"

Said = Callable[..., str]


@pytest.fixture
def said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Said:
    """Return what runs a command in a fleet, which fails, and returns what it said."""
    identity = tmp_path / "age.key"
    recipient = make_identity(identity)
    monkeypatch.setenv("CRMHOST_AGE_KEY_FILE", str(identity))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "crmhost.yaml").write_text(f"fleet: Test\nrecipients: [{recipient}]\n")
    (tmp_path / "contracts").mkdir()
    (tmp_path / "contracts" / "acme.yaml").write_text(CONTRACT.replace("TARGET", LAN))

    def command(*arguments: str, code: int = 1) -> str:
        capsys.readouterr()
        assert run(arguments) == code
        shown = capsys.readouterr()
        return shown.err if code else shown.out

    return command


def test_the_key_is_made_once_and_shown(said: Said) -> None:
    key = said("bundle", "--show-key", code=0).strip()
    assert len(bytes.fromhex(key)) == 32
    assert said("bundle", "--show-key", code=0).strip() == key


def test_what_is_missing_is_named(said: Said) -> None:
    assert said("bundle", "acme").startswith("crmhost: NAME or --on is missing\n")


@pytest.mark.parametrize("on", ["mirror.example", "ssh://mirror.example", "ssh://a@b:x", "ssh://a:b@c", "ssh://a@b/c"])
def test_what_is_no_machine_is_refused(said: Said, on: str) -> None:
    assert said("bundle", "acme", "--on", on).startswith(f"crmhost: --on {on!r}: is")


def test_another_kind_of_target_is_refused(said: Said) -> None:
    Path("contracts/acme.yaml").write_text(CONTRACT.replace("TARGET", WEBHOST))
    wrong = said("bundle", "acme", "--on", "ssh://a@b")
    assert wrong.startswith(
        "crmhost: contracts/acme.yaml: target.kind: webhost; a bundle is for a server in a customer's"
    )


def test_what_is_no_recipient_is_refused(said: Said) -> None:
    assert "'bob' is no age recipient" in said("bundle", "acme", "--on", "ssh://a@b", "--recipient", "bob")


def test_secrets_that_were_made_up_are_named_with_what_that_may_mean() -> None:
    assert warning("acme", ()) == ""
    said = warning("acme", ("admin-password", "secret-key"))
    assert said.startswith("\nMade now, since this fleet lacked them: admin-password, secret-key. If acme is deployed")
    assert "Bring secrets/acme back, and bundle again." in said


def test_a_fleet_that_signed_none_trusts_none(said: Said) -> None:
    assert "has no secret _fleet/bundle-key, so it has signed no bundle" in said("deploy", "acme", "--bundle", "x")


def test_a_file_that_is_none_is_refused(said: Said, bundle: bytes) -> None:
    said("bundle", "--show-key", code=0)
    Path("acme.bundle").write_bytes(bundle)
    assert said("deploy", "acme", "--bundle", "acme.bundle").startswith(
        "crmhost: acme.bundle: it is not signed by this key"
    )
    assert said("deploy", "acme", "--bundle", "missing").startswith("crmhost: missing: No such file")
    assert "--bundle is for one contract" in said("deploy", "acme", "other", "--bundle", "acme.bundle")


@pytest.mark.skipif(os.geteuid() == 0, reason="this machine cannot have another account: the tests run as root")
def test_only_root_installs(said: Said) -> None:
    assert said("install", "acme.bundle", "--key", "0" * 64).startswith("crmhost: only root can install a bundle")
