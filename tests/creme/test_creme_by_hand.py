"""Creme on a server without a way out, from one file that was carried there, by what is in that file alone."""

from __future__ import annotations

import hashlib
import io
import json
import secrets
import tarfile
from collections.abc import Iterator
from contextlib import closing, nullcontext
from pathlib import Path

import pytest

from crmhost.bundle.make import Made, make
from crmhost.bundle.source import wish_of
from crmhost.fleet import Fleet
from crmhost.vault import make_identity
from tests.support.engine import RealEngine
from tests.support.gathered import Mirror
from tests.support.lanhost import LanHost, LanImages, serving
from tests.support.lannet import networked
from tests.support.until import until

pytestmark = [pytest.mark.slow, pytest.mark.creme, pytest.mark.timeout(1800)]

CONTRACT = """\
contract: acme
customer: {name: ACME Co., language: en}
crm: {recipe: creme, version: 2.8.6, url: https://crm.acme.lan/}
target: {kind: lan, host: ADDRESS, user: deploy}
term: {signed: 2026-01-10}
"""
INSTALL = """\
cd /root
tar -xf acme.bundle install.pyz && echo '{program}  install.pyz' | sha256sum -c --quiet &&
  CRMHOST_AGE_KEY_FILE=/root/age.key python3 install.pyz acme.bundle --key {key} --accept-host-key {more}
"""


@pytest.fixture
def stranded(engine: RealEngine, lan_images: LanImages, tmp_path: Path) -> Iterator[LanHost]:
    """Return a server in a network without a way out."""
    name = f"lan-{secrets.token_hex(3)}-crmhost-by-hand"
    with (
        closing(engine.client()) as client,
        networked(client, internal=True) as network,
        serving(client, lan_images.stocked, tmp_path / "stranded", name, network, {}) as host,
    ):
        host.run("ip route del default 2>/dev/null || true")
        yield host


def test_creme_is_installed_by_hand_from_one_file(mirror: Mirror, stranded: LanHost, tmp_path: Path) -> None:
    fleet = written(tmp_path / "fleet", stranded)
    wish = wish_of(fleet, "acme", lambda _: None)
    made = make(wish, mirror, wish.access.recipients, tmp_path / "acme.bundle", lambda *_: nullcontext())
    carry(stranded, {"acme.bundle": made.path.read_bytes(), "age.key": (tmp_path / "fleet" / "age.key").read_bytes()})
    assert "default" not in stranded.run("ip route")

    other = install(stranded, made, key="0" * 64)
    assert "not signed by this key" in other
    assert stranded.run("ls /var/lib/crmhost 2>/dev/null; true") == ""
    unconfirmed = install(stranded, made)
    assert "nobody is here to confirm the plan; nothing was done" in unconfirmed
    assert stranded.run("ls /var/lib/crmhost/artifacts /var/lib/crmhost/parcels 2>/dev/null; true") == ""

    said = install(stranded, made, "--yes --json")
    outcome = json.loads(said.splitlines()[-1])
    assert outcome["did"] == "deployed", said
    verb = "/var/lib/crmhost/tool/current/bin/crmhost --fleet /var/lib/crmhost/fleets/acme"
    environment = "cd /root; CRMHOST_AGE_KEY_FILE=/root/age.key"
    assert "administrator accepted" in stranded.run(f"{environment} {verb} login acme")
    again = install(stranded, made, "--yes --json")
    assert json.loads(again.splitlines()[-1])["did"] == "nothing"


def written(folder: Path, host: LanHost) -> Fleet:
    """Return a fleet with the one contract."""
    recipient = make_identity(folder / "age.key")
    (folder / "contracts").mkdir()
    (folder / "contracts" / "acme.yaml").write_text(CONTRACT.replace("ADDRESS", host.address))
    (folder / "crmhost.yaml").write_text(f"fleet: Test Hosting\nrecipients: [{recipient}]\n")
    return Fleet(folder, {"CRMHOST_AGE_KEY_FILE": str(folder / "age.key")})


def carry(host: LanHost, files: dict[str, bytes]) -> None:
    """Put files into root's home, as by a USB stick."""
    sink = io.BytesIO()
    with tarfile.open(fileobj=sink, mode="w") as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(f"root/{name}")
            entry.size, entry.mode = len(content), 0o600
            archive.addfile(entry, io.BytesIO(content))
    host.container.put_archive("/", sink.getvalue())


def install(host: LanHost, made: Made, more: str = "", *, key: str = "") -> str:
    """Run the line that `crmhost bundle` prints, and return what it said."""
    with made.path.open("rb") as whole, tarfile.open(fileobj=whole) as archive:
        program = archive.extractfile("install.pyz")
        assert program is not None
        assert hashlib.sha256(program.read()).hexdigest() == made.program
    script = INSTALL.format(program=made.program, key=key or made.key, more=more)
    host.run(f"cat >/root/go <<'END'\n{script}END\nrm -f /root/ended")
    host.run("setsid sh -c 'sh /root/go >/root/said 2>&1 </dev/null; echo $? >/root/ended' >/dev/null 2>&1 &")
    until(lambda: "yes" in host.run("test -s /root/ended && echo yes || true"), "the installation has ended", 1500)
    return host.run("cat /root/said")
