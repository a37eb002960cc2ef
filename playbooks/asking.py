"""Questions for a host, as the input of the programs that ask them there. Pure; the bytes may hold secrets."""

from __future__ import annotations

import json
import posixpath
import urllib.parse
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from crm.errors import GateFailed, HostError
from crm.plan import Release, Want
from crm.recipe import Ask, Exec, Http, Sql, Step
from crm.slots import Filled, fill_exec, fill_text, way
from crm.steps import key
from playbooks.manifest import Runs, mark_of
from playbooks.onhost.ask import LISTEN


@dataclass(frozen=True, slots=True)
class Answer:
    """What the host said. `died`: the candidate's exit code when it ended by itself."""

    held: bool
    text: str
    seconds: float
    died: int | None


@dataclass(frozen=True, slots=True)
class Manner:
    """How a host runs what a recipe says.

    python: what runs our own programs. db: where the data is, as `playbooks.onhost` takes it: a path, or an object.
    before: words that begin every program of the recipe's, the last of them `env -i`; none: it runs as whoever is
    logged in. reached: with the step that is run so the database has the release's schema.
    """

    python: str
    db: Any
    before: tuple[str, ...] = ()
    reached: bool = False

    def program(self, run: Filled) -> tuple[tuple[str, ...], Mapping[str, str]]:
        """Return the words and the environment that a program is started with."""
        if not self.before:
            return run.argv, dict(run.env)
        return (*self.before, *(f"{name}={value}" for name, value in run.env.items()), *run.argv), {}


def logged_in(known: Mapping[str, str], *, reached: bool = False) -> Manner:
    """Return how a host runs everything as whoever is logged in, where the data is a file, or a database it gave."""
    records = known.get("records", known["db"])
    db = {"kind": "mysql", "access": records} if records.endswith(".json") else records
    return Manner(known["python"], db, reached=reached)


def question(ask: Ask, want: Want, known: Mapping[str, str], address: str, patience: float, manner: Manner) -> bytes:
    """Return the input of the program `ask` for what serves already.

    address: `host:port`, or the URL at which the host's own web server serves it. There an answer counts only with the
    mark of the release whose slots are `known`, since the one before may still be answering.
    """
    spec = _spec(ask, want, known, patience, manner)
    if "://" in address:
        spec["ask"]["mark"] = mark_of(posixpath.basename(known["release"]))
    return _json({**spec, "address": address, "candidate": None})


def trial(ask: Ask, want: Want, known: Mapping[str, str], web: Runs, patience: float) -> bytes:
    """Return the input of the program `ask` for a candidate, which was filled with `candidate_slots`."""
    spec = _spec(ask, want, known, patience, logged_in(known))
    return _json({**spec, "address": None, "candidate": candidate_of(known, web)})


def candidate_of(known: Mapping[str, str], web: Runs) -> dict[str, Any]:
    """Return a candidate as the programs on the host start it. Of the slots it needs `run` and `release`."""
    return {
        "argv": web.run.argv,
        "env": dict(web.run.env),
        "cwd": web.run.cwd,
        "stop": web.stop,
        "run": f"{known['run']}/c",
        "log": candidate_log(known),
    }


def candidate_slots(known: Mapping[str, str]) -> Mapping[str, str]:
    """Return the slots of a candidate: it listens on a spare port, beside the release that serves."""
    return {**known, "listen": LISTEN, "run": f"{known['run']}/c"}


def candidate_log(known: Mapping[str, str]) -> str:
    """Return the log of a candidate, which stays beside its release."""
    return f"{known['release']}/candidate.log"


