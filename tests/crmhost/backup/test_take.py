"""A backup goes back only to a release whose database it fits, and is made only when its keys are at hand."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from crm.backup import Snapshot
from crm.errors import CrmhostError, HostError, Refused
from crm.plan import Event, Release, Want
from crm.recipe import Exec, Recorded, Secret, Step
from crmhost.backup.scratch import check_apart, copy_of, letting_in
from crmhost.backup.take import fitting, require_keys, restore, take
from crmhost.sequence import Means
from crmhost.vault import Vault
from crmhost.want import Order
from tests.crmhost.backup.conftest import HELD, NEW, OLD, keys
from tests.support.backups import open_backups
from tests.support.smallapp.recipe import RECIPE
from tests.support.standin import OLD as ONE
from tests.support.standin import Target, broken, wants

SNAPSHOT = Snapshot("acme-1", "acme", OLD, 1, "asked", 1, "", HELD)
NEWER = replace(OLD, version="1.1", config="c" * 64)


@pytest.mark.parametrize(
    ("kept", "serving", "expected"),
    [
        ((OLD,), OLD, OLD),
        ((NEWER, OLD), NEWER, NEWER),  # of the same schema: what serves stays
        ((NEW, OLD), NEW, OLD),
        ((NEW, NEWER), NEW, NEWER),  # the release before has the schema, though another version made the backup
    ],
)
def test_it_goes_to_the_release_that_serves_or_else_to_one_that_is_kept(
    kept: tuple[Release, ...], serving: Release, expected: Release
) -> None:
    assert fitting(SNAPSHOT, kept, serving.id, "acme") == expected


@pytest.mark.parametrize("kept", [(), (NEW,), (replace(OLD, recipe="other"),)])
def test_it_is_refused_where_none_has_its_schema(kept: tuple[Release, ...]) -> None:
    with pytest.raises(Refused, match=r"acme-1 is of small-1\.0-a+ \(schema 1\)") as caught:
        fitting(SNAPSHOT, kept, NEW.id, "acme")
    assert "crm.version: 1.0" in caught.value.remedy


@pytest.mark.parametrize("keep", [True, False])
def test_all_that_a_restore_takes_its_time_for_is_told(tmp_path: Path, keep: bool) -> None:
    target, shelf, events = _serving(), open_backups(tmp_path, "acme"), list[Event]()
    means = Means(events.append, lambda _: None, sure=lambda _: True)
    snapshot = take(target, wants("1.0"), shelf, "asked", means)
    events.clear()
    assert restore(target, wants("1.0"), shelf, snapshot, means, keep=keep).did == "restored"
    first = [("switch", "maintenance page on"), ("backup", "acme")]
    assert [(event.phase, event.subject) for event in events if event.state == "done"] == [
        ("backup", snapshot.id), ("lock", f"restore {snapshot.id}"), *(first if keep else ()),
        ("switch", "maintenance page on"), ("stage", ONE.id), ("backup", snapshot.id), ("gate", ONE.id),
        ("switch", ONE.id), ("switch", "maintenance page off"), ("retire", ONE.id),
        ("journal", f"restore {snapshot.id}"),
    ]  # fmt: skip
    assert all(event.seconds is not None for event in events if event.state == "done")


def test_customers_are_let_in_again_when_what_is_there_could_not_be_kept_first(tmp_path: Path) -> None:
    target, shelf, events = _serving(), open_backups(tmp_path, "acme"), list[Event]()
    means = Means(events.append, lambda _: None, sure=lambda _: True)
    snapshot = take(target, wants("1.0"), shelf, "asked", means)
    broken(target, "dump", HostError("disk full"))
    events.clear()
    with pytest.raises(HostError, match="could not be backed up first: disk full"):
        restore(target, wants("1.0"), shelf, snapshot, means, keep=True)
    assert not target.closed
    told = [(event.subject, event.state) for event in events if event.phase == "switch"]
    assert told == [(f"maintenance page {way}", state) for way in ("on", "off") for state in ("begin", "done")]


def _serving() -> Target:
    return Target([ONE], ONE.id, running=ONE, done={"schema>1.0", "seed>1.0"})


def test_no_backup_is_made_without_the_keys_that_it_needs(tmp_path: Path) -> None:
    who = keys(tmp_path, "linh")
    vault = Vault(tmp_path / "secrets", who.recipients, who.environment)
    want = Want("acme", RECIPE, "1.0", {}, {})
    with pytest.raises(CrmhostError, match="no secret 'secret-key', which encrypts what the backup would hold"):
        require_keys(vault, want)
    vault.set("acme", "secret-key", "it")
    require_keys(vault, want)


def test_a_copy_has_names_of_its_own_and_no_address_that_anybody_resolves() -> None:
    order = Order(contract="acme", file="", recipe="small", version="2.0", kind="cloud", slots={"language": "vi"})
    lan = '{"firewall": {"ssh": ["10.0.0.0/8"], "web": []}, "tls": "own"}'
    url = {"host": "crm.acme.example", "url": "https://crm.acme.example"}
    copy = copy_of(replace(order, slots={**order.slots, **url}, lan=lan), "1.0")
    assert copy.lan == '{"firewall": null, "opens": false, "tls": "own"}'
    assert (copy.contract, copy.version) == ("acme_try", "1.0")
    assert copy.slots == {"language": "vi", "host": "acme.scratch.invalid", "url": "http://acme.scratch.invalid"}
    assert copy.site == "https://crm.acme.example"


def test_a_copy_has_the_second_database_that_the_host_gave_and_never_the_customers() -> None:
    own = {"dbhost": "localhost", "dbport": "3306", "dbname": "acme_crm", "dbuser": "acme_crm", "url": "https://acme"}
    tried = {"dbhost": "db8.web.example", "dbport": "3307", "dbname": "acme_crm", "dbuser": "acme_try"}
    order = Order("acme", "acme.yaml", "small", "2.0", "webhost", own, database="mysql", scratch=tried)
    copy = copy_of(order, "1.0")
    assert {key: copy.slots[key] for key in tried} == tried
    assert (copy.contract, copy.copied, copy.scratch) == ("acme_try", "acme", {})
    check_apart(order, copy)
    for same in (own, {**tried, "dbhost": "127.0.0.1"}):
        with pytest.raises(Refused, match=r"acme\.yaml: target\.database\.scratch: acme_crm on .* customer works"):
            check_apart(order, copy_of(replace(order, scratch=same), "1.0"))
    with pytest.raises(Refused, match="the only one that the host gave") as refused:
        copy_of(replace(order, scratch={}), "1.0")
    assert "crmhost secrets set acme scratch-database-password" in refused.value.remedy


def test_a_copy_gives_its_administrator_a_password_and_repeats_nothing_else() -> None:
    assert [step.name for step in letting_in(RECIPE)] == ["admin"]
    assert all(isinstance(step.done, Recorded) for step in letting_in(RECIPE))
    told = Exec(("x",), stdin=(Secret("admin-password"),))
    once = Step("once", "admin", (told,), Recorded(), ok="", again="never")
    assert letting_in(replace(RECIPE, steps=(once,))) == ()
