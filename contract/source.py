"""YAML 1.2 as a tree of texts with line numbers; nothing that a contract file has no use for is read at all.

Refused: anchors, aliases and merge keys, tags, several documents, duplicate keys, tabs in indentation, control
characters, anything but UTF-8, more than 256 KiB, 10,000 values or 16 levels. So no file, however made, costs more
than its own length.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from contract.problem import Path, Problem, path_text, quoted

MAX_BYTES = 256 * 1024
MAX_DEPTH = 16
MAX_VALUES = 10_000
_WANTED = (range(0x20, 0x7F), range(0xA0, 0x2028), range(0x202F, 0x2066), range(0x206A, 0xD800), range(0xE000, 0xFEFF),
           range(0xFF00, 0xFFFE), range(0x10000, 0x110000))  # fmt: skip
"""What a file may hold besides line ends and tabs: no control characters, none that change the direction of text."""
_INDENT_TAB = re.compile(r"^ *\t", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Scalar:
    """A text; `plain` where it was written without quotes."""

    text: str
    line: int
    plain: bool = True


@dataclass(frozen=True, slots=True)
class Mapping:
    """Keys and what they hold, in the file's order; `keys` has each key's line."""

    line: int
    items: dict[str, Node] = field(default_factory=dict)
    keys: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Sequence:
    """A list."""

    line: int
    items: list[Node] = field(default_factory=list)


Node: TypeAlias = Scalar | Mapping | Sequence


@dataclass(frozen=True, slots=True)
class Source:
    """A file's tree (None where it has none that can be used) and what is wrong with its YAML."""

    root: Mapping | None
    problems: tuple[Problem, ...]


class _Unreadable(Exception):
    """The rest of the file cannot be read."""

    def __init__(self, line: int, found: str, remedy: str) -> None:
        super().__init__(found)
        self.line, self.found, self.remedy = line, found, remedy


def read(data: bytes, file: str) -> Source:
    """Return the tree of a file's bytes; what is wrong with them are problems, never exceptions."""
    reader = _Reader(file)
    try:
        root = reader.document(_decode(data))
    except _Unreadable as stop:
        reader.report(stop.line, (), stop.found, stop.remedy)
        root = None
    return Source(root, tuple(reader.problems))


def _decode(data: bytes) -> str:
    if len(data) > MAX_BYTES:
        raise _Unreadable(1, f"a file of {len(data)} bytes", f"a contract has at most {MAX_BYTES} bytes: shorten it")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise _Unreadable(
            line, f"the byte 0x{data[error.start]:02x}, which is not UTF-8", "save the file in UTF-8"
        ) from None
    unwanted = {one for one in set(text) - set("\t\n\r") if not any(ord(one) in some for some in _WANTED)}
    if unwanted:
        at = min(text.index(one) for one in unwanted)
        raise _Unreadable(text.count("\n", 0, at) + 1, f"the invisible character U+{ord(text[at]):04X}", "delete it")
    if match := _INDENT_TAB.search(text):
        line = text.count("\n", 0, match.start()) + 1
        raise _Unreadable(line, "a tab in the indentation", "indent with spaces")
    return text


def _events(text: str) -> Iterator[Any]:
    """Yield the parser's events; its own errors become `_Unreadable`."""
    from ruamel.yaml import YAML  # a tenth of a second that only reading a file should pay
    from ruamel.yaml.error import MarkedYAMLError, YAMLError  # as above

    try:
        yield from YAML(typ="safe", pure=True).parse(text)
    except MarkedYAMLError as error:
        unclosed = "end of stream" in str(error.problem)
        mark = (error.context_mark if unclosed else None) or error.problem_mark or error.context_mark
        line = mark.line + 1 if mark is not None else 1
        lines = text.splitlines() or [""]
        raise _Unreadable(
            line,
            f"YAML that cannot be read at {quoted(lines[min(line, len(lines)) - 1].strip())} ({_reason(error)})",
            "mend the line: keys are written 'key: value', lists '- item', and brackets and quotes are closed",
        ) from None
    except (YAMLError, ValueError, LookupError, TypeError, AttributeError, AssertionError, OverflowError) as error:
        # ruamel.yaml lets a few of Python's own errors through, for example for the escape "\UFFFFFFFF"
        raise _Unreadable(
            1, f"YAML that cannot be read ({type(error).__name__})", "mend or remove its escapes"
        ) from None


def _reason(error: Any) -> str:  # noqa: ANN401 - ruamel.yaml's errors are untyped
    return " ".join(str(error.problem or error.context or "not YAML").split())


