from __future__ import annotations

import pytest
from sqlalchemy import Engine

from crm.errors import Refused
from monitor.evidence import CustomerCause
from monitor.evidence import Window as Announced
from monitor.store.database import reading, writing
from monitor.store.evidence import evidence_of
from monitor.store.exclusions import Window, announce, cancel, exclude, listed

HOUR = 3_600_000_000
NOW = 500_000 * HOUR


def evidence(engine: Engine) -> tuple[tuple[Announced, ...], tuple[CustomerCause, ...]]:
    with reading(engine) as connection:
        found = evidence_of(connection, "acme", NOW - 48 * HOUR, NOW + 48 * HOUR)
    return found.maintenance, found.customer


def test_maintenance_is_announced_at_the_machine_s_own_time(engine: Engine) -> None:
    with writing(engine) as connection:
        made = announce(connection, "acme", Window(NOW + HOUR, NOW + 2 * HOUR, "upgrade"), NOW)
        assert (made.announced, made.kind) == (NOW, "maintenance")
        assert listed(connection, "acme") == (made,)
        assert listed(connection, "umbrella") == ()
    assert evidence(engine) == ((Announced(NOW + HOUR, NOW + 2 * HOUR, NOW),), ())


def test_maintenance_is_never_dated_back(engine: Engine) -> None:
    with writing(engine) as connection, pytest.raises(Refused, match="it begins in the past"):
        announce(connection, "acme", Window(NOW - 1, NOW + HOUR), NOW)
    assert evidence(engine) == ((), ())


def test_what_the_customer_caused_may_lie_in_the_past_but_needs_a_reason(engine: Engine) -> None:
    window = Window(NOW - 2 * HOUR, NOW - HOUR, "ticket 812: their firewall")
    with writing(engine) as connection:
        exclude(connection, "acme", window, NOW)
    with writing(engine) as connection, pytest.raises(Refused, match="it has no reason"):
        exclude(connection, "acme", window._replace(reason=" "), NOW)
    assert evidence(engine) == ((), (CustomerCause(*window),))


def test_an_empty_window_is_refused(engine: Engine) -> None:
    with writing(engine) as connection, pytest.raises(Refused, match="is empty"):
        announce(connection, "acme", Window(NOW + HOUR, NOW + HOUR), NOW)


def test_cancelled_before_it_begins_it_counts_for_nothing_but_stays_listed(engine: Engine) -> None:
    with writing(engine) as connection:
        made = announce(connection, "acme", Window(NOW + HOUR, NOW + 2 * HOUR), NOW)
        assert cancel(connection, made.number, NOW + HOUR).counts_until is None
        assert [one.cancelled for one in listed(connection)] == [NOW + HOUR]
    assert evidence(engine) == ((), ())


def test_cancelled_while_it_runs_it_ends_there(engine: Engine) -> None:
    with writing(engine) as connection:
        made = announce(connection, "acme", Window(NOW + HOUR, NOW + 3 * HOUR), NOW)
        cancel(connection, made.number, NOW + 2 * HOUR)
    assert evidence(engine) == ((Announced(NOW + HOUR, NOW + 2 * HOUR, NOW),), ())


def test_what_is_over_is_not_cancelled(engine: Engine) -> None:
    with writing(engine) as connection:
        made = announce(connection, "acme", Window(NOW + HOUR, NOW + 2 * HOUR), NOW)
        with pytest.raises(Refused, match="What has happened stays as it was announced"):
            cancel(connection, made.number, NOW + 2 * HOUR)


def test_nothing_is_cancelled_twice_and_nothing_that_is_not_there(engine: Engine) -> None:
    with writing(engine) as connection:
        made = exclude(connection, "acme", Window(NOW, NOW + HOUR, "ticket 9"), NOW)
        cancel(connection, made.number, NOW)
        with pytest.raises(Refused, match="was cancelled already"):
            cancel(connection, made.number, NOW)
        with pytest.raises(Refused, match="There is no exclusion 99"):
            cancel(connection, 99, NOW)
    assert evidence(engine) == ((), ())
