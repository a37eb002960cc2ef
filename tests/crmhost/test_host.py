"""`crmhost host`: an engine by its address or by a contract on it, and what is said where it is none."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from crmhost.newfleet import create_fleet
from infra import naming
from tests.crmhost.conftest import Crmhost
from tests.crmhost.test_json_schema import checked
from tests.support.ingress import SharedIngress, ingress
from tests.support.sshd import Sshd, serving

__all__ = ["ingress"]
pytestmark = pytest.mark.slow
CONTRACT = """\
contract: acme
customer: {{name: ACME Co., language: vi}}
crm: {{recipe: creme, version: 2.8.6, url: https://crm.acme.example/}}
target: {{kind: {kind}}}
term: {{signed: 2026-01-10, accepted: 2026-02-01, lasts: 1 year}}
"""


@pytest.fixture
def fleet(folder: Path, ingress: SharedIngress) -> Path:
    """A fleet whose settings are those of the tests' ingress; the stack itself is another fleet's."""
    images, doors = ingress.settings.images, ingress.settings.ingress
    sets = [
        *(f"cloud.images.{name}={getattr(images, name)}" for name in ("python", "postgresql", "redis", "ingress")),
        f"cloud.ingress.certificates={doors.certificates}",
        f"cloud.ingress.bind={doors.bind}",
        f"cloud.ingress.http={doors.http}",
        f"cloud.ingress.https={doors.https}",
    ]
    create_fleet(folder, "Test hosting", sets, {**os.environ, "HOME": str(folder.parent / "home")})
    return folder


@pytest.fixture
def sshd(ingress: SharedIngress, tmp_path: Path) -> Iterator[Sshd]:
    with serving(tmp_path / "sshd", {"DOCKER_HOST": ingress.settings.reach.url}) as server:
        yield server


def test_a_host_that_is_as_it_should_be(crmhost: Crmhost, fleet: Path, ingress: SharedIngress) -> None:
    url = ingress.settings.reach.url
    (fleet / "contracts" / "acme.yaml").write_text(CONTRACT.format(kind=f"cloud, docker: '{url}'"))
    for named in (url, "acme"):
        said = crmhost("host", "up", named)
        assert (said.code, said.out) == (0, f"{url}: nothing to do; the ingress is up.\n")
    said = crmhost("host", "status", "acme", "--json")
    (stands,) = checked(said.out)
    assert (said.code, stands["host"], stands["ingress"], stands["changes"]) == (0, url, "running", [])
    assert checked(crmhost("host", "up", url, "--json").out)[-1]["did"] == "nothing"
    assert crmhost("host", "authority", url).out.strip() == ingress.authority.strip()


def test_what_differs_is_named_and_not_changed_for_another_fleet(
    crmhost: Crmhost, fleet: Path, ingress: SharedIngress
) -> None:
    url, path = ingress.settings.reach.url, fleet / "crmhost.yaml"
    path.write_text(path.read_text().replace("certificates: internal", "certificates: acme"))
    said = crmhost("host", "status", url)
    assert said.code == 1
    assert f"container:{naming.INGRESS}: its configuration differs" in said.out
    (stands,) = checked(crmhost("host", "status", url, "--json").out)
    assert [change["action"] for change in stands["changes"]] == ["replace"]
    said = crmhost("host", "up", url)
    assert (said.code, "set up by another fleet" in said.err) == (1, True)


def test_a_host_that_was_never_seen_is_pinned_once_it_is_accepted(crmhost: Crmhost, fleet: Path, sshd: Sshd) -> None:
    url = f"ssh://127.0.0.1:{sshd.port}"
    with (fleet / "crmhost.yaml").open("a") as settings:
        settings.write(f"ssh: {{key: {sshd.key}}}\n")
    said = crmhost("host", "up", url)
    assert said.code == 1
    assert f"the host's key {sshd.fingerprint} is not pinned yet" in said.err
    assert f"crmhost host up {url} --accept-host-key" in said.err
    said = crmhost("host", "up", url, "--accept-host-key")
    assert (said.code, said.out) == (0, f"{url}: nothing to do; the ingress is up.\n")
    assert sshd.fingerprint in said.err
    assert (fleet / "known_hosts").read_text() == f"{sshd.line}\n"
    assert crmhost("host", "status", url).code == 0


@pytest.mark.parametrize(
    ("named", "told"),
    [
        ("http://docker.example", "is no address of a Docker engine\nInstead write the Docker engine's address"),
        ("nobody", "there is no such contract"),
        ("acme", "target.kind: found saas, which is no Docker host"),
        ("unix:///nowhere/docker.sock", "the Docker engine does not answer"),
        ("tcp://127.0.0.1:1", "mutual TLS alone"),
    ],
)
def test_what_is_no_host(crmhost: Crmhost, fleet: Path, named: str, told: str) -> None:
    (fleet / "contracts" / "acme.yaml").write_text(
        "contract: acme\ncustomer: {name: ACME Co., language: vi}\n"
        "crm: {recipe: creme, url: https://crm.acme.example/}\ntarget: {kind: saas}\n"
    )
    said = crmhost("host", "status", named)
    assert said.code == 1
    assert told in said.err


def test_nothing_is_removed_without_a_word(crmhost: Crmhost, fleet: Path, ingress: SharedIngress) -> None:
    assert fleet.is_dir()
    said = crmhost("host", "destroy", ingress.settings.reach.url)
    assert (said.code, "nobody is here to confirm it; nothing was done" in said.err) == (1, True)


def test_a_fleet_without_docker_hosts_says_what_to_write(crmhost: Crmhost, folder: Path) -> None:
    create_fleet(folder, "Test hosting", [], {**os.environ, "HOME": str(folder.parent / "home")})
    said = crmhost("host", "up", "unix:///run/docker.sock")
    assert (said.code, "crmhost.yaml: cloud: is absent" in said.err) == (1, True)
