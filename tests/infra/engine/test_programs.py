"""One-shot containers, programs in containers that are up, files in both and in volumes; and what one look shows."""

import io
from collections.abc import Iterator
from typing import BinaryIO, cast

import pytest

from crm.errors import HostError, LockHeld
from infra import naming
from infra.engine.files import Volume
from infra.engine.run import Bind, create
from infra.engine.stream import OutOfTime
from tests.infra.engine.conftest import Case

pytestmark = pytest.mark.slow


@pytest.fixture
def sleeper(case: Case) -> Iterator[str]:
    """Return a container that is up, with a volume at /data."""
    case.host.make_volume(naming.data(case.contract), naming.labels(case.contract, "data"))
    binds = (Bind(naming.data(case.contract), "/data"),)
    made = create(case.host.client, case.one_shot("sleep", "300", name="web", binds=binds))
    case.host.start(made)
    yield naming.process(case.contract, "x", "web").replace("-x-", "-")
    case.host.remove(made)


def test_a_one_shot_has_no_rights_and_leaves_nothing(case: Case) -> None:
    said = case.host.run(case.one_shot("sh", "-c", "id -u; grep CapBnd /proc/self/status; touch /x; exit 3"))
    assert said.code == 3
    assert said.stdout.decode().split() == ["10001", "CapBnd:", "0000000000000000"]
    assert b"Read-only file system" in said.stderr
    # The engine carries two pipes, and promises no order between them: only that nothing is lost or said twice.
    assert sorted(said.both) == sorted(said.stdout + said.stderr)
    assert not case.host.seen(case.contract).containers


def test_a_one_shot_that_is_kept_can_be_asked_for_its_end_by_another(case: Case) -> None:
    step = case.one_shot("sh", "-c", "cat; echo done", name="step", keep=True)
    assert case.host.run(step, stdin=b"in ").text == "in done\n"
    again = case.host.finish(step.name)
    assert (again.code, again.text, again.said) == (0, "in done\n", "in done")
    with pytest.raises(LockHeld, match="one is exited already"):
        case.host.run(step)


def test_a_one_shot_out_of_time_is_ended(case: Case) -> None:
    with pytest.raises(OutOfTime, match="did not end within 1 s, so it was ended"):
        case.host.run(case.one_shot("sleep", "60"), timeout=1)
    assert not case.host.seen(case.contract).containers


def test_what_a_dead_one_left_gives_way_unless_it_runs(case: Case) -> None:
    spec = case.one_shot("echo", "x")
    create(case.host.client, spec)
    assert case.host.run(spec).said == "x"
    case.host.start(create(case.host.client, case.one_shot("sleep", "60")))
    with pytest.raises(LockHeld, match="one is running already"):
        case.host.run(spec)


def test_programs_in_a_container(case: Case, sleeper: str) -> None:
    said = case.host.execute(sleeper, ["sh", "-c", 'cat; echo "$X" >&2; exit 4'], stdin=b"in", env={"X": "y"})
    assert (said.code, said.stdout, said.stderr) == (4, b"in", b"y\n")
    assert case.host.execute(sleeper, ["id", "-u"], user="0").said == "0"
    assert case.host.execute(sleeper, ["true"], stdin=bytes(1_000_000)).code == 0  # never read
    assert case.host.execute(sleeper, ["no-such-program"]).code in {126, 127}
    with pytest.raises(OutOfTime, match="sleep did not end"):
        case.host.execute(sleeper, ["sleep", "30"], timeout=0.2)


def test_what_breaks_on_our_side_is_not_taken_for_an_end(case: Case, sleeper: str) -> None:
    class Broken(io.RawIOBase):
        def read(self, _: int = -1) -> bytes:
            raise OSError("the disk is gone")

        def write(self, _: object) -> int:
            raise OSError("the disk is full")

    broken = cast(BinaryIO, Broken())
    with pytest.raises(HostError, match="input broke off: the disk is gone"):
        case.host.stream_in(sleeper, ["cat"], broken)
    with pytest.raises(HostError, match="could not be written here: the disk is full"):
        case.host.stream_out(sleeper, ["echo", "x"], broken)


def test_files(case: Case, sleeper: str) -> None:
    volume = Volume(naming.data(case.contract))
    case.host.put(volume, "/", {"deep/er/file": b"secret", "other": b""}, mode=0o640)
    assert case.host.get(volume, "/deep/er/file") == case.host.get(sleeper, "/data/deep/er/file") == b"secret"
    assert case.host.get(volume, "/none") is None
    case.host.put(sleeper, "/data/deep", {"own": b"x"}, uid=0)
    assert case.host.execute(sleeper, ["stat", "-c", "%a %u %n", "/data/deep/er/file", "/data/deep/own"]).said == (
        "640 10001 /data/deep/er/file\n600 0 /data/deep/own"
    )
    assert {name.rpartition("-")[2] for name in case.host.seen(case.contract).containers} == {"web"}


def test_one_look_shows_everything_of_a_contract(case: Case, sleeper: str) -> None:
    client = case.host.client
    client.create_network(naming.network(case.contract), internal=True, labels=naming.labels(case.contract, "network"))
    case.host.disconnect_network(sleeper, "none")
    case.host.connect_network(sleeper, naming.network(case.contract), ["a.crm.example"])
    client.pause(sleeper)
    seen = case.host.seen(case.contract)
    (container,) = seen.containers.values()
    assert (container.state, container.running, container.user, container.read_only) == (
        "paused",
        False,
        "10001:10001",
        True,
    )
    assert container.memory == container.memory_swap == 512 * 2**20
    assert container.nano_cpus == 10**9
    assert container.networks == {naming.network(case.contract): {"a.crm.example"}}
    assert container.dropped == {"ALL"}
    assert [(mount.path, mount.read_only) for mount in container.mounts] == [("/data", False)]
    assert list(seen.volumes) == [naming.data(case.contract)]
    assert seen.networks[naming.network(case.contract)].internal
    case.host.unpause(sleeper)
    case.host.stop(sleeper, 0)
    assert (now := case.host.container(sleeper))
    assert now.state == "exited"


def test_what_is_not_there(case: Case) -> None:
    case.host.stop("crmhost-none")
    case.host.remove("crmhost-none")
    case.host.remove_volume("crmhost-none")
    case.host.remove_network("crmhost-none")
    assert case.host.container("crmhost-none") is None
    with pytest.raises(HostError, match="No such container"):
        case.host.execute("crmhost-none", ["true"])
    with pytest.raises(HostError, match=r"no\.such/image:1: the host has no such image"):
        case.host.image_id("no.such/image:1")
    assert case.host.image_id(case.image) == case.image
