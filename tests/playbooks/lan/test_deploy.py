"""A contract on a real LAN server: deployed, used over HTTPS, mended, upgraded under load, rebooted, removed."""

from __future__ import annotations

import http.client
import io
import re
from contextlib import closing
from urllib.parse import urlsplit

import pytest

from crm.errors import GateFailed, Refused
from playbooks.lan.driver import run_command
from playbooks.lan.survey import look
from tests.support.lanhost import LanHost
from tests.support.lans import LanCustomer
from tests.support.load import load
from tests.support.until import until
from tests.support.wants import SECRETS

pytestmark = [pytest.mark.slow, pytest.mark.cloud]
EXPOSURE = 3.0
"""The most that `systemd-analyze security` may say of a unit."""


def resources(customer: LanCustomer, version: str = "1.0") -> list[str]:
    return [change.resource for change in customer.plan(version).changes]


def test_a_contract_is_deployed_used_and_mended(lan: LanHost) -> None:
    acme = LanCustomer(lan)
    before = acme.plan()
    assert before.serving is None
    assert "step:schema" in resources(acme)
    with acme.driver() as driver:
        assert driver.made_with(acme.want(), frozenset({"secret-key", "tls-authority"})) == frozenset()
    assert acme.deploy().did == "deployed"
    assert acme.get() == "200 ready 1.0, 1 accounts"
    assert acme.log_in("root", "root") is None
    acme.write("hello")
    assert acme.ask("select text from note") == "hello"
    after = acme.plan()
    assert after.changes == ()
    assert after.resources == before.resources > 40
    assert "no firewall is touched" in after.notes[0]
    until(lambda: acme.ask("select count(*) from beat where source = 'worker'") != "0", "the worker is at work")

    with acme.driver() as driver:
        lacking = frozenset({"secret-key", "of-a-newer-recipe", "tls-authority"})
        assert driver.made_with(acme.want(), lacking) == {"secret-key", "tls-authority"}
        status = driver.status(acme.want())
        assert (status.serving, status.users, status.holder) == (before.release.id, 1, None)
        assert [(name, state) for name, state, _ in status.processes] == [
            ("web", "up"), ("worker", "up"), ("job-beat", "up"),
        ]  # fmt: skip
        assert any("/ready" in line for line in driver.logs("web", 50))
        assert any("initialised schema" in line for line in driver.logs("steps", 50))
        with pytest.raises(Refused, match="no process 'database'"):
            list(driver.logs("database", 5))

    for unit in ("web", "worker", "job-beat"):
        said = lan.run(f"systemd-analyze security --no-pager {acme.unit(unit)} | tail -n 1")
        found = re.search(r"level for .*: ([0-9.]+) ", said)
        assert found is not None, said
        assert float(found[1]) <= EXPOSURE, said
    listening = {line.split()[3] for line in lan.run("ss -Hltn").splitlines()}
    public = {name for name in listening if not name.startswith(("127.", "[::1]"))}
    assert public == {f"{any_}:{port}" for any_ in ("0.0.0.0", "[::]") for port in (22, 80, 443)}  # noqa: S104 - seen

    config = f"{acme.layout.current}/site.conf"
    lan.run(f"sed -i 's/language = vi/language = fa/' {config}; systemctl stop {acme.unit('worker')}")
    (changed, stopped) = acme.plan().changes
    assert changed.resource.endswith("/site.conf")
    assert (changed.action, changed.disrupts) == ("update", "restart")
    assert (stopped.resource, stopped.action) == (f"unit:{acme.unit('worker')}", "start")
    pid = lan.run(f"systemctl show -p MainPID --value {acme.unit('web')}")
    acme.deploy()
    assert lan.run(f"systemctl show -p MainPID --value {acme.unit('web')}") != pid, "what serves reads its files anew"
    assert "language = vi" in lan.run(f"cat {config}")
    assert acme.plan().changes == ()
    for text in SECRETS.values():
        assert text not in lan.run("journalctl --no-pager; cat /etc/systemd/system/crmhost* /etc/nginx/conf.d/*")


def test_no_request_fails_when_a_release_takes_over_and_goes_back(lan: LanHost) -> None:
    acme = LanCustomer(lan)
    first = acme.deploy("1.0").release
    with load(acme.site(), acme.notes) as tally:
        second = acme.deploy("1.1").release
        assert acme.get().startswith("200 ready 1.1")
        assert acme.rollback(version="1.1").release == first
    print(tally)  # noqa: T201 -- with `pytest -s`
    assert tally.failed == tally.lost == []
    assert tally.maintenance == 0
    assert tally.acknowledged
    units = lan.run("systemctl list-units --plain --no-legend 'crmhost-acme.*.service' | cut -d' ' -f1").split()
    assert sorted(units) == sorted([acme.unit("web"), acme.unit("worker")])

    with pytest.raises(GateFailed, match="the candidate smallapp-broken-") as failure:
        acme.deploy("broken")
    assert failure.value.remedy == f"{first} still serves; the candidate is kept for inspection."
    assert acme.get().startswith("200 ready 1.0")
    assert "broken" not in lan.run("systemctl list-units --all 'crmhost-acme.*'")
    refused = acme.public

    def nobody(_: object) -> None:
        raise GateFailed("nobody answers there", "")

    with pytest.raises(GateFailed, match="served on the host, but not at its public URL") as failure:
        acme.deploy("1.1", public=nobody)
    assert failure.value.remedy == f"{first} serves again."
    assert acme.deploy("1.1", public=refused).release == second


