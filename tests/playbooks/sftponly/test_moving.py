"""Upgrades across schemas, backups and restores on a real web host that gives SFTP alone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from crm import maintenance
from crm.backup import Snapshot
from crm.errors import CrmhostError, HostError, Refused
from crm.plan import Event
from crmhost import deploy
from crmhost.backup.shelf import Shelf
from crmhost.backup.take import restore, take
from crmhost.deploy import Destroy, Outcome
from crmhost.public import check
from crmhost.sequence import Means
from tests.playbooks.sftponly.test_walk import OURS, deployed, left_over, logged_in, page
from tests.support.backups import open_backups
from tests.support.memo.recipe import Archives, memo_want
from tests.support.sftphost import SftpHost
from tests.support.sftpreaders import asked

pytestmark = pytest.mark.slow
UPLOAD = f"{OURS}/data/uploads/letter.txt"


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return open_backups(tmp_path, "acme")


def means(host: SftpHost, shelf: Shelf, progress: Callable[[Event], None] = lambda _: None) -> Means:
    return Means(progress, lambda want: check(want, host.door, patience=3.0), lambda: shelf, sure=lambda _: True)


def upgraded(host: SftpHost, archives: Archives, shelf: Shelf, version: str = "2.0") -> Outcome:
    with host.driver(archives) as driver:
        return deploy.deploy(driver, memo_want(version), means(host, shelf), confirm=lambda _: True)


def backed_up(host: SftpHost, archives: Archives, shelf: Shelf, version: str = "1.0") -> Snapshot:
    with host.driver(archives) as driver:
        return take(driver, memo_want(version), shelf, "asked", means(host, shelf))


def restored(host: SftpHost, archives: Archives, shelf: Shelf, snapshot: Snapshot, version: str = "1.0") -> Outcome:
    with host.driver(archives) as driver:
        return restore(driver, memo_want(version), shelf, snapshot, means(host, shelf), keep=True)


def changes(host: SftpHost, archives: Archives, version: str) -> list[str]:
    with host.driver(archives) as driver:
        return [change.resource for change in driver.plan(memo_want(version)).changes]


def written(host: SftpHost, text: str) -> None:
    assert host.site.post("/index.php", {"do": "write", "text": text}).status == 200


def memos(host: SftpHost) -> list[str]:
    return host.run("mariadb -N acme -e 'select text from memos order by id'").splitlines()


def titled(host: SftpHost) -> list[str]:
    return host.run("mariadb -N acme -e 'select title, text from memos order by id'").splitlines()


def customers(host: SftpHost, archives: Archives) -> None:
    """Deploy the first version, and let customers write."""
    deployed(host, archives)
    written(host, "first memo")
    host.run(f"echo dear >{UPLOAD}; chown acme: {UPLOAD}")


def test_an_upgrade_while_customers_are_at_work(sftp_host: SftpHost, archives: Archives, shelf: Shelf) -> None:
    """They see the release before, then the page, then the new release, and never code on a schema of the other."""
    customers(sftp_host, archives)
    with asked(sftp_host) as answers:
        outcome = upgraded(sftp_host, archives, shelf)
        written(sftp_host, "second memo")
    assert (outcome.did, outcome.backup) == ("deployed", shelf.list()[0].id)
    saw = ["1" if "memo 1.0" in text else "2" if "memo 2.0" in text else text for _, _, text in sorted(answers)]
    cut = [status for _, status, text in answers if not text]
    assert len(cut) <= 3, "at most what each of three was asking for at the moment when it was closed"
    assert set(saw) - {""} == {"1", "2", maintenance.page()}
    assert {status for _, status, text in answers if text == maintenance.page()} == {503}
    assert "1" not in saw[saw.index("2") :]
    assert titled(sftp_host) == ["first\tfirst memo", "\tsecond memo"]
    assert changes(sftp_host, archives, "2.0") == []
    assert left_over(sftp_host) == ""
    with sftp_host.driver(archives) as driver:
        found = driver.crossing()
        assert found is not None
        assert (found.phase, found.old.version, found.new.version) == ("done", "1.0", "2.0")
        back = deploy.rollback(driver, memo_want("2.0"), None, means(sftp_host, shelf))
        assert driver.crossing() is None
    assert (back.did, back.backup) == ("rolled back", outcome.backup)
    assert "memo 1.0 in vi" in page(sftp_host)
    assert memos(sftp_host) == ["first memo"]
    assert sftp_host.run(f"cat {UPLOAD}") == "dear\n"
    assert changes(sftp_host, archives, "1.0") == []
    assert logged_in(sftp_host)
    assert upgraded(sftp_host, archives, shelf).did == "deployed", "with the tree that rests on the host"
    assert "memo 2.0 in vi" in page(sftp_host)
    assert left_over(sftp_host) == ""


def test_an_upgrade_that_breaks_off(sftp_host: SftpHost, archives: Archives, shelf: Shelf) -> None:
    customers(sftp_host, archives)
    with pytest.raises(HostError, match=r"(?s)upgrade to memo-3.0-\w+ failed: step titles.*was put back and memo-1.0"):
        upgraded(sftp_host, archives, shelf, "3.0")
    assert "memo 1.0 in vi" in page(sftp_host)
    assert memos(sftp_host) == ["first memo"]
    assert changes(sftp_host, archives, "1.0") == []
    written(sftp_host, "another memo")
    assert upgraded(sftp_host, archives, shelf).did == "deployed"
    assert titled(sftp_host) == ["first\tfirst memo", "anoth\tanother memo"]


def test_a_backup_comes_back(sftp_host: SftpHost, archives: Archives, shelf: Shelf) -> None:
    customers(sftp_host, archives)
    snapshot = backed_up(sftp_host, archives, shelf)
    assert (snapshot.contents.tables["memos"], snapshot.contents.files) == (1, 1)
    written(sftp_host, "lost memo")
    sftp_host.run(f"rm {UPLOAD}")
    outcome = restored(sftp_host, archives, shelf, snapshot)
    assert (outcome.did, outcome.backup) == ("restored", snapshot.id)
    assert memos(sftp_host) == ["first memo"]
    assert sftp_host.run(f"cat {UPLOAD}") == "dear\n"
    assert logged_in(sftp_host)
    assert changes(sftp_host, archives, "1.0") == []
    kept = shelf.list()[0]
    assert (kept.why, kept.contents.tables["memos"]) == ("restore", 2)
    assert left_over(sftp_host) == ""


def test_a_last_backup_fills_a_host_anew(sftp_host: SftpHost, archives: Archives, shelf: Shelf) -> None:
    customers(sftp_host, archives)
    for _ in range(2):
        with sftp_host.driver(archives) as driver:
            deploy.destroy(driver, memo_want(), Destroy(), means(sftp_host, shelf))
    assert sftp_host.run("find /srv/acme/site -printf '%P '") == " public public/index.html "
    (snapshot,) = shelf.list()
    assert snapshot.why == "destroy"
    deployed(sftp_host, archives)
    assert memos(sftp_host) == []
    restored(sftp_host, archives, shelf, snapshot)
    assert memos(sftp_host) == ["first memo"]
    assert sftp_host.run(f"cat {UPLOAD}") == "dear\n"


def test_what_no_backup_can_be_made_of(sftp_host: SftpHost, archives: Archives, shelf: Shelf) -> None:
    """Then nothing is removed, and customers are let in again."""
    with pytest.raises(Refused, match="there is no database on the host"):
        backed_up(sftp_host, archives, shelf)
    customers(sftp_host, archives)
    sftp_host.run("mariadb acme -e 'alter table memos engine=MyISAM'")
    with sftp_host.driver(archives) as driver, pytest.raises(CrmhostError, match="no backup could be made first"):
        deploy.destroy(driver, memo_want(), Destroy(), means(sftp_host, shelf))
    assert "memo 1.0 in vi" in page(sftp_host)
    with pytest.raises(CrmhostError, match="memos"):
        upgraded(sftp_host, archives, shelf)
    assert "memo 1.0 in vi" in page(sftp_host)
    assert changes(sftp_host, archives, "1.0") == []


def test_a_host_without_posix_rename_where_nobody_may_tell_php_to_look_anew(
    own_host: SftpHost, archives: Archives, shelf: Shelf
) -> None:
    own_host.run("sed -i 's/ForceCommand internal-sftp/& -P posix-rename/' /etc/ssh/sshd_config")
    own_host.run("echo opcache.restrict_api=/nowhere >/etc/php/8.2/apache2/conf.d/99-shared.ini")
    own_host.restart()
    customers(own_host, archives)
    upgraded(own_host, archives, shelf)
    assert titled(own_host) == ["first\tfirst memo"]
    assert "memo 2.0 in vi" in page(own_host)
    with own_host.driver(archives) as driver:
        deploy.rollback(driver, memo_want("2.0"), None, means(own_host, shelf))
    assert memos(own_host) == ["first memo"]
    assert "memo 1.0 in vi" in page(own_host)
    assert changes(own_host, archives, "1.0") == []
    assert left_over(own_host) == ""
