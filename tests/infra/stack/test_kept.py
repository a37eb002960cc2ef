"""What is kept of a stack on this machine: its work folder, its sealed secrets, Pulumi's files and their copies."""

import json
import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from crm.errors import CrmhostError, HostError, Refused
from infra.backend import StateDamaged, StateFiles, files_of, locks_in, unfinished
from infra.byhand import given_passphrase, refuse_another_version
from infra.command import Bounded
from infra.engine.reach import Reach
from infra.recovery import failed_once, protected
from infra.runner import handed_on
from infra.sealed import seal, unseal
from infra.stack import retired, same_host
from infra.torn import mend
from infra.workfolder import Recorded, WorkFolder
from tests.support.rollouts import NEW, OLD, rollout
from tests.support.stacks import PASSPHRASE

RECORDED = Recorded('{"version":1}', Reach("ssh://deploy@host.example", Path("/key"), Path("/known")), "sealed")
WHOLE = b'{"version": 3, "checkpoint": {"stack": "x", "latest": {"resources": []}}}'


def test_what_is_sealed_is_read_again_by_the_same_passphrase_and_stack_alone() -> None:
    sealed = seal(PASSPHRASE, "acme", "the secret")
    assert "secret" not in sealed
    assert sealed != seal(PASSPHRASE, "acme", "the secret")
    assert unseal(PASSPHRASE, "acme", sealed) == "the secret"
    for passphrase, stack, text in (
        (PASSPHRASE[::-1], "acme", sealed),
        (PASSPHRASE, "other", sealed),
        (PASSPHRASE, "acme", sealed[:-8] + "AAAAAAA="),
        (PASSPHRASE, "acme", "junk"),
    ):
        with pytest.raises(CrmhostError, match="does not open what is recorded"):
            unseal(passphrase, stack, text)


def test_a_passphrase_that_could_be_guessed_is_refused() -> None:
    with pytest.raises(Refused, match="has 6 characters, so it could be guessed"):
        seal("secret", "acme", "text")


def test_a_work_folder_keeps_what_is_recorded_beside_pulumis_own_lines(tmp_path: Path) -> None:
    folder = WorkFolder(tmp_path / "pulumi" / "acme", "acme", "file:///fleet/.crmhost/state")
    assert folder.read() is None
    folder.prepare()
    folder.configuration.write_text("encryptionsalt: v1:abc=:v1:def\nconfig:\n  crmhost:other: mine\n")
    folder.write(RECORDED)
    assert folder.read() == RECORDED
    kept = json.loads(folder.configuration.read_text())
    assert kept["encryptionsalt"] == "v1:abc=:v1:def"
    assert kept["config"]["crmhost:other"] == "mine"
    assert folder.configuration.stat().st_mode & 0o077 == 0
    before = folder.configuration.stat().st_mtime_ns
    folder.write(RECORDED)
    folder.prepare()
    assert folder.configuration.stat().st_mtime_ns == before
    folder.remove()
    assert not folder.path.exists()


@pytest.mark.parametrize("text", ["{", "config: [", '{"config": {"crmhost:rollout": "x"}}'])
def test_a_configuration_that_crmhost_did_not_write_is_one_error(tmp_path: Path, text: str) -> None:
    folder = WorkFolder(tmp_path, "acme", "file:///state")
    folder.configuration.write_text(text)
    with pytest.raises(CrmhostError, match=r"Pulumi\.acme\.yaml: ") as error:
        folder.read()
    assert error.value.remedy


def files(tmp_path: Path) -> StateFiles:
    found = files_of(f"file://{tmp_path}", "acme")
    assert found is not None
    found.state.parent.mkdir(parents=True)
    return found


def test_only_a_folder_of_this_machine_has_files() -> None:
    assert files_of("s3://bucket/prefix", "acme") is None
    found = files_of("file:///a%20b", "acme")
    assert found is not None
    assert str(found.state) == "/a b/.pulumi/stacks/crmhost/acme.json"


