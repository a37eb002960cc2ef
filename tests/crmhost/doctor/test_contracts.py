"""`crmhost doctor NAME`: a contract's host is asked for real, and nothing is changed there."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from crmhost.newfleet import create_fleet
from crmhost.sandbox.host import Sandbox
from infra.engine.reach import Reach
from infra.engine.space import free
from tests.crmhost.conftest import Crmhost
from tests.crmhost.test_json_schema import checked
from tests.support.ingress import SharedIngress, ingress
from tests.support.sshd import serving

__all__ = ["ingress"]
pytestmark = pytest.mark.slow
TEXT = """\
contract: acme
customer: {{name: ACME Co., language: vi}}
crm: {{recipe: creme, version: 2.8.6, url: {url}}}
target: {{kind: {target}}}
term: {term}
"""
SIGNED = "{signed: 2026-01-10, accepted: 2026-02-01, lasts: 1 year}"


@pytest.fixture
def box(tmp_path: Path) -> Iterator[Sandbox]:
    with Sandbox(tmp_path / "box") as sandbox:
        yield sandbox


@pytest.fixture
def write(folder: Path, box: Sandbox) -> Callable[..., None]:
    """Make a fleet, and write a contract on the sandbox."""
    create_fleet(folder, "Test hosting", [f"ssh.key={box.key_file}", "ssh.config=none"], dict(os.environ))

    def contract(listen: str = "127.0.0.1:1", url: str = "http://127.0.0.1:9/", term: str = SIGNED) -> None:
        target = f"webhost, host: 127.0.0.1, port: {box.address.port}, user: sandbox, listen: '{listen}'"
        (folder / "contracts" / "acme.yaml").write_text(TEXT.format(url=url, target=target, term=term))

    return contract


def tree(folder: Path) -> list[tuple[str, int]]:
    return sorted((str(path.relative_to(folder)), path.stat().st_mtime_ns) for path in folder.rglob("*"))


def by_name(out: str) -> dict[str, dict[str, Any]]:
    return {one["what"]: one for one in checked(out)}


def test_a_web_host_where_all_is_well_but_its_front_end(
    crmhost: Crmhost, box: Sandbox, write: Callable[..., None]
) -> None:
    write()
    before = tree(box.home)
    said = crmhost("doctor", "acme", "--json", "--accept-host-key")
    found = by_name(said.out)
    assert list(found) == [
        "contract", "ssh", "programs", "home", "python", "disk", "files", "quota", "memory", "clock", "port 1", "cron",
        "dns", "url",
    ]  # fmt: skip
    assert [what for what, one in found.items() if not one["ok"]] == ["url"]
    assert found["ssh"]["found"] == str(box.address)
    assert found["url"]["found"] == "http://127.0.0.1:9: Connection refused"
    assert said.code == 1
    assert tree(box.home) == before


def test_exit_0_where_nothing_is_to_be_mended_and_a_table_for_people(
    crmhost: Crmhost, write: Callable[..., None]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as front:
        write(url=f"http://127.0.0.1:{front.getsockname()[1]}/")
        said = crmhost("doctor", "acme", "--accept-host-key")
    assert said.code == 0
    lines = said.out.splitlines()
    assert lines[0].split() == ["WHAT", "FOUND"]
    assert all(line.startswith("ok ") for line in lines[1:])


def test_each_finding_has_its_remedy_below_the_table(
    crmhost: Crmhost, box: Sandbox, write: Callable[..., None]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        write(listen=f"127.0.0.1:{port}", term="{accepted: 2026-02-01, lasts: 1 year}", url="http://no-such.invalid/")
        (box.root / "bin" / "crontab").write_text("#!/bin/sh\necho 'You are not allowed'; exit 1\n")
        said = crmhost("doctor", "acme", "--accept-host-key")
    assert said.code == 1
    marked = [line.split()[1] for line in said.out.splitlines() if line.startswith("MEND")]
    assert marked == ["contract", "port", "cron", "dns"]
    assert "contract: Write the date when it was signed: term: {signed: 2026-01-10, …}\n" in said.out
    assert f"port {port}: Write another one into target.listen, or end what listens there.\n" in said.out
    assert "cron: Ask the host's owner to allow cron.\n" in said.out
    assert "dns: Let no-such.invalid point to the host in DNS.\n" in said.out


def test_a_host_that_cannot_be_reached_is_a_finding_and_the_url_is_looked_at_all_the_same(
    crmhost: Crmhost, box: Sandbox, write: Callable[..., None]
) -> None:
    write()
    box.close()
    said = crmhost("doctor", "acme", "--json")
    found = by_name(said.out)
    assert (said.code, list(found)) == (1, ["contract", "ssh", "dns", "url"])
    assert "cannot connect: Connection refused" in found["ssh"]["found"]
    assert found["ssh"]["remedy"]


def test_what_a_host_answers_does_not_reach_the_terminal_as_it_is(
    crmhost: Crmhost, box: Sandbox, write: Callable[..., None]
) -> None:
    write()
    quota = box.root / "bin" / "quota"
    quota.write_text("#!/bin/sh\nprintf '/dev/\\033[2Jx 1 5 5 0 1 5 5 0\\n'\n")
    quota.chmod(0o700)
    for more in ((), ("--json",)):
        said = crmhost("doctor", "acme", "--accept-host-key", *more)
        assert "\x1b" not in said.out
        assert "u001b" not in said.out
        assert "x1b[2Jx" in said.out


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("saas", "saas is somebody else's service"),
        ("webhost, host: web.example, user: acme", "target.listen: is absent"),
    ],
)
def test_a_target_that_nothing_is_deployed_to_is_refused(
    crmhost: Crmhost, folder: Path, write: Callable[..., None], target: str, message: str
) -> None:
    write()
    (folder / "contracts" / "acme.yaml").write_text(
        TEXT.format(url="https://crm.acme.example/", target=target, term=SIGNED)
    )
    said = crmhost("doctor", "acme")
    assert said.code == 1
    assert message in said.err
    assert said.out == ""


def test_a_contract_that_is_not_there_is_named(crmhost: Crmhost, write: Callable[..., None]) -> None:
    write()
    said = crmhost("doctor", "acmee")
    assert said.code == 1
    assert "acmee.yaml: there is no such contract" in said.err
    assert "Did you mean acme?" in said.err


@pytest.fixture
def cloud(folder: Path, ingress: SharedIngress) -> Callable[[str], None]:
    """Make a fleet whose settings are those of the tests' ingress, and write a contract on an engine."""
    images, doors = ingress.settings.images, ingress.settings.ingress
    sets = [
        *(f"cloud.images.{name}={getattr(images, name)}" for name in ("python", "postgresql", "redis", "ingress")),
        f"cloud.ingress.certificates={doors.certificates}",
        f"cloud.ingress.bind={doors.bind}",
        f"cloud.ingress.http={doors.http}",
        f"cloud.ingress.https={doors.https}",
        f"cloud.ingress.address=127.0.0.1:{doors.https}",
    ]
    create_fleet(folder, "Test hosting", sets, dict(os.environ))

    def contract(docker: str) -> None:
        target = f"cloud, docker: '{docker}'"
        (folder / "contracts" / "acme.yaml").write_text(
            TEXT.format(url="https://localhost/", target=target, term=SIGNED)
        )

    return contract


