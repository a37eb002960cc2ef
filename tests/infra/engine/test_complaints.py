"""What ssh says where a test cannot make it say so: routes, busy servers, rights on the host."""

import pytest

from infra.engine.complaints import explain, unknown_key
from infra.engine.reach import Reach, ssh_opts

REACH = Reach("ssh://deploy@docker.example")


@pytest.mark.parametrize(
    ("said", "what", "remedy"),
    [
        ("ssh: connect to host docker.example port 22: No route to host", "cannot be reached", "firewall"),
        ("ssh: connect to host docker.example port 22: Connection timed out", "cannot be reached", "firewall"),
        ("kex_exchange_identification: Connection closed by remote host", "MaxStartups", "cloud.parallel"),
        ("Received disconnect: Too many authentication failures", "refused the keys of the agent", "ssh.key"),
        (
            "permission denied while trying to connect to the Docker daemon socket at unix:///var/run/docker.sock",
            "may not use its Docker engine",
            "group",
        ),
        ("bash: line 1: docker: command not found", "no `docker` command", "ssh docker.example docker version"),
        ("something new\nand its last line\n\n", "over SSH: and its last line", "ssh docker.example docker version"),
    ],
)
def test_each_complaint_has_its_remedy(said: str, what: str, remedy: str) -> None:
    error = explain(REACH, said)
    assert error.what.startswith("ssh://deploy@docker.example: ")
    assert what in error.what
    assert remedy in error.remedy


def test_a_changed_key_is_not_taken_for_an_unknown_one() -> None:
    assert unknown_key("No ED25519 host key is known for x and you have requested strict checking.")
    assert not unknown_key("@ WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED! @\nHost key verification failed.")


def test_options_are_for_ssh_alone() -> None:
    assert "StrictHostKeyChecking=yes" in ssh_opts(REACH)
    assert ssh_opts(Reach("unix:///run/docker.sock")) == []
