"""An engine is reached over a socket, SSH or TLS, and whatever is in the way is said with what to do about it."""

import io
import re
import shutil
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from crm.errors import HostError
from infra.engine.connect import Reach, connect
from infra.engine.run import create
from infra.engine.ssh import fingerprint, offered_key
from tests.infra.engine.conftest import Case
from tests.support.certificates import make_authority
from tests.support.engine import RealEngine
from tests.support.sshd import Sshd, make_key, serving
from tests.support.tlsengine import folder_of, forwarding
from tests.support.until import until

pytestmark = pytest.mark.slow
BIG = 3_000_000


def refused(reach: Reach) -> str:
    with pytest.raises(HostError) as caught, connect(reach):
        pass
    return str(caught.value)


def talk(reach: Reach, case: Case) -> None:
    """Let a program echo more than any buffer holds: the end of one direction is not the end of the other."""
    with connect(reach) as host:
        spec = case.one_shot("cat")
        said = host.run(spec, stdin=bytes(BIG))
        assert (said.code, len(said.stdout)) == (0, BIG)
        container = host.client.create_container(
            case.image, ["sleep", "60"], labels=dict(spec.labels), host_config={"Init": True}
        )
        host.start(container["Id"])
        sink = io.BytesIO()
        assert host.stream_out(container["Id"], ["head", "-c", str(BIG), "/dev/zero"], sink).code == 0
        assert len(sink.getvalue()) == BIG
        assert host.stream_in(container["Id"], ["wc", "-c"], io.BytesIO(bytes(BIG))).said == str(BIG)
        assert len(host.seen(case.contract).containers) == 1


# -- this machine's own ------------------------------------------------------------------------------------------------


def test_a_socket(engine: RealEngine, case: Case) -> None:
    talk(Reach(engine.url), case)


def test_docker_is_down(tmp_path: Path) -> None:
    said = refused(Reach(f"unix://{tmp_path}/docker.sock"))
    assert "the Docker engine does not answer: No such file or directory" in said
    assert "systemctl start docker" in said


# -- SSH ---------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def sshd(engine: RealEngine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    with serving(tmp_path_factory.mktemp("sshd"), {"DOCKER_HOST": engine.url}) as server:
        yield server


@pytest.fixture
def reach(sshd: Sshd) -> Reach:
    return Reach(f"ssh://127.0.0.1:{sshd.port}", sshd.key, sshd.known_hosts)


def test_ssh(reach: Reach, case: Case) -> None:
    talk(reach, case)


def test_more_at_once_than_one_session_of_sshd_takes(reach: Reach, case: Case) -> None:
    with connect(reach) as host, ThreadPoolExecutor(14) as pool:
        container = create(host.client, case.one_shot("sleep", "60", name="web"))
        host.start(container)
        asked = [pool.submit(host.execute, container, ["sh", "-c", "sleep 1; echo done"]) for _ in range(14)]
        assert {each.result().said for each in asked} == {"done"}


def test_ssh_leaves_no_process_and_no_folder(reach: Reach, sshd: Sshd) -> None:
    with connect(reach) as host:
        assert host.version
        (folder,) = {
            found[1] for line in processes(f"-p {sshd.port}") if (found := re.search("ControlPath=(.*)/s ", line))
        }
        assert Path(folder).stat().st_mode & 0o777 == 0o700
    assert not Path(folder).exists()
    until(lambda: not processes(folder), "the end of every ssh")


def processes(words: str) -> list[str]:
    """Return the command lines that have these words."""
    lines = subprocess.run(["ps", "-ww", "-eo", "args"], capture_output=True, text=True, check=True).stdout.splitlines()
    return [line for line in lines if words in line]


def test_an_unknown_host_is_named_by_its_fingerprint(reach: Reach, sshd: Sshd, tmp_path: Path) -> None:
    said = refused(replace(reach, known_hosts=tmp_path / "known_hosts"))
    assert f"the host's key {sshd.fingerprint} is not pinned yet" in said
    assert f"crmhost host up {reach.url} --accept-host-key" in said


def test_the_key_that_a_host_offers_can_be_pinned(reach: Reach, sshd: Sshd, tmp_path: Path) -> None:
    line = offered_key(reach)
    assert line == sshd.line
    assert fingerprint(line) == sshd.fingerprint
    pinned = tmp_path / "known hosts 100%"
    pinned.write_text(line + "\n")
    with connect(replace(reach, known_hosts=pinned)) as host:
        assert host.version


