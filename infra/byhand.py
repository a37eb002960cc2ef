"""What `pulumi preview`, `up` and `destroy` run in a stack's folder: what crmhost recorded there, and nothing else."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from pathlib import Path

import pulumi

from crm.errors import CrmhostError, Refused
from infra.backend import PROJECT
from infra.hostprogram import declare_host
from infra.hostrecord import host_from
from infra.program import declare, keep
from infra.rollout import Rollout, decode
from infra.sealed import unseal
from infra.workfolder import HOST, REACH, ROLLOUT, SEALED, Recorded, reach_from


def main() -> None:
    """Declare what is recorded of the stack that Pulumi has selected: a customer's rollout, or a host's own things."""
    try:
        stack = pulumi.get_stack()
        host = pulumi.Config(PROJECT).get(HOST.partition(":")[2])
        if host is not None:
            declare_host(host_from(host))
            return
        recorded = _recorded(stack)
        secret = unseal(given_passphrase(os.environ), stack, recorded.sealed)
        rollout = decode(recorded.rollout, secret)
        refuse_another_version(rollout, ordered_version(Path.cwd(), stack))
        keep(recorded)
        declare(rollout, recorded.reach)
    except CrmhostError as error:
        raise pulumi.RunError(str(error)) from error


def given_passphrase(environment: Mapping[str, str]) -> str:
    """Return the passphrase, from the variables that Pulumi itself reads; raises CrmhostError where there is none."""
    passphrase = environment.get("PULUMI_CONFIG_PASSPHRASE")
    file = environment.get("PULUMI_CONFIG_PASSPHRASE_FILE")
    if passphrase is None and file is not None:
        passphrase = Path(file).read_text(encoding="utf-8").strip()
    if passphrase is None:
        raise CrmhostError(
            "the stack's passphrase is missing",
            "Set PULUMI_CONFIG_PASSPHRASE or PULUMI_CONFIG_PASSPHRASE_FILE to what crmhost keeps for this stack.",
        )
    return passphrase


def ordered_version(folder: Path, stack: str) -> str | None:
    """Return the version that the customer's contract orders now; None where the folder is in no fleet with one."""
    from contract.amend import at
    from contract.parse import read_file

    file = folder.parent.parent.parent / "contracts" / f"{stack}.yaml"
    if not file.is_file():
        return None
    parsed = read_file(file)
    if parsed.contract is None:
        raise CrmhostError(f"{file}: has mistakes", f"crmhost check {stack} names them.")
    return at(parsed.contract, time.time_ns() // 1000).crm.version


def refuse_another_version(rollout: Rollout, ordered: str | None) -> None:
    """Raise Refused where the contract orders what only a deploy can bring, through its steps and its gate."""
    held = rollout.served or rollout.candidate
    if ordered is None or held is None or held.release.version == ordered:
        return
    raise Refused(
        f"{rollout.contract}: the contract orders {ordered}, the stack was last asked to hold {held.release.version};"
        " Pulumi alone would skip the backup, the steps and the gate",
        f"use `crmhost deploy {rollout.contract}`",
    )


def _recorded(stack: str) -> Recorded:
    config = pulumi.Config(PROJECT)
    found = {key: config.get(key.partition(":")[2]) for key in (ROLLOUT, REACH, SEALED)}
    texts = {key: text for key, text in found.items() if text is not None}
    if len(texts) < len(found):
        raise CrmhostError(
            f"{stack}: nothing is recorded of this stack",
            f"A customer's: crmhost deploy {stack}; that of a Docker host itself: crmhost host up ADDRESS",
        )
    return Recorded(texts[ROLLOUT], reach_from(texts[REACH]), texts[SEALED])
