"""Who holds a contract's lock on a host, as the host's two files say it. `playbooks.keeper` writes them."""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass
from typing import Any

from playbooks.host import Host
from playbooks.shell import sh
from playbooks.terminal import safe_line


@dataclass(frozen=True, slots=True)
class Holder:
    """Who holds a lock: `since` as the host wrote it; `step` and `step_since` are empty between steps."""

    who: str
    doing: str
    since: str
    step: str = ""
    step_since: str = ""

    def __str__(self) -> str:
        """Return one sentence, safe for a terminal."""
        sentence = f"{self.who}: {self.doing}, since {self.since}"
        return safe_line(sentence + (f"; step {self.step}, since {self.step_since}" if self.step else ""), 400)


def holder(holder_word: str, step_word: str) -> Holder:
    """Return who holds the lock from the two encoded files of the host; what they lack is said so."""
    who, step = _json(holder_word), _json(step_word)
    return Holder(
        who=who.get("who", "an unknown holder"),
        doing=who.get("doing", "unknown work"),
        since=who.get("since", "an unknown time"),
        step=step.get("step", ""),
        step_since=step.get("since", ""),
    )


def held_by(host: Host, folder: str) -> str | None:
    """Return a sentence about who holds the lock of the contract whose folder this is; None: nobody does."""
    script = sh(
        """\
if [ -e {lock} ] && ! flock -n -s {lock} true 2>/dev/null; then
  word() {{ printf '='; base64 <"$1" 2>/dev/null | tr -d '\\n'; }}
  word {folder}/holder; printf ' '; word {folder}/step
fi""",
        lock=f"{folder}/lock",
        folder=folder,
    )
    words = host.ask(script).decode("ascii", "replace").split(" ")
    return str(holder(words[0], words[1])) if len(words) == 2 else None


def _json(word: str) -> dict[str, str]:
    try:
        fields: Any = json.loads(decoded(word))
        return {str(name): str(value) for name, value in fields.items()}
    except (ValueError, AttributeError):
        return {}


def decoded(word: str) -> str:
    """Return the text that a word of the host's stands for; nothing for one that stands for none."""
    try:
        return base64.b64decode(word.removeprefix("="), validate=True).decode("utf-8", "replace")
    except binascii.Error:
        return ""