def test_an_upgrade_shows_the_maintenance_page_and_loses_no_acknowledged_write(lan: LanHost) -> None:
    acme = LanCustomer(lan)
    acme.deploy("1.1")
    with load(acme.site(), acme.notes) as tally:
        acme.deploy("2.0")
    print(tally)  # noqa: T201 -- with `pytest -s`
    assert tally.failed == tally.lost == []
    assert tally.maintenance > 0
    assert tally.acknowledged
    assert acme.get().startswith("200 ready 2.0")


def test_customers_share_a_server_and_nothing_else(lan: LanHost) -> None:
    acme, other = LanCustomer(lan), LanCustomer(lan, "acme-2")
    acme.deploy()
    acme.write("of acme")
    planned = other.plan()
    assert "step:schema" not in [change.resource for change in planned.changes], "it begins as the template"
    other.deploy()
    assert other.ask("select count(*) from note") == "0"
    assert (acme.get(), other.get()) == ("200 ready 1.0, 1 accounts",) * 2
    assert acme.plan().changes == other.plan().changes == ()
    user, inside = other.layout.user, acme.layout
    looking = f"setpriv --reuid={user} --regid={user} --clear-groups --"
    for path in (
        inside.root,
        inside.data,
        f"{inside.current}/secret-key",
        inside.tls,
        inside.engine,
        f"{inside.runs}/*",
    ):
        assert "Permission denied" in lan.run(f"{looking} sh -c 'ls {path}'", check=False), path
    assert "permission denied" in lan.run(f"{looking} psql -d {inside.user} -c 'select 1' 2>&1", check=False)
    assert "Peer authentication failed" in lan.run(
        f"{looking} psql -U {inside.user} -d {inside.user} -c 'select 1' 2>&1", check=False
    )
    assert "Permission denied" in lan.run(f"{looking} touch {inside.artifacts}/x", check=False)

    sink = io.BytesIO()
    with acme.lan.root() as host:
        place, _ = look(host, acme.layout)
        manifest = place.kept[0].manifest
        code = run_command(host, acme.layout, manifest, ["sh", "-c", "id -un; cat; exit 7"], io.BytesIO(b"in\n"), sink)
    assert (code, sink.getvalue()) == (7, b"crm-acme\nin\n")

    lan.restart()
    until(lambda: acme.get().startswith("200 ready") and other.get().startswith("200 ready"), "both serve", 60)
    assert acme.plan().changes == other.plan().changes == ()

    assert other.destroy().did == "destroyed"
    assert acme.get() == "200 ready 1.0, 1 accounts"
    assert acme.plan().changes == ()
    assert (
        lan.run("find / -xdev -name '*acme-2*' ! -path '/proc/*' 2>/dev/null; getent passwd | grep acme-2 || true")
        == ""
    )
    beta = LanCustomer(lan, "beta")
    with pytest.raises(Refused, match=r"beta: crm\.url: https://acme\.lan is the site of acme on this server already"):
        beta.deploy(url=f"https://{acme.host}")
    assert "beta" not in lan.run("ls /var/lib/crmhost/customers /etc/nginx/conf.d")
    acme.destroy(keep_data=True)
    assert acme.ask("select text from note") == "of acme"
    assert lan.run(f"ls {acme.layout.root}") == "data\n"
    acme.deploy()
    assert acme.ask("select text from note") == "of acme"
    acme.destroy()
    assert lan.run("ls -d /var/lib/crmhost 2>/dev/null; ls /etc/systemd/system | grep crmhost; true") == ""


def test_a_site_speaks_tls_alone_and_a_renewed_certificate_is_a_change(lan: LanHost) -> None:
    acme = LanCustomer(lan)
    acme.deploy()
    for path, expected in (("/notes?a=b", (308, "https://acme.lan/notes?a=b")), ("/crmhost-ca.crt", (200, None))):
        with closing(http.client.HTTPConnection(lan.address, 80, timeout=10)) as connection:
            connection.request("GET", path, headers={"Host": "acme.lan"})
            response = connection.getresponse()
            body = response.read().decode()
            assert (response.status, response.getheader("Location")) == expected
    assert body == acme.root.certificate
    with closing(acme.door.connection(urlsplit("https://acme.lan/"), 10)) as connection:
        connection.request("GET", "/ready", headers={"Host": "other.lan"})
        assert connection.getresponse().status == 421, "a name of nobody's is not this customer's"
    acme.renew()
    names = resources(acme)
    assert f"file:{acme.layout.tls}/chain.pem" in names
    assert "site:acme" in names
    with acme.driver() as driver, pytest.raises(GateFailed, match="another certificate is shown"):
        driver.ask_site(acme.want(), acme.recipe.ready)
    acme.deploy()
    with acme.driver() as driver:
        driver.ask_site(acme.want(), acme.recipe.ready)
    assert acme.plan().changes == ()


def test_a_firewall_lets_in_what_the_contract_says_and_goes_with_it(lan: LanHost) -> None:
    here = lan.run("ip -4 route show default | cut -d' ' -f3").strip()
    acme = LanCustomer(lan, firewall=((here,), ()))
    acme.deploy()
    assert acme.plan().changes == ()
    assert acme.plan().notes == ()
    rules = lan.run("nft list table inet crmhost")
    assert "dport 22" in rules
    assert here in rules
    assert acme.get().startswith("200 ready")
    said = lan.run("systemd-analyze security --no-pager crmhost-firewall.service | tail -n 1")
    level = re.search(r"level for .*: ([0-9.]+) ", said)
    assert level is not None, said
    assert float(level[1]) <= 3.0, said
    lan.restart()
    assert lan.run("nft list table inet crmhost") == rules, "it comes back with the server"
    acme.destroy()
    assert "crmhost" not in lan.run("nft list tables")
