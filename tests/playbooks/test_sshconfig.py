"""What is read of an OpenSSH configuration, and what is refused instead of being run."""

from __future__ import annotations

import getpass
from pathlib import Path

import pytest

from crm.errors import HostError
from playbooks.route import Said
from playbooks.sshconfig import read


def said(folder: Path, text: str, host: str = "web") -> Said:
    path = folder / "config"
    path.write_text(text)
    return read(path)(host)


def test_what_is_honoured(tmp_path: Path) -> None:
    text = """\
# of mine
Host web www
    HostName %h.example.org
    User acme
    Port=2222
    IdentityFile ~/.ssh/id_web
    IdentityFile "/keys/with space"
    IdentitiesOnly yes
    HostKeyAlias Web-Alias
    ProxyJump ops@bastion:2200, inner
Host *
    User everybody
    Port 22
    IdentityFile /keys/all
    ServerAliveInterval 10
"""
    home = Path("~/.ssh/id_web").expanduser()
    assert said(tmp_path, text) == Said(
        host="web.example.org",
        user="acme",
        port=2222,
        identities=(home, Path("/keys/with space"), Path("/keys/all")),
        only=True,
        jump=("ops@bastion:2200", "inner"),
        pinned="web-alias",
    )
    assert said(tmp_path, text, "db") == Said(host="db", user="everybody", port=22, identities=(Path("/keys/all"),))


def test_an_empty_file_says_nothing(tmp_path: Path) -> None:
    assert said(tmp_path, "") == Said(host="web")


@pytest.mark.parametrize("none", ["ProxyJump none", "ProxyCommand none", "IdentityFile none"])
def test_none_is_nothing(tmp_path: Path, none: str) -> None:
    assert said(tmp_path, f"Host *\n {none}\n") == Said(host="web")


def test_a_proxy_command_is_said_and_never_run(tmp_path: Path) -> None:
    ran = tmp_path / "ran"
    found = said(tmp_path, f"Host web\n ProxyCommand touch {ran}\n ProxyJump a\n")
    assert (found.command, found.jump) == (f"{tmp_path}/config says ProxyCommand of it", ())
    assert not ran.exists()


def test_match_exec_is_said_of_the_hosts_that_it_may_be_about_and_never_run(tmp_path: Path) -> None:
    ran = tmp_path / "ran"
    text = f'Host db\n Port 1\nMatch host web exec "touch {ran}"\n HostName elsewhere\nMatch all\n User acme\n'
    assert said(tmp_path, text).refused == f"{tmp_path}/config:3 says Match exec of it"
    assert said(tmp_path, text, "db") == Said(host="db", user="acme", port=1)
    assert not ran.exists()


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("Match exec true", "exec"),
        ("Match !exec true", "exec"),
        ("Match user acme", "user"),
        ("Match canonical", "canonical"),
        ("Match final", "final"),
        ("Match tagged x user y", "tagged and user"),
    ],
)
def test_criteria_that_are_not_honoured(tmp_path: Path, line: str, why: str) -> None:
    assert said(tmp_path, f"{line}\n User x\n").refused == f"{tmp_path}/config:1 says Match {why} of it"


@pytest.mark.parametrize(
    "line", ["Match host web", "Match originalhost w*", "Match all", f"Match localuser {getpass.getuser()}"]
)
def test_criteria_that_are(tmp_path: Path, line: str) -> None:
    assert said(tmp_path, f"{line}\n User x\n") == Said(host="web", user="x")


def test_canonical_names_are_not_looked_up(tmp_path: Path) -> None:
    text = "Host web\n CanonicalizeHostname yes\n CanonicalDomains example.org\n"
    assert said(tmp_path, text) == Said(host="web", refused=f"{tmp_path}/config:2 says CanonicalizeHostname of it")
    assert said(tmp_path, text, "db") == Said(host="db")


def test_files_that_are_included_at_the_top(tmp_path: Path) -> None:
    (tmp_path / "conf.d").mkdir()
    (tmp_path / "conf.d" / "10").write_text("Host web\n Port 10\n")
    (tmp_path / "conf.d" / "20").write_text("Host web\n Port 20\n User acme\n")
    text = "Include conf.d/* absent/*\nIdentityFile /k\nHost *\n User x\n"
    assert said(tmp_path, text) == Said(host="web", port=10, user="acme", identities=(Path("/k"),))
    assert said(tmp_path, text, "db") == Said(host="db", user="x", identities=(Path("/k"),))


def test_an_include_within_a_block_and_a_circle_are_refused(tmp_path: Path) -> None:
    for text in ("Host web\n Include other\n", "Include config\n"):
        with pytest.raises(HostError, match=r"config:\d: an Include within a Host or Match block, or too deep"):
            said(tmp_path, text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("nonsense\n", "cannot be read as an SSH configuration: Unparsable line nonsense"),
        ('Match host "web\n', "config:1: cannot be read: No closing quotation"),
        ("Port many\n", "config: Port: found many; of web"),
        ("Port 0\n", "config: Port: found 0; of web"),
    ],
)
def test_what_cannot_be_read_is_named(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(HostError) as caught:
        said(tmp_path, text)
    assert message in caught.value.what


def test_a_file_that_is_not_there_or_no_text_is_named(tmp_path: Path) -> None:
    with pytest.raises(HostError, match=r"config: cannot be read"):
        read(tmp_path / "config")
    (tmp_path / "config").write_bytes(b"\xff\xfe")
    with pytest.raises(HostError, match=r"config: cannot be read"):
        read(tmp_path / "config")
