"""`crmhost bundle`: everything that a server without a network needs, in one signed file."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import click

from crm.errors import Refused
from crmhost.cli.options import as_json, examples, open_fleet
from crmhost.output import reporter


@click.command(
    epilog=examples(
        "crmhost bundle acme --on ssh://build@mirror.example",
        "crmhost bundle acme --on ssh://build@mirror.example --recipient age1… --out /media/usb/acme.bundle",
        "crmhost bundle --show-key",
    )
)
@click.argument("name", required=False)
@click.option("--on", metavar="ssh://USER@HOST[:PORT]", help="A machine with a network, of the server's own sort.")
@click.option("--recipient", "recipients", multiple=True, help="Who reads its secrets: age1…. Default: the fleet's.")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="Default: bundles/NAME.bundle.")
@click.option("--show-key", is_flag=True, help="Print the key that proves this fleet's bundles, and do nothing else.")
@click.option("--accept-host-key", is_flag=True, help="Trust that machine if it was never seen, whatever its key is.")
@as_json
def command(  # noqa: PLR0913 -- one for each option
    name: str | None,
    on: str | None,
    recipients: tuple[str, ...],
    out: Path | None,
    as_json: bool,
    *,
    show_key: bool,
    accept_host_key: bool,
) -> None:
    """Gather and sign what a deploy of NAME installs: Debian and Python packages, crmhost itself, contract, secrets.

    They come from a machine with a network that has the server's release of Debian or Ubuntu, its architecture and
    its Python; it needs python3-venv, no root, and keeps nothing. Secrets are in the file encrypted only. Tell whoever
    installs it the line that is printed at the end on another way than the file's.
    """
    from crmhost.bundle.make import make, signing_key

    fleet = open_fleet()
    if show_key:
        click.echo(signing_key(fleet).public)
        return
    if name is None or on is None:
        raise Refused("NAME or --on is missing", "As in: crmhost bundle acme --on ssh://build@mirror.example")
    from crmhost.bundle.source import machine, phases, wish_of
    from crmhost.target import accept_on_terminal
    from crmhost.vault import parse_recipients

    begun = time.monotonic()
    report = reporter(as_json=as_json)
    try:
        wish = wish_of(fleet, name, report.event)
        chosen = recipients or wish.access.recipients
        parse_recipients(chosen)
        gather = machine(wish, on, accept_on_terminal(accept=accept_host_key))
        path = (out or fleet.folder / "bundles" / f"{name}.bundle").absolute()
        made = make(wish, gather, chosen, path, phases(report.event))
        fields = {
            "contract": name,
            "file": str(path),
            "ground": str(made.manifest.ground),
            "files": len(made.manifest.files),
            "bytes": path.stat().st_size,
            "key": made.key,
            "program": made.program,
            "new_secrets": list(made.new),
            "seconds": round(time.monotonic() - begun, 3),
        }
        report.result("bundle", fields, _sentence(path, fields) + warning(name, made.new))
    finally:
        report.close()


def warning(contract: str, new: Sequence[str]) -> str:
    """Return what people must know of secrets that were made up for a bundle; nothing where none was. Pure."""
    if not new:
        return ""
    return (
        f"\nMade now, since this fleet lacked them: {', '.join(new)}. If {contract} is deployed already, do not install"
        f" this file: it would write over those that its data and its users have. Bring secrets/{contract} back, and"
        f" bundle again. If it is new, commit secrets/{contract}."
    )


def _sentence(path: Path, fields: dict[str, object]) -> str:
    size = int(str(fields["bytes"])) / 1e6
    return f"""\
{path}: {fields["files"]} files, {size:.0f} MB, for {fields["ground"]} ({fields["seconds"]} s).
From here over SSH:      crmhost deploy {fields["contract"]} --bundle {path}
By hand, as root there:  tar -xf {path.name} install.pyz && \\
  echo '{fields["program"]}  install.pyz' | sha256sum -c && \\
  CRMHOST_AGE_KEY_FILE=IDENTITY python3 install.pyz {path.name} --key {fields["key"]}
This line proves the file: tell it on another way than the file goes."""
