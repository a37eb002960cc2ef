"""Which lines of a crontab are due."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from crmhost.sandbox.scheduler import Due, due

SUNDAY = datetime(2026, 11, 22, 18, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("when", "is_due"),
    [
        ("* * * * *", True),
        ("*/15 * * * *", True),
        ("*/20 * * * *", False),
        ("30 18 22 11 *", True),
        ("31 18 * * *", False),
        ("0-30/10 17-19 * * *", True),
        ("5,30,40 * * * *", True),
        ("10/20 * * * *", True),
        ("* * * * 0", True),
        ("* * * * 7", True),
        ("* * * * 1-5", False),
        ("* * 1 * 0", True),
        ("* * 22 * 1", True),
        ("* * 1 * 1", False),
        ("* * * 12 *", False),
        ("@reboot", False),
        ("never * * * *", False),
        ("* * * *", False),
    ],
)
def test_when(when: str, is_due: bool) -> None:
    assert (due(f"{when} true\n", SUNDAY) == (Due("true"),)) == is_due


def test_each_quarter_hour_once() -> None:
    hits = [n for n in range(120) if due("*/15 * * * * x", SUNDAY + timedelta(minutes=n))]
    assert hits == [0, 15, 30, 45, 60, 75, 90, 105]


def test_environment_input_and_escapes() -> None:
    crontab = '# a comment\nA=1\n  B = "two" \n* * * * * cat >x; echo 5\\%%first%second\nA=3\n* * * * *\ttrue\n'
    assert due(crontab, SUNDAY) == (
        Due("cat >x; echo 5%", "first\nsecond", {"A": "1", "B": "two"}),
        Due("true", "", {"A": "3", "B": "two"}),
    )
