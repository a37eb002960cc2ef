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
from crmhost.backup import scratch
from crmhost.backup.shelf import open_shelf
from crmhost.backup.take import take
from crmhost.fleet import Fleet
from crmhost.login import prove
from crmhost.order import Access
from crmhost.sftp import open_sftp, spot_of
from crmhost.target import Wish, with_given
from crmhost.vault import make_identity
from crmhost.want import early_order
from playbooks.sftponly.layout import Layout
from playbooks.sftponly.release import Server
from tests.support.engine import RealEngine
from tests.support.memo.recipe import RECIPE, files_of, packed
from tests.support.sftphost import NAME, SERVER, SftpHost, bring, serving
from tests.support.sftptrial import TRIAL, give_trial, held

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
  database: {{kind: mysql, name: acme, user: acme, scratch: {{name: customer_try, user: customer_try}}}}
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
    _nothing_is_made_up(host, wish)
    assert prove(RECIPE, f"https://{NAME}", "admin", admin, door=host.door).holds
    _proven(host, wish)
    assert prove(RECIPE, f"https://{NAME}", "admin", admin, door=host.door).holds
    with open_sftp(wish, lambda _: False, host.door) as target:
        gone = deploy.destroy(target.driver, target.want, deploy.Destroy(), target.means())
        assert target.backups is not None
        assert target.backups().list()[0].id == gone.backup


def _nothing_is_made_up(host: SftpHost, wish: Wish) -> None:
    """Deploy without a secret that the release was made with, as a clone does in which it was not committed."""
    stored = wish.vault().folder / "acme" / "admin-password.age"
    kept = stored.read_bytes()
    stored.unlink()
    with open_sftp(wish, lambda _: False, host.door) as target, pytest.raises(Refused, match="lacks: admin-password;"):
        deploy.deploy(target.driver, target.want, target.means(), confirm=lambda _: True)
    assert not stored.exists()
    stored.write_bytes(kept)


def _proven(host: SftpHost, wish: Wish) -> None:
    """Make a backup, and bring a copy up from it as `crmhost restore --to scratch` does."""
    give_trial(host)
    wish.vault().set("acme", "scratch-database-password", str(TRIAL.password))
    shelf = open_shelf(wish.fleet, "acme")
    with open_sftp(wish, lambda _: False, host.door) as target:
        snapshot = take(target.driver, target.want, shelf, "asked", target.means())
    copied = replace(wish, order=scratch.copy_of(wish.order, "1.0"), make_secrets=False)
    with open_sftp(copied, lambda _: False, host.door) as target:
        keys = {name: wish.vault().get("acme", name) or "" for name in RECIPE.backup.keys}
        want = replace(target.want, secrets={**target.want.secrets, **keys})
        _, found = scratch._used(target, want, shelf, snapshot, target.means())  # noqa: SLF001 - by another door
    assert found == snapshot.contents
    assert held(host) == ""
    assert host.run("ls -A /srv/acme/site/.crmhost") == ".htaccess\nacme\n"


def test_a_copy_is_asked_through_the_customers_site(tmp_path: Path) -> None:
    """Its database is the second one, with a password of its own that is never made up."""
    wish = wish_for(tmp_path / "fleet", "192.0.2.1", tmp_path / "none")
    wish.vault().set("acme", "database-password", "of the customer")
    copied = replace(wish, order=scratch.copy_of(wish.order, "1.0"), make_secrets=False)
    with (
        pytest.raises(Refused, match="crmhost secrets set acme scratch-database-password"),
        open_sftp(copied, lambda _: True),
    ):
        pass
    wish.vault().set("acme", "scratch-database-password", "of the trial")
    spot = spot_of(copied, with_given(copied, copied.fresh()), None)
    assert (spot.layout, spot.layout.customer) == (
        Layout("acme_try", "/site/public", "acme"),
        Layout("acme", "/site/public"),
    )
    assert spot.site.url == f"https://{NAME}"
    assert spot.server == Server("localhost", 3306, TRIAL.name, TRIAL.user, "of the trial", trial="acme_try")
    assert spot_of(wish, with_given(wish, wish.fresh()), None).server.trial == ""


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
