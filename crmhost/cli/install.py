"""`crmhost install`: deploy what a bundle holds on this machine, without any network."""

from __future__ import annotations

import os
from pathlib import Path

import click

from crm.errors import Refused
from crmhost.cli.options import as_json, examples


@click.command(
    epilog=examples("crmhost install acme.bundle --key 3b6a27bc…", "crmhost install acme.bundle --key 3b6a… --yes")
)
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--key", required=True, help="The key that signed it, as you were told it beside the file.")
@click.option("--yes", is_flag=True, help="Do not ask; the plan is shown all the same.")
@click.option("--accept-host-key", is_flag=True, help="This machine is the contract's server, whatever its key is.")
@as_json
def command(file: Path, key: str, as_json: bool, *, yes: bool, accept_host_key: bool) -> int:
    """Bring this server to what the bundle's contract says, from the bundle alone.

    The whole file is proven first: a byte that was changed, another key, or another release of the system,
    architecture or Python, and nothing is done. CRMHOST_AGE_KEY_FILE names the identity that reads its secrets.
    What it brings stays in /var/lib/crmhost/fleets, so other verbs work here too: crmhost --fleet FOLDER … --local.
    """
    if os.geteuid() != 0:
        raise Refused("only root can install a bundle; nothing was done", "Run it with sudo.")
    from crmhost.bundle.opening import opened
    from crmhost.bundle.using import FLEETS, on_the_server, settle
    from crmhost.cli.deploy import Switches, carry_out

    with opened(file, key, FLEETS.parent / "incoming") as bundle:
        fleet = settle(bundle, os.environ)
        said = Switches(as_json, yes, accept_host_key)
        return carry_out(
            bundle.manifest.contract, said, lambda accept, tell: on_the_server(bundle, fleet, accept, tell)
        )
