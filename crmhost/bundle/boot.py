"""What `python3 install.pyz FILE --key KEY` does on a server where nothing of crmhost is: prove, install, hand over.

Only the standard library is there. The bundle is proven as a whole before its first byte is used; then crmhost is
installed into a folder of its own, without any network, and goes on with `crmhost install`.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NoReturn

from crm.errors import CrmhostError
from crmhost.bundle import ed25519
from crmhost.bundle.format import BadBundle, Manifest, Piece, into, read_files, read_head
from crmhost.bundle.ground import Ground, release_in

TOOL = Path("/var/lib/crmhost/tool")
"""Where crmhost itself lies: a folder for each version, and the link `current`."""
OWN = "own"
"""The folder of a bundle with crmhost itself and what it depends on."""
_COMPLETE = ".complete"


def main(argv: Sequence[str]) -> int:
    """Run the program; prints what failed, why, and what to do. Does not return where all went well."""
    parser = argparse.ArgumentParser(
        prog="python3 install.pyz", description="Install crmhost from a bundle, then what the bundle is for."
    )
    parser.add_argument("file", type=Path, help="the bundle")
    parser.add_argument("--key", required=True, help="the key that signed it, as you were told it beside the bundle")
    said, rest = parser.parse_known_args(argv)
    try:
        _refuse_others()
        crmhost = brought(said.file, said.key.strip().removeprefix("ed25519:").lower(), TOOL)
    except CrmhostError as error:
        sys.stderr.write(f"{said.file}: {error}\n")
        return 1
    except OSError as error:
        sys.stderr.write(f"{error.filename or said.file}: {error.strerror}\n")
        return 1
    return _hand_over([str(crmhost), "install", str(said.file), "--key", said.key, *rest])


def _refuse_others() -> None:
    if os.geteuid() != 0:
        raise CrmhostError("only root can install", "Run it with sudo.")


def _hand_over(argv: list[str]) -> NoReturn:
    os.execv(argv[0], argv)  # noqa: S606 -- no shell is meant


def brought(bundle: Path, key: str, tool: Path) -> Path:
    """Return the `crmhost` of a bundle, installed below `tool`; raises BadBundle before anything is done."""
    staging = tool / "incoming"
    with bundle.open("rb") as source:
        manifest = read_head(source, key, ed25519.holds)
        refuse(manifest, here())
        tool.mkdir(mode=0o755, parents=True, exist_ok=True)
        shutil.rmtree(staging, ignore_errors=True)
        staging.mkdir(mode=0o700)
        try:
            keep = into(staging)

            def sink(piece: Piece, parts: Iterator[bytes]) -> None:
                if piece.path.startswith(f"{OWN}/"):
                    keep(piece, parts)
                else:
                    for _ in parts:
                        pass

            read_files(source, manifest, sink)
            place = _installed(manifest, staging / OWN, tool)
        finally:
            shutil.rmtree(staging, ignore_errors=True)
    return place / "bin" / "crmhost"


def refuse(manifest: Manifest, found: Ground) -> None:
    """Raise BadBundle for a server of another sort than the bundle's."""
    if differs := manifest.ground.differs(found):
        raise BadBundle(
            f"it is for {manifest.ground}, and here {'; '.join(differs)}; nothing was done",
            "Make one on a machine of this sort: crmhost bundle NAME --on ssh://…",
        )


def here() -> Ground:
    """Return what this machine is."""
    try:
        text = Path("/etc/os-release").read_text("utf-8", "replace")
        arch = subprocess.run(["dpkg", "--print-architecture"], capture_output=True, text=True, check=True).stdout  # noqa: S607 -- root's own search path
    except (OSError, subprocess.CalledProcessError) as error:
        raise BadBundle("this is neither Debian nor Ubuntu: /etc/os-release or dpkg is missing") from error
    return Ground(release_in(text), arch.strip(), platform.python_version())


def _installed(manifest: Manifest, own: Path, tool: Path) -> Path:
    """Return the environment with crmhost, made where there is none of just these files."""
    names = "".join(f"{piece.sha256} {piece.path}\n" for piece in manifest.below(OWN))
    place = tool / hashlib.sha256(names.encode()).hexdigest()[:16]
    if not (place / _COMPLETE).exists():
        shutil.rmtree(place, ignore_errors=True)
        _run([sys.executable, "-m", "venv", "--without-pip", str(place)])
        wheels = sorted(str(wheel) for wheel in own.glob("*.whl"))
        installer = next((wheel for wheel in wheels if Path(wheel).name.startswith("pip-")), None)
        if installer is None:
            raise BadBundle("what installs Python packages is missing in it", "Make it anew: crmhost bundle NAME")
        options = ("--no-index", "--no-deps", "--no-input", "--no-cache-dir", "--quiet", "--root-user-action=ignore")
        _run([str(place / "bin" / "python"), f"{installer}/pip", "install", *options, *wheels])
        (place / _COMPLETE).touch()
    link = tool / ".current"
    link.unlink(missing_ok=True)
    link.symlink_to(place.name)
    link.replace(tool / "current")
    return place


def _run(argv: Sequence[str]) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PIP_", "PYTHON"))}
    done = subprocess.run(argv, capture_output=True, text=True, check=False, env=environment | {"LC_ALL": "C.UTF-8"})  # noqa: S603 -- our own words
    if done.returncode != 0:
        said = (done.stderr or done.stdout).strip()[-1500:]
        raise CrmhostError(f"crmhost could not be installed: {' '.join(argv[:3])} said: {said}", "Run it again.")
