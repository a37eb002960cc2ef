"""Releases change while the customer's people work: 50 requests a second through the ingress, each of them counted.

The tests of this file are one walk, in their order. CRMHOST_LOAD=3000 sends that many requests at least each time.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from crm.errors import GateFailed
from crmhost.deploy import Outcome
from tests.support.cloud import Company, Customer
from tests.support.load import Tally, load
from tests.support.until import until

pytestmark = [pytest.mark.slow, pytest.mark.cloud, pytest.mark.timeout(600)]
LEAST = int(os.environ.get("CRMHOST_LOAD", "1500"))
"""Requests in each test, so that some come well before and well after what changes."""


@pytest.fixture(scope="module")
def busy(hosting: Company) -> Iterator[Customer]:
    """Yield a customer in release 1.0, with a note."""
    customer = hosting.customer(f"busy-{hosting.mark}")
    customer.deploy("1.0")
    customer.write("before all")
    yield customer
    customer.sweep()


@contextmanager
def crowd(customer: Customer) -> Iterator[Tally]:
    """Put load on the customer from some time before the body until enough was sent."""
    with load(customer.site(), customer.notes) as tally:
        until(lambda: tally.sent > 100, "requests are answered")
        yield tally
        after = tally.sent + 100
        until(lambda: tally.sent > max(LEAST, after), "requests are answered", LEAST / 10)
    print(tally)  # noqa: T201 -- the counts, with `pytest -s`


def nothing_failed(tally: Tally) -> None:
    """Fail unless every request was answered by the CRM, and every write that it acknowledged is there."""
    assert tally.failed == []
    assert tally.maintenance == 0
    assert tally.lost == []
    assert len(tally.acknowledged) > LEAST // 11


@pytest.mark.parametrize(
    ("change", "serves"),
    [
        (lambda customer: customer.deploy("1.1"), "1.1"),
        (lambda customer: customer.rollback("1.1"), "1.0"),
    ],
    ids=["upgrade", "rollback"],
)
def test_no_request_fails_while_a_release_of_the_same_schema_takes_over(
    busy: Customer, change: Callable[[Customer], Outcome], serves: str
) -> None:
    with crowd(busy) as tally:
        change(busy)
    nothing_failed(tally)
    assert busy.get().startswith(f"200 ready {serves}")


def test_the_old_release_serves_on_while_one_that_never_becomes_ready_is_refused(busy: Customer) -> None:
    with crowd(busy) as tally, pytest.raises(GateFailed):
        busy.deploy("broken")
    nothing_failed(tally)
    assert busy.get().startswith("200 ready 1.0")


def test_another_schema_shows_the_maintenance_page_and_loses_no_acknowledged_write(busy: Customer) -> None:
    with crowd(busy) as tally:
        busy.deploy("2.0")
    assert tally.failed == []
    assert tally.maintenance > 0
    assert tally.lost == []
    assert busy.get().startswith("200 ready 2.0")


def test_going_back_by_the_backup_loses_only_what_was_written_since(busy: Customer) -> None:
    kept = [note for note in busy.notes() if note == "before all"]
    busy.write("after the upgrade")
    with crowd(busy) as tally:
        busy.rollback("2.0")
    assert tally.failed == []
    assert tally.maintenance > 0
    assert busy.get().startswith("200 ready 1.0")
    assert busy.notes()[:1] == kept
    assert "after the upgrade" not in busy.notes()
    assert tally.lost == tally.acknowledged[: len(tally.lost)]  # what came before the page, and nothing after it
