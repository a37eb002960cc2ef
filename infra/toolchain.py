"""The Pulumi engine: where it is found, and how it is brought where it is missing. Importing this is cheap."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from crm.errors import CrmhostError

VERSION = "3.259.0"
"""What is installed where there is none: crmhost's rules were measured on it."""
ENGINE = "pulumi"
LANGUAGE_HOST = "pulumi-language-python"
"""What runs the program for `pulumi up` by hand; crmhost itself does without."""
OFFICIAL = "https://get.pulumi.com/install.sh"
BUILD = Path(__file__).parents[1] / "tools" / "pulumi" / "build"
"""Builds the engine from its sources. It is there in a checkout of crmhost, and not in an installed package."""


@dataclass(frozen=True, slots=True)
class Toolchain:
    """A Pulumi that is there. folder: where its programs are, for a PATH."""

    folder: Path

    @property
    def language_host(self) -> bool:
        """Return whether `pulumi up` by hand works with it."""
        return (self.folder / LANGUAGE_HOST).is_file()


def default_cache(environment: Mapping[str, str]) -> Path:
    """Return the folder that the installed Pulumi is kept in, by its version."""
    base = environment.get("XDG_CACHE_HOME") or str(Path(environment.get("HOME", "~")).expanduser() / ".cache")
    return Path(base) / "crmhost" / "pulumi" / VERSION


def find(environment: Mapping[str, str], cache: Path) -> Toolchain:
    """Return the Pulumi on PATH, else the installed one; nothing is run. Raises CrmhostError where there is none."""
    on_path = shutil.which(ENGINE, path=environment.get("PATH", ""))
    if on_path is not None:
        return Toolchain(Path(on_path).absolute().parent)
    if (cache / "bin" / ENGINE).is_file():
        return Toolchain(cache / "bin")
    raise CrmhostError(
        f"Pulumi is missing: neither on PATH nor in {cache}",
        f"Bring it: crmhost doctor --install; or put Pulumi {VERSION} or newer on PATH.",
    )


def install(
    cache: Path, progress: Callable[[str], None], *, official: str = OFFICIAL, build: Path = BUILD
) -> Toolchain:
    """Return the installed Pulumi, after installing it in `cache`, whole or not at all.

    The official one (100 MB) where that can be reached, else built from its sources, which takes minutes. Two at once
    install once. Raises CrmhostError with the last reason; progress has told the one before.
    """
    with _alone(cache):
        if not (cache / "bin" / ENGINE).is_file():
            reason = _download(cache, official, progress)
            if reason is not None:
                progress(f"the official Pulumi cannot be had ({reason})")
                _build(build, cache, progress, reason)
    return Toolchain(cache / "bin")


def _by_hand() -> str:
    return f"Install it by hand and put it on PATH: https://www.pulumi.com/docs/install/ ({VERSION} or newer)"


@contextmanager
def _alone(cache: Path) -> Iterator[None]:
    """Wait until nobody else installs there; whoever dies lets go."""
    cache.parent.mkdir(parents=True, exist_ok=True)
    with cache.with_name(f"{cache.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _download(cache: Path, official: str, progress: Callable[[str], None]) -> str | None:
    """Install the official Pulumi; return why not, or None."""
    from pulumi.automation import PulumiCommand
    from semver import VersionInfo

    partial = cache.with_name(f"{cache.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        # PulumiCommand.install waits for ever where packets are dropped, so a small question goes first.
        urllib.request.urlopen(official, timeout=10).close()  # noqa: S310 -- our own constant
        progress(f"downloading Pulumi {VERSION} …")
        PulumiCommand.install(root=str(partial), version=VersionInfo.parse(VERSION))
    except subprocess.CalledProcessError as error:
        return f"{official}: {_tail(error.output) or error}"
    except (OSError, RuntimeError) as error:
        return f"{official}: {error}"
    shutil.rmtree(cache, ignore_errors=True)
    partial.rename(cache)
    return None


def _build(build: Path, cache: Path, progress: Callable[[str], None], reason: str) -> None:
    """Build Pulumi from its sources, passing on what the build says. reason: why it is not downloaded."""
    if not build.is_file():
        raise CrmhostError(f"Pulumi {VERSION} cannot be installed: {reason}", _by_hand())
    said = []
    argv, environment = [str(build), str(cache)], {**os.environ, "PYTHON": sys.executable}
    with subprocess.Popen(argv, env=environment, stderr=subprocess.PIPE, text=True) as building:  # noqa: S603
        for line in building.stderr or ():
            said.append(line)
            if not line.startswith("go: downloading "):  # hundreds of them
                progress(line.rstrip())
    if building.returncode != 0:
        raise CrmhostError(f"{build} did not make Pulumi {VERSION}: {_tail(''.join(said))}", _by_hand())


def _tail(said: str | bytes | None) -> str:
    """Return the last line that says something."""
    text = said.decode(errors="replace") if isinstance(said, bytes) else said or ""
    return next((line.strip() for line in reversed(text.splitlines()) if line.strip()), "")
