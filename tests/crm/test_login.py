"""The proof of a login: its pure half on pages, and the whole of it against the small application."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from crm.errors import HostError
from crm.login import Proof, Submission, call, check_open, fill, judge
from crm.maintenance import page
from crm.recipe import Login, Secret, Slotted
from crmhost.login import prove
from crmhost.sandbox.ports import free_port
from tests.crm.conftest import SECRETS, HandMade, MakeByHand
from tests.support.listeners import Exchange, Listener
from tests.support.smallapp.recipe import RECIPE

LOGIN = Login(
    path="/in",
    form={"user": (Slotted("{admin}"),), "pass": (Secret("admin-password"),), "keep": ("yes",)},
    success="^200 .*Log out",
    failure="^200 .*wrong",
    default_accounts=(("root", "root"),),
)
PAGE = """<input type=hidden name=outside value=1>
<form action="/search"><input name=q><input type=hidden name=token value=of-search></form>
<form method="post" action="do?x=1"><INPUT TYPE="Hidden" name="csrf" value="a&amp;b"><input name=user>
<input type=password name=pass><input type=checkbox name=keep value=no><input type=submit></form>"""


def test_the_login_form_is_found_by_its_fields_and_its_hidden_ones_are_sent_along() -> None:
    filled = fill(LOGIN, "https://crm.example/sub/in", PAGE, "anna", "s3cret&")
    assert filled == Submission("https://crm.example/sub/do?x=1", b"csrf=a%26b&user=anna&pass=s3cret%26&keep=yes")


CALL = replace(
    LOGIN,
    form={},
    json={"id": 0, "method": "login", "params": [Slotted("{admin}"), {"pass": Secret("admin-password")}]},
)


def test_a_login_without_a_page_is_one_call_whatever_the_password_holds() -> None:
    sent = call(CALL, "https://crm.example/rpc", "anna", 's3"cret\\')
    assert sent is not None
    assert (sent.url, sent.kind) == ("https://crm.example/rpc", "application/json")
    assert json.loads(sent.body) == {"id": 0, "method": "login", "params": ["anna", {"pass": 's3"cret\\'}]}
    assert "s3" not in repr(sent)
    assert call(LOGIN, "https://crm.example/in", "anna", "s3cret") is None


@pytest.mark.parametrize("both", [{"form": {}, "json": None}, {"json": {"method": "login"}}])
def test_a_login_is_either_a_form_or_a_call(both: Mapping[str, Any]) -> None:
    with pytest.raises(ValueError, match="the login at /in needs either a form or a JSON body"):
        replace(LOGIN, **both)


def test_no_repr_shows_the_password() -> None:
    assert "s3cret" not in repr(fill(LOGIN, "https://crm.example/in", PAGE, "anna", "s3cret"))


def test_a_form_without_an_action_sends_to_its_own_page() -> None:
    page = PAGE.replace(' action="do?x=1"', "")
    assert fill(LOGIN, "https://crm.example/in?next=/", page, "a", "b").url == "https://crm.example/in?next=/"


@pytest.mark.parametrize("action", ["https://evil.example/in", "//evil.example/in", "http://crm.example/in"])
def test_a_password_is_sent_to_no_other_server_and_not_in_the_clear(action: str) -> None:
    with pytest.raises(HostError, match="another server"):
        fill(LOGIN, "https://crm.example/in", PAGE.replace("do?x=1", action), "anna", "s3cret")


@pytest.mark.parametrize(
    "page", ["", "<h1>It works!</h1>", "<form><input name=user></form>", PAGE.replace("name=pass", "")]
)
def test_a_page_without_the_form_is_named(page: str) -> None:
    with pytest.raises(HostError, match=r"crm\.example/in: found no form with the fields keep, pass, user"):
        fill(LOGIN, "https://crm.example/in", page, "anna", "s3cret")


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        ("200 <a>Log out</a>", "accepted"),
        ("200 <p>\nwrong", "refused"),
        ("200 wrong, Log out", "unclear"),
        ("200 <h1>Welcome</h1>", "unclear"),
        ("500 wrong", "unclear"),
        ("", "unclear"),
    ],
)
def test_what_an_answer_means(answer: str, outcome: str) -> None:
    assert judge(LOGIN, answer) == outcome


def test_a_proof_holds_only_when_everybody_else_is_refused() -> None:
    assert Proof("accepted", {"root": "refused"}).holds
    assert Proof("accepted", {}).holds
    assert not Proof("accepted", {"root": "unclear"}).holds
    assert not Proof("accepted", {"root": "accepted"}).holds
    assert not Proof("unclear", {"root": "refused"}).holds
    assert Proof("refused", {"root": "accepted"}).text == "administrator refused, default account root accepted"


def serve(made: HandMade, started: list[subprocess.Popen[bytes]], *steps: str) -> None:
    made.write_files()
    for step in RECIPE.steps:
        if step.name in steps:
            made.step(step)
    started.append(made.start(RECIPE.processes[0]))
    assert made.asked(RECIPE.live)


@pytest.mark.slow
def test_a_real_login_is_proven(by_hand: MakeByHand, started: list[subprocess.Popen[bytes]]) -> None:
    made = by_hand(RECIPE, "1.0")
    serve(made, started, "schema", "seed", "admin")
    url = made.slots["url"]
    assert prove(RECIPE, url + "/", "anna", SECRETS["admin-password"]) == Proof("accepted", {"root": "refused"})
    assert prove(RECIPE, url, "anna", "root").administrator == "refused"


@pytest.mark.slow
def test_a_default_account_that_is_still_there_is_found(
    by_hand: MakeByHand, started: list[subprocess.Popen[bytes]]
) -> None:
    made = by_hand(RECIPE, "1.0")
    serve(made, started, "schema", "seed")
    proof = prove(RECIPE, made.slots["url"], "anna", SECRETS["admin-password"])
    assert proof == Proof("refused", {"root": "accepted"})
    assert not proof.holds


def test_the_maintenance_page_is_named_whatever_the_way_made_of_its_lines() -> None:
    def answer(exchange: Exchange) -> None:
        text = page() if exchange.path == "/in" else page().replace("\n", "")
        exchange.answer(503, text.encode(), Retry_After="120")

    with Listener(answer) as site:
        for path in ("/in", "/elsewhere"):
            closed = replace(RECIPE, login=replace(LOGIN, path=path))
            with pytest.raises(HostError, match=rf"{path}: shows the maintenance page \(503\)") as failure:
                prove(closed, site.url(""), "anna", "x")
            assert "crmhost rollback takes it back" in failure.value.remedy


def test_another_503_is_not_taken_for_the_maintenance_page() -> None:
    check_open("https://crm.example/in", 503, "too many connections")
    check_open("https://crm.example/in", 200, page())


@pytest.mark.slow
def test_a_site_that_fails_or_is_down_is_one_clear_error(
    by_hand: MakeByHand, started: list[subprocess.Popen[bytes]]
) -> None:
    made = by_hand(RECIPE, "1.0")
    serve(made, started)  # no tables
    lost = replace(RECIPE, login=replace(RECIPE.login, path="/ready"))
    with pytest.raises(HostError, match="found no form"):
        prove(lost, made.slots["url"], "anna", "x")
    with pytest.raises(HostError, match="did not answer"):
        prove(RECIPE, f"http://127.0.0.1:{free_port()}", "anna", "x")
    with pytest.raises(HostError, match="no http or https URL"):
        prove(RECIPE, "file:///etc/passwd", "anna", "x")
