"""Shutting customers out of a host that gives SFTP alone, and letting them in again."""

from __future__ import annotations

import shlex
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest

from crm import maintenance
from crm.driver import Mover
from crm.errors import HostError
from playbooks.sftponly.mover import SftpMover
from playbooks.sftponly.sftp import Files
from tests.playbooks.sftponly.test_walk import OURS, deployed, left_over, page, planned
from tests.support.memo.recipe import Archives, memo_want
from tests.support.sftphost import SftpHost
from tests.support.sftpreaders import asked
from tests.support.until import until

pytestmark = pytest.mark.slow
SHOWN = (503, maintenance.page())


@contextmanager
def closing(host: SftpHost, archives: Archives) -> Iterator[Mover]:
    """Hold the lock, and give what shuts out and lets in."""
    with host.driver(archives) as driver, driver.lock("close") as work:
        yield SftpMover(work)


def test_once_it_is_closed_no_request_reaches_the_application(sftp_host: SftpHost, archives: Archives) -> None:
    """Nor does any of a process of PHP that remembers the release before."""
    deployed(sftp_host, archives)
    with asked(sftp_host) as answers:
        deployed(sftp_host, archives, "1.1")
        with closing(sftp_host, archives) as mover:
            mover.close(memo_want("1.1"))
            closed = time.monotonic()
            assert sftp_host.site.get("/style.css").status == 503
            time.sleep(4)  # the span that is looked at: twice as long as PHP may run what it compiled before
            assert sftp_host.site.get("/anything/else").text == SHOWN[1]
            opening = time.monotonic()
            mover.open(memo_want("1.1"))
            opened = time.monotonic()
            time.sleep(2)  # the span that is looked at
    inside = [(status, text) for begun, status, text in answers if closed < begun < opening]
    assert len(inside) > 50
    assert set(inside) == {SHOWN}
    after = [status for begun, status, _ in answers if begun > opened]
    assert len(after) > 50
    assert set(after) == {200}
    assert planned(sftp_host, archives, "1.1").changes == ()
    assert left_over(sftp_host) == ""


def test_nothing_that_php_has_compiled_runs_on_without_its_files(sftp_host: SftpHost, archives: Archives) -> None:
    """But for the requests that were under way when the files got another name."""
    deployed(sftp_host, archives)
    torn = "<?php if (!is_file(__DIR__ . '/style.css')) { exit('torn'); } ?>whole "
    index = f"{OURS}/current/app/htdocs/index.php"
    sftp_host.run(
        f"(printf %s {shlex.quote(torn)}; cat {index}) >/tmp/index && cat /tmp/index >{index} &&"
        f" touch -d '1 hour ago' {index}"  # PHP compiles a new file again and again
    )
    with asked(sftp_host) as answers, closing(sftp_host, archives) as mover:
        until(lambda: any("whole" in text for _, _, text in answers), "PHP has compiled it")
        mover.close(memo_want())
        shut = len(answers)
        mover.open(memo_want())
    other = [(status, text) for _, status, text in answers[:shut] if "memo 1.0 in vi" not in text and status != 503]
    assert len(other) <= 3  # as many as ask at once
    assert left_over(sftp_host) == ""


class Far(Files):
    """A host behind a slow line: between two names that are given over it, everybody sees that nothing is there."""

    def rename(self, old: str, new: str) -> None:
        super().rename(old, new)
        time.sleep(2)  # the line


def test_while_it_opens_each_answer_is_the_page_or_the_application(sftp_host: SftpHost, archives: Archives) -> None:
    """But for the blink in which PHP gives two names. Whoever comes to give them once more leaves all as it is."""
    deployed(sftp_host, archives)
    with sftp_host.reach() as far, sftp_host.driver(archives) as driver, driver.lock("close") as work:
        entrance = replace(work.entrance(), files=Far(far))
        entrance.close(work.place(), None, work.database())
        with asked(sftp_host) as answers:
            until(lambda: len(answers) > 10, "somebody asks")
            entrance.open(work.place())
            until(lambda: "memo 1.0 in vi" in answers[-1][2], "somebody is in")
        (one,) = work.place().kept
        here, there, aside = (f"{top}/{one.id}" for top in ("releases", "shut", "closing"))
        with pytest.raises(HostError, match="has another name already"):
            work.installer.ask("rename_all", moves=[(here, aside), (there, here)], roots=[])
    seen = [(begun, "memo" if "memo 1.0 in vi" in text else text) for begun, _, text in answers]
    assert {SHOWN[1], "memo"} <= {text for _, text in seen}
    other = [begun for begun, text in seen if text not in (SHOWN[1], "memo")]
    assert max(other, default=0.0) - min(other, default=0.0) < 1  # not the two seconds of the line
    assert "memo 1.0 in vi" in page(sftp_host)
    assert left_over(sftp_host) == ""


def test_what_was_left_closed_is_opened(sftp_host: SftpHost, archives: Archives) -> None:
    """A plan says so, and the next deploy takes the page away; also where a run was killed between two renames."""
    deployed(sftp_host, archives)
    for half in ("true", f"rm -r {OURS}/releases/*", f"mv {OURS}/shut/* {OURS}/releases/ 2>/dev/null || true"):
        with closing(sftp_host, archives) as mover:
            mover.close(memo_want())
        sftp_host.run(half)
        if half == "true":
            assert [change.resource for change in planned(sftp_host, archives).changes] == ["page:maintenance"]
            assert deployed(sftp_host, archives).did == "deployed"
        with closing(sftp_host, archives):
            pass
        assert planned(sftp_host, archives).changes == ()
        assert "memo 1.0 in vi" in page(sftp_host)
        assert sftp_host.run(f"ls {OURS}/shut {OURS}/closing 2>/dev/null || true").split() in ([], [f"{OURS}/shut:"])


def test_a_connection_that_stays_is_ended(sftp_host: SftpHost, archives: Archives) -> None:
    """A request that was let in has some time; then the database is for whoever works on it alone."""
    deployed(sftp_host, archives)
    sftp_host.run("(mariadb -uacme -phost-gave-this acme -e 'select sleep(300)' >/dev/null 2>&1 &)")
    until(lambda: "sleep(300)" in sftp_host.run("mariadb -N -e 'show processlist'"), "somebody is in the database")
    with sftp_host.driver(archives) as driver, driver.lock("close") as work:
        begun = time.monotonic()
        replace(work.entrance(), patient=2.0).rest(work.database())
        assert time.monotonic() - begun > 2
    assert "sleep(300)" not in sftp_host.run("mariadb -N -e 'show processlist'")


def test_a_page_that_is_not_shown_is_told(own_host: SftpHost, archives: Archives) -> None:
    own_host.run("sed -i 's,SSLEngine on,&\\nRedirectMatch 404 ^/$,' /etc/apache2/sites-available/acme.conf")
    own_host.restart()
    deployed(own_host, archives)
    with closing(own_host, archives) as mover, pytest.raises(HostError, match="does not show the maintenance page"):
        mover.close(memo_want())
