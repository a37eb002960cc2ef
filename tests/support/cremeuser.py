"""A user of a customer's Creme, as load needs one: signed in, and able to add contacts."""

from __future__ import annotations

import re
import urllib.parse
from contextlib import closing

from tests.support.cloud import Customer
from tests.support.load import Site

CITY = "Hà Nội"
_TOKEN = re.compile(r'name="csrfmiddlewaretoken" value="(\w+)"')
_OWNER = re.compile(r'name="user".*?<option value="(\d+)" selected', re.DOTALL)
_HELD = (
    "SELECT contact.last_name FROM persons_contact contact"
    " JOIN persons_address address ON address.object_id = contact.cremeentity_ptr_id AND address.city = 'Hà Nội'"
)


def signed_in(customer: Customer) -> Site:
    """Return what load is put on: the page that everybody sees first, and contacts, each with an address of its own."""
    cookies: dict[str, str] = {}
    _, page = _ask(customer, "GET", "/creme_login/", cookies)
    form = {"csrfmiddlewaretoken": _found(_TOKEN, page), "username": "admin", "password": customer.password}
    status, page = _ask(customer, "POST", "/creme_login/", cookies, form)
    assert status == 302, page[:200]
    _, page = _ask(customer, "GET", "/persons/contact/add", cookies)
    address, authority = customer.door.address, customer.door.authority
    assert address is not None
    assert authority is not None
    return Site(
        url=customer.url,
        address=address,
        authority=authority,
        read_path="/creme_login/",
        write_path="/persons/contact/add",
        write_field="last_name",
        headers=_headers(customer, cookies),
        form={
            "csrfmiddlewaretoken": _found(_TOKEN, page),
            "user": _found(_OWNER, page),
            "billing_address-city": CITY,
        },
    )


def contacts(customer: Customer) -> list[str]:
    """Return the contacts that are whole: those with their line in the table of addresses, too."""
    return customer.ask(_HELD)


def _ask(
    customer: Customer, method: str, path: str, cookies: dict[str, str], form: dict[str, str] | None = None
) -> tuple[int, str]:
    with closing(customer.door.connection(urllib.parse.urlsplit(customer.url), 30.0)) as line:
        body = None if form is None else urllib.parse.urlencode(form)
        head = {**_headers(customer, cookies), "Content-Type": "application/x-www-form-urlencoded"}
        line.request(method, path, body, head)
        response = line.getresponse()
        for given in response.headers.get_all("Set-Cookie") or ():
            name, _, value = given.partition(";")[0].partition("=")
            cookies[name] = value
        return response.status, response.read().decode()


def _headers(customer: Customer, cookies: dict[str, str]) -> dict[str, str]:
    """Return what a browser sends along: Django asks forms over TLS where they come from."""
    return {"Cookie": "; ".join(f"{name}={value}" for name, value in cookies.items()), "Origin": customer.url}


def _found(pattern: re.Pattern[str], page: str) -> str:
    found = pattern.search(page)
    assert found is not None, page[:500]
    return found[1]
