"""A real LAN server in a network that only its bastion reaches: root works there as everywhere."""

from __future__ import annotations

import threading

import pytest

from crm.errors import HostError
from playbooks.kind import Put
from playbooks.session import lock
from playbooks.shell import sh
from tests.support.lanjump import Jumped
from tests.support.until import until

FREE = "flock -n /var/lib/crmhost/engine/.crmhost/acme/lock true && echo free"


@pytest.mark.parametrize("user", ["deploy", "asks"])
def test_root_works_through_the_bastion(jumped: Jumped, user: str) -> None:
    with jumped.root(user) as host, lock(host, "acme", "a test", "me@here") as held:
        peers = host.ask(sh("ss -Htn 'sport = :22'")).decode().split()[4::5]
        output = held.run("look", sh("id -un; cat"), stdin=b"whole", safe=True)
        held.batch(sh('mv "$staging/one" /srv/one'), [Put("one", b"1" * 1_000_000)])
    assert {peer.rpartition(".")[0] for peer in peers} == {jumped.server.address.rpartition(".")[0]}
    assert jumped.bastion.address.rpartition(".")[0] != jumped.server.address.rpartition(".")[0]
    assert output.text.split() == ["root", "whole"]
    assert jumped.server.run("stat -c '%U %a %s' /srv/one") == "root 600 1000000\n"


def test_a_connection_that_breaks_at_the_bastion_is_named_and_blocks_nobody(jumped: Jumped) -> None:
    def cut() -> None:
        until(lambda: jumped.server.run("test -e /srv/reached && echo yes", check=False), "the step runs", 60)
        jumped.bastion.run("pkill -KILL -f 'sshd: deplo[y]'")

    cutting = threading.Thread(target=cut)
    with jumped.root() as host, lock(host, "acme", "a test", "me@here") as held:
        cutting.start()
        with pytest.raises(HostError) as lost:
            held.run("wait", sh("touch /srv/reached; sleep 600"), safe=True)
    cutting.join()
    assert f"deploy@{jumped.bastion.address} (jump host 1 of 1 to deploy@{jumped.server.address})" in lost.value.what
    until(lambda: jumped.server.run(FREE, check=False), "the lock is free", 30)
