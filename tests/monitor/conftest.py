from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from monitor.clock import SystemClock
from monitor.probe.client import Client
from monitor.probe.result import Outcome, Request
from tests.support.certificates import Authority, make_authority


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return make_authority(tmp_path_factory.mktemp("certificates"))


@pytest.fixture
def trusted(authority: Authority) -> Path:
    return authority.file


@pytest.fixture
def probe(trusted: Path) -> Callable[..., Outcome]:
    """Make one probe from beginning to end."""

    def run(url: str, timeout: int = 5_000_000, status: int = 200, body: str | None = None) -> Outcome:
        with Client(SystemClock(), trusted) as client:
            client.start(Request("acme", url, timeout, status, body))
            while True:
                for outcome in client.wait(1_000_000):
                    return outcome

    return run
