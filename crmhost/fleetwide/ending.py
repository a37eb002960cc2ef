"""How work on a contract ended, what that makes of the whole, and what people and machines are told."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from crm.plan import Plan

Did: TypeAlias = Literal[
    "nothing", "changes", "deployed", "restored", "declined", "failed", "stopped", "not begun", "left out"
]

HARMLESS: frozenset[Did] = frozenset({"nothing", "changes", "deployed", "left out"})
"""What lets a command exit with 0, or a plan with 2; everything else makes it 1, or 130 after Ctrl-C."""
STOPPED = 130


@dataclass(frozen=True, slots=True)
class Ending:
    """How it ended for one contract.

    did: `changes` after a plan that found some; `stopped` by Ctrl-C at work; `not begun`: its host was not even asked;
    `left out`: a glob or --all found it, and it is not to be deployed; `restored`: an upgrade was taken back, as was
    begun before, so what serves is not what the contract asks for. changes, digest: of the plan; None without one.
    plan: what a plan found, for whoever is asked about it.
    release: what serves now, after a plan what would. what, remedy: the error or the reason. seconds: of the work.
    """

    contract: str
    did: Did
    release: str | None = None
    changes: int | None = None
    what: str = ""
    remedy: str = ""
    seconds: float = 0.0
    backup: str | None = None
    digest: str | None = None
    plan: Plan | None = None

    @property
    def bad(self) -> bool:
        """Tell whether the command must not look like a success."""
        return self.did not in HARMLESS

    def fields(self) -> dict[str, object]:
        """Return it for machines."""
        return {
            "contract": self.contract,
            "did": self.did,
            "release": self.release,
            "changes": self.changes,
            "digest": self.digest,
            "backup": self.backup,
            "error": self.what,
            "remedy": self.remedy,
            "seconds": round(self.seconds, 3),
        }


def exit_code(endings: Sequence[Ending], *, interrupted: bool = False) -> int:
    """Return 130 after Ctrl-C left something undone, 1 for anything bad, 2 where a plan found changes, else 0."""
    if any(ending.bad for ending in endings):
        left = any(ending.did in {"stopped", "not begun"} for ending in endings)
        return STOPPED if interrupted and left else 1
    return 2 if any(ending.did == "changes" for ending in endings) else 0


def in_order(names: Sequence[str], endings: Mapping[str, Ending]) -> tuple[Ending, ...]:
    """Return the endings in the order in which the contracts were named."""
    return tuple(endings[name] for name in names if name in endings)


def cells(ending: Ending) -> tuple[str, str, str, str]:
    """Return a line of the table for people: contract, result, detail, seconds."""
    took = f"{ending.seconds:.1f} s" if ending.seconds else ""
    return ending.contract, _result(ending), _detail(ending), took


HEAD = ("contract", "result", "", "took")


def total(endings: Sequence[Ending], seconds: float) -> str:
    """Return the sentence below the table; it names everything that is not as it should be."""
    counts = Counter(ending.did for ending in endings)
    parts = [f"{counts[did]} {said}" for did, said in _SAID.items() if counts[did]]
    what = "1 contract" if len(endings) == 1 else f"{len(endings)} contracts"
    text = f"{what}: {', '.join(parts)} ({seconds:.1f} s)."
    undone = [ending.contract for ending in endings if ending.did in {"stopped", "not begun"}]
    return text + (f" Not done: {', '.join(undone)}." if undone else "")


def complaints(endings: Sequence[Ending]) -> tuple[str, ...]:
    """Return every error in full, each with its contract's name."""
    failed = [ending for ending in endings if ending.did == "failed"]
    return tuple(
        f"crmhost: {ending.contract}: {ending.what.removeprefix(f'{ending.contract}: ')}"
        + (f"\n{ending.remedy}" if ending.remedy else "")
        for ending in failed
    )


_SAID: Mapping[Did, str] = {
    "nothing": "with nothing to do",
    "changes": "with changes",
    "deployed": "deployed",
    "restored": "went back",
    "declined": "declined",
    "failed": "failed",
    "stopped": "stopped",
    "not begun": "not begun",
    "left out": "left out",
}


def _result(ending: Ending) -> str:
    loud: Mapping[Did, str] = {
        "nothing": "nothing to do",
        "restored": "WENT BACK",
        "failed": "FAILED",
        "not begun": "NOT BEGUN",
        "stopped": "STOPPED",
    }
    return loud.get(ending.did, ending.did)


def _detail(ending: Ending) -> str:
    match ending.did:
        case "changes":
            return f"{ending.changes} for {ending.release}"
        case "deployed":
            saved = f", backup {ending.backup}" if ending.backup else ""
            return f"{ending.release} serves{saved}"
        case "restored":
            return f"{ending.release} serves again, as was begun before; deploy again"
        case "nothing":
            return ending.release or ""
        case "failed":
            line = ending.what.partition("\n")[0]
            return line if len(line) <= 80 else f"{line[:79]}…"
        case _:
            return ending.what
