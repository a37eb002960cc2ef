"""What holds for all tests: the fixtures of the cloud, the order, and that CI accepts no skip that could be mended.

With CI set, a skipped test is a failure, unless its reason begins with the words of MAY_BE_SKIPPED.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

MAY_BE_SKIPPED = "this machine cannot have"
"""How the reason of a skip begins where no installation could mend it: another account, a kernel without IPv6."""

pytest_plugins = [
    "tests.support.engine",
    "tests.support.images",
    "tests.support.lanhost",
    "tests.support.gathered",  # after the two that it imports, so that their asserts are rewritten
    "tests.support.lanjump",
    "tests.support.provider",
    "tests.support.sharedhost",
    "tests.support.toolchain",
    "tests.support.wordpress.archive",
]
OF_THE_CLOUD = frozenset(
    {"docker_client", "images", "lan_images", "sftp_image", "toolchain", "webhost_image", "wordpress_archive"}
)
"""Fixtures that need what takes minutes to make ready."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests that need the engine, its images or Pulumi, so that none of them is started before these exist."""
    for item in items:
        if isinstance(item, pytest.Function) and not OF_THE_CLOUD.isdisjoint(item.fixturenames):
            item.add_marker(pytest.mark.cloud)
    longest: dict[Path, float] = {}
    for item in items:
        longest[item.path] = max(longest.get(item.path, 0.0), allowed(item))
    # The files that may take longest begin first: at the end, one worker would do such a file while the other waits.
    items.sort(key=lambda item: -longest[item.path])


def allowed(item: pytest.Item) -> float:
    """Return the seconds that a test asks to be given; 0 when it does with what all have."""
    marker = item.get_closest_marker("timeout")
    return float(marker.args[0]) if marker is not None and marker.args else 0.0


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Name the skips that CI does not accept."""
    for reason in refused(terminalreporter):
        terminalreporter.write_line(f"SKIPPED, which CI does not accept: {reason}", red=True)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Let the session fail for them."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if reporter is not None and refused(reporter) and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def refused(reporter: pytest.TerminalReporter) -> list[str]:
    """Return where and why tests were skipped though the machine could have what they need; empty without CI."""
    if not os.environ.get("CI"):
        return []
    found = []
    for report in reporter.stats.get("skipped", []):
        if isinstance(report.longrepr, tuple):
            path, line, reason = report.longrepr
            if not reason.removeprefix("Skipped: ").startswith(MAY_BE_SKIPPED):
                found.append(f"{path}:{line}: {reason}")
    return found
