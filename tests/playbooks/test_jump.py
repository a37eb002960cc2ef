"""Reaching a host through jump hosts: real OpenSSH servers, each key pinned, each error names its host."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from crm.errors import HostError
from playbooks.connect import Stop, connect_through
from playbooks.keys import Phrase, Ring
from playbooks.kind import Put
from playbooks.known_hosts import pin
from playbooks.route import Place, Said, nothing_said, route
from playbooks.session import lock as hold
from playbooks.shell import Sh, sh
from tests.support.cable import Cable
from tests.support.jumps import ME, Chain, agent, chained, lock
from tests.support.sshd import make_key
from tests.support.until import until

pytestmark = pytest.mark.slow


@pytest.fixture
def chain(tmp_path: Path) -> Iterator[Chain]:
    """Return two jump hosts and the host behind them."""
    with chained(tmp_path, 3) as made:
        yield made


def always(_stop: Stop, _fingerprint: str) -> bool:
    return True


def never(stop: Stop, fingerprint: str) -> bool:
    raise AssertionError(f"asked about {stop.title}, {fingerprint}, which is pinned already")


def test_each_host_on_the_way_is_shown_and_pinned_in_order_and_then_trusted(chain: Chain) -> None:
    met: list[tuple[str, str]] = []

    def accept(stop: Stop, shown: str) -> bool:
        met.append((stop.title, shown))
        return True

    with chain.reach(accept) as host:
        assert host.ask(sh("echo $SSH_CONNECTION")).split()[3] == str(chain.servers[2].port).encode()
    one, two, three = (f"{ME}@127.0.0.1:{server.port}" for server in chain.servers)
    assert met == [
        (f"{one} (jump host 1 of 2 to {three})", chain.servers[0].fingerprint),
        (f"{two} (jump host 2 of 2 to {three})", chain.servers[1].fingerprint),
        (three, chain.servers[2].fingerprint),
    ]
    names = [line.split()[0] for line in chain.known.read_text().splitlines()]
    first, second, third = (f"[127.0.0.1]:{server.port}" for server in chain.servers)
    assert names == [first, f"{second}%{first}", f"{third}%{second}%{first}"]
    with chain.reach(never) as host:
        assert host.name == three
        assert host.ask(sh("echo hi")) == b"hi\n"


def test_a_large_answer_and_a_file_pass_through_both(chain: Chain, tmp_path: Path) -> None:
    with chain.reach(always) as host:
        assert len(host.ask(sh("head -c 1000000 /dev/zero"))) == 1_000_000
        host.put([Put("a", bytes(300_000))], str(tmp_path / "staging"))
    assert (tmp_path / "staging" / "a").stat().st_size == 300_000


def test_an_unknown_key_at_a_jump_host_ends_the_way_there(chain: Chain) -> None:
    second = chain.servers[1]
    with pytest.raises(HostError) as caught:
        chain.reach(lambda stop, _: stop.address.port != second.port)
    third = chain.servers[2].port
    assert caught.value.what == (
        f"{ME}@127.0.0.1:{second.port} (jump host 2 of 2 to {ME}@127.0.0.1:{third}): its key {second.fingerprint} "
        "is not known, and was not accepted"
    )
    assert len(chain.known.read_text().splitlines()) == 1


def test_a_changed_key_at_the_second_jump_host_is_named_with_it(chain: Chain) -> None:
    stops = chain.way()
    pin(chain.known, stops[1].pinned, "ssh-ed25519", b"another key")
    before = chain.known.read_text()
    with pytest.raises(HostError) as caught:
        chain.reach(always)
    assert caught.value.what.startswith(f"{stops[1].title}: the host key changed: {chain.servers[1].fingerprint} was")
    assert f"is pinned in {chain.known}:1" in caught.value.what
    assert before in chain.known.read_text()
    assert "host3" not in (chain.servers[2].folder / "log").read_text()


@pytest.mark.parametrize("hop", [0, 1, 2])
def test_a_refused_key_is_named_with_its_host(chain: Chain, tmp_path: Path, hop: int) -> None:
    shutil.copy(make_key(tmp_path / "other").with_suffix(".pub"), chain.servers[hop].folder / "authorized_keys")
    with pytest.raises(HostError) as caught:
        chain.reach(always)
    title = chain.way()[hop].title
    assert caught.value.what == f"{title}: the host refused the log-in of {ME!r}; keys offered: {chain.key}"


def test_a_host_that_is_down_behind_the_jump_hosts(chain: Chain) -> None:
    with Cable(chain.servers[2].port) as unused:
        closed = unused.port
    first, second = (server.port for server in chain.servers[:2])
    with pytest.raises(HostError) as caught:
        chain.reach(always, first, second, closed)
    assert caught.value.what.startswith(
        f"{ME}@127.0.0.1:{closed}: {ME}@127.0.0.1:{second} cannot connect to 127.0.0.1, port {closed}: "
    )
    assert "target.host" in caught.value.remedy


def test_a_jump_host_that_passes_nothing_on(tmp_path: Path) -> None:
    with chained(tmp_path, 2) as chain:
        line = (chain.servers[0].folder / "client.pub").read_text()
        (chain.servers[0].folder / "authorized_keys").write_text(f"no-port-forwarding {line}")
        with pytest.raises(HostError) as caught:
            chain.reach(always)
    assert f"{chain.way()[0].title}: passes no connection on to 127.0.0.1, port {chain.servers[1].port}" in str(
        caught.value
    )
    assert "AllowTcpForwarding" in caught.value.remedy


@pytest.mark.parametrize("hop", [0, 1])
def test_a_jump_host_that_dies_in_mid_work_is_named_and_running_again_resumes(
    chain: Chain, tmp_path: Path, hop: int
) -> None:
    ports = [server.port for server in chain.servers]
    with Cable(ports[hop]) as cable:
        ports[hop] = cable.port
        title = chain.way(nothing_said, *ports)[hop].title
        began = tmp_path / "began"
        with chain.reach(always, *ports) as host:

            def cut_once_it_runs() -> None:
                until(began.exists, "it runs")
                cable.cut()

            threading.Thread(target=cut_once_it_runs, daemon=True).start()
            with pytest.raises(HostError) as caught:
                host.ask(sh("touch {began}; sleep 20", began=str(began)))
            assert (
                caught.value.what
                == f"{host.name}: the connection was lost at {title}, on the way to it: it was cut off"
            )
            assert caught.value.remedy.startswith("Run the same command again")
            with pytest.raises(HostError, match=r"the connection was lost at .*jump host"):
                host.ask(sh("echo hi"))
        with chain.reach(never, *ports) as host:
            assert host.ask(sh("test -e {began} && echo kept", began=str(began))) == b"kept\n"


def test_under_the_lock_the_jump_host_is_named_too(chain: Chain) -> None:
    ports = [server.port for server in chain.servers]
    with Cable(ports[1]) as cable, chain.reach(always, ports[0], cable.port, ports[2]) as host:
        assert host.home == str(chain.servers[2].folder)
        with hold(host, "acme", "a test", "me") as session:
            cable.cut()
            with pytest.raises(HostError, match=r"the connection was lost at .*jump host 2 of 2"):
                session.run("slow", Sh("sleep 20"), safe=True)


def test_a_key_with_a_passphrase_opens_every_host_and_is_asked_for_once(chain: Chain) -> None:
    lock(chain.key, "horse battery")
    asked: list[Path] = []

    def phrases(key: Path) -> Iterator[Phrase]:
        asked.append(key)
        yield Phrase("the first try", "wrong")
        yield Phrase("the second try", "horse battery")

    with chain.reach(always, ring=Ring(phrases)) as host:
        assert host.ask(sh("echo hi")) == b"hi\n"
    assert asked == [chain.key]


def test_a_wrong_passphrase_says_where_it_came_from_and_not_what_it_was(chain: Chain) -> None:
    lock(chain.key, "horse battery")
    with pytest.raises(HostError) as caught:
        chain.reach(always, ring=Ring(lambda _: [Phrase("CRMHOST_SSH_PASSPHRASE", "correct staple")]))
    assert caught.value.what == f"{chain.key}: the passphrase from CRMHOST_SSH_PASSPHRASE does not open it"
    assert "staple" not in str(caught.value)


@pytest.mark.parametrize("beside", [True, False], ids=["with its public half", "without"])
def test_a_key_with_a_passphrase_that_the_agent_holds_is_not_asked_for(
    chain: Chain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, beside: bool
) -> None:
    with agent(tmp_path, make_key(tmp_path / "strange"), chain.key) as socket:
        lock(chain.key, "horse battery")
        if not beside:
            chain.key.with_suffix(".pub").unlink()
        monkeypatch.setenv("SSH_AUTH_SOCK", str(socket))
        with chain.reach(always) as host:
            assert host.ask(sh("echo hi")) == b"hi\n"


def test_without_a_named_key_the_agents_are_offered_at_every_host(
    chain: Chain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with agent(tmp_path, chain.key) as socket:
        monkeypatch.setenv("SSH_AUTH_SOCK", str(socket))
        way = route(chain.place(), nothing_said, None, ME)
        with connect_through(way, chain.known, ring=Ring(home=tmp_path), accept=always) as host:
            assert host.ask(sh("echo hi")) == b"hi\n"


def test_default_keys_are_offered_and_those_with_a_passphrase_last(chain: Chain, tmp_path: Path) -> None:
    (tmp_path / ".ssh").mkdir()
    make_key(tmp_path / ".ssh" / "id_rsa")  # the name is all that counts
    shutil.copy(chain.key, tmp_path / ".ssh" / "id_ed25519")
    lock(tmp_path / ".ssh" / "id_ed25519", "horse battery")
    way = route(chain.place(), nothing_said, None, ME)
    ring = Ring(lambda _: [Phrase("a test", "horse battery")], home=tmp_path)
    with connect_through(way, chain.known, ring=ring, accept=always) as host:
        assert host.ask(sh("echo hi")) == b"hi\n"
    with pytest.raises(HostError) as caught:
        connect_through(way, chain.known, ring=Ring(home=tmp_path), accept=always)
    assert caught.value.what.endswith(
        f"keys offered: {tmp_path}/.ssh/id_rsa; left out: {tmp_path}/.ssh/id_ed25519 (the key has a passphrase)"
    )


def test_each_host_has_its_own_key_where_the_configuration_names_one(chain: Chain, tmp_path: Path) -> None:
    own = make_key(tmp_path / "own")
    shutil.copy(own.with_suffix(".pub"), chain.servers[1].folder / "authorized_keys")
    one, two, three = (server.port for server in chain.servers)

    def says(host: str) -> Said:
        said = {
            "web": Said("127.0.0.1", port=three, jump=("inner",)),
            "inner": Said("127.0.0.1", ME, two, (tmp_path / "absent", own), only=True, jump=("outer",), pinned="inner"),
            "outer": Said("127.0.0.1", ME, one),
        }
        return said[host]

    way = route(Place(ME, "web"), says, chain.key, ME)
    with connect_through(way, chain.known, ring=Ring(), accept=always) as host:
        assert host.ask(sh("echo hi")) == b"hi\n"
    assert [line.split()[0] for line in chain.known.read_text().splitlines()] == [
        f"[127.0.0.1]:{one}",
        "inner",
        f"[127.0.0.1]:{three}%inner%[127.0.0.1]:{one}",
    ]
