"""The way to a host, from what a contract, the fleet and the user's SSH configuration say."""

from __future__ import annotations

from pathlib import Path

import pytest

from crm.errors import HostError
from playbooks.route import Address, Place, Said, Says, nothing_said, route

KEY = Path("/fleet/key")


def saying(**said: Said) -> Says:
    """Return what a configuration says of these hosts; of others nothing."""
    return lambda host: said.get(host, Said(host))


def addresses(place: Place, says: Says = nothing_said) -> list[str]:
    return [str(stop.address) for stop in route(place, says, None, "me")]


def test_without_jump_hosts_there_is_one_stop_and_it_may_use_the_agent() -> None:
    (stop,) = route(Place("acme", "web.example"), nothing_said, None, "me")
    assert (stop.address, stop.pinned, stop.title) == (
        Address("acme", "web.example"),
        "web.example",
        "acme@web.example",
    )
    assert stop.others
    assert not stop.passed


def test_the_fleets_key_is_offered_at_every_stop_instead_of_the_agents() -> None:
    stops = route(Place("acme", "web.example", jump=("ops@a.example",)), nothing_said, KEY, "me")
    assert [(stop.key, stop.others) for stop in stops] == [(KEY, False), (KEY, False)]


def test_hosts_behind_one_are_pinned_for_the_whole_way_and_named_by_their_place_on_it() -> None:
    place = Place("acme", "10.0.0.5", 2222, ("ops@bastion.example", "root@10.0.0.1:23"))
    stops = route(place, nothing_said, None, "me")
    assert [(stop.title, stop.pinned) for stop in stops] == [
        ("ops@bastion.example (jump host 1 of 2 to acme@10.0.0.5:2222)", "bastion.example"),
        ("root@10.0.0.1:23 (jump host 2 of 2 to acme@10.0.0.5:2222)", "[10.0.0.1]:23%bastion.example"),
        ("acme@10.0.0.5:2222", "[10.0.0.5]:2222%[10.0.0.1]:23%bastion.example"),
    ]


@pytest.mark.parametrize(
    ("hop", "address"),
    [
        ("a.example", "me@a.example"),
        ("ops@a.example", "ops@a.example"),
        ("ops@a.example:2222", "ops@a.example:2222"),
        ("ssh://ops@a.example:2222", "ops@a.example:2222"),
        ("ops@2001:db8::1", "ops@2001:db8::1"),
        ("ops@[2001:db8::1]:23", "ops@2001:db8::1:23"),
        ("ops@[2001:db8::1]", "ops@2001:db8::1"),
    ],
)
def test_the_forms_of_a_jump_host(hop: str, address: str) -> None:
    assert addresses(Place("acme", "web", jump=(hop,)))[0] == address


@pytest.mark.parametrize("hop", ["", "ops@", "ops@a:x", "ops@a:0", "ops@a:65536", "-oProxyCommand=x", "ops@-x"])
def test_what_is_no_jump_host(hop: str) -> None:
    with pytest.raises(HostError, match=r"is no jump host"):
        addresses(Place("acme", "web", jump=(hop,)))


def test_the_configuration_fills_what_the_contract_leaves_out() -> None:
    says = saying(
        web=Said("192.0.2.7", "other", 2200, (Path("/me/id_web"),), only=True, jump=("bastion",)),
        bastion=Said("192.0.2.1", "ops", 2201, pinned="bastion.example"),
    )
    bastion, web = route(Place("acme", "web"), says, None, "me")
    assert bastion.address == Address("ops", "192.0.2.1", 2201)
    assert bastion.pinned == "bastion.example"
    assert web.address == Address("acme", "192.0.2.7", 2200), "the contract names the user"
    assert web.pinned == "[192.0.2.7]:2200%bastion.example"
    assert (web.identities, web.others) == ((Path("/me/id_web"),), False)


def test_what_the_contract_says_comes_first() -> None:
    says = saying(web=Said("192.0.2.7", port=2200, jump=("other",)))
    assert addresses(Place("acme", "web", 22, ("ops@a",)), says) == ["ops@a", "acme@192.0.2.7"]


def test_the_first_jump_host_may_have_jump_hosts_of_its_own() -> None:
    says = saying(a=Said("a", jump=("gate",)), gate=Said("gate.example"), b=Said("b", jump=("never",)))
    assert addresses(Place("acme", "web", jump=("a", "b")), says) == ["me@gate.example", "me@a", "me@b", "acme@web"]


def test_jump_hosts_that_lead_in_a_circle_are_refused() -> None:
    says = saying(a=Said("a", jump=("b",)), b=Said("b", jump=("a",)))
    with pytest.raises(HostError, match=r"acme@web: more than 8 jump hosts: .*") as caught:
        addresses(Place("acme", "web", jump=("a",)), says)
    assert "circle" in caught.value.remedy


def test_a_proxy_command_is_refused_where_no_jump_host_of_the_contract_comes_before_it() -> None:
    says = saying(web=Said("web", command="/c:3 says ProxyCommand of it"))
    with pytest.raises(HostError, match=r"^web: /c:3 says ProxyCommand of it, which crmhost does not honour"):
        addresses(Place("acme", "web"), says)
    assert addresses(Place("acme", "web", jump=("ops@a",)), says) == ["ops@a", "acme@web"]
    with pytest.raises(HostError, match=r"^web: /c:3 says ProxyCommand"):
        addresses(Place("acme", "inner", jump=("ops@web",)), says)


def test_other_things_that_are_not_honoured_are_refused_at_any_stop() -> None:
    says = saying(web=Said("web", refused="/c:3 says Match exec of it"))
    for place in (Place("acme", "web"), Place("acme", "web", jump=("a",)), Place("acme", "x", jump=("web",))):
        with pytest.raises(HostError, match=r"^web: /c:3 says Match exec of it"):
            addresses(place, says)
