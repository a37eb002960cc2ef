"""Prove over HTTP, at the customer's URL, that the administrator can log in and that no default account can."""

from __future__ import annotations

import http.client
import http.cookiejar
import urllib.error
import urllib.parse
import urllib.request

from crm.errors import HostError
from crm.login import Outcome, Proof, call, check_open, fill, judge
from crm.recipe import Login, Recipe
from crmhost.door import STREET, Door

_MOST = 5 * 2**20
"""No login page has more bytes; what lies behind them is not read."""


def prove(recipe: Recipe, url: str, name: str, password: str, *, timeout: float = 30, door: Door = STREET) -> Proof:
    """Log in as the administrator, then try each default account, every one with a browser's empty cookie jar.

    `url` is the customer's, http or https; `timeout` is in seconds for each request. Raises HostError when the site
    does not answer, or shows the maintenance page or no login form.
    """
    if urllib.parse.urlsplit(url).scheme not in ("http", "https"):
        raise HostError(f"{url}: found no http or https URL", "Write crm.url as https://crm.example.com/")
    page = url.rstrip("/") + recipe.login.path
    defaults = {
        account: _attempt(recipe.login, page, (account, known), timeout, door)
        for account, known in recipe.login.default_accounts
    }
    return Proof(_attempt(recipe.login, page, (name, password), timeout, door), defaults)


def _attempt(login: Login, page: str, account: tuple[str, str], timeout: float, door: Door) -> Outcome:
    jar = http.cookiejar.CookieJar()
    browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(jar), *door.handlers())
    send = call(login, page, *account)
    if send is None:
        page, status, body = _open(browser, urllib.request.Request(page), timeout)  # noqa: S310 - prove() checked the scheme
        check_open(page, status, body)
        send = fill(login, page, body, *account)
    # Some CRMs take a login form only from their own page, and tell it by the Referer.
    head = {"Referer": page, "Content-Type": send.kind}
    request = urllib.request.Request(send.url, send.body, head)  # noqa: S310 - the origin of the page
    _, status, body = _open(browser, request, timeout)
    check_open(send.url, status, body)
    return judge(login, f"{status} {body}")


def _open(
    browser: urllib.request.OpenerDirector, request: urllib.request.Request, timeout: float
) -> tuple[str, int, str]:
    """Return the final URL, its status and body; an error status is an answer like any other."""
    try:
        try:
            response = browser.open(request, timeout=timeout)
        except urllib.error.HTTPError as error:
            response = error
        with response:
            return response.url, response.status, response.read(_MOST).decode("utf-8", "replace")
    except (OSError, http.client.HTTPException) as problem:
        raise HostError(
            f"{request.full_url} did not answer: {problem}", "Is the process up? crmhost status, crmhost logs"
        ) from problem