@pytest.mark.parametrize("damaged", [b"", WHOLE[:40], b"{}", b"[]", b"\0\0\0"])
def test_a_damaged_state_becomes_the_newest_whole_copy(tmp_path: Path, damaged: bytes) -> None:
    found = files(tmp_path)
    found.state.write_bytes(damaged)
    with pytest.raises(StateDamaged):
        found.read()
    found.history.mkdir(parents=True)
    for number, content in (("1", WHOLE), ("2", WHOLE.replace(b'"x"', b'"y"')), ("3", b"")):
        (found.history / f"acme-{number}.checkpoint.json").write_bytes(content)
    assert mend(found) == ("the state acme.json was damaged and is now what acme-2.checkpoint.json held",)
    assert found.read() == {"resources": []}
    assert found.state.with_name("acme.json.damaged").read_bytes() == damaged
    assert mend(found) == ()


def test_a_copy_beside_the_state_is_newer_than_the_history(tmp_path: Path) -> None:
    found = files(tmp_path)
    found.state.write_bytes(b"")
    found.previous.write_bytes(WHOLE)
    assert mend(found) == ("the state acme.json was damaged and is now what acme.json.bak held",)


def test_without_a_whole_copy_it_says_so(tmp_path: Path) -> None:
    found = files(tmp_path)
    found.state.write_bytes(b"")
    with pytest.raises(CrmhostError, match="is damaged, and so is every copy") as error:
        mend(found)
    assert "backup" in error.value.remedy


def test_what_a_kill_left_unfinished_beside_a_file_is_removed(tmp_path: Path) -> None:
    found = files(tmp_path)
    found.state.write_bytes(WHOLE)
    whole, cut = (found.state.with_name(f"acme.json{name}.attrs") for name in ("", ".bak"))
    whole.write_text('{"user.content_type": "x"}')
    cut.write_text("")
    assert mend(found) == ("removed the unfinished acme.json.bak.attrs",)
    assert whole.exists()
    assert not cut.exists()


def test_a_stack_that_was_removed_is_not_brought_back_from_its_copy(tmp_path: Path) -> None:
    found = files(tmp_path)
    found.previous.write_bytes(WHOLE)
    assert not found.exists()
    assert mend(found) == ()
    assert found.read() is None


def test_locks_are_read_from_files_and_from_what_pulumi_says(tmp_path: Path) -> None:
    found = files(tmp_path)
    found.locks.mkdir(parents=True)
    content = {"pid": 4711, "username": "me", "hostname": "here", "timestamp": "2026-10-03T12:00:00.123456789+00:00"}
    (found.locks / "a.json").write_text(json.dumps(content))
    (found.locks / "b.json").write_text("")
    one, torn = found.held()
    assert (one.pid, one.user, one.host) == (4711, "me", "here")
    assert one.since == datetime(2026, 10, 3, 12, 0, 0, 123456, tzinfo=UTC)
    assert torn.pid == 0
    said = (
        "error: the stack is currently locked by 1 lock(s). Either wait for the other process(es) to end or delete the"
        " lock file with `pulumi cancel`.\n"
        "  s3://bucket/.pulumi/locks/organization/crmhost/acme/b7.json: created by me@here (pid 4711)"
        " at 2026-10-03T12:00:00Z\n"
    )
    (lock,) = locks_in(said)
    assert (lock.pid, lock.user, lock.host, lock.since) == (4711, "me", "here", datetime(2026, 10, 3, 12, tzinfo=UTC))


CONTAINER = "docker:index/container:Container"
DEPLOYMENT = {
    "resources": [
        {"urn": f"a::{CONTAINER}::crmhost-acme-{OLD.tag}-web", "type": CONTAINER, "protect": True, "inputs": {}},
        {"urn": f"a::{CONTAINER}::crmhost-acme-{NEW.tag}-web", "type": CONTAINER, "protect": True, "inputs": {}},
        {"urn": "a::V::crmhost-acme-data", "type": "docker:index/volume:Volume", "protect": True},
        {"urn": "a::C::once", "type": CONTAINER, "inputs": {"attach": True}, "outputs": {"exitCode": 3}},
        {"urn": "a::C::well", "type": CONTAINER, "inputs": {"attach": True}, "outputs": {"exitCode": 0}},
    ],
    "pending_operations": [
        {"type": "creating", "resource": {"type": CONTAINER, "urn": "x::y", "inputs": {"name": "crmhost-acme-db"}}},
        {"type": "deleting", "resource": {"type": CONTAINER, "urn": "x::z"}},
    ],
}


