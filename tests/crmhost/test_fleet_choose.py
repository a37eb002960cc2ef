"""Which contracts a command over many means, in what order, and how many a host takes at once."""

from __future__ import annotations

import pytest

from contract.moment import instant
from crm.errors import Refused
from crm.recipe import TargetKind
from crmhost.fleetwide.choose import LOG_INS, RUNS, Chosen, Job, choose, job_of, left_out, many
from crmhost.order import Access
from crmhost.want import Order
from tests.support.contracts import HEAD, contract_of

KNOWN = ("acme", "acorn", "bolt", "globex")
NOW = instant("2026-03-01T00:00:00Z")


@pytest.mark.parametrize(
    ("names", "everything", "found"),
    [
        ((), True, "acme acorn bolt globex"),
        (("a*",), False, "acme acorn"),
        (("globex", "a*"), False, "globex acme acorn"),
        (("acorn", "*"), False, "acorn acme bolt globex"),
        (("b?lt", "[ag]*"), False, "bolt acme acorn globex"),
        (("bolt", "bolt", "b*"), False, "bolt"),
        (("nobody", "acme"), False, "nobody acme"),
    ],
)
def test_the_order_is_the_one_in_which_they_were_named(names: tuple[str, ...], everything: bool, found: str) -> None:
    assert [one.contract for one in choose(names, KNOWN, everything=everything)] == found.split()


def test_who_is_named_by_himself_is_meant_whatever_a_glob_finds() -> None:
    assert choose(("a*", "acorn"), KNOWN, everything=False) == (
        Chosen("acme", named=False),
        Chosen("acorn", named=True),
    )


@pytest.mark.parametrize(
    ("names", "everything", "known", "what", "remedy"),
    [
        (("x*",), False, KNOWN, "no contract matches 'x*'; nothing was done", "The fleet has 4 of them."),
        (("acmee*",), False, KNOWN, "no contract matches 'acmee*'; nothing was done", "Did you mean acme? The fleet"),
        (("a*", "X*"), False, KNOWN, "no contract matches 'X*'; nothing was done", "The fleet has 4"),
        ((), True, (), "the fleet has no contract", "Make one: crmhost init NAME"),
        (("acme",), True, KNOWN, "--all means every contract, so no name stands beside it", "Write --all, or names"),
        ((), False, KNOWN, "no contract is named", "Write names, globs such as 'a*', or --all."),
    ],
)
def test_what_means_nothing_is_refused(
    names: tuple[str, ...], everything: bool, known: tuple[str, ...], what: str, remedy: str
) -> None:
    with pytest.raises(Refused) as refused:
        choose(names, known, everything=everything)
    assert refused.value.what == what
    assert refused.value.remedy.startswith(remedy)


def test_one_contract_by_its_name_is_not_a_fleet() -> None:
    assert not many(("acme",), everything=False)
    assert many(("acme*",), everything=False)
    assert many(("acme", "bolt"), everything=False)
    assert many((), everything=True)


@pytest.mark.parametrize(
    ("target", "term", "reason"),
    [
        ("{kind: saas}", "{signed: 2026-01-10}", "somebody else's service, which is measured only"),
        ("{kind: webhost, host: web.example, user: acme}", "{accepted: 2026-02-01}", "not signed"),
        (
            "{kind: webhost, host: web.example, user: acme}",
            "{signed: 2026-03-02}",
            "not signed before 2026-03-02T00:00:00.000000Z",
        ),
        ("{kind: webhost, host: web.example, user: acme}", "{signed: 2026-01-10}", None),
        ("{kind: lan, host: 192.0.2.10, user: deploy}", "{signed: 2026-01-10}", None),
    ],
)
def test_what_is_left_out_is_not_to_be_deployed_at_all(target: str, term: str, reason: str | None) -> None:
    lines = [line for line in HEAD.splitlines() if not line.startswith("target:")]
    contract = contract_of("\n".join([*lines, f"target: {target}", f"term: {term}", ""]))
    assert left_out(contract, NOW) == reason


def order(kind: TargetKind, port: int = 0, *jump: str) -> Order:
    docker = "ssh://d.example"
    return Order("acme", "acme.yaml", "creme", "2.8.6", kind, {}, "acme", "web.example", port, jump, docker=docker)


@pytest.mark.parametrize(
    ("kind", "changes", "refresh", "room"),
    [
        ("cloud", True, False, RUNS),
        ("cloud", False, True, RUNS),
        ("cloud", False, False, 5),
        ("lan", True, False, 1),
        ("lan", False, False, LOG_INS),
        ("webhost", True, False, LOG_INS),
    ],
)
def test_a_host_takes_so_many_at_once(kind: TargetKind, changes: bool, refresh: bool, room: int) -> None:
    access = Access(None, (), {"parallel": 5} if kind == "cloud" else None)
    place = "ssh://d.example" if kind == "cloud" else "web.example"
    assert job_of(order(kind), access, changes=changes, refresh=refresh) == Job("acme", place, room)


def test_two_servers_on_one_address_are_two_places() -> None:
    assert job_of(order("webhost", 2222), Access(None, ()), changes=True, refresh=False).place == "web.example:2222"


def test_the_same_address_behind_another_jump_host_is_another_place() -> None:
    jobs = [
        job_of(order("webhost", 22, *jump), Access(None, ()), changes=True, refresh=False)
        for jump in (("ops@bastion.a.example:2222", "root@10.0.0.1"), ("10.0.0.2",))
    ]
    assert [job.place for job in jobs] == ["web.example behind 10.0.0.1", "web.example behind 10.0.0.2"]
    assert jobs[0].via == ("bastion.a.example:2222", "10.0.0.1")
