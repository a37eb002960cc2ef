"""A server without a way out: its network leads nowhere, and everything that is installed comes from the bundle."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import closing, nullcontext
from dataclasses import replace
from pathlib import Path

import pytest

from contract.target import Lan
from crm.errors import Refused
from crmhost import deploy
from crmhost.bundle.format import BadBundle
from crmhost.bundle.make import Made, make, public_key
from crmhost.bundle.opening import opened
from crmhost.fleet import Fleet
from crmhost.lan import open_lan, said
from crmhost.order import Access
from crmhost.sequence import Means
from crmhost.target import Target, Wish
from crmhost.vault import Vault, make_identity
from crmhost.want import Order
from tests.support.engine import RealEngine
from tests.support.gathered import Mirror
from tests.support.lanhost import LanHost, LanImages, serving
from tests.support.lannet import networked
from tests.support.smallapp.recipe import RECIPE
from tests.support.wants import SLOTS

NAME = "acme.lan"
pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]


@pytest.fixture
def stranded(engine: RealEngine, lan_images: LanImages, tmp_path: Path) -> Iterator[LanHost]:
    """Return a bare server in a network without a way out."""
    name = f"lan-{secrets.token_hex(3)}-crmhost-stranded"
    with (
        closing(engine.client()) as client,
        networked(client, internal=True) as network,
        serving(client, lan_images.bare, tmp_path / "stranded", name, network, {}) as host,
    ):
        host.run("ip route del default 2>/dev/null || true")
        yield host


def wish_for(folder: Path, host: LanHost | None, version: str = "1.0") -> Wish:
    """Return a fleet's wish of the small application on that server."""
    identity = folder / "age.key"
    recipient = make_identity(identity)
    (folder / "contracts").mkdir(parents=True, exist_ok=True)
    (folder / "contracts" / "acme.yaml").write_text("contract: acme\n")
    (folder / "crmhost.yaml").write_text(f"fleet: Test Hosting\nrecipients: [{recipient}]\n")
    if host is not None:
        (folder / "known_hosts").write_text(host.known_hosts.read_text())
    fleet = Fleet(folder, {"CRMHOST_AGE_KEY_FILE": str(identity)})
    address = "192.0.2.1" if host is None else host.address
    slots = {name: text for name, text in SLOTS.items() if name != "listen"} | {"url": f"https://{NAME}", "host": NAME}
    order = Order(
        contract="acme",
        file="contracts/acme.yaml",
        recipe=RECIPE.id,
        version=version,
        kind="lan",
        slots=slots,
        user="deploy",
        host=address,
        lan=said(Lan(host=address, user="deploy")),
    )
    access = Access(None if host is None else str(host.key), (recipient,), ssh_config="none")
    return Wish(fleet, order, access, RECIPE, lambda _: None, make_secrets=True, refresh=False)


def bundled(wish: Wish, mirror: Mirror, path: Path) -> Made:
    return make(wish, mirror, wish.access.recipients, path, lambda *_: nullcontext())


def means_of(target: Target) -> Means:
    return target.means(lambda _: False)


def test_a_bundle_is_one_file_that_holds_secrets_for_its_recipients_alone(mirror: Mirror, tmp_path: Path) -> None:
    wish = wish_for(tmp_path / "fleet", None)
    wish.fleet.known_hosts.write_text("192.0.2.2 ssh-ed25519 BBBB\n192.0.2.1 ssh-ed25519 AAAA\n")
    made = bundled(wish, mirror, tmp_path / "acme.bundle")
    raw = made.path.read_bytes()
    assert made.path.stat().st_mode & 0o777 == 0o600
    assert {path.name for path in tmp_path.iterdir()} == {"fleet", "acme.bundle"}
    assert made.key == public_key(wish.fleet)
    assert set(made.new) == set(wish.recipe.secrets) | {"tls-authority", "tls-authority-key"}
    for name in ("admin-password", "tls-key", "tls-authority-key"):
        secret = wish.vault().get("acme", name)
        assert secret
        assert secret.encode() not in raw
    with opened(made.path, made.key, tmp_path / "within") as bundle:
        brought = Vault(bundle.folder / "fleet" / "secrets", (), wish.fleet.environment)
        assert brought.get("acme", "admin-password") == wish.vault().get("acme", "admin-password")
        assert {owner for owner, _ in brought.names()} == {"acme"}, "the fleet's own keys stay at home"
        assert (bundle.folder / "fleet" / "known_hosts").read_text() == "192.0.2.1 ssh-ed25519 AAAA\n"
        folders = {piece.path.partition("/")[0] for piece in bundle.manifest.files}
        assert folders == {"install.pyz", "debs", "fleet", "own", "wheels"}
    assert list((tmp_path / "within").iterdir()) == []


def test_a_changed_byte_or_another_release_is_refused_before_anything_happens(
    mirror: Mirror, stranded: LanHost, tmp_path: Path
) -> None:
    wish = wish_for(tmp_path / "fleet", stranded)
    made = bundled(wish, mirror, tmp_path / "acme.bundle")
    raw = bytearray(made.path.read_bytes())
    raw[len(raw) // 2] ^= 1
    (tmp_path / "spoilt").write_bytes(raw)
    with pytest.raises(BadBundle, match="nothing was done"), opened(tmp_path / "spoilt", made.key, tmp_path / "within"):
        pytest.fail("it was opened")
    assert list((tmp_path / "within").iterdir()) == []

    with opened(made.path, made.key, tmp_path / "within") as bundle:
        for name, value in (("system", "debian 13"), ("architecture", "arm64"), ("python", "3.11.9")):
            ground = replace(bundle.manifest.ground, **{name: value})
            other = replace(bundle, manifest=replace(bundle.manifest, ground=ground))
            with pytest.raises(Refused, match=rf"not {value}; nothing was done"), open_lan(wish, never, other):
                pytest.fail("it was opened")
        later = replace(wish, order=replace(wish.order, version="1.1"))
        with (
            pytest.raises(Refused, match=r"its CRM is smallapp 1\.0, not smallapp 1\.1"),
            open_lan(later, never, bundle),
        ):
            pytest.fail("it was opened")
    assert stranded.run("ls /var/lib/crmhost 2>/dev/null; true") == ""


def test_a_server_without_a_way_out_is_deployed_from_the_bundle_alone(
    mirror: Mirror, stranded: LanHost, tmp_path: Path
) -> None:
    assert "default" not in stranded.run("ip route")
    wish = wish_for(tmp_path / "fleet", stranded)
    made = bundled(wish, mirror, tmp_path / "acme.bundle")
    with opened(made.path, made.key, tmp_path / "within") as bundle:
        with open_lan(wish, never, bundle) as target:
            outcome = deploy.deploy(target.driver, target.want, means_of(target), confirm=lambda _: True)
            assert outcome.did == "deployed"
            assert deploy.plan(target.driver, target.want).changes == ()
        _spoil_one(stranded)
        with open_lan(wish, never, bundle) as target:
            found = deploy.plan(target.driver, target.want).changes
            assert [(change.resource, change.action) for change in found] == [
                ("parcel:/var/lib/crmhost/parcels/acme", "replace")
            ]
            destroyed = deploy.destroy(target.driver, target.want, deploy.Destroy(backup=False), means_of(target))
            assert destroyed.did == "destroyed"
    assert stranded.run("ls /var/lib/crmhost 2>/dev/null; true") == ""


def _spoil_one(host: LanHost) -> None:
    host.run("cd /var/lib/crmhost/parcels/acme/wheels && f=$(ls | head -n 1) && printf x >>$f")


def never(_: str) -> bool:
    return False
