"""What the stand-in computes without an engine: times as Go writes them, processors, values, ssh commands."""

from __future__ import annotations

import pytest

from tests.support.docker_provider.connect import Access, access, ssh_command
from tests.support.docker_provider.container_read import decimal
from tests.support.docker_provider.diff import diff
from tests.support.docker_provider.kinds import KINDS
from tests.support.docker_provider.spans import nanoseconds, written
from tests.support.docker_provider.values import UNKNOWN, Properties, properties, struct

CONTAINER = KINDS["docker:index/container:Container"]


@pytest.mark.parametrize(
    ("given", "length", "go"),
    [
        ("0s", 0, "0s"),
        ("200ms", 200_000_000, "200ms"),
        ("1.5s", 1_500_000_000, "1.5s"),
        ("60s", 60_000_000_000, "1m0s"),
        ("90s", 90_000_000_000, "1m30s"),
        ("1h", 3_600_000_000_000, "1h0m0s"),
        ("1h0m0.5s", 3_600_500_000_000, "1h0m0.5s"),
        ("never", 0, "0s"),
    ],
)
def test_times(given: str, length: int, go: str) -> None:
    assert nanoseconds(given) == length
    assert written(length) == go


@pytest.mark.parametrize(
    ("nanos", "text"),
    [(1_000_000_000, "1.0"), (500_000_000, "0.5"), (250_000_000, "0.25"), (1_500_000_000, "1.5"), (50_000_000, "0.1")],
)
def test_processors_as_upstream_writes_them(nanos: int, text: str) -> None:
    assert decimal(nanos) == text


def test_the_wire_has_doubles_only() -> None:
    values: Properties = {"whole": 3, "part": 0.5, "list": [1, {"a": 2}], "yes": True, "text": "3", "nothing": None}
    assert properties(struct(values)) == {name: value for name, value in values.items() if value is not None}
    assert isinstance(properties(struct({"whole": 3}))["whole"], int)


def test_a_secret_is_its_value() -> None:
    wrapped: Properties = {"4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270", "value": "plain"}
    assert properties(struct({"key": wrapped})) == {"key": "plain"}


def test_what_is_not_known_yet_differs() -> None:
    state: Properties = {"name": "n", "image": "old", "entrypoints": [], "networkDatas": []}
    found = diff(CONTAINER, state, {"name": "n", "image": UNKNOWN})
    assert [(change.path, change.what, change.replaces) for change in found.changes if change.path == "image"] == [
        ("image", "update", True)
    ]


def test_the_program_s_own_patience_replaces_the_usual_one() -> None:
    plain = ssh_command(Access("ssh://me@there:2222"))
    assert plain == [
        *("ssh", "-l", "me", "-p", "2222", "-o", "ConnectTimeout=30", "-T", "--", "there"),
        *("docker", "system", "dial-stdio"),
    ]
    mine = ssh_command(Access("ssh://there/run/other.sock", ("-o", "ConnectTimeout=5")))
    assert mine == [
        *("ssh", "-o", "ConnectTimeout=5", "-T", "--", "there"),
        *("docker", "--host", "unix:///run/other.sock", "system", "dial-stdio"),
    ]


def test_keys_are_in_no_repr() -> None:
    found = access({"host": "tcp://h", "caMaterial": "CA", "certMaterial": "CERT", "keyMaterial": "KEY"}, {})
    assert repr(found) == "Access(host='tcp://h', ssh_opts=(), cert_path='')"


def test_the_environment_may_name_the_engine() -> None:
    assert access({}, {"DOCKER_HOST": "unix:///there.sock"}).host == "unix:///there.sock"
    assert access({}, {}).host == "unix:///var/run/docker.sock"
