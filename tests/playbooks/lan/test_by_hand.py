"""What people edit by hand on a server: the plan names it, and a deploy keeps it aside before it writes its own."""

from __future__ import annotations

import pytest

from crm.plan import Change
from tests.support.lanhost import LanHost
from tests.support.lans import LanCustomer
from tests.support.until import until
from tests.support.wants import SECRETS

pytestmark = [pytest.mark.slow, pytest.mark.cloud]
MINE = "# edited by hand"


def kept(customer: LanCustomer) -> dict[str, str]:
    """Return what lies in the folder of kept contents: names without what tells them apart, and last lines."""
    script = f'cd {customer.layout.aside}; for f in *; do [ ! -f "$f" ] || echo "${{f%-*}} $(tail -n 1 "$f")"; done'
    return dict(line.split(" ", 1) for line in customer.lan.run(script).splitlines())


def edited(customer: LanCustomer) -> dict[str, Change]:
    """Return what a plan names."""
    return {change.resource: change for change in customer.plan("1.1").changes}


@pytest.mark.timeout(600)
def test_what_is_edited_by_hand_is_named_kept_aside_and_mended(lan: LanHost) -> None:
    acme = LanCustomer(lan)
    acme.deploy("1.0")
    aside = acme.layout.aside
    assert lan.run(f"stat -c '%a %U %G' {aside}") == "700 root root\n"
    acme.deploy("1.1")
    assert kept(acme) == {}, "what crmhost wrote itself is not kept"

    unit, site = acme.unit("worker"), "crmhost-acme.conf"
    settings = f"{lan.run(f'readlink -f {acme.layout.current}').strip()}/site.conf"
    for path in (f"/etc/systemd/system/{unit}", f"/etc/nginx/conf.d/{site}", settings):
        lan.run(f"echo '{MINE}' >>{path}")
    lan.run("systemctl daemon-reload; nginx -s reload")
    found = edited(acme)
    assert set(found) == {f"unit:{unit}", "site:acme", f"file:{settings}"}
    assert all(f"the present content is kept in {aside}" in change.diff for change in found.values())
    acme.deploy("1.1")
    assert kept(acme) == {unit: MINE, site: MINE, "site.conf": MINE}
    assert lan.run(f"stat -c '%a %U' {aside}/* | sort -u") == "600 root\n"
    assert MINE not in lan.run(f"cat /etc/systemd/system/{unit} /etc/nginx/conf.d/{site} {settings}")
    assert edited(acme) == {}
    assert acme.deploy("1.1").did == "nothing"
    until(lambda: acme.get().startswith("200 ready 1.1"), "it serves")


@pytest.mark.timeout(600)
def test_a_file_with_a_secret_is_kept_nowhere_and_what_was_kept_goes_with_the_contract(lan: LanHost) -> None:
    acme = LanCustomer(lan)
    acme.deploy("1.1")
    secret = f"{lan.run(f'readlink -f {acme.layout.current}').strip()}/secret-key"
    lan.run(f"echo '{MINE}' >>{secret}; echo '{MINE}' >>{acme.layout.tls}/key.pem")
    found = edited(acme)
    assert set(found) == {f"file:{secret}", f"file:{acme.layout.tls}/key.pem"}
    assert not any("kept" in line for change in found.values() for line in change.diff)
    acme.deploy("1.1")
    assert edited(acme) == {}
    assert kept(acme) == {}
    assert lan.run(f"cat {secret}") == SECRETS["secret-key"]
    assert MINE not in lan.run(f"grep -rF '{MINE}' /var/lib/crmhost /etc/systemd /etc/nginx 2>&1 || true")

    lan.run(f"echo '{MINE}' >>/etc/nginx/conf.d/crmhost-acme.conf; rmdir {acme.layout.aside}")
    assert set(edited(acme)) == {"site:acme", f"folder:{acme.layout.aside}"}
    acme.deploy("1.1")
    assert kept(acme) == {"crmhost-acme.conf": MINE}
    lan.run(f"cd /etc/systemd/system; mkdir {acme.unit('web')}.d; echo '{MINE}' >{acme.unit('web')}.d/my.conf")
    acme.destroy(keep_data=True)
    assert lan.run(f"ls {acme.layout.root}") == "data\n"
