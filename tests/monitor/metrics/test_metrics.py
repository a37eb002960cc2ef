from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction

import pytest
from prometheus_client.parser import text_string_to_metric_families

from monitor.metrics import Backed, Books, Exposition, Watching
from monitor.post import Seen
from monitor.probe.result import Hop, Outcome, Phases
from monitor.running import RunningPeriod

SECOND = 1_000_000
NOW = 102 * SECOND
NEW = Seen("acme")
HOP = Hop("https://crm.acme.example/", 200, Phases(1500, 2500, None, 40_000, 50_000), None)
UP = replace(
    NEW,
    state="up",
    held_until=NOW,
    probes=3,
    last=Outcome("acme", 100 * SECOND, 101 * SECOND, None, hops=(HOP,)),
    phases=HOP.phases,
    certificate_expires=2_000_000_000 * SECOND,
)
DOWN = replace(
    UP,
    state="down",
    down_since=90 * SECOND,
    failed=2,
    last=Outcome("acme", 100 * SECOND, 101 * SECOND, "connect-refused"),
    phases=None,
    reasons=(("connect-refused", 2),),
)
PERIOD = RunningPeriod(
    "acme", "2026-10", 0, 100 * SECOND, 50 * SECOND, 2 * SECOND, SECOND, 0, Fraction(48, 50), Fraction(98, 100)
)


@dataclass
class Shown:
    """What a test wants to be shown."""

    seen: Sequence[Seen] = ()
    running: Sequence[RunningPeriod] = ()
    ledger: Books = field(default_factory=Books)
    backed: Sequence[Backed] = ()

    def watching(self) -> Watching:
        return Watching("hcm", NOW, self.seen, 0, 0, 0)

    def periods(self) -> Sequence[RunningPeriod]:
        return self.running

    def books(self) -> Books:
        return self.ledger

    def backups(self) -> Sequence[Backed]:
        return self.backed


def text_of(shown: Shown) -> str:
    return Exposition(shown).render().decode()


def series(shown: Shown) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """Every series of ours, by name and labels but for contract and vantage."""
    found = {}
    for family in text_string_to_metric_families(text_of(shown)):
        for sample in family.samples:
            labels = tuple((key, value) for key, value in sample.labels.items() if key not in {"contract", "vantage"})
            if sample.name.startswith("crmhost_"):
                found[sample.name, labels] = sample.value
    return found


def test_a_contract_that_was_never_probed_has_its_zeros_and_is_unknown() -> None:
    found = series(Shown([NEW]))
    assert found["crmhost_probes_total", ()] == 0
    assert found["crmhost_probes_failed_total", ()] == 0
    assert found["crmhost_probes_skipped_total", ()] == 0
    assert found["crmhost_span_state", (("state", "unknown"),)] == 1
    assert found["crmhost_span_state", (("state", "up"),)] == 0
    assert ("crmhost_probe_up", ()) not in found  # neither up nor down


def test_a_good_probe_in_base_units() -> None:
    found = series(Shown([UP]))
    assert found["crmhost_probe_up", ()] == 1
    assert found["crmhost_probe_timestamp_seconds", ()] == 101
    assert found["crmhost_probe_phase_seconds", (("phase", "first-byte"),)] == 0.04
    assert ("crmhost_probe_phase_seconds", (("phase", "tls"),)) not in found
    assert found["crmhost_certificate_expiry_timestamp_seconds", ()] == 2_000_000_000
    assert ("crmhost_outage_started_timestamp_seconds", ()) not in found


def test_an_outage() -> None:
    found = series(Shown([DOWN]))
    assert found["crmhost_probe_up", ()] == 0
    assert found["crmhost_span_state", (("state", "down"),)] == 1
    assert found["crmhost_outage_started_timestamp_seconds", ()] == 90
    assert found["crmhost_probe_failures_total", (("reason", "connect-refused"),)] == 2


def test_the_running_period() -> None:
    found = series(Shown(running=[PERIOD]))
    assert found["crmhost_period_base_seconds", ()] == 50
    assert found["crmhost_period_down_seconds", ()] == 2
    assert found["crmhost_period_unknown_seconds", ()] == 1
    assert found["crmhost_availability_ratio", ()] == 0.96
    assert found["crmhost_availability_target_ratio", ()] == 0.98


def test_what_was_not_measured_is_absent_and_not_zero() -> None:
    found = series(Shown(running=[replace(PERIOD, base=0, availability=None)]))
    assert ("crmhost_availability_ratio", ()) not in found


def test_the_ledger_with_every_state_of_a_delivery() -> None:
    found = series(Shown(ledger=Books({"acme": 3}, {"acme": 2}, {"unknown": 1})))
    assert found["crmhost_settlements_total", ()] == 3
    assert found["crmhost_credits_total", ()] == 2
    assert found["crmhost_outbox_deliveries", (("delivery", "unknown"),)] == 1
    assert found["crmhost_outbox_deliveries", (("delivery", "confirmed"),)] == 0


def test_backups_by_when_and_what_never_was_is_absent() -> None:
    found = series(Shown(backed=[Backed("acme", 90 * SECOND, 10 * SECOND, 7, None, 20 * SECOND)]))
    assert found["crmhost_backup_due_timestamp_seconds", ()] == 90
    assert found["crmhost_backup_last_success_timestamp_seconds", ()] == 10
    assert found["crmhost_backup_size_bytes", ()] == 7
    assert found["crmhost_backup_proven_timestamp_seconds", ()] == 20
    assert ("crmhost_backup_last_failure_timestamp_seconds", ()) not in found


def test_a_contract_that_has_gone_leaves_nothing_behind() -> None:
    shown = Shown([UP])
    exposition = Exposition(shown)
    assert b"acme" in exposition.render()
    shown.seen = ()
    assert b"acme" not in exposition.render()


def test_what_is_held_lapses_even_where_nothing_is_probed_any_longer() -> None:
    found = series(Shown([replace(DOWN, held_until=NOW - 1)]))
    assert found["crmhost_span_state", (("state", "unknown"),)] == 1
    assert ("crmhost_outage_started_timestamp_seconds", ()) not in found


def test_labels_are_escaped() -> None:
    (seen,) = (
        sample.labels["contract"]
        for family in text_string_to_metric_families(text_of(Shown([replace(NEW, contract='a"b\\c\nd')])))
        for sample in family.samples
        if sample.name == "crmhost_probes_total"
    )
    assert seen == 'a"b\\c\nd'


def test_there_are_no_created_series_and_every_series_bears_our_prefix_or_the_library_s() -> None:
    text = text_of(Shown([DOWN], [PERIOD]))
    names = {line.split("{")[0].split(" ")[0] for line in text.splitlines() if not line.startswith("#")}
    assert not [name for name in names if name.endswith("_created")]
    assert {name.split("_")[0] for name in names} == {"crmhost", "process", "python"}


def test_promtool_finds_nothing_to_complain_about() -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        assert "CI" not in os.environ, "promtool is missing: install Debian's package prometheus"
        pytest.skip("promtool is missing: install Debian's package prometheus")
    books, backed = Books({"acme": 1}, {"acme": 1}, {}), [Backed("acme", 1, 1, 1, 1, 1)]
    text = text_of(Shown([DOWN, replace(UP, contract="umbrella")], [PERIOD], books, backed))
    checked = subprocess.run(
        [promtool, "check", "metrics"], input=text, capture_output=True, text=True, check=False, timeout=60
    )
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, "", "")
