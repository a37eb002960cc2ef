"""What differs and in which order, and making it so."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm.errors import HostError
from crm.plan import Event
from crmhost.sandbox.host import Sandbox
from playbooks.converge import apply, batches, changes, ordered
from playbooks.host import Host
from playbooks.kind import Resource
from playbooks.kinds.file import FileKind, FileWanted
from playbooks.kinds.folder import FolderKind, FolderWanted
from playbooks.kinds.link import LinkKind, LinkWanted
from playbooks.kinds.places import PlaceSeen
from playbooks.observe import observe
from playbooks.session import lock
from tests.support.hosts import reach

SALT = "00112233"


def folder(key: str, *needs: str) -> Resource:
    return Resource(FolderKind(), key, FolderWanted(), needs)


def file(key: str, content: bytes = b"text", *needs: str) -> Resource:
    return Resource(FileKind(SALT), key, FileWanted(content), needs)


RIGHT = PlaceSeen("folder", 0o700)


@given(st.data())
def test_needs_come_first(data: st.DataObject) -> None:
    count = data.draw(st.integers(1, 12))
    wanted = [
        folder(f"f{n}", *(f"folder:f{need}" for need in data.draw(st.sets(st.integers(0, n - 1))) if n))
        if n
        else folder("f0")
        for n in range(count)
    ]
    order = [resource.id for resource in ordered(data.draw(st.permutations(wanted)))]
    assert sorted(order) == sorted(resource.id for resource in wanted)
    assert all(order.index(need) < order.index(one.id) for one in wanted for need in one.needs)


def test_a_circle_and_a_double_are_refused() -> None:
    with pytest.raises(ValueError, match="resources need each other: folder:"):
        changes([folder("a", "folder:b"), folder("b", "folder:a")], {})
    with pytest.raises(ValueError, match="wanted twice"):
        changes([folder("a"), folder("a")], {})


def test_only_what_differs_is_a_change_and_what_depends_on_one_is_decided_later() -> None:
    wanted = [
        folder("a"),
        folder("a/b", "folder:a"),
        folder("a/b/c", "folder:a/b"),
        folder("d"),
        folder("e", "user:ann"),
    ]
    seen = {"folder:a/b": RIGHT, "folder:d": RIGHT}
    found = [(change.resource, change.later) for change in changes(wanted, seen)]
    assert found == [("folder:a", False), ("folder:e", False), ("folder:a/b/c", True)]
    assert changes([wanted[1], wanted[3]], seen) == ()


@pytest.mark.slow
def test_a_second_time_nothing_is_done(host: Host, box: Sandbox) -> None:
    wanted = [
        file("crm/a b\n'c\x1b", b"one", "folder:crm"),
        folder("crm"),
        Resource(FileKind(SALT), "crm/key", FileWanted(b"s3cret", 0o400, secret=True), ("folder:crm",)),
        Resource(LinkKind(), "crm/current", LinkWanted("a b"), ("folder:crm",)),
    ]
    events: list[Event] = []
    seen = observe(host, wanted).seen
    with lock(host, "acme", "deploy", "ann") as session:
        apply(session, wanted, seen, events.append)
        assert {event.state for event in events} == {"begin", "done"}
        assert len(events) == 2 * len(wanted)
        again = observe(host, wanted).seen
        assert changes(wanted, again) == ()
        apply(session, wanted, again, lambda event: pytest.fail(f"did {event}"))
        events.clear()
        apply(session, wanted, seen, events.append)
        assert {event.state for event in events} == {"begin", "same"}
    assert (box.home / "crm" / "key").read_bytes() == b"s3cret"


@pytest.mark.slow
def test_a_hand_edit_is_exactly_one_change(host: Host, box: Sandbox) -> None:
    wanted = [folder("crm"), *(file(f"crm/{n}", b"text", "folder:crm") for n in range(40))]
    with lock(host, "acme", "deploy", "ann") as session:
        apply(session, wanted, observe(host, wanted).seen, lambda _: None)
    (box.home / "crm" / "17").write_text("TEXT")
    assert [change.resource for change in changes(wanted, observe(host, wanted).seen)] == ["file:crm/17"]


@pytest.mark.slow
def test_a_failing_act_names_its_resource_and_what_it_said(host: Host, box: Sandbox) -> None:
    (box.home / "b").mkdir()
    wanted = [file("a"), file("b", b"text", "file:a"), file("c", b"text", "file:b")]
    events: list[Event] = []
    with lock(host, "acme", "deploy", "ann") as session:
        with pytest.raises(HostError, match="file:b failed with exit code 1: there is a folder in its place"):
            apply(session, wanted, observe(host, wanted).seen, events.append)
        assert [(event.subject, event.state) for event in events] == [
            ("file:a", "begin"), ("file:a", "done"), ("file:b", "begin"), ("file:b", "failed"),
        ]  # fmt: skip
        assert not (box.home / "c").exists()
        (box.home / "b").rmdir()
        apply(session, wanted, observe(host, wanted).seen, events.append)
    assert (box.home / "c").read_bytes() == b"text"


@pytest.mark.slow
def test_what_does_not_stay_as_it_was_made_is_named(tmp_path: Path) -> None:
    """A host whose `chmod` does nothing: the act succeeds, and asking again finds the difference."""
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "chmod").write_text("#!/bin/sh\n")
    (tools / "chmod").chmod(0o755)
    with Sandbox(tmp_path / "box", profile=f"PATH={tools}:$PATH") as box, reach(box) as host:
        (box.home / "crm").mkdir(mode=0o755)
        wanted = [folder("crm")]
        with (
            lock(host, "acme", "deploy", "ann") as session,
            pytest.raises(
                HostError, match="still not as it should be after it was made so: folder:crm: its mode differs"
            ),
        ):
            apply(session, wanted, observe(host, wanted).seen, lambda _: None)


def test_runs_of_one_account_are_batches_and_on_a_host_of_roots_all_are_one(host: Host) -> None:
    root = FolderKind(name="roots", account="root")
    due = [folder("a"), Resource(root, "b", FolderWanted()), Resource(root, "c", FolderWanted()), folder("d")]
    ids = ["folder:a", "roots:b", "roots:c", "folder:d"]
    assert [[todo.subject for todo in one] for one in batches(due, {}, root=True)] == [ids]
    assert [[todo.subject for todo in one] for one in batches(due, {}, root=False)] == [ids[:1], ids[1:3], ids[3:]]
    with pytest.raises(ValueError, match="roots:b: this host is asked as login, not as root"):
        observe(host, due)
