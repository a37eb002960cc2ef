"""The program that the Pulumi engine runs. It says what it cannot do yet, instead of doing half of it."""

import pulumi

raise pulumi.RunError(
    "crmhost's cloud driver is not built yet, so this program declares nothing. "
    "`crmhost deploy` refuses contracts with `target.kind: cloud`; use `target.kind: webhost` until then."
)
