"""A contract's whole life on a real web host that gives SFTP alone."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from crm.errors import GateFailed, HostError, Refused
from crm.plan import Event, Plan, Want
from crmhost import deploy
from crmhost.deploy import Destroy, Outcome
from crmhost.login import prove
from crmhost.public import check
from crmhost.sequence import Means
from tests.support.memo.recipe import RECIPE, SECRETS, Archives, memo_want
from tests.support.sftphost import NAME, SftpHost
from tests.support.sftpreaders import asked

pytestmark = pytest.mark.slow
OURS = "/srv/acme/site/.crmhost/acme"


def means(host: SftpHost, progress: Callable[[Event], None] = lambda _: None) -> Means:
    return Means(progress, lambda want: check(want, host.door, patience=3.0))


def deployed(
    host: SftpHost, archives: Archives, version: str = "1.0", progress: Callable[[Event], None] = lambda _: None
) -> Outcome:
    with host.driver(archives, progress) as driver:
        return deploy.deploy(driver, memo_want(version), means(host), confirm=lambda _: True)


def planned(host: SftpHost, archives: Archives, version: str = "1.0") -> Plan:
    with host.driver(archives) as driver:
        return driver.plan(memo_want(version))


def logged_in(host: SftpHost) -> bool:
    return prove(RECIPE, f"https://{NAME}", "admin", SECRETS["admin-password"], door=host.door).holds


def page(host: SftpHost) -> str:
    return host.site.get("/index.php").text


def left_over(host: SftpHost) -> str:
    """What an operation must not leave in any folder that is served."""
    return host.run("find /srv/acme \\( -name 'crmhost-*' -o -name '.crmhost-*' -o -name 'alive-*' -o -name lock \\)")


class Told:
    """What a deploy says while it is at work."""

    def __init__(self, act: Callable[[Event], None] = lambda _: None) -> None:
        self.events: list[Event] = []
        self._act = act

    def __call__(self, event: Event) -> None:
        self.events.append(event)
        self._act(event)

    def detail(self, subject: str, state: str) -> str:
        return next(event.detail for event in self.events if (event.subject, event.state) == (subject, state))

    @property
    def sent(self) -> int:
        """The bytes of the one upload."""
        return int(self.detail("upload", "done").split()[0])


def test_a_life(sftp_host: SftpHost, archives: Archives) -> None:
    """First deploy, login, nothing to do, another version, a gate that fails, rollback, destroy."""
    before = sftp_host.run("find /srv/acme/site -printf '%P %y %m\\n' | sort")
    first = deployed(sftp_host, archives)
    assert first.did == "deployed"
    assert logged_in(sftp_host)
    asked = archives.asked
    assert deployed(sftp_host, archives).did == "nothing"
    assert archives.asked == asked, "a plan fetches no archive"
    second = deployed(sftp_host, archives, "1.1")
    assert (second.did, second.release) != (first.did, first.release)
    assert "memo 1.1 in vi" in page(sftp_host)
    with pytest.raises(GateFailed, match=r"500 broken.*\n.*memo-1.1-\w+ still serves"):
        deployed(sftp_host, archives, "broken")
    assert "memo 1.1 in vi" in page(sftp_host)
    with sftp_host.driver(archives) as driver:
        back = deploy.rollback(driver, memo_want("1.1"), None, means(sftp_host))
        status = driver.status(memo_want())
        assert [release.version for release in driver.releases()] == ["1.0", "1.1"]
    assert back.release == first.release == status.serving
    assert (status.processes, status.users, status.holder) == ((("web", "up", "200"),), 1, None)
    assert "memo 1.0 in vi" in page(sftp_host)
    assert logged_in(sftp_host)
    assert left_over(sftp_host) == ""
    for _ in range(2):
        with sftp_host.driver(archives) as driver:
            deploy.destroy(driver, memo_want(), Destroy(backup=False), means(sftp_host))
    assert sftp_host.run("find /srv/acme/site -printf '%P %y %m\\n' | sort") == before
    assert sftp_host.run("mariadb -N acme -e 'show tables'") == ""


def test_what_is_kept_private(sftp_host: SftpHost, archives: Archives) -> None:
    """No secret in a plan, a journal, a log or a list; a configuration with one is the account's alone."""
    told = Told()
    deployed(sftp_host, archives, progress=told)
    plan = planned(sftp_host, archives, "1.1")
    for secret in SECRETS.values():
        assert secret not in repr(plan)
        assert secret not in repr(told.events)
        found = sftp_host.run(f"grep -rlF -- '{secret}' /srv/acme /var/log/apache2 || true").split()
        assert all(path.endswith("/config.php") for path in found)
    assert sftp_host.run(f"stat -c %a {OURS}/current/app/htdocs/config.php") == "600\n"
    for path in ("/../.crmhost/acme/journal", "/.crmhost/acme/journal", "/config.php"):
        assert "database" not in sftp_host.site.get(path).text


