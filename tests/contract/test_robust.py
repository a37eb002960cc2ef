"""No bytes whatever make the reader raise: what cannot be read is a problem, and a problem has its line."""

from pathlib import Path

from hypothesis import example, given, settings
from hypothesis import strategies as st

from contract.parse import parse
from contract.source import MAX_VALUES, Mapping, Sequence, read

WHOLE = max((Path(__file__).parents[2] / "examples" / "contracts").glob("*.yaml"), key=lambda path: path.stat().st_size)
TEXT = WHOLE.read_bytes()
PIECES = [
    b"\t",
    b"&a ",
    b"*a",
    b"<<: ",
    b"!!int ",
    b"---\n",
    b"...\n",
    b"[",
    b"}",
    b'"',
    b"'",
    b"|",
    b">-",
    b"? ",
    b"- ",
]
PIECES += [b"%", b"#", b"\x00", b"\xff", b"\xef\xbb\xbf", b"\n\n", b": ", b"99999999999999999999", b"none", b"\\", b"@"]
unhurried = settings(deadline=None)  # a loaded machine is slow, not wrong


def _holds(data: bytes) -> None:
    parsed = parse(data, "acme.yaml")
    assert (parsed.contract is None) == bool(parsed.errors)
    lines = data.count(b"\n") + 2
    for problem in parsed.problems:
        assert 1 <= problem.line <= lines
        assert problem.found
        assert problem.remedy
        assert str(problem).isprintable()
        assert set(problem.as_json()) == {"severity", "file", "line", "path", "found", "remedy"}


@unhurried
@given(st.binary(max_size=200))
@example(b'a: "\\UFFFFFFFF"')
@example(b"%YAML 9.9\n---\na: b")
@example(b"%TAG ! tag:x,2000:\n---\na: !b c")
@example(b"a: !<> b")
@example(b"? \n")
@example(b": ")
@example(b"\xef\xbb\xbf")
def test_arbitrary_bytes(data: bytes) -> None:
    _holds(data)


@unhurried
@given(st.text(alphabet=st.sampled_from("abc:-[]{}#&*!|>'\"%@`,?\n \t<~0"), max_size=80))
def test_arbitrary_punctuation(text: str) -> None:
    _holds(text.encode())


@unhurried
@given(st.integers(0, len(TEXT)), st.integers(0, 20), st.sampled_from(PIECES))
def test_a_contract_with_a_piece_put_in_or_cut_out(place: int, cut: int, piece: bytes) -> None:
    _holds(TEXT[:place] + piece + TEXT[place + cut :])


@unhurried
@given(st.data())
def test_a_contract_with_any_value_replaced(data: st.DataObject) -> None:
    lines = TEXT.decode().split("\n")
    places = [index for index, line in enumerate(lines) if ": " in line and not line.startswith("#")]
    place = data.draw(st.sampled_from(places))
    value = data.draw(
        st.sampled_from(["", "[]", "{}", "x", "-1", "[x, {y: z}]", "{x: y}", "1 h", "5 %", "none", "'", "~"])
    )
    lines[place] = f"{lines[place].split(': ')[0]}: {value}"
    _holds("\n".join(lines).encode())


def test_depth_is_bounded_before_the_stack_is() -> None:
    _holds(b"a: " + b"[" * 100_000)
    _holds(b"".join(b" " * depth + b"a:\n" for depth in range(700)))


def test_a_wide_file_is_read_up_to_its_limit() -> None:
    count = MAX_VALUES - 3
    root = read(b"a: [" + b"x, " * (count - 1) + b"x]\n", "acme.yaml").root
    assert isinstance(root, Mapping)
    items = root.items["a"]
    assert isinstance(items, Sequence)
    assert len(items.items) == count
    (problem,) = read(b"a: [" + b"x, " * count + b"x]\n", "acme.yaml").problems
    assert problem.found == f"more than {MAX_VALUES} keys and values"