def step_input(
    step: Step,
    want: Want,
    release: Release,
    known: Mapping[str, str],
    log: str,
    manner: Manner,
) -> bytes:
    """Return the input of the program `step`."""
    program, where = way(step), f"step {step.name}"
    argv, env = manner.program(fill_exec(program, known, where))
    guard = None
    if isinstance(step.done, Ask):
        how = _how(step.done, want, known, manner)
        guard = {"ask": how, "expect": step.done.expect, "address": known["listen"]}
    return _json(
        {
            "db": manner.db,
            "reached": manner.reached,
            "name": key(step, release),
            "release": release.id,
            "schema": [release.recipe, release.version, release.schema],
            "argv": argv,
            "env": dict(env),
            "cwd": fill_exec(program, known, where).cwd,
            "stdin": fill_text(program.stdin, known, want.secrets, where),
            "ok": step.ok,
            "secrets": sorted(want.secrets.values()),
            "log": log,
            "guard": guard,
        }
    )


def read_answer(text: str) -> Answer:
    """Return the answer from the program's last line; raises HostError when the program itself failed."""
    raw = _last_json(text, "the question")
    return Answer(bool(raw["held"]), str(raw["answer"]), float(raw["seconds"]), raw["died"])


def check_step(step: Step, text: str, log: str) -> None:
    """Raise HostError when the step did not print what it prints when it went well; log: where all of it is."""
    raw = _last_json(text, f"step {step.name}")
    if not raw["ok"]:
        raise HostError(
            f"step {step.name} did not print {step.ok!r} (exit {raw['code']}); its output ends with:\n"
            + _tail(str(raw["output"])),
            f"the whole output is in {log}; mend the cause and deploy again",
        )


def gate_error(what: str, answer: Answer, ask: Ask, log: str, still: str) -> GateFailed:
    """Return the error of a release that did not become ready; `log` ends with its last lines, `still` who serves."""
    if answer.died is not None:
        found = f"its process ended with exit {answer.died}"
    else:
        found = f"after {answer.seconds:.0f} s it answered {_short(answer.text)!r}, not {ask.expect!r}"
    lines = f"; its log ends with:\n{_tail(log)}" if log.strip() else "; its log is empty"
    return GateFailed(f"{what}: {found}{lines}", still)


def _spec(ask: Ask, want: Want, known: Mapping[str, str], patience: float, manner: Manner) -> dict[str, Any]:
    return {"ask": _how(ask, want, known, manner), "expect": ask.expect, "patience": patience}


def _how(ask: Ask, want: Want, known: Mapping[str, str], manner: Manner) -> dict[str, Any]:
    match ask.how:
        case Sql(query):
            return {"kind": "sql", "db": manner.db, "query": query}
        case Exec() as program:
            filled = fill_exec(program, known, "a question")
            argv, env = manner.program(filled)
            stdin = fill_text(program.stdin, known, want.secrets, "a question")
            return {
                "kind": "exec",
                "argv": argv,
                "env": dict(env),
                "cwd": filled.cwd,
                "stdin": stdin,
            }
        case Http(method, path, form):
            fields = {name: fill_text(text, known, want.secrets, "a question") for name, text in form.items()}
            scheme = urllib.parse.urlsplit(known["url"]).scheme
            headers = {"Host": known["host"], "X-Forwarded-Proto": scheme, "User-Agent": "crmhost"}
            if fields:
                headers["Content-Type"] = "application/x-www-form-urlencoded"
            body = urllib.parse.urlencode(fields) if fields else None
            return {"kind": "http", "method": method, "path": path, "headers": headers, "body": body}


def _json(value: Mapping[str, Any]) -> bytes:
    return json.dumps(value).encode()


def _last_json(text: str, what: str) -> dict[str, Any]:
    last = text.rstrip("\n").rpartition("\n")[2]
    try:
        raw = json.loads(last)
        if isinstance(raw, dict):
            return raw
    except ValueError:
        pass
    raise HostError(
        f"{what}: the host's Python answered:\n{_tail(text)}", "nothing was switched; mend it and try again"
    )


def _tail(text: str, lines: int = 12) -> str:
    return "\n".join(f"  {line}" for line in text.rstrip().splitlines()[-lines:])


def _short(text: str) -> str:
    return text if len(text) <= 200 else text[:200] + "…"