def test_what_was_left_in_the_middle_is_read_from_the_state() -> None:
    assert unfinished(DEPLOYMENT) == (("creating", CONTAINER, "crmhost-acme-db"), ("deleting", CONTAINER, "z"))
    assert unfinished({}) == ()


def test_what_must_be_freed_or_made_anew_is_read_from_the_state() -> None:
    assert len(protected(DEPLOYMENT)) == 3
    assert len(protected(DEPLOYMENT, containers_only=True)) == 2
    assert retired(DEPLOYMENT, rollout(NEW, serving=NEW)) == (f"a::{CONTAINER}::crmhost-acme-{OLD.tag}-web",)
    assert retired(DEPLOYMENT, rollout(OLD, NEW, serving=OLD)) == ()
    assert failed_once(DEPLOYMENT) == ("a::C::once",)


def test_pulumi_is_not_led_astray_by_the_environment() -> None:
    given = {
        "PATH": "/bin",
        "SSH_AUTH_SOCK": "/agent",
        "AWS_PROFILE": "x",
        "DOCKER_CONTEXT": "production",
        "DOCKER_HOST": "tcp://production",
        "PULUMI_CONFIG_PASSPHRASE_FILE": "/other",
        "PULUMI_BACKEND_URL": "s3://other",
        "CRMHOST_AGE_KEY": "AGE-SECRET-KEY-1",
    }
    assert set(handed_on(given)) == {"PATH", "SSH_AUTH_SOCK", "AWS_PROFILE"}


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("ssh://a@host", "ssh://b@host", True),
        ("ssh://a@host", "ssh://a@host:2222", False),
        ("ssh://a@host", "tcp://host:2376", False),
        ("unix:///run/a.sock", "unix:///run/b.sock", False),
        ("unix:///run/a.sock", "unix:///run/a.sock", True),
    ],
)
def test_whether_two_addresses_are_of_one_host(one: str, other: str, same: bool) -> None:
    assert same_host(Reach(one), Reach(other)) is same


def test_by_hand_a_version_that_only_a_deploy_can_bring_is_refused() -> None:
    held = rollout(OLD, serving=OLD)
    refuse_another_version(held, None)
    refuse_another_version(held, OLD.release.version)
    with pytest.raises(Refused, match=r"orders 2\.8\.6, the stack was last asked to hold 2\.8\.5") as error:
        refuse_another_version(held, "2.8.6")
    assert error.value.remedy == "use `crmhost deploy acme`"


def test_by_hand_the_passphrase_comes_from_pulumis_own_variables(tmp_path: Path) -> None:
    (tmp_path / "p").write_text("from a file\n")
    assert given_passphrase({"PULUMI_CONFIG_PASSPHRASE": "x"}) == "x"
    assert given_passphrase({"PULUMI_CONFIG_PASSPHRASE_FILE": str(tmp_path / "p")}) == "from a file"
    with pytest.raises(CrmhostError, match="passphrase is missing"):
        given_passphrase({})


@pytest.mark.parametrize(
    ("said", "what"), [("v3.100.0", "is version 3.100.0"), ("v4.0.0", "is version"), ("", "(none)")]
)
def test_a_pulumi_that_does_not_suit_is_one_error(tmp_path: Path, said: str, what: str) -> None:
    program = tmp_path / "pulumi"
    program.write_text(f"#!/bin/sh\necho {said}\n")
    program.chmod(0o755)
    with pytest.raises(HostError) as error:
        Bounded(tmp_path, os.environ)
    assert what in error.value.what
    assert "crmhost doctor" in error.value.remedy


def test_a_pulumi_that_is_not_there_is_one_error(tmp_path: Path) -> None:
    with pytest.raises(HostError, match="cannot be run"):
        Bounded(tmp_path, os.environ)
