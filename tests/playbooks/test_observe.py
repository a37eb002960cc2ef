"""One round trip about everything: what is in names survives, and what was not asked is not believed."""

from __future__ import annotations

import os
import string
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm.errors import HostError
from crmhost.sandbox.host import Sandbox
from playbooks.host import Host
from playbooks.kind import Resource
from playbooks.kinds.folder import FolderKind, FolderWanted
from playbooks.kinds.link import LinkKind, LinkSeen, LinkWanted
from playbooks.observe import observe, question, rows, understood
from tests.support.hosts import reach

NONCE = "0123456789abcdef"


def encoded(field: bytes) -> str:
    plain = string.ascii_letters + string.digits + "/._:@%+,=-"
    text = field.decode("latin-1")
    return f"={text}" if all(character in plain for character in text) else f"x{field.hex()}"


@given(st.lists(st.lists(st.binary(max_size=20), max_size=4), max_size=6))
def test_fields_come_back_as_the_host_had_them(table: list[list[bytes]]) -> None:
    lines = [" ".join((NONCE, "kind", *map(encoded, fields))) for fields in table]
    answer = "\n".join(["noise", *lines, f"{NONCE} end {len(table)}", ""]).encode()
    found = rows("host", answer, NONCE)
    assert [[os.fsencode(field) for field in row] for row in found.get("kind", ())] == table


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ("", "the answer is torn: 0 lines arrived, no count was sent"),
        (f"{NONCE} kind =a\n", "the answer is torn: 1 lines arrived, no count was sent"),
        (f"{NONCE} kind =a\n{NONCE} end 2\n", "the answer is torn: 1 lines arrived, 2 was sent"),
        (f"{NONCE} kind a\n{NONCE} end 1\n", "a line of the answer is malformed: a"),
        (f"{NONCE} kind xabc\n{NONCE} end 1\n", "a line of the answer is malformed: xabc"),
        (f"{NONCE} kind =\x1b[2J\n{NONCE} end 1\n", r"a line of the answer is malformed: =\x1b[2J"),
        (f"{NONCE} end 0\n{NONCE} kind =a\n", f"a line of the answer is malformed: {NONCE} kind =a"),
        (f"{NONCE}\n{NONCE} end 0\n", f"a line of the answer is malformed: {NONCE}"),
        (f"{NONCE} end many\n", "a line of the answer is malformed: end many"),
    ],
)
def test_what_the_script_cannot_have_printed_is_refused(answer: str, message: str) -> None:
    with pytest.raises(HostError) as caught:
        rows("host", answer.encode(), NONCE)
    assert message in caught.value.what


def test_lines_without_the_nonce_are_noise() -> None:
    answer = b"fedcba9876543210 kind =forged\n\x1b[31mred\n" + f"{NONCE} kind =true\n{NONCE} end 1\n".encode()
    assert rows("host", answer, NONCE) == {"kind": [("true",)]}


def test_answers_about_other_things_are_refused() -> None:
    wanted = [Resource(FolderKind(), "a", FolderWanted())]
    home = {"fact": [("home", "/home/u")]}
    with pytest.raises(HostError, match="answered about what was not asked: user"):
        understood("host", wanted, {**home, "folder": [("a", "absent", "0")], "user": [("root",)]})
    with pytest.raises(HostError, match="folder: asked about 1, and these differ in the answer: a, b"):
        understood("host", wanted, {**home, "folder": [("b", "absent", "0")]})
    with pytest.raises(HostError, match="has no home folder"):
        understood("host", wanted, {"folder": [("a", "absent", "0")]})
    with pytest.raises(ValueError, match="folder:a: wanted twice"):
        question(wanted * 2, NONCE)


@pytest.mark.slow
@pytest.mark.parametrize(
    "target", ["plain", "two words", "a\nb\n", "tab\there", "\x1b[2J\x07", "'\"$(id)`id`\\", "-n", "*"]
)
def test_odd_names_on_the_host_are_data(host: Host, box: Sandbox, target: str) -> None:
    (box.home / "link").symlink_to(target)
    seen = observe(host, [Resource(LinkKind(), "link", LinkWanted("other"))]).seen
    assert seen == {"link:link": LinkSeen(there=True, target=target)}


@pytest.mark.slow
def test_bytes_that_are_no_text_survive(host: Host, box: Sandbox) -> None:
    (box.home / "link").symlink_to(os.fsdecode(b"\xff\xfe\x80"))
    seen = observe(host, [Resource(LinkKind(), "link", None)]).seen["link:link"]
    assert os.fsencode(seen.target) == b"\xff\xfe\x80"


@pytest.mark.slow
def test_a_noisy_profile_changes_nothing(tmp_path: Path) -> None:
    profile = f"echo '{NONCE} end 0'; printf '\\033]0;title\\007 fact =home =/etc'"
    with Sandbox(tmp_path / "box", profile=profile) as box, reach(box) as host:
        observation = observe(host, [Resource(FolderKind(), "a", FolderWanted())])
        assert observation.home == str(box.home)


@pytest.mark.slow
def test_a_host_without_cron_says_so(tmp_path: Path) -> None:
    with Sandbox(tmp_path / "box", cron=False, profile=f"PATH={_tools(tmp_path)}") as box, reach(box) as host:
        assert observe(host, []).missing == {"crontab", "python3"}


def _tools(folder: Path) -> Path:
    """Make a search path that has little more than a shell."""
    path = folder / "tools"
    path.mkdir()
    for tool in ("sh", "flock", "setsid", "base64", "sha256sum", "od", "stat", "mv", "sync", "tr"):
        found = next(Path(place, tool) for place in ("/usr/bin", "/bin") if Path(place, tool).exists())
        (path / tool).symlink_to(found)
    return path
