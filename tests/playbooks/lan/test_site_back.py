"""A site that takes another one's place and fails at its URL: what served before serves again, at its own URL."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from crm.errors import GateFailed
from crm.plan import Want
from crmhost import deploy
from tests.playbooks.lan.conftest import prepared
from tests.support.acmes import AcmeCustomer, beside
from tests.support.lanfaults import At
from tests.support.lanhost import LanHost, LanHosts
from tests.support.lans import LanCustomer

pytestmark = [pytest.mark.slow, pytest.mark.cloud]
SITE = "/etc/nginx/conf.d/crmhost-acme.conf"


@dataclass
class Moving(LanCustomer):
    """A customer whose URL can get another name."""

    name: str = "acme.lan"

    @property
    def host(self) -> str:
        """Return the name in its URL."""
        return self.name

    def to(self, name: str) -> Moving:
        """Return the same contract at another name, with an authority and a certificate of its own."""
        return Moving(self.lan, self.contract, self.recipe, name=name)


def nobody(want: Want) -> None:
    raise GateFailed(f"{want.slots['url']}: another certificate is shown", "")


def files(customer: LanCustomer) -> str:
    """Return all that a site is made of, as it lies on the server, and whether a site from before is still kept."""
    return customer.lan.run(
        f"sha256sum {SITE} {customer.layout.tls}/* /var/lib/crmhost/public/* && ls {customer.layout.root}"
    )


def test_another_url_that_fails_at_its_gate_leaves_the_old_one_whole(lan: LanHost) -> None:
    acme = Moving(lan)
    first = acme.deploy().release
    before, moved = files(acme), acme.to("neu.lan")
    with pytest.raises(GateFailed, match=r"neu\.lan: another certificate is shown") as failed:
        moved.deploy(public=nobody)
    assert failed.value.remedy.startswith(f"{first} ")
    assert failed.value.remedy.endswith(". Its site and certificate are those from before.")
    assert acme.get() == "200 ready 1.0, 1 accounts"
    assert files(acme) == before
    assert acme.plan().changes == ()

    with pytest.raises(GateFailed) as failed:
        moved.deploy("1.1", public=nobody)
    assert failed.value.remedy == f"{first} serves again. Its site and certificate are those from before."
    assert acme.get() == "200 ready 1.0, 1 accounts"
    assert files(acme) == before
    lan.run("nginx -t && systemctl restart nginx")
    assert acme.get() == "200 ready 1.0, 1 accounts"

    moved.deploy("1.1")
    assert moved.get() == "200 ready 1.1, 1 accounts"
    assert "before" not in files(moved)
    assert moved.plan("1.1").changes == ()


def test_a_deploy_that_ended_before_the_gate_leaves_the_old_site_to_the_next_one(lan: LanHost) -> None:
    acme = Moving(lan)
    first = acme.deploy().release
    before, moved = files(acme), acme.to(acme.name)  # the same release, with another authority

    def stopped(_: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        moved.deploy(public=stopped)
    assert moved.get() == "200 ready 1.0, 1 accounts", "it serves, and nobody has proven it"
    assert [change.resource for change in moved.plan().changes] == [f"gate:{first}"]
    with pytest.raises(GateFailed, match=r"it goes on\. Its site and certificate are those from before\.$"):
        moved.deploy(public=nobody)
    assert acme.get() == "200 ready 1.0, 1 accounts"
    assert files(acme) == before


def test_an_upgrade_that_goes_back_goes_back_to_the_old_url(lan: LanHost) -> None:
    acme = Moving(lan)
    acme.deploy("1.1")
    before, moved = files(acme), acme.to("neu.lan")
    means, want = moved.means(public=nobody, sure=lambda _: True), moved.want("2.0")
    with moved.driver() as driver, pytest.raises(GateFailed, match="another certificate is shown"):
        deploy.deploy(driver, want, means, confirm=lambda _: True)
    assert acme.get() == "200 ready 1.1, 1 accounts"
    assert files(acme) == before


def test_a_candidate_that_fails_never_touches_the_certificate_that_serves(lan: LanHost) -> None:
    acme = Moving(lan)
    acme.deploy()
    before = files(acme)
    seen: list[str] = []
    at = At("gate", "smallapp-broken-", "begin", lambda: seen.append(files(acme)))
    with pytest.raises(GateFailed):
        acme.to("neu.lan").deploy("broken", progress=at)
    assert seen == [before]
    assert files(acme) == before


def test_a_certificate_of_an_authority_s_comes_back_with_what_renews_it(lan_hosts: LanHosts, packages: bytes) -> None:
    lan = prepared(lan_hosts(lan_hosts.images.acme), packages)
    with beside(lan_hosts, lan) as authority:
        acme = AcmeCustomer(lan, by=authority)
        authority.knows(acme.host, lan.address)
        acme.deploy()
        shown, before = acme.shown(), files(acme)
        acme.by = None
        with pytest.raises(GateFailed):
            acme.deploy(public=nobody)
        acme.by = authority
        assert acme.shown() == shown
        assert set(before.splitlines()) <= set(files(acme).splitlines()), "beside them is what the other one left"
        assert lan.run("systemctl is-active crmhost-acme.tls.timer") == "active\n"
        acme.deploy()
        assert acme.plan().changes == ()
        assert acme.shown() == shown
