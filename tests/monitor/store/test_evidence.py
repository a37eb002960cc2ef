from __future__ import annotations

from sqlalchemy import Engine

from monitor.evidence import canonical, parse
from monitor.span import Span
from monitor.store.database import reading, writing
from monitor.store.evidence import evidence_of
from monitor.store.recorder import Recorder
from monitor.store.spans import write

DAY = 86_400_000_000
START, END = 20_000 * DAY, 20_030 * DAY


def remember(engine: Engine, *spans: Span) -> None:
    recorder = Recorder("any")
    for span in spans:
        recorder.take("acme", (span,), None)
    with writing(engine) as connection:
        write(connection, recorder.drain())


def exported(engine: Engine) -> tuple[Span, ...]:
    with reading(engine) as connection:
        return evidence_of(connection, "acme", START, END).spans


def test_an_outage_that_began_long_before_the_period_is_exported_from_its_beginning(engine: Engine) -> None:
    before = Span("hcm", START - 90 * DAY, START - 60 * DAY, "up")
    long = Span("hcm", START - 60 * DAY, START - 20 * DAY, "down", "timeout")
    longer = Span("hcm", START - 20 * DAY, START + DAY, "down", "connect-refused")
    after = Span("hcm", START + DAY, END, "up")
    remember(engine, Span("hcm", START - 99 * DAY, START - 90 * DAY, "down", "timeout"), before, long, longer, after)
    assert exported(engine) == (before, long, longer, after)


def test_later_exports_are_the_same(engine: Engine) -> None:
    remember(engine, Span("hcm", START, END + DAY // 2, "up"), Span("hcm", END + DAY // 2, END + 9 * DAY, "down", "x"))
    first = exported(engine)
    assert first[-1].end == END + DAY
    remember(engine, Span("hcm", END + 9 * DAY, END + 10 * DAY, "up"))
    assert exported(engine) == first


def test_each_vantage_goes_back_to_when_it_saw_the_service_up(engine: Engine) -> None:
    spans = (
        Span("hanoi", START - 10 * DAY, START + DAY, "down", "x"),
        Span("hcm", START - 40 * DAY, START - 30 * DAY, "up"),
        Span("hcm", START - 30 * DAY, START + DAY, "down", "x"),
        Span("hcm", START + DAY, END, "up"),
    )
    remember(engine, *spans)
    assert exported(engine) == spans


def test_it_is_written_as_json_lines_and_read_back_the_same(engine: Engine) -> None:
    remember(engine, Span("hcm", START, START + DAY, "up"), Span("hcm", START + DAY, END, "down", "http-status-502"))
    with reading(engine) as connection:
        evidence = evidence_of(connection, "acme", START, END)
    assert parse(canonical(evidence), "evidence") == evidence
