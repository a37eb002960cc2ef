"""How the docker provider reaches an engine elsewhere, and what it says when it cannot; the stand-in or upstream's."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import docker
import pytest

from tests.infra.provider.bench import Bench
from tests.infra.provider.hands import cleared
from tests.support.certificates import make_authority
from tests.support.docker_provider.values import Properties
from tests.support.engine import RealEngine
from tests.support.images import Images
from tests.support.provider import Provider, Refused, asking
from tests.support.sshd import Sshd, make_key, serving
from tests.support.tlsengine import folder_of, forwarding

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def sshd(engine: RealEngine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    with serving(tmp_path_factory.mktemp("sshd"), {"DOCKER_HOST": engine.url}) as server:
        yield server


@pytest.fixture
def provider(provider_path: Path) -> Iterator[Provider]:
    with asking(provider_path) as provider:
        yield provider


@pytest.fixture
def wanted(images: Images, docker_client: docker.DockerClient) -> Iterator[Properties]:
    name = "crmhost-test-reached"
    yield {"name": name, "image": images.python, "command": ["sleep", "600"]}
    cleared(docker_client, name)


def by_ssh(sshd: Sshd, *more: str) -> Properties:
    options = [
        *("-i", str(sshd.key)),
        *("-o", "IdentitiesOnly=yes"),
        *("-o", f"UserKnownHostsFile={sshd.known_hosts}"),
        *("-o", "StrictHostKeyChecking=yes"),
        *("-o", "BatchMode=yes"),
        *more,
    ]
    return {"host": f"ssh://root@127.0.0.1:{sshd.port}", "sshOpts": json.dumps(options)}


def by_tls(port: int, folder: Path) -> Properties:
    parts = {"caMaterial": "ca", "certMaterial": "cert", "keyMaterial": "key"}
    material: Mapping[str, str] = {name: (folder / f"{file}.pem").read_text() for name, file in parts.items()}
    return {"host": f"tcp://127.0.0.1:{port}", **material}


def lived(provider: Provider, client: docker.DockerClient, wanted: Properties) -> None:
    """Let a container live its whole life there."""
    bench = Bench(provider, client, "Container")
    bench.up(wanted)
    assert bench.seen()["State"]["Running"]
    answer = bench.refresh()
    assert answer is not None
    assert answer.verdict == "same"
    bench.delete()


def test_a_container_lives_over_ssh(
    provider: Provider, sshd: Sshd, docker_client: docker.DockerClient, wanted: Properties
) -> None:
    provider.configure(by_ssh(sshd))
    lived(provider, docker_client, wanted)


def test_nothing_is_reached_over_ssh_before_there_is_work(
    provider: Provider, engine: RealEngine, docker_client: docker.DockerClient, sshd: Sshd, wanted: Properties
) -> None:
    bench = Bench(provider, docker_client, "Container")
    provider.configure({"host": engine.url})
    bench.up(wanted)
    provider.configure(by_ssh(replace(sshd, port=1)))
    assert bench.plan(wanted).verdict == "same"
    provider.create("Container", provider.check("Container", wanted), preview=True)


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("wrong key", "Permission denied (publickey)"),
        ("unknown host", "No ED25519 host key is known for"),
        ("refused", "Connection refused"),
    ],
)
def test_what_is_in_the_way_of_ssh_is_told(
    provider: Provider, sshd: Sshd, wanted: Properties, tmp_path: Path, fault: str, said: str
) -> None:
    reached = {
        "wrong key": lambda: replace(sshd, key=make_key(tmp_path / "other")),
        "unknown host": lambda: replace(sshd, known_hosts=tmp_path / "none"),
        "refused": lambda: replace(sshd, port=1),
    }[fault]()
    provider.configure(by_ssh(reached))
    with pytest.raises(Refused) as refused:
        provider.create("Container", provider.check("Container", wanted))
    assert f"Error pinging Docker server, please make sure that ssh://root@127.0.0.1:{reached.port}" in str(
        refused.value
    )
    assert "stderr=" in str(refused.value)
    assert said in str(refused.value)
    with pytest.raises(Refused, match="Error pinging Docker server"):
        provider.read("Container", "1", {"name": "x"}, {"name": "x"})


def test_a_container_lives_over_tls(
    provider: Provider, engine: RealEngine, docker_client: docker.DockerClient, wanted: Properties, tmp_path: Path
) -> None:
    authority = make_authority(tmp_path)
    with forwarding(engine.url, authority, "127.0.0.1") as port:
        provider.configure(by_tls(port, folder_of(authority, tmp_path / "client")))
        lived(provider, docker_client, wanted)


def test_tls_asks_for_all_of_its_parts(provider: Provider, tmp_path: Path) -> None:
    folder = folder_of(make_authority(tmp_path), tmp_path / "client")
    settings = by_tls(1, folder)
    with pytest.raises(Refused, match="certMaterial, keyMaterial, and caMaterial must all be specified"):
        provider.configure({name: value for name, value in settings.items() if name != "caMaterial"})


def test_a_foreign_authority_is_refused(provider: Provider, engine: RealEngine, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    theirs = make_authority(tmp_path / "other")
    with forwarding(engine.url, make_authority(tmp_path), "127.0.0.1") as port:
        settings = by_tls(port, folder_of(theirs, tmp_path / "client"))
        with pytest.raises(Refused, match="failed to connect to any docker daemon"):
            provider.configure(settings)


@pytest.mark.parametrize("host", ["tcp://127.0.0.1:1", "unix:///nowhere/docker.sock"])
def test_an_engine_that_is_down_is_told_before_anything_is_planned(provider: Provider, host: str) -> None:
    with pytest.raises(Refused, match="failed to connect to any docker daemon"):
        provider.configure({"host": host})
