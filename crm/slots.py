"""Filling the slots of a recipe's texts with what a target and a contract give. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from crm.errors import Refused
from crm.recipe import Arg, Exec, Http, Json, Login, Secret, Slotted, Step, Text


@dataclass(frozen=True, slots=True)
class Filled:
    """A program to run with all its slots filled, public by type: what it reads from standard input is apart."""

    argv: tuple[str, ...]
    env: Mapping[str, str]
    cwd: str


def fill(arg: Arg, known: Mapping[str, str], where: str) -> str:
    """Return the argument's text; raises Refused for a slot that neither the target nor the contract gives."""
    if isinstance(arg, str):
        return arg
    missing = arg.slots() - known.keys()
    if missing:
        raise Refused(
            f"{where} uses {', '.join('{' + name + '}' for name in sorted(missing))}, which neither the contract nor"
            " its target gives",
            "say it in the contract, or take another target",
        )
    return arg.fill(known)


def fill_exec(program: Exec, known: Mapping[str, str], where: str) -> Filled:
    """Return the program with its slots filled; its folder is the release's where it names none."""
    return Filled(
        argv=tuple(fill(arg, known, where) for arg in program.argv),
        env={name: fill(arg, known, where) for name, arg in sorted(program.env.items())},
        cwd=known["release"] if program.cwd is None else fill(program.cwd, known, where),
    )


def fill_text(text: Text, known: Mapping[str, str], secrets: Mapping[str, str], where: str) -> str:
    """Return the text with slots and secrets; raises Refused for a secret that the fleet lacks."""
    parts = []
    for part in text:
        if isinstance(part, Secret):
            if part.name not in secrets:
                raise Refused(f"{where} needs the secret {part.name!r}, which the fleet does not have", "")
            parts.append(secrets[part.name])
        else:
            parts.append(fill(part, known, where))
    return "".join(parts)


def secret_names(text: Text) -> tuple[str, ...]:
    """Return the names of the secrets in a text, sorted."""
    return tuple(sorted({part.name for part in text if isinstance(part, Secret)}))


def used(parts: Iterable[Arg | Secret]) -> frozenset[str]:
    """Return the names of the slots that the parts have."""
    return frozenset(name for part in parts if isinstance(part, Slotted) for name in part.slots())


def exec_parts(program: Exec) -> tuple[Arg | Secret, ...]:
    """Return everything of a program that may hold a slot."""
    return (*program.argv, *program.stdin, *program.env.values(), *(() if program.cwd is None else (program.cwd,)))


def way_parts(way: Exec | Http) -> tuple[Arg | Secret, ...]:
    """Return everything of a step's way that may hold a slot."""
    if isinstance(way, Exec):
        return exec_parts(way)
    return tuple(part for text in way.form.values() for part in text)


def login_parts(login: Login) -> tuple[Arg | Secret, ...]:
    """Return everything of a login that may hold a slot or a secret."""
    form = (part for text in login.form.values() for part in text)
    return (*form, *_leaves(login.json))


def _leaves(value: Json | None) -> Iterator[Arg | Secret]:
    match value:
        case str() | Slotted() | Secret():
            yield value
        case Mapping():
            yield from (leaf for each in value.values() for leaf in _leaves(each))
        case Sequence():
            yield from (leaf for each in value for leaf in _leaves(each))


def script_of(way: Exec | Http) -> str | None:
    """Return the release's PHP file that a way runs: `site.php` of `{php} site.php`; None for any other way.

    A host without a shell can do such a way as well: its driver includes the file in a page of its own, with what is
    its standard input as the request's body.
    """
    match way:
        case Exec(argv=(Slotted("{php}"), str(path)), cwd=None) if not way.env:
            return path
    return None


def way(step: Step) -> Exec:
    """Return the way of a step that a target with a shell takes; raises Refused when it has none."""
    for way in step.ways:
        if isinstance(way, Exec):
            return way
    raise Refused(
        f"step {step.name} can only be done over HTTP, which this version does not do where it can run programs", ""
    )
