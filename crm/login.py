"""How a login over HTTP is proven: what to send, and what an answer means. Pure; `crmhost.login` asks."""

from __future__ import annotations

import json
import re
import urllib.parse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Literal, TypeAlias

from crm.errors import HostError
from crm.maintenance import shown
from crm.recipe import Json, Login, Secret, Slotted, Text

Outcome: TypeAlias = Literal["accepted", "refused", "unclear"]


@dataclass(frozen=True, slots=True)
class Submission:
    """What is to be sent: POST `body` to `url`. The body holds a password and is left out of the repr."""

    url: str
    body: bytes = field(repr=False)
    kind: str = "application/x-www-form-urlencoded"


@dataclass(frozen=True, slots=True)
class Proof:
    """What became of the customer's administrator and of the CRM's default accounts, by name."""

    administrator: Outcome
    defaults: Mapping[str, Outcome]

    @property
    def holds(self) -> bool:
        """Tell whether the administrator gets in, and nobody with a default account does."""
        return self.administrator == "accepted" and all(outcome == "refused" for outcome in self.defaults.values())

    @property
    def text(self) -> str:
        """Return one line for people."""
        others = (f"default account {name} {outcome}" for name, outcome in self.defaults.items())
        return ", ".join((f"administrator {self.administrator}", *others))


def fill(login: Login, page_url: str, page: str, name: str, password: str) -> Submission:
    """Return the page's login form, filled; its hidden fields are sent along.

    `page_url` is where the page came from in the end. Raises HostError when no form of it has the recipe's fields, or
    when the form would send the password to another server.
    """
    for form in _forms(page):
        if login.form.keys() <= form.names:
            url = urllib.parse.urljoin(page_url, form.action)
            if _origin(url) != _origin(page_url):
                raise HostError(
                    f"{page_url}: its login form sends to {url!r}, which is another server", "No password was sent."
                )
            own = {key: _filled(text, name, password) for key, text in login.form.items()}
            return Submission(url, urllib.parse.urlencode({**form.hidden, **own}).encode())
    raise HostError(
        f"{page_url}: found no form with the fields {', '.join(sorted(login.form))}",
        "Open the page in a browser: is it the CRM's login page, and not that of something before it?",
    )


def check_open(url: str, status: int, body: str) -> None:
    """Raise HostError where an answer is the maintenance page: nobody can log in meanwhile."""
    if shown(status, body):
        raise HostError(
            f"{url}: shows the maintenance page (503), so nobody can log in now",
            "Is somebody at work there? crmhost status. An upgrade or a restore that was cut off: crmhost deploy goes"
            " on with it, and crmhost rollback takes it back.",
        )


def call(login: Login, url: str, name: str, password: str) -> Submission | None:
    """Return the filled body of a login that needs no page; None: this login is a form."""
    if login.json is None:
        return None
    return Submission(url, json.dumps(_json(login.json, name, password)).encode(), "application/json")


def judge(login: Login, answer: str) -> Outcome:
    """Return what `STATUS BODY` of the final page means; `unclear` when it is neither, or both."""
    success = re.search(login.success, answer, re.DOTALL) is not None
    failure = re.search(login.failure, answer, re.DOTALL) is not None
    if success == failure:
        return "unclear"
    return "accepted" if success else "refused"


@dataclass(slots=True)
class _Form:
    action: str
    names: set[str] = field(default_factory=set)
    hidden: dict[str, str] = field(default_factory=dict)


class _FormReader(HTMLParser):
    """Collects the forms of a page; an input outside of every form belongs to none."""

    def __init__(self) -> None:
        super().__init__()
        self.forms: list[_Form] = []
        self._inside = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        known = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.forms.append(_Form(known.get("action", "")))
            self._inside = True
        elif tag == "input" and self._inside and known.get("name"):
            form = self.forms[-1]
            form.names.add(known["name"])
            if known.get("type", "").lower() == "hidden":
                form.hidden[known["name"]] = known.get("value", "")

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._inside = False


def _forms(page: str) -> list[_Form]:
    reader = _FormReader()
    reader.feed(page)
    reader.close()
    return reader.forms


def _filled(text: Text, name: str, password: str) -> str:
    return "".join(_part(part, name, password) for part in text)


def _json(value: Json, name: str, password: str) -> object:
    match value:
        case str() | Slotted() | Secret():
            return _part(value, name, password)
        case Mapping():
            return {key: _json(each, name, password) for key, each in value.items()}
        case Sequence():
            return [_json(each, name, password) for each in value]
        case _:
            return value


def _part(part: str | Slotted | Secret, name: str, password: str) -> str:
    match part:
        case Secret():
            return password
        case Slotted():
            return part.fill({"admin": name, "email": name})
        case _:
            return part


def _origin(url: str) -> tuple[str, str]:
    parts = urllib.parse.urlsplit(url)
    return parts.scheme, parts.netloc
