"""The firewall of a real host: it filters, comes back, is found when spoilt, and never shuts out who sets it."""

from __future__ import annotations

import socket
from dataclasses import replace

import pytest

from crm.errors import HostError
from playbooks.kind import Resource
from playbooks.kinds.firewall import FirewallKind, FirewallSeen
from playbooks.kinds.nftables import FirewallWanted, Opening
from playbooks.session import Session
from tests.playbooks.kinds.conftest import converge, planned, seen
from tests.support.lanhost import LanHost
from tests.support.until import until

pytestmark = pytest.mark.slow

SSH = Opening(22)
HTTP = Opening(80)


def firewall(*openings: Opening) -> Resource:
    return Resource(FirewallKind(), "crmhost", FirewallWanted(openings))


def answers(server: LanHost, port: int) -> bool:
    """Tell whether the port lets us in; what is dropped never answers."""
    try:
        with socket.create_connection((server.address, port), 2):
            return True
    except TimeoutError:
        return False


def test_it_filters_and_comes_back(held: Session, server: LanHost) -> None:
    server.run("nft add table inet ann; nft add chain inet ann own")
    assert answers(server, 80)
    converge(held, firewall(SSH))
    assert not answers(server, 80)
    assert answers(server, 22)
    assert "tcp dport 22 accept" in server.run("nft list table inet crmhost")
    assert "table inet ann" in server.run("nft list tables")
    converge(held, firewall(SSH, HTTP))
    assert answers(server, 80)
    server.run("nft flush ruleset")
    assert planned(held, firewall(SSH, HTTP)) == ["create it is not loaded"]
    converge(held, firewall(SSH, HTTP))
    server.run("systemctl disable -q crmhost-firewall")
    assert planned(held, firewall(SSH, HTTP)) == ["update it would not come back with the host, or not so"]
    converge(held, firewall(SSH, HTTP))
    converge(held, Resource(FirewallKind(), "crmhost", None))
    assert server.run("nft list tables; ls /etc/crmhost-firewall.nft 2>&1", check=False).split()[:2] == [
        "ls:",
        "cannot",
    ]


def test_a_rule_that_was_changed_by_hand_is_found(held: Session, server: LanHost) -> None:
    converge(held, firewall(SSH))
    server.run("nft insert rule inet crmhost input tcp dport 80 accept")
    assert answers(server, 80)
    assert planned(held, firewall(SSH)) == ["update what is loaded is not what crmhost loaded"]
    converge(held, firewall(SSH))
    assert not answers(server, 80)
    converge(held, Resource(FirewallKind(), "crmhost", None))


def test_sources_are_told_apart(held: Session, server: LanHost) -> None:
    me = seen(held, [firewall()])["firewall:crmhost"]
    assert isinstance(me, FirewallSeen)
    ours = Opening(22, sources=(f"{me.client}/32", "192.0.2.0/24", "192.0.2.7", "2001:db8::/32"))
    converge(held, firewall(ours, Opening(80, sources=("192.0.2.0/24",)), Opening(53, "udp")))
    assert not answers(server, 80)
    assert answers(server, 22)
    rules = server.run("nft -s list table inet crmhost")
    assert f"ip saddr {{ {me.client}, 192.0.2.0/24 }} tcp dport 22 accept" in rules
    assert "ip6 saddr 2001:db8::/32 tcp dport 22 accept" in rules
    converge(held, Resource(FirewallKind(), "crmhost", None))


def test_what_would_lock_us_out_is_refused_before_anything_is_done(held: Session, server: LanHost) -> None:
    for openings in ((), (HTTP,), (Opening(22, sources=("192.0.2.0/24",)),), (Opening(22, "udp"),)):
        with pytest.raises(
            HostError, match=r"firewall:crmhost: this connection comes from [0-9.]+ to port 22, which would"
        ):
            planned(held, firewall(*openings))
    assert server.run("nft list tables") == ""


def test_it_is_loaded_again_after_the_host_s_own_rules(held: Session, server: LanHost) -> None:
    """Debian's own service empties everything when it starts, is reloaded and is stopped."""
    converge(held, firewall(SSH))
    server.run("systemctl unmask nftables && systemctl enable -q nftables && systemctl start nftables")
    for verb in ("restart", "reload"):
        server.run(f"systemctl {verb} nftables")
        until(lambda: "tcp dport 22 accept" in server.run("nft list ruleset"), f"it is there after {verb}")
    assert planned(held, firewall(SSH)) == []
    server.run("systemctl stop nftables; systemctl mask -q nftables; systemctl restart crmhost-firewall")
    converge(held, Resource(FirewallKind(), "crmhost", None))


PICKY = """\
#!/bin/sh
[ "$1" != -c ] || { echo no such thing; exit 1; }
exec nft.real "$@"
"""
"""An nft that proves nothing right."""


def test_rules_that_nft_refuses_change_nothing(held: Session, server: LanHost) -> None:
    converge(held, firewall(SSH))
    server.run(f"cd /usr/sbin; mv nft nft.real; cat >nft <<'end'\n{PICKY}end\nchmod 755 nft")
    before = server.run("nft.real list ruleset; cat /etc/crmhost-firewall.nft")
    with pytest.raises(HostError, match=r"firewall:crmhost failed .*no such thing"):
        converge(held, firewall(SSH, HTTP))
    server.run("mv /usr/sbin/nft.real /usr/sbin/nft")
    assert server.run("nft list ruleset; cat /etc/crmhost-firewall.nft") == before
    converge(held, Resource(FirewallKind(), "crmhost", None))


BARE = FirewallSeen(tool=True, client="192.0.2.7", port=22)


@pytest.mark.parametrize(
    ("client", "sources", "allowed"),
    [
        ("192.0.2.7", (), True),
        ("192.0.2.7", ("192.0.2.0/24",), True),
        ("::ffff:192.0.2.7", ("192.0.2.0/24",), True),
        ("fe80::1%eth0", ("fe80::/10",), True),
        ("192.0.3.7", ("192.0.2.0/24", "2001:db8::/32"), False),
        ("2001:db9::1", ("192.0.2.0/24", "2001:db8::/32"), False),
    ],
)
def test_who_would_be_locked_out(client: str, sources: tuple[str, ...], allowed: bool) -> None:
    wanted = firewall(Opening(22, sources=sources))
    if allowed:
        assert wanted.kind.diff("crmhost", wanted.want, replace(BARE, client=client)) is not None
    else:
        with pytest.raises(HostError, match="would be closed to it"):
            wanted.kind.diff("crmhost", wanted.want, replace(BARE, client=client))


def test_a_connection_from_nowhere_is_no_reason_to_guess() -> None:
    with pytest.raises(HostError, match="cannot be told from where this connection comes"):
        FirewallKind().diff("crmhost", FirewallWanted((SSH,)), replace(BARE, client="", port=0))


def test_what_cannot_be_a_firewall() -> None:
    for port in (0, 65536, -1):
        with pytest.raises(ValueError, match="is no port"):
            Opening(port)
    with pytest.raises(ValueError, match="host bits set"):
        Opening(22, sources=("192.0.2.7/24",))
    with pytest.raises(ValueError, match="does not appear to be"):
        Opening(22, sources=("} accept; drop",))
    for name in ("", "a-b", "-a", "A", "a b", "é", "x" * 32):
        with pytest.raises(ValueError, match=r"^firewall:"):
            FirewallKind().ask({name: None})