def test_one_changed_file_and_files_altered_on_the_host(sftp_host: SftpHost, archives: Archives) -> None:
    many = Archives(archives.folder, more=600)
    first, second = Told(), Told()
    deployed(sftp_host, many, progress=first)
    deployed(sftp_host, many, "1.1", second)
    assert second.detail("upload", "begin").startswith("1 of 606 files")
    assert second.sent * 100 <= first.sent
    sftp_host.run(f"echo '<?php // altered' >{OURS}/current/app/htdocs/greet.php")
    sftp_host.run(f"rm {OURS}/current/app/htdocs/lib/07/part7.php; chmod 644 {OURS}/current/app/htdocs/config.php")
    plan = planned(sftp_host, many, "1.1")
    tree, config = (change for change in plan.changes if change.action == "update")
    assert tree.diff == ("altered on the host: htdocs/greet.php", "missing on the host: htdocs/lib/07/part7.php")
    assert (config.why, config.diff) == ("mode 644 on the host", ("with the secrets: database-password",))
    deployed(sftp_host, many, "1.1")
    assert planned(sftp_host, many, "1.1").changes == ()
    assert sftp_host.run(f"cat {OURS}/kept/*/htdocs/greet.php") == "<?php // altered\n"
    sftp_host.run(f"echo '<?php // altered' >{OURS}/current/app/htdocs/setup.php")
    third = Told()
    deployed(sftp_host, many, "1.2", third)
    assert third.detail("upload", "begin").startswith("2 of 606 files"), "what was altered is not taken for the base"
    assert planned(sftp_host, many, "1.2").changes == ()


def test_an_upload_that_was_cut_goes_on(sftp_host: SftpHost, archives: Archives) -> None:
    large = Archives(archives.folder, random_mib=24)
    cuts: list[str] = []

    def cut(event: Event) -> None:
        if event.subject == "upload" and event.state == "note" and not cuts:
            cuts.append(sftp_host.run("pkill -KILL -u acme -x sshd"))

    with pytest.raises(HostError, match="connection was lost"):
        deployed(sftp_host, large, progress=Told(cut))
    assert cuts
    there = int(sftp_host.run(f"stat -c %s {OURS}/packs/*"))
    assert 0 < there < 24 << 20
    again = Told()
    _until_stale(sftp_host)
    assert deployed(sftp_host, large, progress=again).did == "deployed"
    assert int(again.detail("upload", "note").split()[3]) == there
    assert left_over(sftp_host) == ""


def test_a_release_that_fails_at_its_public_url_is_taken_back(sftp_host: SftpHost, archives: Archives) -> None:
    def never(want: Want) -> None:
        raise GateFailed(f"{want.slots['url']} is not reached from here")

    def failing(version: str) -> None:
        with sftp_host.driver(archives) as driver:
            deploy.deploy(driver, memo_want(version), Means(lambda _: None, never), confirm=lambda _: True)

    with pytest.raises(GateFailed, match="nothing serves at"):
        failing("1.0")
    assert "control panel" in sftp_host.site.get("/").text
    deployed(sftp_host, archives)
    with pytest.raises(GateFailed, match=r"memo-1.0-\w+ serves again"):
        failing("1.1")
    assert "memo 1.0 in vi" in page(sftp_host)
    assert left_over(sftp_host) == ""


