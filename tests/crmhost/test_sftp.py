"""A contract whose host gives SFTP alone, from its file to a login: what `crmhost deploy` opens for it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from contract.amend import at
from contract.parse import parse
from crm.errors import Refused
from crm.recipe import Archive
from crmhost import deploy
from crmhost.fleet import Fleet
from crmhost.login import prove
from crmhost.order import Access
from crmhost.sftp import open_sftp
from crmhost.target import Wish
from crmhost.vault import make_identity
from crmhost.want import early_order
from tests.support.engine import RealEngine
from tests.support.memo.recipe import RECIPE, files_of, packed
from tests.support.sftphost import NAME, SERVER, SftpHost, bring, serving

pytestmark = [pytest.mark.slow, pytest.mark.cloud]
CONTRACT = f"""\
contract: acme
customer: {{name: ACME Co., language: vi}}
crm: {{recipe: memo, version: "1.0", url: https://{NAME}/}}
target:
  kind: webhost
  access: sftp
  front: php
  host: HOST
  user: acme
  document-root: /site/public
  database: {{kind: mysql, name: acme, user: acme}}
term: {{signed: 2026-01-10}}
"""


@pytest.fixture
def host(engine: RealEngine, tmp_path: Path) -> Iterator[SftpHost]:
    """Return a fresh web host."""
    with closing(engine.client()) as client, serving(client, bring(engine), tmp_path / "webhost") as host:
        yield host


def wish_for(folder: Path, host: str, key: Path) -> Wish:
    """Return what a fleet asks for that has the archive as a file of its own."""
    (folder / "contracts").mkdir(parents=True)
    recipient = make_identity(folder / "age.key")
    content = packed(files_of("1.0"))
    (folder / "memo.tar.gz").write_bytes(content)
    digest = hashlib.sha256(content).hexdigest()
    (folder / "contracts" / "acme.yaml").write_text(CONTRACT.replace("HOST", host))
    (folder / "crmhost.yaml").write_text(f"fleet: Test Hosting\nrecipients: [{recipient}]\n")
    parsed = parse((folder / "contracts" / "acme.yaml").read_bytes(), "acme.yaml")
    assert parsed.contract is not None, parsed.problems
    fleet = Fleet(folder, {"CRMHOST_AGE_KEY_FILE": str(folder / "age.key")})
    order = early_order(at(parsed.contract, 0), "contracts/acme.yaml")
    archive = RECIPE.artifacts["1.0"]
    assert isinstance(archive, Archive)
    recipe = replace(RECIPE, artifacts={**RECIPE.artifacts, "1.0": replace(archive, sha256=digest, strip=0)})
    pins = (("memo-1.0", digest, "memo.tar.gz"),)
    access = Access(str(key), (recipient,), ssh_config="none", archives=pins)
    return Wish(fleet, order, access, recipe, lambda _: None, make_secrets=True, refresh=False)


def test_a_contract_over_sftp(host: SftpHost, tmp_path: Path) -> None:
    wish = wish_for(tmp_path / "fleet", host.address, host.folder / "client")
    with (
        pytest.raises(Refused, match=r"(?s)lacks the password that the host gave.*secrets set acme database-password"),
        open_sftp(wish, lambda _: True, host.door),
    ):
        pass
    wish.vault().set("acme", "database-password", str(SERVER.password))
    with open_sftp(wish, lambda _: True, host.door) as target:
        outcome = deploy.deploy(target.driver, target.want, target.means(), confirm=lambda _: True)
        assert outcome.did == "deployed"
        admin = target.want.secrets["admin-password"]
        with pytest.raises(Refused, match=r"no command can be run there"):
            target.driver.exec(target.want, ["id"])
        assert "twelve bytes" not in "".join(target.driver.logs("steps", 100))
        assert any("read 12 bytes" in line for line in target.driver.logs("steps", 100))
    with open_sftp(wish, lambda _: False, host.door) as target:
        assert target.driver.plan(target.want).changes == (), "the host's key was pinned"
    assert prove(RECIPE, f"https://{NAME}", "admin", admin, door=host.door).holds
    with open_sftp(wish, lambda _: False, host.door) as target:
        gone = deploy.destroy(target.driver, target.want, deploy.Destroy(), target.means())
        assert target.backups is not None
        assert [kept.id for kept in target.backups().list()] == [gone.backup]


def test_what_is_refused_before_anything_is_connected(tmp_path: Path) -> None:
    wish = wish_for(tmp_path / "fleet", "192.0.2.1", tmp_path / "none")
    wish.vault().set("acme", "database-password", "x")
    for slots, root, said in (
        ({"url": f"http://{NAME}"}, "/site/public", "unencrypted"),
        ({}, "site/../public", "no folder that SFTP could list"),
        ({}, "", "no folder that SFTP could list"),
    ):
        order = replace(wish.order, slots={**wish.order.slots, **slots}, document_root=root)
        with pytest.raises(Refused, match=said), open_sftp(replace(wish, order=order), lambda _: True):
            pass
