"""A recipe's questions, put to a release in the cloud, and the judgement of what its programs print."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from crm.errors import Refused
from crm.plan import Want
from crm.recipe import Ask, Exec, Http, Sql
from crm.slots import fill_exec, fill_text
from infra import naming, psql
from infra.engine.engine import Engine
from infra.engine.run import Bind, OneShot
from infra.engine.stream import Output
from infra.release import environment
from infra.rollout import Placed
from infra.slots import values

LONGEST = 60.0
"""Seconds that a question may take."""
STEP_CPUS = "1.0"
STEP = "step"
"""The role of a step's container, of which there is one at a time."""


@dataclass(frozen=True, slots=True)
class Site:
    """One contract's release on its engine: what a program of the recipe needs to be run."""

    engine: Engine
    want: Want
    placed: Placed

    @property
    def contract(self) -> str:
        """Return the contract's id."""
        return self.want.contract

    @property
    def known(self) -> Mapping[str, str]:
        """Return the values of the recipe's slots."""
        return values(self.want, self.placed.release)


def answer(site: Site, ask: Ask) -> str:
    """Return the answer to a recipe's question; what cannot be asked yet is an answer too, as `Ask` wants it."""
    match ask.how:
        case Sql(query):
            output = psql.attempt(site.engine, site.contract, "query", query=query)
            return output.said if output.code == 0 else f"no answer: {psql.complaint(output)}"
        case Exec() as program:
            return masked(ran(site, program, "a question", "ask", LONGEST).text, site.want)
        case Http():
            raise Refused(f"{site.want.recipe.id}: a question over HTTP, and no web process runs during steps", "")


def ran(site: Site, program: Exec, where: str, role: str, timeout: float, **labels: str) -> Output:
    """Run a program of the recipe in a one-shot container that has what the release's processes have.

    It may write below /release, which they may not: steps make derived files there. A step's container stays until its
    end has been recorded. Raises HostError when it did not end in time.
    """
    spec = one_shot(site, program, where, role, labels)
    stdin = fill_text(program.stdin, site.known, site.want.secrets, where)
    return site.engine.run(spec, stdin=stdin.encode(), timeout=timeout)


def one_shot(site: Site, program: Exec, where: str, role: str, labels: Mapping[str, str]) -> OneShot:
    """Return the container of a program of the recipe. Pure."""
    filled, release = fill_exec(program, site.known, where), site.placed.release
    contract, tag = site.contract, site.placed.tag
    return OneShot(
        name=f"crmhost-{contract}-{role}",
        image=site.placed.image,
        argv=filled.argv,
        labels={**naming.labels(contract, role, release.id), **labels},
        binds=(
            Bind(naming.release_volume(contract, tag, "files"), naming.RELEASE_FOLDER),
            Bind(naming.release_volume(contract, tag, "run"), naming.RUN_FOLDER),
            Bind(naming.data(contract), naming.DATA_FOLDER),
        ),
        env={"LANG": "C.UTF-8", **environment(role, filled.env)},
        cwd=filled.cwd,
        networks={naming.network(contract): ()},
        memory_mb=site.want.recipe.memory_mb,
        cpus=STEP_CPUS,
        keep=role == STEP,
    )


def masked(text: str, want: Want) -> str:
    """Return the text without the contract's secrets, the longest first, and without what could harm a terminal."""
    for secret in sorted(filter(None, want.secrets.values()), key=len, reverse=True):
        text = text.replace(secret, "***")
    return "".join(letter if letter.isprintable() or letter in "\n\t" else "?" for letter in text)


def tail(text: str, lines: int = 12) -> str:
    """Return the last lines, indented, for an error's text."""
    return "\n".join(f"  {line}" for line in text.rstrip().splitlines()[-lines:])
