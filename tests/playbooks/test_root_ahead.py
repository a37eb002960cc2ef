"""What is sent to the first program before it is known whether sudo wants a password: it arrives whole, and once."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Iterator
from contextlib import closing

import pytest

from crm.errors import HostError
from playbooks.become import Become
from playbooks.shell import sh
from tests.support.engine import RealEngine
from tests.support.lanhost import PASSWORD, PLAIN_PASSWORD, LanHost, LanImages, asked, serving
from tests.support.lannet import LanNetwork

pytestmark = pytest.mark.slow
EACH = pytest.mark.parametrize("user", ["deploy", "asks", "root"])
"""sudo lets `deploy` without a password, and asks `asks` for it; `root` needs none."""
SMALL, LARGE = 100_000, 3_000_000
"""Bytes: less and more than what is sent ahead."""


@pytest.fixture(scope="module")
def server(
    engine: RealEngine, lan_images: LanImages, lan_network: LanNetwork, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[LanHost]:
    """Return one server for all of these, each of which leaves it as it was."""
    folder, name = tmp_path_factory.mktemp("lan"), f"lan-ahead-{os.getpid()}"
    with closing(engine.client()) as client, serving(client, lan_images.bare, folder, name, lan_network, {}) as it:
        yield it


def failures(server: LanHost, since: str) -> int:
    """Return how many wrong passwords sudo counted."""
    said = server.run(f"journalctl --since=@{since} -t sudo | grep -c 'authentication failure'", check=False)
    return int(said)


@EACH
@pytest.mark.parametrize("size", [SMALL, LARGE])
def test_what_is_sent_before_anything_is_read_arrives_once(server: LanHost, user: str, size: int) -> None:
    since = server.run("date +%s").strip()
    pieces = [os.urandom(SMALL) for _ in range(size // SMALL)]
    with server.root(user) as host:
        stream = host.start(sh("sh -c 'id -u; sha256sum; echo end'"))
        for piece in pieces:
            stream.send(piece)
        stream.end()
        assert stream.line(60) == b"0"
        assert stream.line(60) == hashlib.sha256(b"".join(pieces)).hexdigest().encode() + b"  -"
        assert (stream.line(60), stream.line(60)) == (b"end", None)
        stream.close()
    assert failures(server, since) == 0


@EACH
def test_two_programs_are_begun_before_one_is_read(server: LanHost, user: str) -> None:
    with server.root(user) as host:
        streams = [host.start(sh("cat")) for _ in range(2)]
        for number, stream in enumerate(streams):
            stream.send(b"%d\n" % number)
            stream.end()
        for number, stream in reversed(list(enumerate(streams))):
            assert stream.line(60) == b"%d" % number
            assert stream.line(60) is None
            stream.close()


@EACH
def test_one_thread_sends_while_another_reads(server: LanHost, user: str) -> None:
    with server.root(user) as host:
        stream = host.start(sh("cat"))

        def send() -> None:
            for number in range(200):
                stream.send(b"%d\n" % number)
            stream.end()

        thread = threading.Thread(target=send)
        thread.start()
        got = list(iter(lambda: stream.line(60), None))
        thread.join()
        stream.close()
    assert got == [b"%d" % number for number in range(200)]


@pytest.mark.parametrize(("user", "password", "counted"), [("asks", "wrong", 1), ("plain", PLAIN_PASSWORD, 0)])
def test_a_refusal_is_read_where_the_answer_would_be_and_no_line_was_taken_for_a_password(
    server: LanHost, user: str, password: str, counted: int
) -> None:
    since = server.run("date +%s").strip()
    with server.reach(user, become=Become(asked(password))) as host:
        stream = host.start(sh("cat"))
        stream.send(f"{PASSWORD}\n{PASSWORD}\n".encode())
        stream.end()
        with pytest.raises(HostError, match=r"sudo (refused the password|lets the account do nothing)") as first:
            stream.line(60)
        stream.close()
        with pytest.raises(HostError) as again:
            host.ask(sh("id -u"))
    assert str(again.value) == str(first.value)
    assert failures(server, since) == counted


def test_one_that_is_left_unread_leaves_the_way_to_be_found_by_the_next(server: LanHost) -> None:
    with server.root("asks") as host:
        left = host.start(sh("cat"))
        left.send(b"one\n")
        left.close()
        assert host.ask(sh("id -u")) == b"0\n"
        assert host.way == "password"
