"""Services that others run: nothing of them is deployed, they are measured and credited.

Each says how to ask, without an account, whether the service is up. None of them was asked where this was written.
"""

from __future__ import annotations

from dataclasses import dataclass

from crm.errors import Refused


@dataclass(frozen=True, slots=True)
class Measured:
    """A service with target.kind `saas`. `url`: what customers open; empty: each contract says its own.

    path: a GET below the URL; `status` is that of a good answer after redirects, `body` a text that it holds, or
    nothing. licence: whose terms hold. evidence: what of this is known, and how.
    """

    id: str
    title: str
    licence: str
    url: str
    path: str
    status: int
    body: str
    evidence: str

    def only_measured(self) -> Refused:
        """Return what whoever wants to deploy it is told."""
        return Refused(
            f"crm.recipe: {self.title} ({self.id}) is a service that others run; crmhost only measures it",
            "Write target: {kind: saas}, without crm.version: crmhost serve measures it, and nothing is deployed.",
        )


HTTP = Measured(
    id="http",
    title="Any web page",
    licence="that of whoever runs it",
    url="",
    path="/",
    status=200,
    body="",
    evidence="run: the probe itself, against servers of the tests; the contract says what a good answer is",
)
ZOHO = Measured(
    id="zoho",
    title="Zoho CRM",
    licence="the vendor's terms",
    url="https://crm.zoho.com/",
    path="/",
    status=200,
    body="",
    evidence=(
        "believed: its address outside the regions with one of their own (crm.zoho.eu, crm.zoho.in), and that who is"
        " not logged in is led to a page with 200; not run: nobody asked it, and a page does not tell that its database"
        " is well"
    ),
)
FXIAOKE = Measured(
    id="fxiaoke",
    title="Fxiaoke (ShareCRM)",
    licence="the vendor's terms",
    url="https://www.fxiaoke.com/",
    path="/",
    status=200,
    body="",
    evidence=(
        "believed: its address, and that the page answers 200; not run: nobody asked it, and a page does not tell that"
        " its database is well: take the address at which this customer's people log in"
    ),
)
MEASURED = {each.id: each for each in (HTTP, ZOHO, FXIAOKE)}
"""All of them, by id."""


def explain_measured(service: Measured) -> tuple[tuple[str, str], ...]:
    """Return (question, answer) rows for people."""
    good = f"status {service.status} after redirects" + (f", with {service.body!r} in it" if service.body else "")
    return (
        ("id", service.id),
        ("name", service.title),
        ("versions", "none: whoever runs it decides"),
        ("licence", service.licence),
        ("suits", "saas: measured and credited, never deployed"),
        ("address", service.url or "the contract's crm.url"),
        ("measured at", f"GET {service.path}, good is {good}; monitor.path and monitor.expect say otherwise"),
        ("does it reach its database", "only a page that needs it tells: name one in monitor.path, where there is one"),
        ("evidence", service.evidence),
    )
