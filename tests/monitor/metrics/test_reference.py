"""The page on metrics names every family with its type and labels, and the alert rules hold and fire."""

import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from monitor.metrics import Backed, Books, Exposition, Watching
from monitor.post import Seen
from monitor.probe.result import Outcome, Phases
from monitor.running import RunningPeriod

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "reference" / "metrics.md").read_text("utf-8")
ALERTS = ROOT / "docs" / "reference" / "alerts.yml"
ROW = re.compile(r"^\| `(crmhost_\w+)` \| (\w+) \| (.*)$", re.MULTILINE)
SECOND = 1_000_000


class Everything:
    """A snapshot in which no family is empty."""

    def watching(self) -> Watching:
        up = Seen(
            "acme",
            state="up",
            held_until=9 * SECOND,
            last=Outcome("acme", 0, SECOND, None, hops=()),
            phases=Phases(1, 2, 3, 4, 5),
            certificate_expires=SECOND,
        )
        down = replace(up, contract="umbrella", state="down", down_since=1, reasons=(("reset", 1),))
        return Watching("local", SECOND, (up, down), 0, 0, 0)

    def periods(self) -> Sequence[RunningPeriod]:
        return (RunningPeriod("acme", "2026-10", 0, 9, 9, 0, 0, 0, Fraction(1), Fraction(1)),)

    def books(self) -> Books:
        return Books({"acme": 1}, {"acme": 1}, {})

    def backups(self) -> Sequence[Backed]:
        return (Backed("acme", 1, 1, 1, 1, 1),)


def families() -> dict[str, tuple[str, dict[str, set[str]]]]:
    """Return the type of every family of ours, and its labels with their values, by its name."""
    found = {}
    for family in text_string_to_metric_families(Exposition(Everything()).render().decode()):
        name = f"{family.name}_total" if family.type == "counter" else family.name
        labels: dict[str, set[str]] = {}
        for sample in family.samples:
            for label, value in sample.labels.items():
                labels.setdefault(label, set()).add(value)
        if name.startswith("crmhost_"):
            assert family.samples, f"{name} is empty here"
            found[name] = (family.type, labels)
    return found


def test_the_page_names_every_family_with_its_type_and_its_labels() -> None:
    rows = {name: (kind, text) for name, kind, text in ROW.findall(PAGE)}
    made = families()
    assert sorted(rows) == sorted(made)
    for name, (kind, labels) in made.items():
        assert rows[name][0] == kind, name
        section = PAGE[: PAGE.index(f"| `{name}`")].rpartition("\n## ")[2]
        for label in labels:
            assert f"`{label}`" in rows[name][1] or f"`{label}`" in section.partition("\n|")[0], (name, label)
        for label in {"state", "phase", "delivery"} & set(labels):
            assert labels[label] == set(re.findall(rf"`{label}`: ([\w, -]+) \|", rows[name][1])[0].split(", "))


def test_the_alerts_ask_for_families_that_there_are_and_the_page_has_each() -> None:
    text = ALERTS.read_text("utf-8")
    assert set(re.findall(r"crmhost_\w+", text)) <= set(families())
    named = re.findall(r"- alert: (\w+)", text)
    assert named == re.findall(r"^\| `(Crm\w+)` \|", PAGE, re.MULTILINE)
    tried = (Path(__file__).parent / "alerts.yaml").read_text("utf-8")
    assert set(named) == set(re.findall(r"alertname: (\w+)", tried))


@pytest.mark.parametrize(
    "arguments",
    [("check", "rules", str(ALERTS)), ("test", "rules", str(Path(__file__).parent / "alerts.yaml"))],
    ids=["valid", "fire"],
)
def test_promtool_accepts_the_alerts(arguments: tuple[str, ...]) -> None:
    unpacked = ROOT / ".venv" / "neighbours" / "bin" / "promtool"
    promtool = str(unpacked) if unpacked.exists() else shutil.which("promtool")
    if promtool is None:
        assert "CI" not in os.environ, "promtool is missing: install Debian's package prometheus"
        pytest.skip("promtool is missing: install Debian's package prometheus")
    done = subprocess.run([promtool, *arguments], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