def test_a_switch_while_customers_read(sftp_host: SftpHost, archives: Archives) -> None:
    deployed(sftp_host, archives)
    with asked(sftp_host, 2) as answers:
        deployed(sftp_host, archives, "1.1")
        with sftp_host.driver(archives) as driver:
            deploy.rollback(driver, memo_want("1.1"), None, means(sftp_host))
    assert len(answers) > 50
    assert {status for _, status, _ in answers} == {200}


def test_another_schema_is_refused_where_no_backup_can_be_kept(sftp_host: SftpHost, archives: Archives) -> None:
    deployed(sftp_host, archives)
    (change,) = (one for one in planned(sftp_host, archives, "2.0").changes if one.disrupts == "data")
    assert change.why == "schema 1 → 2, 1.0 → 2.0"
    with pytest.raises(Refused, match="nowhere to keep a backup of it"):
        deployed(sftp_host, archives, "2.0")
    assert "memo 1.0 in vi" in page(sftp_host)


def test_a_server_without_posix_rename(own_host: SftpHost, archives: Archives) -> None:
    """Two renames then: how long the site had no release is told, and half a switch is taken back."""
    config = "/etc/ssh/sshd_config"
    own_host.run(f"sed -i 's/ForceCommand internal-sftp/& -P posix-rename/' {config}")
    own_host.restart()
    deployed(own_host, archives)
    told = Told()
    deployed(own_host, archives, "1.1", told)
    gap = int(told.detail("gap", "note").split()[-2])
    assert gap <= 1000
    own_host.run(f"mv {OURS}/current {OURS}/.crmhost-old")
    assert own_host.site.get("/index.php").status >= 400
    assert deployed(own_host, archives, "1.1").did == "nothing", "a plan has taken half a switch back"
    assert "memo 1.1 in vi" in page(own_host)
    assert left_over(own_host) == ""


BROKEN = (
    ("echo secret >/srv/acme/site/public/app.php", r"holds 1 files or folders .* app\.php"),
    ("rm -r /srv/acme/site/public", "SFTP finds no /site/public"),
    ("rm -r /srv/acme/site/public; ln -s /tmp /srv/acme/site/public", "is a link to /tmp"),
    ("echo 'Require all denied' >/srv/acme/site/public/.htaccess", r"holds 1 .* \.htaccess"),
    ("mariadb -e \"set password for acme@localhost = password('another')\"", "Access denied for user"),
)


@pytest.mark.parametrize(("breakage", "said"), BROKEN)
def test_a_host_that_cannot_carry_it(sftp_host: SftpHost, archives: Archives, breakage: str, said: str) -> None:
    """Nothing is left there when a deploy is refused; and no folder of ours was made."""
    sftp_host.run(breakage)
    before = sftp_host.run("find /srv/acme/site -printf '%P %y %m\\n' | sort")
    with pytest.raises((HostError, Refused), match=f"(?s){said}"):
        deployed(sftp_host, archives)
    sftp_host.run("mariadb -e \"set password for acme@localhost = password('host-gave-this')\"")
    assert sftp_host.run("find /srv/acme/site -printf '%P %y %m\\n' | sort") == before


def test_php_without_mysql(own_host: SftpHost, archives: Archives) -> None:
    own_host.run("phpdismod -v ALL mysqli pdo_mysql mysqlnd")
    own_host.restart()
    with pytest.raises(Refused, match=r"PHP 8\.2\.\d+ of this host has not: pdo_mysql"):
        deployed(own_host, archives)


def test_php_of_another_account(own_host: SftpHost, archives: Archives) -> None:
    own_host.run("sed -i 's/=acme$/=www-data/' /etc/apache2/envvars")
    own_host.restart()
    with pytest.raises(Refused, match="PHP cannot write to"):
        deployed(own_host, archives)
    own_host.run("chmod 777 /srv/acme/site")
    with pytest.raises(Refused, match="PHP runs as another account than SFTP"):
        deployed(own_host, archives)


def _until_stale(host: SftpHost) -> None:
    """Wait until a killed holder's last sign of life is older than the lease."""
    from tests.support.sftphost import LEASE
    from tests.support.until import until

    ask = f"echo $(( $(date +%s) - $(stat -c %Y {OURS}/alive-* | sort -n | tail -n 1) ))"
    until(lambda: int(host.run(ask)) > LEASE.silence, "the lease is over", 30)
