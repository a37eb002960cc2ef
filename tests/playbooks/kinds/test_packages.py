"""Packages and accounts on a real Debian: from archives and from a folder, locked out, interrupted, removed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from crm.errors import HostError
from playbooks.kind import Resource
from playbooks.kinds.account import AccountKind, AccountWanted
from playbooks.kinds.package import PackageKind, PackageWanted, packages
from playbooks.session import Session
from tests.playbooks.kinds.conftest import converge, planned
from tests.support.lanhost import LanHost
from tests.support.until import until

pytestmark = pytest.mark.slow

DEB = """\
set -e; umask 022; mkdir -p /srv/debs/p/DEBIAN /srv/debs/p/etc; cd /srv/debs
printf '%s\\n' 'Package: {name}' 'Version: {version}' 'Architecture: all' 'Maintainer: ann' \\
  'Depends: {depends}' 'Description: of a test' >p/DEBIAN/control
printf '%s\\n' '/etc/{name}.conf' >p/DEBIAN/conffiles; echo 'version {version}' >p/etc/{name}.conf
printf '%s\\n' '#!/bin/sh' '{post}' >p/DEBIAN/postinst; chmod 755 p/DEBIAN/postinst
dpkg-deb --root-owner-group -b p {name}_{version}.deb >/dev/null; rm -r p
"""


def deb(server: LanHost, name: str, version: str, depends: str = "dpkg", post: str = "exit 0") -> None:
    """Put a package of our own into the folder on the host."""
    server.run(DEB.format(name=name, version=version, depends=depends, post=post))


def local(*words: str) -> tuple[Resource, ...]:
    return packages(words, "/srv/debs")


@pytest.fixture
def debs(server: LanHost) -> None:
    """Empty the folder, and let nothing of the last test be installed."""
    server.run("rm -rf /srv/debs; dpkg --purge --force-all crmhost-a crmhost-b 2>/dev/null; rm -f /etc/crmhost-*.conf")


@pytest.mark.usefixtures("debs")
def test_packages_from_a_folder_come_in_one_run_with_what_they_need(held: Session, server: LanHost) -> None:
    deb(server, "crmhost-a", "1.0", "crmhost-b (>= 1)")
    deb(server, "crmhost-b", "1.0")
    wanted = local("crmhost-a", "crmhost-b")
    assert planned(held, *wanted) == ["create it is not installed"] * 2
    runs = "grep -c ^Commandline /var/log/apt/history.log 2>/dev/null || true"
    before = int(server.run(runs))
    converge(held, *wanted)
    assert int(server.run(runs)) == before + 1
    with pytest.raises(HostError, match=r"(?s)package:crmhost-b failed .*these would go with it: crmhost-a crmhost-b"):
        converge(held, Resource(PackageKind(), "crmhost-b", None))
    converge(held, *(Resource(PackageKind(), name, None) for name in ("crmhost-a", "crmhost-b")))


@pytest.mark.usefixtures("debs")
def test_only_the_version_that_is_wanted_comes_and_settings_are_kept(held: Session, server: LanHost) -> None:
    deb(server, "crmhost-a", "1.0")
    converge(held, *local("crmhost-a"))
    server.run("echo mine >/etc/crmhost-a.conf")
    deb(server, "crmhost-a", "2.0~rc1")
    assert planned(held, *local("crmhost-a")) == []
    assert planned(held, *local("crmhost-a=2.0~rc1")) == ["update its version differs"]
    converge(held, *local("crmhost-a=2.0~rc1"))
    assert server.run("cat /etc/crmhost-a.conf").strip() == "mine"
    converge(held, *local("crmhost-a=1.0"))
    assert server.run("cat /etc/crmhost-a.conf").strip() == "mine"


@pytest.mark.usefixtures("debs")
def test_what_is_not_in_the_folder_is_not_fetched(held: Session, server: LanHost) -> None:
    deb(server, "crmhost-a", "1.0", "crmhost-b")
    with pytest.raises(HostError, match=r"(?s)package:crmhost-a failed .*Depends: crmhost-b"):
        converge(held, *local("crmhost-a"))
    with pytest.raises(HostError, match=r"(?s)package:hello failed .*Unable to locate package hello"):
        converge(held, *local("hello"))
    server.run("rm -r /srv/debs")
    with pytest.raises(HostError, match=r"there are no packages in /srv/debs"):
        converge(held, *local("crmhost-a"))


@pytest.mark.usefixtures("debs")
def test_an_interrupted_installation_is_mended(held: Session, server: LanHost) -> None:
    deb(server, "crmhost-a", "1.0", post="[ -e /srv/debs/go ] || kill -9 $PPID")
    server.run("dpkg -i /srv/debs/crmhost-a_1.0.deb", check=False)
    server.run("touch /srv/debs/go")
    assert planned(held, *local("crmhost-a")) == ["update its installation was interrupted"]
    converge(held, *local("crmhost-a"))


HOLD = """\
import fcntl, sys, time
lock = open("/var/lib/dpkg/lock-frontend", "w")
fcntl.lockf(lock, fcntl.LOCK_EX)
open("/run/held", "w").close()
time.sleep(600)
"""


@pytest.mark.usefixtures("debs")
def test_who_holds_the_lock_is_named_and_waited_for(held: Session, server: LanHost) -> None:
    deb(server, "crmhost-a", "1.0")
    server.run(f"cat >/run/hold.py <<'end'\n{HOLD}end\nsystemd-run -q --unit=holder python3 /run/hold.py")
    until(lambda: server.run("ls /run/held 2>&1", check=False).strip() == "/run/held", "the lock is held")
    (wanted,) = local("crmhost-a")
    with pytest.raises(
        HostError, match=r"(?s)package:crmhost-a failed .*held by process \d+ \(python3\).*wait until it has ended"
    ):
        converge(held, replace(wanted, kind=PackageKind(patience=3)))
    server.run("systemd-run -q --on-active=3 systemctl stop holder")
    converge(held, wanted)


def test_packages_from_the_archives(held: Session, server: LanHost) -> None:
    wanted = packages(["hello", "bash"])
    assert planned(held, *wanted) == ["create it is not installed"]
    converge(held, *wanted)
    assert server.run("hello").startswith("Hello")
    converge(held, Resource(PackageKind(), "hello", None))
    assert planned(held, Resource(PackageKind(), "hello", None)) == []
    with pytest.raises(HostError, match=r"Version .9.9-nosuch. for .hello. was not found"):
        converge(held, Resource(PackageKind(), "hello", PackageWanted("9.9-nosuch")))


def account(name: str = "crmhost-acme", *groups: str) -> Resource:
    return Resource(AccountKind(), name, AccountWanted("/var/lib/crmhost/acme", groups))


def test_an_account_can_do_nothing_but_own_files(held: Session, server: LanHost) -> None:
    converge(held, account())
    assert (
        server.run("getent passwd crmhost-acme").strip().split(":", 4)[4]
        == "crmhost:/var/lib/crmhost/acme:/usr/sbin/nologin"
    )
    assert server.run("id -Gn crmhost-acme; passwd -S crmhost-acme").split()[:3] == [
        "crmhost-acme",
        "crmhost-acme",
        "L",
    ]
    server.run("usermod -s /bin/bash -G adm crmhost-acme; echo crmhost-acme:x | chpasswd")
    assert planned(held, account()) == ["update it differs"]
    converge(held, account())
    converge(held, account("crmhost-acme", "www-data", "adm"))
    assert sorted(server.run("id -Gn crmhost-acme").split()) == ["adm", "crmhost-acme", "www-data"]
    server.run("touch /srv/mine; chown crmhost-acme /srv/mine")
    converge(held, Resource(AccountKind(), "crmhost-acme", None))
    assert server.run("getent passwd crmhost-acme; getent group crmhost-acme; ls /srv/mine", check=False).split() == [
        "/srv/mine"
    ]


def test_an_account_that_was_half_made_or_half_removed(held: Session, server: LanHost) -> None:
    server.run("groupadd --system crmhost-acme")
    converge(held, account())
    server.run("userdel crmhost-acme; groupadd -f crmhost-acme")
    converge(held, account())
    converge(held, Resource(AccountKind(), "crmhost-acme", None))


def test_an_account_of_somebody_else_is_never_touched(held: Session, server: LanHost) -> None:
    before = server.run("getent passwd deploy")
    assert planned(held, account("deploy")) == ["replace there is an account of this name that crmhost did not make"]
    with pytest.raises(HostError, match=r"account:deploy failed .*crmhost did not make; rename it"):
        converge(held, account("deploy"))
    assert planned(held, Resource(AccountKind(), "deploy", None)) == []
    assert server.run("getent passwd deploy") == before


def test_an_account_in_use_is_left(held: Session, server: LanHost) -> None:
    converge(held, account())
    server.run("systemd-run -q --unit=user --uid=crmhost-acme sleep 600")
    with pytest.raises(HostError, match=r"account:crmhost-acme failed .*is currently used by process"):
        converge(held, Resource(AccountKind(), "crmhost-acme", None))
    server.run("systemctl stop user")
    converge(held, Resource(AccountKind(), "crmhost-acme", None))


@pytest.mark.parametrize("name", ["", "-a", "a b", "Acme", "é", "a" * 32, "a:b", "a\n"])
def test_names_that_no_account_can_have(name: str) -> None:
    with pytest.raises(ValueError, match=r"^account:.*: a name has 1 to 31 small letters"):
        AccountKind().ask({name: None})
    with pytest.raises(ValueError, match=r"^account:"):
        AccountWanted("/home/x", (name,))


def test_what_can_be_no_account_or_package() -> None:
    for home in ("relative", "/a:b", "/a\nb"):
        with pytest.raises(ValueError, match="a home folder is an absolute path"):
            AccountWanted(home)
    for name in ("-a", "Nginx", "a b", "x", "a;b"):
        with pytest.raises(ValueError, match=r"^package:"):
            PackageKind().ask({name: None})
    with pytest.raises(ValueError, match="is no version of a package"):
        packages(["nginx=1.0 other"])
    with pytest.raises(ValueError, match="is no version of a package"):
        PackageWanted("-o x")
    with pytest.raises(ValueError, match="an absolute path"):
        PackageWanted(folder="debs")
