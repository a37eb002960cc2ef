"""Two engineers at one host whose lock is a file."""

from __future__ import annotations

import pytest

from crm.errors import LockHeld
from crmhost import deploy
from playbooks.sftponly.layout import Layout
from playbooks.sftponly.lock import Lease, hold, holder
from playbooks.sftponly.sftp import Files
from tests.playbooks.sftponly.test_kills import idle
from tests.playbooks.sftponly.test_walk import OURS, deployed, means
from tests.support.memo.recipe import Archives, memo_want
from tests.support.sftphost import LEASE, ROOT, SftpHost
from tests.support.until import until

pytestmark = pytest.mark.slow
LAYOUT = Layout("acme", ROOT)


def test_two_engineers_at_once(sftp_host: SftpHost, archives: Archives) -> None:
    """The second is told who is at work; once the first is silent it is taken over, and the first one stops."""
    with sftp_host.driver(archives) as ann, sftp_host.driver(archives, who="bob@test") as bob:
        with ann.lock("deploy memo-1.0"):
            with pytest.raises(LockHeld, match=r"ann@test: deploy memo-1\.0; last sign of life \d s ago"):
                deploy.deploy(bob, memo_want(), means(sftp_host), confirm=lambda _: True)
            held = holder(Files(sftp_host.reach()), LAYOUT, int(sftp_host.run("date +%s")))
            assert held is not None
            assert held.who == "ann@test"
        assert deploy.deploy(bob, memo_want(), means(sftp_host), confirm=lambda _: True).did == "deployed"


def test_a_holder_without_a_sign_of_life_is_taken_over(sftp_host: SftpHost, archives: Archives) -> None:
    silent = Lease(silence=1.0, beat=3600.0)
    with sftp_host.reach() as first, sftp_host.reach() as second:
        Files(first).folder(LAYOUT.root)
        with hold(first, LAYOUT, "deploy", "ann@test", silent) as ann:
            ann.confirm()
            until(lambda: idle(sftp_host) > silent.silence, "the lease is over", 30)
            with hold(second, LAYOUT, "deploy", "bob@test", silent) as bob:
                bob.confirm()
                with pytest.raises(LockHeld, match="not ours any more; bob@test holds it now: deploy"):
                    ann.confirm()
        assert sftp_host.run(f"ls -A {OURS}") == ""
    assert deployed(sftp_host, archives).did == "deployed"


def test_signs_of_life_are_shown(sftp_host: SftpHost) -> None:
    with sftp_host.reach() as first, sftp_host.reach() as second:
        Files(first).folder(LAYOUT.root)
        with hold(first, LAYOUT, "deploy", "ann@test", LEASE):
            begun = int(sftp_host.run("date +%s"))
            until(lambda: int(sftp_host.run("date +%s")) > begun + LEASE.silence + 1, "more than the lease", 30)
            with (
                pytest.raises(LockHeld, match="ann@test"),
                hold(second, LAYOUT, "deploy", "bob@test", LEASE),
            ):
                pass
