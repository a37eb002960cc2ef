"""One release takes over from another, or does not: gates, going back, what is kept."""

from __future__ import annotations

import socket
import threading
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from crm.errors import GateFailed, Refused
from crm.plan import Want
from tests.support.deployments import (
    Customer,
    by_resource,
)

pytestmark = pytest.mark.slow
MINUTE = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


def fail_in_public(_want: Want) -> None:
    raise GateFailed("502")


def test_another_version_takes_over_keeps_the_data_and_can_be_gone_back_from(customer: Customer) -> None:
    first = customer.deploy().release
    customer.write("before")
    second = customer.deploy("1.1").release
    assert customer.get() == "200 ready 1.1, 1 accounts"
    assert "step:admin" not in by_resource(customer.plan("1.0"))
    outcome = customer.rollback(version="1.1")
    assert (outcome.did, outcome.release) == ("rolled back", first)
    assert customer.get() == "200 ready 1.0, 1 accounts"
    assert customer.notes() == ["before"]
    assert customer.plan("1.0").changes == ()
    assert customer.rollback("1.1").release == second
    assert customer.get() == "200 ready 1.1, 1 accounts"


def test_old_releases_go_and_the_last_three_stay(customer: Customer) -> None:
    languages = ("vi", "fa", "zh", "en", "fr")
    ids = [customer.deploy(language=language).release for language in languages]
    assert sorted(path.name for path in Path(customer.layout.releases).iterdir()) == sorted(map(str, ids[-3:]))
    assert len(list(Path(customer.layout.runs).glob("*/"))) == 3
    derived = customer.ask("select name from crmhost_steps where name like 'derive@%'")
    assert sorted(derived) == sorted((f"derive@{name}",) for name in ids[-3:])
    customer.deploy(language="vi")
    assert (customer.release / "static" / "style.css").exists()


def test_a_release_whose_gate_fails_never_serves(customer: Customer) -> None:
    old = customer.deploy().release
    customer.write("kept")
    pid = customer.pid("web")
    with pytest.raises(GateFailed) as failure:
        customer.deploy("broken")
    assert "the candidate smallapp-broken-" in failure.value.what
    assert "not ready broken" in failure.value.what
    assert "its log ends with:" in failure.value.what
    assert '"GET /ready HTTP/1.1" 500' in failure.value.what
    assert failure.value.remedy == f"{old} still serves; the candidate is kept for inspection."
    assert customer.get() == "200 ready 1.0, 1 accounts"
    assert customer.pid("web") == pid
    assert customer.plan().changes == ()
    kept = [path.name for path in Path(customer.layout.releases).iterdir()]
    assert any(name.startswith("smallapp-broken-") for name in kept)
    with pytest.raises(Refused, match="there is no release to go back to"):
        customer.rollback()
    customer.deploy("1.1")
    assert not any(path.name.startswith("smallapp-broken-") for path in Path(customer.layout.releases).iterdir())


def test_a_first_release_whose_gate_fails_leaves_nothing_serving(customer: Customer) -> None:
    customer.fault("web")
    with pytest.raises(
        GateFailed, match=r"did not become ready: its process ended with exit 1; .*\n.*told to end"
    ) as f:
        customer.deploy()
    assert "nothing serves now" in f.value.remedy
    assert customer.get() == "down"
    assert not Path(customer.layout.current).exists()


def test_a_release_that_cannot_have_its_address_goes_back_to_the_one_before(customer: Customer) -> None:
    old = customer.deploy().release
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        other = f"127.0.0.1:{taken.getsockname()[1]}"
        ends_soon_or_later = r"did not start: .*process:\.crmhost/acme/run/web( failed|: it is down)"
        with pytest.raises(GateFailed, match=ends_soon_or_later) as failure:
            customer.deploy("1.1", listen=other)
    assert failure.value.remedy == f"{old} serves again."
    assert customer.get() == "200 ready 1.0, 1 accounts"
    assert customer.plan().changes == ()


def test_a_release_that_nobody_sees_in_public_goes_back_to_the_one_before(customer: Customer) -> None:
    old = customer.deploy().release
    with pytest.raises(GateFailed, match="not at its public URL: 502") as failure:
        customer.deploy("1.1", public=fail_in_public)
    assert failure.value.remedy == f"{old} serves again."
    assert customer.get() == "200 ready 1.0, 1 accounts"
    assert customer.plan().changes == ()


def test_a_first_release_that_nobody_sees_in_public_is_taken_back(customer: Customer) -> None:
    with pytest.raises(GateFailed) as failure:
        customer.deploy(public=fail_in_public)
    assert "nothing serves" in failure.value.remedy
    assert customer.get() == "down"
    assert customer.box.tick(MINUTE) == 0
    assert customer.deploy().did == "deployed"


def test_a_deploy_cut_off_before_its_public_gate_is_not_taken_for_proven(customer: Customer) -> None:
    def cut(_want: Want) -> None:
        raise KeyboardInterrupt

    old = customer.deploy().release
    with pytest.raises(KeyboardInterrupt):
        customer.deploy("1.1", public=cut)
    (change,) = customer.plan("1.1").changes
    assert change.resource.startswith("gate:smallapp-1.1-")
    with pytest.raises(GateFailed) as failure:
        customer.deploy("1.1", public=fail_in_public)
    assert failure.value.remedy == f"{old} serves again."
    assert customer.deploy("1.1").did == "deployed"
    assert customer.plan("1.1").changes == ()


def test_a_switch_is_short(customer: Customer) -> None:
    """A request that comes between the two web processes is refused; the gap is a second or two, and not more."""
    customer.deploy()
    gaps: list[float] = []
    stop = threading.Event()

    def poll() -> None:
        down_since: float | None = None
        while not stop.is_set():
            now, up = time.monotonic(), customer.get("/live").startswith("200")
            if not up and down_since is None:
                down_since = now
            if up and down_since is not None:
                gaps.append(now - down_since)
                down_since = None
            stop.wait(0.005)

    thread = threading.Thread(target=poll)
    thread.start()
    customer.deploy("1.1")
    stop.set()
    thread.join()
    assert sum(gaps) < 5
