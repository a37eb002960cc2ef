"""Secrets are kept for their recipients alone, and never shown by what lists them."""

from __future__ import annotations

import io
import os
import stat
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crm.errors import CrmhostError
from crmhost.vault import Vault, generate_password, make_identity
from tests.crmhost.conftest import Crmhost


def vault(folder: Path, *names: str) -> Vault:
    """A vault that the identities of these names can read; the first one's is used."""
    recipients = tuple(make_identity(folder / f"{name}.key") for name in names)
    return Vault(folder / "secrets", recipients, {"CRMHOST_AGE_KEY_FILE": str(folder / f"{names[0]}.key")})


def test_a_secret_comes_back_and_its_file_is_private_and_unreadable(tmp_path: Path) -> None:
    secrets = vault(tmp_path, "linh")
    secrets.set("acme", "admin-password", "correct horse")
    path = tmp_path / "secrets/acme/admin-password.age"
    assert secrets.get("acme", "admin-password") == "correct horse"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert b"correct horse" not in path.read_bytes()


@pytest.mark.slow
@settings(max_examples=50, deadline=None)
@given(st.text(min_size=1))
def test_any_text_survives(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    secrets = vault(tmp_path_factory.mktemp("vault"), "linh")
    try:
        text.encode()
    except UnicodeEncodeError:
        return
    secrets.set("acme", "note", text)
    assert secrets.get("acme", "note") == text


def test_ensure_makes_a_secret_once(tmp_path: Path) -> None:
    secrets = vault(tmp_path, "linh")
    first = secrets.ensure("acme", "key")
    assert len(first) == 43
    assert secrets.ensure("acme", "key") == first
    assert generate_password() != generate_password()


def test_somebody_else_cannot_read_it_until_it_is_rekeyed(tmp_path: Path) -> None:
    mine = vault(tmp_path, "linh")
    mine.set("acme", "key", "value")
    recipient = make_identity(tmp_path / "mai.key")
    hers = Vault(mine.folder, (*mine.recipients, recipient), {"CRMHOST_AGE_KEY_FILE": str(tmp_path / "mai.key")})
    with pytest.raises(CrmhostError, match="cannot be decrypted with this identity"):
        hers.get("acme", "key")
    both = Vault(mine.folder, hers.recipients, mine.environment)
    assert both.rekey() == 1
    assert hers.get("acme", "key") == "value"


def test_a_rekey_that_cannot_read_one_secret_changes_none(tmp_path: Path) -> None:
    mine, hers = vault(tmp_path, "linh"), vault(tmp_path, "mai")
    mine.set("acme", "a", "1")
    hers.set("acme", "b", "2")
    before = {path: path.read_bytes() for path in mine.folder.rglob("*.age")}
    with pytest.raises(CrmhostError):
        mine.rekey()
    assert {path: path.read_bytes() for path in mine.folder.rglob("*.age")} == before


def test_the_environment_gives_a_secret_or_a_file_with_it(tmp_path: Path) -> None:
    (tmp_path / "given").write_text("from a file\n")
    secrets = Vault(tmp_path / "secrets", (), {"CRMHOST_SECRET_ACME_CO_ADMIN_PASSWORD_FILE": str(tmp_path / "given")})
    assert secrets.get("acme-co", "admin-password") == "from a file"
    secrets = Vault(tmp_path / "secrets", (), {"CRMHOST_SECRET_FLEET_BILLING_WEBHOOK": "whsec_x"})
    assert secrets.get("_fleet", "billing-webhook") == "whsec_x"


@pytest.mark.parametrize("name", ["../evil", "a/b", "", "A", ".hidden", "x" * 64])
def test_names_cannot_leave_the_folder(tmp_path: Path, name: str) -> None:
    with pytest.raises(CrmhostError, match="is no name of a secret"):
        vault(tmp_path, "linh").set("acme", name, "x")


def test_without_an_identity_the_error_says_how_to_make_one(tmp_path: Path) -> None:
    secrets = vault(tmp_path, "linh")
    secrets.set("acme", "key", "value")
    with pytest.raises(CrmhostError, match="crmhost secrets identity"):
        Vault(secrets.folder, secrets.recipients, {"HOME": str(tmp_path)}).get("acme", "key")


def test_the_command_sets_shows_and_lists(crmhost: Crmhost, monkeypatch: pytest.MonkeyPatch) -> None:
    crmhost("init")
    monkeypatch.setattr("sys.stdin", io.StringIO("hunter2\n"))
    assert crmhost("secrets", "set", "acme", "token").code == 0
    listed = crmhost("secrets", "list")
    assert "acme" in listed.out
    assert "hunter2" not in listed.out + listed.err
    assert crmhost("secrets", "show", "acme", "token").out == "hunter2\n"
    monkeypatch.setattr("sys.stdin", io.StringIO("other\n"))
    refused = crmhost("secrets", "set", "acme", "token")
    assert refused.code == 1
    assert "is there already" in refused.err
    assert crmhost("secrets", "show", "acme", "nothing").code == 1
    assert crmhost("secrets", "identity").out.startswith("age1")
    assert os.environ["HOME"] in crmhost("secrets", "identity").err
