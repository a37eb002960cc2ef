"""A contract file's bytes as a Contract, or as everything that is wrong with them at once."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path as FilePath
from pathlib import PurePath

from contract.explain import Finding, child, line_of
from contract.merge import Amended, amendments_of
from contract.model import Contract
from contract.problem import Problem, path_text, quoted
from contract.rules import check, check_order
from contract.sections import read_sections
from contract.source import MAX_BYTES, Mapping, Node, Scalar, Sequence, read


@dataclass(frozen=True, slots=True)
class Parsed:
    """A file's contract (None where it has errors) and its problems in the order of their lines."""

    contract: Contract | None
    problems: tuple[Problem, ...]

    @property
    def errors(self) -> tuple[Problem, ...]:
        """What must be mended."""
        return tuple(problem for problem in self.problems if problem.severity == "error")

    @property
    def warnings(self) -> tuple[Problem, ...]:
        """What is legal but odd, or not kept by this version."""
        return tuple(problem for problem in self.problems if problem.severity == "warning")


def parse(text: bytes, file: str) -> Parsed:
    """Return what a file's bytes say. `file` is what problems are named by, and its stem must be the contract's id.

    Every mistake is reported at once: those of YAML, of each value, and of sections that do not fit each other where
    both could be read. A file named `-` may have any id.
    """
    source = read(text, file)
    if source.root is None:
        return Parsed(None, source.problems)
    root = _without(source.root, "amendments")
    sections, findings = read_sections(root)
    odd = tuple(check(sections))
    problems = _located((*findings, *odd), root, file)
    problems += _located(_misnamed(sections.contract, file), root, file)
    amended, mistakes = amendments_of(source.root, root)
    problems += _located(mistakes, source.root, file)
    known = frozenset((one, line_of(root, one.path)) for one in (*findings, *odd))
    for change in amended:
        problems += _amended_problems(change, known, file)
        known |= change.known()
    made = tuple(change.amendment for change in amended if change.amendment is not None)
    problems += _located(check_order(made, sections), source.root, file)
    # what YAML itself has wrong at a place is not said again of the value that could not be read there
    unread = {(problem.line, problem.path) for problem in source.problems}
    said = [*source.problems, *(one for one in problems if (one.line, one.path) not in unread)]
    unique = tuple(sorted(dict.fromkeys(said), key=lambda problem: problem.line))
    if any(problem.severity == "error" for problem in unique):
        return Parsed(None, unique)
    return Parsed(Contract.model_construct(**sections.values(), amendments=made), unique)


def read_file(path: FilePath) -> Parsed:
    """Parse the file at a path; one that cannot be read is a problem too."""
    try:
        with path.open("rb") as stream:
            return parse(stream.read(MAX_BYTES + 1), str(path))
    except OSError as error:
        reason = error.strerror or type(error).__name__
        return Parsed(None, (Problem(str(path), 1, "", f"no file to read ({reason})", "name a contract file"),))


def _without(root: Mapping, key: str) -> Mapping:
    items = {name: node for name, node in root.items.items() if name != key}
    return Mapping(root.line, items, root.keys)


def _misnamed(contract: str | None, file: str) -> Iterable[Finding]:
    stem = PurePath(file).stem
    if contract is not None and file != "-" and contract != stem:
        yield Finding(
            ("contract",),
            f"a contract has its file's name: write 'contract: {stem}', or rename the file to {contract}.yaml",
        )


def _amended_problems(change: Amended, known: frozenset[tuple[Finding, int]], file: str) -> Iterable[Problem]:
    """Yield what an amendment makes wrong or odd that was not so before it."""
    for one in change.findings:
        line = line_of(change.root, one.path)
        if (one, line) in known:
            continue
        if not one.path or one.path[0] not in change.keys:
            line = change.line
        path = path_text(("amendments", change.index, *one.path))
        yield Problem(file, line, path, found_at(one, change.root), one.remedy, one.severity)


def _located(findings: Iterable[Finding], root: Mapping, file: str) -> list[Problem]:
    return [
        Problem(file, line_of(root, one.path), path_text(one.path), found_at(one, root), one.remedy, one.severity)
        for one in findings
    ]


def found_at(one: Finding, root: Mapping) -> str:
    """Return what was found at a finding's place, as people are told."""
    if one.found is not None:
        return one.found
    node: Node | None = root
    for part in one.path:
        node = child(node, part)
    if isinstance(node, Scalar):
        return quoted(node.text) if node.text else "no value"
    if isinstance(node, Sequence):
        return "a list" if node.items else "an empty list"
    return "keys and values" if isinstance(node, Mapping) else "nothing"
