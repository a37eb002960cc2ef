"""`serve` probes customers on Docker hosts where the fleet says that they are reached, and believes whom it names."""

from pathlib import Path

import pytest

from contract.model import Contract
from contract.parse import parse
from crm.errors import CrmhostError
from crmhost.fleet import Fleet
from crmhost.ways import authorities, connections, unsigned
from monitor.clock import SystemClock
from monitor.probe.client import Client
from monitor.probe.handle import trusted_certificates
from monitor.probe.result import Request
from tests.support.certificates import make_authority
from tests.support.listeners import Exchange, Listener

_IMAGE = "sha256:" + "0" * 64
SETTINGS = f"""\
fleet: Test hosting
cloud:
  images: {{python: '{_IMAGE}', postgresql: '{_IMAGE}', redis: '{_IMAGE}', ingress: '{_IMAGE}'}}
  ingress: {{address: '127.0.0.1:4443', authority: own.pem}}
"""


def contract(target: str, url: str = "https://crm.acme.example/") -> Contract:
    text = (
        "contract: acme\ncustomer: {name: ACME Co., language: vi}\n"
        f"crm: {{recipe: creme, version: 2.8.6, url: '{url}'}}\ntarget: {target}\n"
        "term: {signed: 2026-01-10, accepted: 2026-02-01, lasts: 1 year}\n"
    )
    parsed = parse(text.encode(), "acme.yaml")
    assert parsed.contract is not None, parsed.errors
    return parsed.contract


def fleet(folder: Path, settings: str) -> Fleet:
    (folder / "crmhost.yaml").write_text(settings)
    return Fleet(folder, {})


def test_only_customers_on_docker_hosts_are_reached_elsewhere(tmp_path: Path) -> None:
    cloud = "{kind: cloud, docker: 'ssh://docker.example'}"
    several = (
        contract(cloud),
        contract(cloud, "https://crm.acme.example:8443/"),
        contract("{kind: webhost, host: web.example, user: acme}"),
    )
    assert connections(fleet(tmp_path, SETTINGS), several) == (
        "crm.acme.example:443:127.0.0.1:4443",
        "crm.acme.example:8443:127.0.0.1:4443",
    )
    assert connections(fleet(tmp_path, "fleet: Test hosting\n"), several) == ()


def test_the_fleets_authority_is_believed_besides_the_systems(tmp_path: Path) -> None:
    here = fleet(tmp_path, SETTINGS)
    with pytest.raises(CrmhostError, match=r"crmhost host authority HOST > own\.pem"):
        authorities(here)
    own = make_authority(tmp_path)
    (tmp_path / "own.pem").write_bytes(own.file.read_bytes())
    found = authorities(here)
    assert found is not None
    text = found.read_text()
    assert text.startswith(own.file.read_text())
    assert (system := trusted_certificates()) is None or text.endswith(system.read_text())
    assert authorities(fleet(tmp_path, "fleet: Test hosting\n")) == system


def test_who_signs_for_a_server_in_a_customers_network_is_believed_once_it_is_made(tmp_path: Path) -> None:
    here = Fleet(tmp_path, {"HOME": str(tmp_path)})
    (tmp_path / "crmhost.yaml").write_text("fleet: Test hosting\n")
    server = contract("{kind: lan, host: 192.0.2.10, user: deploy}")
    plain = contract("{kind: lan, host: 192.0.2.10, user: deploy}", "http://crm.acme.example/")
    assert unsigned(here, [server, plain]) == ("acme",)
    assert authorities(here, [server, plain]) == trusted_certificates()
    own = make_authority(tmp_path).file.read_text()
    made = Fleet(tmp_path, {**here.environment, "CRMHOST_SECRET_ACME_TLS_AUTHORITY": own})
    assert unsigned(made, [server, plain]) == ()
    found = authorities(made, [server, plain])
    assert found is not None
    assert found.read_text().startswith(own.rstrip())
    assert authorities(made, [plain]) == trusted_certificates()
    (tmp_path / "root.pem").write_text(own)
    acme = (
        "{kind: lan, host: 192.0.2.10, user: deploy, tls: acme, acme: {directory: 'https://ca.lan/', root: root.pem}}"
    )
    found = authorities(here, [contract(acme)])
    assert found is not None
    assert found.read_text().startswith(own.rstrip())


def test_a_probe_goes_there_in_the_sites_own_name(tmp_path: Path) -> None:
    def answer(exchange: Exchange) -> None:
        exchange.answer(200 if "Host: crm.acme.example" in exchange.head else 421)

    authority = make_authority(tmp_path)
    with Listener(answer, authority.server("crm.acme.example")) as server:
        instead = (f"crm.acme.example:443:127.0.0.1:{server.port}",)
        with Client(SystemClock(), authority.file, instead) as client:
            client.start(Request("acme", "https://crm.acme.example/", 5_000_000))
            (outcome,) = client.wait(5_000_000)
    assert outcome.ok, outcome
