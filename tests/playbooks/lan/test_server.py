"""What the customers of a server share: its firewall, and what is read of it. No server is asked here."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, replace

import pytest

from crm.errors import HostError, Refused
from playbooks.kinds.nftables import FirewallWanted, Opening
from playbooks.lan.acme import Acme
from playbooks.lan.driver import refusal
from playbooks.lan.facts import Place, PlaceKind, RecordKind
from playbooks.lan.firewall import Asked, decode_asked, encode_asked, together
from playbooks.lan.layout import Layout
from playbooks.lan.names import names_of, read_names, refuse_taken
from playbooks.lan.sites import Certificate, Secured, site
from playbooks.manifest import encode
from tests.playbooks.lan.test_texts import MANIFEST
from tests.support.smallapp.recipe import RECIPE

QUIET = Asked(22, (80, 443))
STRICT = Asked(2222, (80, 443), ("10.0.0.0/8",), ("10.1.0.0/16",), asks=True)


def test_nobody_who_asks_means_no_firewall() -> None:
    assert together([QUIET, QUIET]) is None


def test_one_who_asks_is_given_what_he_asks() -> None:
    wanted = FirewallWanted(
        (
            Opening(80, sources=("10.1.0.0/16",)),
            Opening(443, sources=("10.1.0.0/16",)),
            Opening(2222, sources=("10.0.0.0/8",)),
        )
    )
    assert together([STRICT]) == wanted


def test_one_who_does_not_ask_keeps_its_site_open_beside_one_who_does() -> None:
    other = Asked(22, (8443,))
    wall = together([STRICT, other])
    assert wall is not None
    assert Opening(8443) in wall.openings
    assert all(opening.port != 22 for opening in wall.openings)


def test_a_site_that_one_lets_everybody_reach_is_open_to_all_who_share_its_port() -> None:
    wall = together([STRICT, replace(STRICT, web_from=())])
    assert wall is not None
    assert Opening(443) in wall.openings
    assert Opening(2222, sources=("10.0.0.0/8",)) in wall.openings


@pytest.mark.parametrize("asked", [QUIET, STRICT])
def test_what_is_asked_is_read_as_it_was_written(asked: Asked) -> None:
    assert decode_asked(encode_asked(asked), "acme") == asked


def test_what_another_contract_has_not_said_yet_is_nothing() -> None:
    assert decode_asked("", "beta") is None
    with pytest.raises(ValueError, match="beta"):
        decode_asked(json.dumps({**asdict(QUIET), "ssh": None}), "beta")


SAID = (
    ("acme", "serving", "releases/notes-1.0-0123456789ab"),
    ("acme", "release", "notes-1.0-0123456789ab", encode(MANIFEST), "2026-11-28T20:00:00Z"),
    ("acme", "release", "half", "", ""),
    ("acme", "firewall", "beta", encode_asked(STRICT)),
    ("acme", "firewall", "gamma", ""),
    ("acme", "names", "beta", "80\nBeta.lan\n443\nBeta.lan"),
    ("acme", "names", "gamma", ""),
    ("acme", "unsettled"),
    ("acme", "listen", "20077"),
    ("acme", "port", "1F90"),
    ("acme", "systemd", "systemd 252 (252.39-1~deb12u1)"),
    ("acme", "cluster", "13", "old", "5433", "down"),
    ("acme", "cluster", "15", "main", "5432", "up"),
    ("acme", "clock", "chronyd"),
)


def read(*rows: tuple[str, ...]) -> Place:
    return PlaceKind().read(rows)["acme"]


def test_a_place_is_read() -> None:
    place = read(*SAID)
    assert place.serving == "notes-1.0-0123456789ab"
    assert [kept.id for kept in place.kept] == ["notes-1.0-0123456789ab"]
    assert place.kept[0].manifest == MANIFEST
    assert place.torn == ("half",)
    assert place.taken == {20077}
    assert place.firewalls == {"beta": STRICT}
    assert place.names == {"beta": {("beta.lan", 80), ("beta.lan", 443)}, "gamma": set()}
    assert (place.settled, read(*SAID[:1], ("acme", "systemd", "")).settled) == (False, True)
    assert place.server.listening == {8080}
    assert (place.server.systemd, place.server.clock) == (252, True)
    assert place.server.cluster == ("15", "main", "5432")


@pytest.mark.parametrize(
    ("url", "certificate", "names"),
    [
        ("https://Crm.lan", Certificate("chain"), {443, 80}),
        ("https://crm.lan:8443", Certificate("chain"), {8443}),
        ("https://crm.lan:8443", Acme("https://ca.lan/dir", "crm.lan"), {8443, 80}),
        ("http://crm.lan", None, {80}),
    ],
)
def test_what_a_site_is_called_is_what_nginx_is_told(url: str, certificate: Secured | None, names: set[int]) -> None:
    told = re.findall(r"^ *(?:listen (\d+)|server_name (.*);)", site(Layout("acme"), url, certificate), re.MULTILINE)
    found = names_of(url, certificate)
    assert found == {("crm.lan", port) for port in names} == read_names(" ".join(map("".join, told)))


def test_a_name_of_another_customer_s_is_refused_and_its_other_ports_are_not() -> None:
    mine = names_of("https://crm.lan", Certificate("chain"))
    refuse_taken("acme", "https://crm.lan", mine, {"beta": frozenset({("crm.lan", 8443), ("beta.lan", 443)})})
    with pytest.raises(
        Refused, match=r"^acme: crm\.url: https://crm\.lan is the site of beta on this server"
    ) as refused:
        refuse_taken("acme", "https://crm.lan", mine, {"beta": frozenset({("crm.lan", 80)})})
    assert "crmhost deploy beta, or crmhost destroy beta." in refused.value.remedy


def test_an_empty_server_is_read() -> None:
    place = read(("acme", "serving", ""), ("acme", "systemd", "systemd 255 (255.4)"))
    assert (place.serving, place.kept, place.server.cluster) == (None, (), None)


@pytest.mark.parametrize(
    "row",
    [("acme",), ("acme", "port", "zz"), ("acme", "cluster", "15", "main", "", "up"), ("acme", "firewall", "b", "{}")],
)
def test_rows_that_make_no_sense_are_an_error(row: tuple[str, ...]) -> None:
    with pytest.raises(HostError, match="an answer makes no sense"):
        read(*SAID[:1], ("acme", "systemd", "systemd 252"), row)


def test_a_database_that_is_not_made_yet_has_no_records_and_one_that_fails_is_an_error() -> None:
    kind = RecordKind()
    gone = ("acme", "failed", 'psql: error: FATAL:  database "crm-acme" does not exist', "template")
    assert kind.read([gone])["acme"].records is None
    assert kind.read([gone])["acme"].template
    with pytest.raises(HostError, match=r"could not be read: .*out of memory"):
        kind.read([("acme", "failed", "ERROR: out of memory", "")])


def test_a_recipe_that_a_server_cannot_carry_is_refused_with_the_reason() -> None:
    assert refusal(RECIPE) is None
    assert "suits webhost" in str(refusal(replace(RECIPE, targets=("webhost",))))
    assert "does not run on PostgreSQL" in str(refusal(replace(RECIPE, databases=("sqlite",))))
    assert "cannot do without a redis" in str(refusal(replace(RECIPE, needs=("redis",))))
    assert "has no process called web" in str(refusal(replace(RECIPE, processes=RECIPE.processes[1:])))
