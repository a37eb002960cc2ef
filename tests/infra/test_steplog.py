"""What steps that failed have printed: the last ones are kept, whatever is in the file, and shown line by line."""

from __future__ import annotations

from infra.steplog import KEPT, LONGEST, Failed, appended, parse, shown


def failed(number: int, text: str = "out") -> Failed:
    return Failed("2026-01-02T03:04:05Z", f"step{number}", "smallapp-1.0-0", "did not print 'ok' (exit 1)", text)


def test_the_last_ones_are_kept() -> None:
    content = b""
    for number in range(KEPT + 3):
        content = appended(content, failed(number))
    assert tuple(parse(content)) == tuple(failed(number) for number in range(3, KEPT + 3))


def test_of_a_long_output_the_end_is_kept() -> None:
    (one,) = parse(appended(b"", failed(1, "x" * LONGEST + "the end")))
    assert len(one.text) == LONGEST
    assert one.text.endswith("the end")


def test_what_is_torn_or_not_crmhosts_is_left_out() -> None:
    whole = appended(b"", failed(1, "two\nlines \u2028 of it"))
    assert list(parse(whole[:-9] + b"\n[1]\n{}\n" + whole)) == [failed(1, "two\nlines \u2028 of it")]


def test_each_is_shown_under_a_line_that_says_when_and_how() -> None:
    assert list(shown((failed(1, "a\nb"), failed(2, "")))) == [
        "2026-01-02T03:04:05Z step1, smallapp-1.0-0: did not print 'ok' (exit 1)",
        "a",
        "b",
        "2026-01-02T03:04:05Z step2, smallapp-1.0-0: did not print 'ok' (exit 1)",
    ]