class _Reader:
    """Builds the tree from events, without recursion, and collects what is wrong."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.problems: list[Problem] = []
        self.values = 0

    def report(self, line: int, path: Path, found: str, remedy: str) -> None:
        self.problems.append(Problem(self.file, line, path_text(path), found, remedy))

    def document(self, text: str) -> Mapping | None:
        root: Node | None = None
        documents = 0
        stack: list[_Open] = []
        for event in _events(text):
            name = type(event).__name__
            if name == "DocumentStartEvent":
                documents += 1
                if documents > 1:
                    raise _Unreadable(
                        event.start_mark.line + 1, "a second document ('---')", "write one contract a file"
                    )
            elif name in {"MappingStartEvent", "SequenceStartEvent", "ScalarEvent", "AliasEvent"}:
                path = stack[-1].child_path() if stack else ()
                node = self._node(event, name, path, len(stack))
                if stack:
                    self._add(stack[-1], node)
                else:
                    root = node
                if not isinstance(node, Scalar):
                    stack.append(_Open(node, path))
            elif name in {"MappingEndEvent", "SequenceEndEvent"}:
                stack.pop()
        return self._checked_root(root)

    def _checked_root(self, root: Node | None) -> Mapping | None:
        if isinstance(root, Mapping):
            return root
        if root is None or (isinstance(root, Scalar) and not root.text):
            self.report(1, (), "nothing in the file", "write a contract; `crmhost init NAME` makes a first one")
        else:
            kind = "a list" if isinstance(root, Sequence) else "a text"
            self.report(root.line, (), kind, "write a contract's keys, such as 'contract: acme'")
        return None

    def _node(self, event: Any, name: str, path: Path, depth: int) -> Node:  # noqa: ANN401 - ruamel's events are untyped
        line = event.start_mark.line + 1
        self.values += 1
        if self.values > MAX_VALUES:
            raise _Unreadable(
                line, f"more than {MAX_VALUES} keys and values", "a contract has no such length: shorten it"
            )
        if depth >= MAX_DEPTH:
            raise _Unreadable(line, f"more than {MAX_DEPTH} levels", "a contract has no such depth: flatten it")
        if name == "AliasEvent":
            self.report(
                line,
                path,
                f"the alias {quoted(f'*{event.anchor}')}",
                "contracts have no aliases: write the value itself",
            )
            return Scalar("", line)
        if event.anchor is not None:
            self.report(line, path, f"the anchor {quoted(f'&{event.anchor}')}", "contracts have no anchors: delete it")
        if event.tag is not None and str(event.tag) != "!":
            self.report(line, path, f"the tag {quoted(str(event.tag))}", "contracts have no tags: delete it")
        if name == "MappingStartEvent":
            return Mapping(line)
        if name == "SequenceStartEvent":
            return Sequence(line)
        return Scalar(event.value, line, plain=event.style is None)

    def _add(self, parent: _Open, node: Node) -> None:
        if isinstance(parent.node, Sequence):
            parent.node.items.append(node)
            return
        if not isinstance(parent.node, Mapping):
            return
        if parent.key is None:
            parent.key = self._key(node)
            return
        key, parent.key = parent.key, None
        if key.text in parent.node.items:
            first = parent.node.keys[key.text]
            self.report(
                key.line,
                (*parent.path, key.text),
                f"the key {quoted(key.text)} again, first in line {first}",
                "keep one",
            )
        elif key.text == "<<":
            self.report(
                key.line, parent.path, "the merge key '<<'", "contracts have no merging: write the keys themselves"
            )
        else:
            parent.node.items[key.text] = node
            parent.node.keys[key.text] = key.line

    @staticmethod
    def _key(node: Node) -> Scalar:
        if isinstance(node, Scalar) and node.text:
            return node
        raise _Unreadable(node.line, "a key that is no text", "write 'key: value', and texts with braces in quotes")


@dataclass(slots=True)
class _Open:
    """A mapping or list whose end is not reached; `key` waits for its value."""

    node: Node
    path: Path
    key: Scalar | None = None

    def child_path(self) -> Path:
        if isinstance(self.node, Sequence):
            return (*self.path, len(self.node.items))
        return (*self.path, self.key.text) if self.key is not None else self.path


def plain_data(node: Node) -> Any:  # noqa: ANN401 - texts, lists and dictionaries, nested
    """Return a tree as texts, lists and dictionaries."""
    if isinstance(node, Scalar):
        return node.text
    if isinstance(node, Sequence):
        return [plain_data(item) for item in node.items]
    return {key: plain_data(item) for key, item in node.items.items()}
