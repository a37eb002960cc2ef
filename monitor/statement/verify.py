"""The proof of a statement, offline: its form, its signature, what travels beside it, its chain and its figures.

Nothing is believed that the file says about itself: the key is the one that the reader brings, and the figures are
computed again from the evidence and the contract. Pure but for `verify_files`, which reads the files.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from crm.errors import CrmhostError
from monitor.statement import recompute
from monitor.statement.canonical import MAX_BYTES, Json, NotCanonical, canonical, digest, parse_canonical
from monitor.statement.document import CALENDAR_FILE, CONTRACT_FILE, EVIDENCE_FILE, VERSION, Files
from monitor.statement.signature import key_id, parse_public_key, signature_holds

Recompute: TypeAlias = Callable[[Files, str], Mapping[str, Json]]
"""Files and a period's label in, the object of `crmhost sla --json` out."""

MAX_EVIDENCE_BYTES = 512 * 1024 * 1024
"""The largest evidence file that `verify_files` reads: some millions of spans."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a statement is proven. `checked` says what held, in order; `reason` what did not, empty when accepted.

    `chained` is False where no statement before it was given, so its place in the chain was not looked at.
    """

    accepted: bool
    reason: str
    checked: tuple[str, ...]
    chained: bool = False
    statement: Mapping[str, Json] | None = None


class _Rejected(Exception):
    """Carries the reason out of the check that found it."""


def verify(
    raw: bytes, key: str, files: Files, previous: bytes | None = None, again: Recompute = recompute.figures
) -> Verdict:
    """Prove the statement file `raw` against `key` (the public key that the reader trusts) and what travels beside it.

    `previous` is the file before it in the chain, where the reader has it. Raises BadKey for what is no key; every
    doubt about the statement itself is a Verdict.
    """
    public = parse_public_key(key)
    checked: list[str] = []
    try:
        statement = _form_and_signature(raw, public, checked)
        _digests(statement, files, checked)
        if previous is not None:
            _chain(statement, previous, public, checked)
        _figures(statement, files, again, checked)
    except _Rejected as rejected:
        return Verdict(accepted=False, reason=str(rejected), checked=tuple(checked))
    return Verdict(accepted=True, reason="", checked=tuple(checked), chained=previous is not None, statement=statement)


def verify_files(path: Path, key: str, previous: Path | None = None) -> Verdict:
    """Prove the statement at `path` with the files that lie beside it, as `crmhost statement` writes them.

    Raises CrmhostError for a file that cannot be read, BadKey for what is no key.
    """
    folder = path.parent
    files = Files(
        contract=_read(folder / CONTRACT_FILE, MAX_BYTES),
        calendar=_read(folder / CALENDAR_FILE, MAX_BYTES),
        evidence=_read(folder / EVIDENCE_FILE, MAX_EVIDENCE_BYTES),
    )
    before = None if previous is None else _read(previous, MAX_BYTES)
    return verify(_read(path, MAX_BYTES), key, files, before)


def _read(path: Path, most: int) -> bytes:
    try:
        with path.open("rb") as opened:
            raw = opened.read(most + 1)
    except OSError as error:
        raise CrmhostError(
            f"{path}: cannot be read ({error.strerror})",
            f"{CONTRACT_FILE}, {CALENDAR_FILE} and {EVIDENCE_FILE} lie in the statement's own folder.",
        ) from error
    if len(raw) > most:
        raise CrmhostError(f"{path}: is larger than {most} bytes", "This is no file that crmhost wrote.")
    return raw


def _form_and_signature(raw: bytes, public: str, checked: list[str]) -> Mapping[str, Json]:
    try:
        envelope = parse_canonical(raw)
    except NotCanonical as error:
        raise _Rejected(f"form: {error}") from error
    statement = envelope.get("statement")
    if set(envelope) != {"signature", "statement"} or not isinstance(statement, Mapping):
        raise _Rejected("form: a statement file holds `signature` and `statement`, and nothing else")
    checked.append("the bytes are the canonical form (RFC 8785)")
    if not signature_holds(canonical(statement), envelope["signature"], public):
        raise _Rejected(f"signature: it is not that of the key {key_id(public)} over this statement")
    if statement.get("key") != key_id(public):
        raise _Rejected(f"signature: the statement names the key {statement.get('key')!r}, not {key_id(public)}")
    checked.append(f"signed by the key {key_id(public)}")
    if statement.get("version") != VERSION:
        raise _Rejected(f"version: it is {statement.get('version')!r}, and this crmhost reads {VERSION}")
    return statement


def _digests(statement: Mapping[str, Json], files: Files, checked: list[str]) -> None:
    said = statement.get("digests")
    if not isinstance(said, Mapping):
        raise _Rejected("form: `digests` is missing")
    for name, found in files.digests().items():
        if said.get(name) != found:
            raise _Rejected(f"{name}: the file is {found}, and the statement was made from {said.get(name)}")
    checked.append("contract, calendar and evidence are the files that it was made from")


def _chain(statement: Mapping[str, Json], previous: bytes, public: str, checked: list[str]) -> None:
    chain = statement.get("chain")
    if not isinstance(chain, Mapping) or chain.get("previous") != digest(previous):
        raise _Rejected("chain: the statement before it is not the one that was given")
    before = _form_and_signature(previous, public, [])
    link, sequence = before.get("chain"), chain.get("sequence")
    if not isinstance(link, Mapping) or not isinstance(sequence, int) or link.get("sequence") != sequence - 1:
        raise _Rejected("chain: the statement before it does not carry the number before its own")
    if before.get("contract") != statement.get("contract"):
        raise _Rejected("chain: the statement before it is of another contract")
    checked.append(f"number {sequence} of its chain follows number {sequence - 1}")


def _figures(statement: Mapping[str, Json], files: Files, again: Recompute, checked: list[str]) -> None:
    said, period = statement.get("figures"), statement.get("period")
    if not isinstance(said, Mapping) or not isinstance(period, str):
        raise _Rejected("form: `figures` or `period` is missing")
    try:
        found = again(files, period)
    except CrmhostError as error:
        raise _Rejected(f"figures: they cannot be computed again: {error.what}") from error
    different = sorted(name for name in {*said, *found} if said.get(name) != found.get(name))
    if different:
        name = different[0]
        raise _Rejected(f"figures: `{name}` is {said.get(name)!r}, and the evidence gives {found.get(name)!r}")
    _credit(statement.get("credit"), said.get("credit"))
    checked.append("the figures and the credit follow from evidence and contract")


def _credit(paid: Json, owed: Json) -> None:
    if owed is None and paid is None:
        return
    if not isinstance(paid, Mapping) or not isinstance(owed, Mapping):
        raise _Rejected("credit: the credit of the statement is not the one that its figures give")
    for name in ("unit", "seconds", "amount", "currency"):
        if paid.get(name) != owed.get(name):
            raise _Rejected(f"credit: `{name}` is {paid.get(name)!r}, and the figures give {owed.get(name)!r}")
