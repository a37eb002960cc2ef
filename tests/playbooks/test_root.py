"""Working as root on a real LAN server, from every account that may, and what is said of those that may not."""

from __future__ import annotations

import pytest

from playbooks.become import HOME
from playbooks.kind import Put
from playbooks.session import lock
from playbooks.shell import sh
from tests.support.lanhost import LanHost


@pytest.mark.parametrize("user", ["deploy", "asks", "root"])
def test_everything_runs_as_root_in_the_engines_own_home(bare_lan: LanHost, user: str) -> None:
    with bare_lan.root(user) as host:
        assert host.root
        assert host.home == HOME
        assert host.ask(sh("id -u; umask; echo $HOME; pwd")).decode().split() == ["0", "0077", HOME, "/"]
        assert "no" in bare_lan.run(f"test -e {HOME} || echo no")
        with lock(host, "acme", "a test", "me@here") as held:
            host.put([Put("one", b"1" * 3_000_000), Put("two", b"")], held.staging)
            output = held.run("look", sh("id -u; pwd; cat"), stdin=b"secret", safe=True)
            held.batch(sh('mv "$staging/one" /srv/one'), [Put("three", b"3")])
            listed = bare_lan.run(
                f"cd {HOME}/.crmhost/acme/staging/*; stat -c '%n %a %U' * .; stat -c %a {HOME} {HOME}/.."
            )
        assert output.text.splitlines() == ["0", HOME, "secret"]
        assert listed.splitlines() == ["three 600 root", "two 600 root", ". 700 root", "700", "755"]
        assert host.ask(sh("pwd")).decode().strip() == HOME
    assert bare_lan.run("stat -c '%a %U %s' /srv/one") == "600 root 3000000\n"
