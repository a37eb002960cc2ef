"""A site whose certificate the server gets and renews by itself, from a real ACME authority."""

from __future__ import annotations

import http.client
from contextlib import closing

import pytest

from crm.errors import HostError
from playbooks.lan import acme
from tests.playbooks.lan.conftest import prepared
from tests.support.acmes import AcmeCustomer, beside
from tests.support.lanhost import LanHosts
from tests.support.until import until

EXPOSURE = 3.0
"""The most that `systemd-analyze security` may say of the unit."""
pytestmark = [pytest.mark.slow, pytest.mark.cloud]


def plain(customer: AcmeCustomer, path: str) -> tuple[int, str | None]:
    """Return status and location of a page over plain HTTP."""
    with closing(http.client.HTTPConnection(customer.lan.address, 80, timeout=10)) as connection:
        connection.request("GET", path, headers={"Host": customer.host})
        response = connection.getresponse()
        return response.status, response.getheader("Location")


def test_a_certificate_is_got_renewed_and_refused_while_the_site_serves(lan_hosts: LanHosts, packages: bytes) -> None:
    lan = prepared(lan_hosts(lan_hosts.images.acme), packages)
    with beside(lan_hosts, lan) as authority:
        customer = AcmeCustomer(lan, by=authority)
        file, unit = acme.site_file(customer.layout), acme.unit(customer.layout)
        authority.knows(customer.host, lan.address)
        assert f"certificate:{file}" in [change.resource for change in customer.plan().changes]
        customer.deploy()
        assert customer.get().startswith("200 ready"), "the authority's certificate is believed for the name"
        assert customer.plan().changes == ()
        assert plain(customer, "/notes?a=b") == (308, "https://acme.lan/notes?a=b")
        first = customer.shown()

        lan.run(f"systemctl start {unit}")
        assert customer.shown() == first, "nothing is due"
        lan.run(f"rm {file}.by && systemctl start {unit}")
        until(lambda: customer.shown() != first, "nginx shows the renewed certificate")
        assert customer.plan().changes == ()
        said = lan.run(f"systemd-analyze security --no-pager {unit} | tail -n 1")
        assert float(said.split("service: ")[1].split()[0]) <= EXPOSURE, said
        assert lan.run(f"systemctl is-active {acme.unit(customer.layout, 'timer')}") == "active\n"

        customer.by = None
        customer.deploy()  # with a certificate of crmhost's own, which goes on when the authority refuses
        before = customer.shown()
        assert unit not in lan.run("ls /etc/systemd/system")
        customer.by = authority
        lan.run(f"rm {file}")
        refused = pytest.raises(HostError, match=r"no certificate was issued by .*: connection: .*refused")
        with authority.shut_out(lan), refused as failed:
            customer.deploy()
        assert failed.value.remedy.startswith("Let the authority reach port 80 of acme.lan")
        customer.by = None
        assert customer.shown() == before
        assert customer.get().startswith("200 ready")
        assert plain(customer, "/crmhost-ca.crt")[0] == 200, "the site at port 80 is the one that it was"

        customer.by = authority
        customer.deploy()
        assert customer.shown() not in (before, first)
        customer.destroy()
        left = "find /var /run /etc/systemd/system /etc/nginx -name '*crmhost*' -print"
        assert lan.run(f"{left}; ls /etc/nginx/conf.d; getent passwd | grep crm; true") == ""