def test_a_changed_host_key_stops(reach: Reach, sshd: Sshd, tmp_path: Path) -> None:
    other = make_key(tmp_path / "other").with_suffix(".pub").read_text().split()
    (tmp_path / "known_hosts").write_text(f"[127.0.0.1]:{sshd.port} {other[0]} {other[1]}\n")
    said = refused(replace(reach, known_hosts=tmp_path / "known_hosts"))
    assert "the host shows another key than the one pinned" in said
    assert "stop" in said


def test_a_wrong_key(reach: Reach, tmp_path: Path) -> None:
    wrong = make_key(tmp_path / "wrong")
    said = refused(replace(reach, key_file=wrong))
    assert f"the host refused the key {wrong}" in said
    assert "authorized_keys" in said


def test_a_missing_key(reach: Reach, tmp_path: Path) -> None:
    assert f"there is no private key {tmp_path}/none" in refused(replace(reach, key_file=tmp_path / "none"))


def test_a_key_that_others_may_read(reach: Reach, sshd: Sshd, tmp_path: Path) -> None:
    open_key = tmp_path / "open"
    shutil.copy(sshd.key, open_key)
    open_key.chmod(0o644)
    assert f"chmod 600 {open_key}" in refused(replace(reach, key_file=open_key))


def test_nothing_listens(reach: Reach) -> None:
    assert "the connection was refused" in refused(replace(reach, url="ssh://127.0.0.1:1"))


def test_no_such_name(reach: Reach) -> None:
    assert "the name no.such.invalid is not known" in refused(replace(reach, url="ssh://no.such.invalid"))


def test_docker_is_down_behind_ssh(tmp_path: Path) -> None:
    with serving(tmp_path, {"DOCKER_HOST": f"unix://{tmp_path}/none.sock"}) as sshd:
        said = refused(Reach(f"ssh://127.0.0.1:{sshd.port}", sshd.key, sshd.known_hosts))
    assert "the host answers, but its Docker engine does not" in said


def test_no_docker_command_behind_ssh(tmp_path: Path) -> None:
    with serving(tmp_path, {"PATH": "/nonexistent"}) as sshd:
        said = refused(Reach(f"ssh://127.0.0.1:{sshd.port}", sshd.key, sshd.known_hosts))
    assert "there is no `docker` command for that account" in said


# -- TLS ---------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def tls(engine: RealEngine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reach]:
    folder = tmp_path_factory.mktemp("tls")
    authority = make_authority(folder)
    client = folder_of(authority, folder / "client")
    with forwarding(engine.url, authority, "127.0.0.1") as port:
        yield Reach(f"tcp://127.0.0.1:{port}", tls=client)


def test_mutual_tls(tls: Reach, case: Case) -> None:
    talk(tls, case)


def test_tls_needs_all_three_files(tls: Reach, tmp_path: Path) -> None:
    assert "mutual TLS alone" in refused(replace(tls, tls=None))
    assert tls.tls
    for name in ("ca.pem", "cert.pem", "key.pem"):
        folder = Path(shutil.copytree(tls.tls, tmp_path / name))
        (folder / name).unlink()
        assert f"{name} is missing" in refused(replace(tls, tls=folder))


def test_a_client_of_another_authority_is_refused(tls: Reach, tmp_path: Path) -> None:
    assert tls.tls
    stranger = folder_of(make_authority(tmp_path), tmp_path / "client")
    (stranger / "ca.pem").write_bytes((tls.tls / "ca.pem").read_bytes())
    assert "the engine refused the client certificate" in refused(replace(tls, tls=stranger))


def test_an_engine_of_another_authority_is_not_believed(tls: Reach, tmp_path: Path) -> None:
    stranger = folder_of(make_authority(tmp_path), tmp_path / "client")
    assert "the engine's certificate is not believed" in refused(replace(tls, tls=stranger))


def test_certificate_and_key_that_do_not_belong_together(tls: Reach, tmp_path: Path) -> None:
    assert tls.tls
    mixed = Path(shutil.copytree(tls.tls, tmp_path / "mixed"))
    (mixed / "key.pem").write_bytes((folder_of(make_authority(tmp_path), tmp_path / "client") / "key.pem").read_bytes())
    assert re.search("cannot be used: .*mismatch", refused(replace(tls, tls=mixed)))


def test_a_name_that_the_certificate_lacks(engine: RealEngine, tmp_path: Path) -> None:
    authority = make_authority(tmp_path)
    with forwarding(engine.url, authority, "other.example") as port:
        reach = Reach(f"tcp://127.0.0.1:{port}", tls=folder_of(authority, tmp_path / "client"))
        assert "the engine's certificate is not believed" in refused(reach)


def test_nothing_listens_for_tls(tls: Reach) -> None:
    assert "cannot be reached" in refused(replace(tls, url="tcp://127.0.0.1:1"))