def test_a_docker_host_with_its_ingress(crmhost: Crmhost, cloud: Callable[[str], None], ingress: SharedIngress) -> None:
    cloud(ingress.settings.reach.url)
    doors = ingress.settings.ingress
    said = crmhost("doctor", "acme", "--json")
    found = by_name(said.out)
    names = ["contract", "engine", "disk", "memory", "clock", f"port {doors.http}", f"port {doors.https}", "pulumi"]
    assert list(found)[:8] == names
    assert list(found)[-2:] == ["dns", "url"]
    assert "docker provider" in found
    assert [what for what in names[:-1] if not found[what]["ok"]] == []
    assert found[f"port {doors.https}"]["found"] == "the ingress has it"
    assert found["engine"]["found"].startswith("Docker ")
    assert said.code == (0 if all(one["ok"] for one in found.values()) else 1)


def test_an_engine_that_is_not_there_is_a_finding(
    crmhost: Crmhost, cloud: Callable[[str], None], tmp_path: Path
) -> None:
    cloud(f"unix://{tmp_path}/no.sock")
    said = crmhost("doctor", "acme", "--json")
    found = by_name(said.out)
    assert said.code == 1
    assert list(found)[:2] == ["contract", "engine"]
    assert found["engine"]["remedy"]
    assert "disk" not in found


def test_the_disk_of_a_docker_host_is_seen_over_ssh(tmp_path: Path) -> None:
    with serving(tmp_path / "sshd", {"A": "b"}) as server:
        reach = Reach(f"ssh://127.0.0.1:{server.port}", server.key, server.known_hosts)
        size = free(reach, str(tmp_path))
        assert size is not None
        assert abs(size - free_here(tmp_path)) < 1 << 30
        assert free(reach, f"{tmp_path}/a b; touch {tmp_path}/pwned") is None
        assert not (tmp_path / "pwned").exists()
    assert free(reach, str(tmp_path)) is None, "nobody answers any more"
    assert free(Reach("tcp://127.0.0.1:1"), str(tmp_path)) is None


def free_here(folder: Path) -> int:
    size = free(Reach("unix:///var/run/docker.sock"), str(folder))
    assert size is not None
    return size
