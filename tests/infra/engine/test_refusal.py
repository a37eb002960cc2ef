"""What the Docker engine says of itself, as one error: a full disk by the line that says so, whatever surrounds it."""

import pytest

from infra.engine.client import refusal

BUILD = """\
The command '/bin/sh -c sh /build/install.sh' returned a non-zero code: 1
Collecting yarl==1.25.1
ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device

[notice] A new release of pip is available
"""


@pytest.mark.parametrize(
    ("said", "line"),
    [
        (BUILD, "ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device"),
        ("write /var/lib/docker/x: disk quota exceeded", "write /var/lib/docker/x: disk quota exceeded"),
    ],
)
def test_a_full_disk_is_named_with_its_remedy(said: str, line: str) -> None:
    error = refusal("crmhost/creme:2.8.6", said)
    assert error.what == f"crmhost/creme:2.8.6: the host's disk is full: {line}"
    assert error.remedy == "Make room there (docker system df; docker image prune), then the same command again."


def test_anything_else_is_said_as_it_came() -> None:
    error = refusal("crmhost/creme:2.8.6", "manifest unknown")
    assert error.what == "crmhost/creme:2.8.6: the Docker engine said: manifest unknown"
