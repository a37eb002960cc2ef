"""A new fleet: its settings file, its folders, its first keys."""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from crm.errors import CrmhostError
from crmhost.files import write_private
from crmhost.fleet import SETTINGS, Fleet, read_settings
from crmhost.vault import FLEET, Vault, identity_file, make_identity

_PLAIN = re.compile(r"[A-Za-z0-9/._@-][A-Za-z0-9 /._@-]*")
_IGNORE = "# What this machine measured and owes lies here; it is no part of the repository.\n.crmhost/\n"
_HEAD = """\
# A fleet of crmhost: what holds for all customers. The contracts are in contracts/, one file each;
# secrets/ is encrypted for the recipients below. `crmhost check` reads this file too.
"""
_TAIL = """
# Other keys, and what they are when absent:
#   ssh: {key: FILE}                    the agent and your own default keys
#   serve: {listen: 127.0.0.1:9464, vantage: local, grace: 10 min, control: []}
#   backups: {to: .crmhost/backups}     a folder, or s3://bucket/prefix; not on what they are backups of
#   billing:
#     webhook: {url: https://billing.example/crmhost}   contracts say `system: webhook`
#     file: {path: credits.csv}                         contracts say `system: file`
"""


def create_fleet(folder: Path, company: str, sets: Sequence[str], environment: Mapping[str, str]) -> Fleet:
    """Make a fleet in `folder`; `sets` are `dotted.key=value` for crmhost.yaml. Raises CrmhostError when one is there.

    Makes the age identity of this user where he has none, and the key that signs statements.
    """
    path = folder / SETTINGS
    if path.exists():
        raise CrmhostError(f"{path}: is there already", "A contract for it: crmhost init NAME")
    given = environment.get("CRMHOST_AGE_KEY_FILE")
    recipient = make_identity(Path(given) if given else identity_file(environment))
    signing = secrets.token_bytes(32)
    values: dict[str, Any] = {"fleet": company, "recipients": [recipient], "statement-key": _public(signing)}
    for one in sets:
        _put(values, one)
    text = _HEAD + _yaml(values, 0) + _TAIL
    candidate = folder / f".{SETTINGS}.new"
    write_private(candidate, text.encode(), mode=0o644)
    try:
        settings = read_settings(candidate)
    except CrmhostError as error:
        candidate.unlink()
        raise CrmhostError(error.what.replace(candidate.name, SETTINGS), "Mend what was given with --set.") from error
    for name in ("contracts", "secrets"):
        (folder / name).mkdir(exist_ok=True)
    if not (folder / ".gitignore").exists():
        write_private(folder / ".gitignore", _IGNORE.encode(), mode=0o644)
    Vault(folder / "secrets", settings.recipients, environment).set(FLEET, "statement-key", signing.hex())
    candidate.replace(path)
    return Fleet(folder.resolve(), environment)


def _public(seed: bytes) -> str:
    from monitor.statement.signature import SigningKey

    return SigningKey(seed).public


def _put(values: dict[str, Any], setting: str) -> None:
    key, equals, value = setting.partition("=")
    if not equals or not key:
        raise CrmhostError(f"--set {setting!r}: is no KEY=VALUE", "As in --set serve.listen=127.0.0.1:9464")
    *path, last = key.split(".")
    for part in path:
        inner = values.setdefault(part, {})
        if not isinstance(inner, dict):
            raise CrmhostError(f"--set {setting!r}: {part} has no keys")
        values = inner
    values[last] = value


def _yaml(values: Mapping[str, Any], depth: int) -> str:
    lines = []
    for key, value in values.items():
        if isinstance(value, dict):
            lines.append(f"{'  ' * depth}{key}:\n{_yaml(value, depth + 1)}")
        elif isinstance(value, list):
            lines.append(f"{'  ' * depth}{key}: [{', '.join(map(_scalar, value))}]\n")
        else:
            lines.append(f"{'  ' * depth}{key}: {_scalar(str(value))}\n")
    return "".join(lines)


def _scalar(text: str) -> str:
    return text if _PLAIN.fullmatch(text) and text == text.strip() else json.dumps(text, ensure_ascii=False)
