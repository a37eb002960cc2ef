"""What is pushed into a pipe is pulled out of it, and whichever end fails first is the one that is heard."""

from __future__ import annotations

from typing import BinaryIO

import pytest

from infra.pipe import piped

LARGE = b"x" * (4 << 20)
"""More than the pipe and its buffers hold."""


def push(sink: BinaryIO) -> str:
    sink.write(LARGE)
    return "all of it"


def fail_late(sink: BinaryIO) -> str:
    sink.write(LARGE)
    raise ValueError("disk full")


def test_what_is_pushed_is_pulled_and_the_writer_s_answer_is_there() -> None:
    with piped(push) as pipe:
        assert pipe.reader.read() == LARGE
    assert pipe.result == "all of it"


def test_a_reader_that_stops_early_lets_the_writer_finish() -> None:
    with piped(push) as pipe:
        pipe.reader.read(1)
    assert pipe.result == "all of it"


def test_a_writer_that_fails_is_heard_though_the_reader_read_to_the_end() -> None:
    with pytest.raises(ValueError, match="disk full"), piped(fail_late) as pipe:
        pipe.reader.read()


def test_the_writer_s_failure_is_why_the_reader_failed() -> None:
    def read(source: BinaryIO) -> None:
        if len(source.read()) <= len(LARGE):
            raise EOFError("cut short")

    with pytest.raises(ValueError, match="disk full") as caught, piped(fail_late) as pipe:
        read(pipe.reader)
    assert isinstance(caught.value.__cause__, EOFError)


def test_a_reader_that_fails_cuts_the_writer_off() -> None:
    with pytest.raises(KeyError), piped(push) as pipe:
        raise KeyError(pipe.reader.read(1))
