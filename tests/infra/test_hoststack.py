"""What a host has for all customers: made once, found different, mended, left alone for others, and at last removed."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from crm.errors import CrmhostError, HostError, Refused
from crm.plan import Event
from infra import hoststack, naming, sites
from infra.engine.connect import Engine, Reach, connect
from infra.engine.run import OneShot, create
from infra.engine.seen import Seen
from infra.hostrecord import host_from, host_to
from infra.ingress.configuration import FILES, HOST, ROOT_CERTIFICATE, digest
from infra.runner import Access
from infra.settings import HostSettings, Ingress
from infra.toolchain import Toolchain
from infra.workfolder import WorkFolder
from tests.support.engine import RealEngine
from tests.support.images import Images
from tests.support.ingress import PASSPHRASE, access_in, settings_of
from tests.support.ownengine import own_engine
from tests.support.until import until

__all__ = ["own_engine"]
pytestmark = pytest.mark.slow
EVERYTHING = {
    f"network:{naming.EDGE}",
    f"volume:{naming.SITES}",
    f"volume:{naming.INGRESS_DATA}",
    f"volume:{naming.TEMPLATES}",
    f"volume:{FILES}",
    f"container:{naming.INGRESS}",
}
SITE = "crm.acme.example"


def silent(_: Event) -> None:
    pass


@pytest.fixture(scope="module")
def host(own_engine: RealEngine) -> Iterator[Engine]:
    with connect(Reach(own_engine.url)) as connected:
        yield connected


@pytest.fixture(scope="module")
def settings(own_engine: RealEngine, images: Images) -> HostSettings:
    return settings_of(own_engine.url, images, 80, 443)


@pytest.fixture(scope="module")
def environment(provider_path: Path) -> dict[str, str]:
    return {**os.environ, "PATH": f"{provider_path}{os.pathsep}{os.environ['PATH']}"}


@pytest.fixture(scope="module")
def access(
    own_engine: RealEngine, toolchain: Toolchain, environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Access:
    return access_in(tmp_path_factory.mktemp("fleet"), own_engine.url, toolchain.folder, environment)


@pytest.fixture
def up(host: Engine, settings: HostSettings, access: Access) -> Engine:
    hoststack.ensure(host, settings, access, silent)
    until(lambda: host.get(naming.INGRESS, ROOT_CERTIFICATE), "the ingress's authority")
    return host


def named(host: Engine, settings: HostSettings) -> dict[str, str]:
    return {change.resource: change.why for change in hoststack.differs(host, settings)}


def test_everything_is_made_and_then_there_is_nothing_to_do(
    host: Engine, settings: HostSettings, access: Access
) -> None:
    said: list[Event] = []
    assert set(named(host, settings)) == EVERYTHING
    assert {change.resource for change in hoststack.ensure(host, settings, access, said.append)} == EVERYTHING
    assert {f"container:{naming.INGRESS}", f"network:{naming.EDGE}"} <= {event.subject for event in said}
    assert hoststack.ensure(host, settings, access, said.append) == ()
    stands = hoststack.status(host, settings)
    assert (stands.ingress, stands.changes, stands.sites) == ("running", (), {})
    until(lambda: host.get(naming.INGRESS, ROOT_CERTIFICATE), "the ingress's authority")
    assert sites.authority(host).startswith("-----BEGIN CERTIFICATE")


def test_what_was_changed_by_hand_is_named_and_mended(up: Engine, settings: HostSettings, access: Access) -> None:
    sites.serve(up, SITE, "b")
    before = sites.authority(up)
    up.client.pause(naming.INGRESS)
    up.disconnect_network(naming.INGRESS, naming.EDGE)
    changes = [change.why for change in hoststack.differs(up, settings)]
    assert changes == ["it is paused", "it is off its network"]
    hoststack.ensure(up, settings, access, silent)
    assert hoststack.differs(up, settings) == ()
    up.client.update_container(naming.INGRESS, mem_limit="128m", memswap_limit="128m")
    assert named(up, settings) == {f"container:{naming.INGRESS}": "its memory is 128 MiB, not 256"}
    up.stop(naming.INGRESS)
    assert sites.state(up, SITE) == sites.Site("b")
    with pytest.raises(HostError, match=r"the ingress is exited\n.*crmhost host up unix:///"):
        sites.serve(up, SITE, "a")
    hoststack.ensure(up, settings, access, silent)
    up.remove(naming.INGRESS)
    assert named(up, settings) == {f"container:{naming.INGRESS}": "is not there"}
    hoststack.ensure(up, settings, access, silent)
    assert hoststack.differs(up, settings) == ()
    assert sites.state(up, SITE) == sites.Site("b")
    assert sites.authority(up) == before


def test_plain_pulumi_in_its_folder_converges_what_was_recorded(
    up: Engine, settings: HostSettings, access: Access, toolchain: Toolchain, environment: dict[str, str]
) -> None:
    stack = naming.host_stack(settings.reach.url)
    path = (str(Path(sys.executable).parent), str(toolchain.folder), environment["PATH"])
    own = {"PULUMI_CONFIG_PASSPHRASE": PASSPHRASE, "PATH": os.pathsep.join(path)}
    sites.serve(up, SITE, "b")
    up.remove(naming.INGRESS)

    def pulumi(*words: str) -> str:
        argv = ("pulumi", "--non-interactive", *words, "--stack", stack, "--refresh")
        given = {**environment, **own}
        ran = subprocess.run(argv, cwd=access.folder, env=given, capture_output=True, text=True, check=False)
        assert ran.returncode == 0, ran.stdout + ran.stderr
        return ran.stdout

    assert re.search(rf"docker:index:Container +{naming.INGRESS} +create", pulumi("preview"))
    pulumi("up", "--yes", "--skip-preview")
    assert hoststack.differs(up, settings) == ()
    assert sites.state(up, SITE) == sites.Site("b")
    assert "unchanged" in pulumi("preview", "--expect-no-changes")


def test_what_is_recorded_of_a_host_is_all_that_its_program_reads(settings: HostSettings) -> None:
    own = replace(settings, ingress=replace(settings.ingress, address=("127.0.0.1", 4443), trust=Path("own.pem")))
    read = host_from(host_to(own))
    public = replace(settings.ingress, address=None)
    assert (read.reach, read.images.ingress, read.ingress) == (own.reach, own.images.ingress, public)
    assert digest(read) == digest(own)
    for text in ("{", "{}", '{"reach": "x", "image": "y", "ingress": {}}'):
        with pytest.raises(CrmhostError, match="does not hold a Docker host"):
            host_from(text)


def test_a_host_that_was_set_up_before_that_is_recorded_now(up: Engine, settings: HostSettings, access: Access) -> None:
    folder = WorkFolder(access.folder, naming.host_stack(settings.reach.url), access.backend)
    assert folder.read_host() == host_to(settings)
    folder.write_host("{}")
    hoststack.ensure(up, settings, access, silent)
    assert folder.read_host() == host_to(settings)


def test_another_setting_replaces_the_ingress_alone(up: Engine, settings: HostSettings, access: Access) -> None:
    other = replace(settings, ingress=replace(settings.ingress, https=8443))
    sites.serve(up, SITE, "b")
    (change,) = hoststack.differs(up, other)
    assert (change.action, change.why, change.disrupts) == ("replace", "its configuration differs", "restart")
    hoststack.ensure(up, other, access, silent)
    assert hoststack.differs(up, other) == ()
    assert sites.state(up, SITE).slot == "b"


def test_another_fleet_shares_the_ingress_but_does_not_change_it(
    up: Engine, settings: HostSettings, toolchain: Toolchain, environment: dict[str, str], tmp_path: Path
) -> None:
    others = access_in(tmp_path, settings.reach.url, toolchain.folder, environment)
    assert hoststack.ensure(up, settings, others, silent) == ()
    otherwise = replace(settings, ingress=replace(settings.ingress, http=8080))
    with pytest.raises(Refused, match="set up by another fleet, and differs from what this one says"):
        hoststack.ensure(up, otherwise, others, silent)
    assert hoststack.differs(up, settings) == ()


def test_it_stays_while_customers_are_there_and_then_goes_wholly(
    up: Engine, settings: HostSettings, access: Access
) -> None:
    sites.serve(up, SITE, "a")
    with pytest.raises(Refused, match=f"customers are served from this host: {SITE}"):
        hoststack.destroy(up, settings, access, silent)
    sites.remove(up, SITE)
    spec = OneShot("crmhost-acme-db", settings.images.ingress, ("true",), naming.labels("acme", "db"))
    create(up.client, spec)
    with pytest.raises(Refused, match="customers are served from this host: acme"):
        hoststack.destroy(up, settings, access, silent)
    up.remove(spec.name)
    hoststack.destroy(up, settings, access, silent)
    hoststack.destroy(up, settings, access, silent)
    assert up.seen(HOST) == Seen(HOST)


@pytest.mark.parametrize(
    ("ingress", "line"),
    [(Ingress(email="it@acme.example"), "email it@acme.example\n"), (Ingress("internal"), "local_certs\n")],
)
def test_certificates_come_from_where_the_settings_say(ingress: Ingress, line: str) -> None:
    from infra.ingress.configuration import environment, files

    contents = {file.path: file.content for file in files(ingress)}
    assert contents["certificates.caddy"] == line
    assert environment(ingress)["HTTPS_PORT"] == ""
    assert "`" not in contents["maintenance.caddy"].strip("respond `503\n")  # what would end the page
