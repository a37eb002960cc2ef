"""What Pulumi's Automation API takes alone for a customer's stack: `python -m benchmarks.bare_pulumi FLEET NAME VERB`.

The same program, state and settings as crmhost's, without anything around them; VERB is `preview` or `up`.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from pulumi import automation

from crmhost.cloud import PASSPHRASE
from crmhost.fleet import Fleet
from crmhost.vault import FLEET
from infra.program import declare, keep
from infra.rollout import decode
from infra.sealed import unseal
from infra.workfolder import WorkFolder


def main(folder: str, name: str, verb: str) -> None:
    """Run the verb once on the rollout that is recorded; raises RuntimeError where something would change."""
    fleet = Fleet(Path(folder), dict(os.environ))
    stacks = fleet.state / "pulumi"
    backend = f"file://{stacks / '.state'}"
    passphrase = fleet.vault.get(FLEET, PASSPHRASE) or ""
    recorded = WorkFolder(stacks / name, name, backend).read()
    if recorded is None:
        raise RuntimeError(f"{name} was never deployed")
    rollout = decode(recorded.rollout, unseal(passphrase, name, recorded.sealed))

    def program() -> None:
        keep(recorded)
        declare(rollout, recorded.reach)

    workspace = automation.LocalWorkspace(
        work_dir=str(stacks / name),
        pulumi_home=str(stacks / ".home"),
        program=program,
        env_vars={
            "PULUMI_BACKEND_URL": backend,
            "PULUMI_CONFIG_PASSPHRASE": passphrase,
            "PULUMI_SKIP_UPDATE_CHECK": "true",
        },
    )
    stack = automation.Stack.select(name, workspace)
    result = stack.preview(parallel=8) if verb == "preview" else stack.up(parallel=8)
    changes = result.change_summary if isinstance(result, automation.PreviewResult) else result.summary.resource_changes
    if set(map(str, changes or {})) - {"same", "OpType.SAME"}:
        raise RuntimeError(f"there was something to do: {changes}")


if __name__ == "__main__":
    main(*sys.argv[1:])
