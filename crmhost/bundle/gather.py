"""Gathering packages on a machine that has a network and is of the same sort as the server: the one way to do it.

No root is needed there, and nothing is installed. apt resolves against an empty list of installed packages, so what
comes is whole, whatever the server has or lacks. pip runs under the Python that the server will have, and takes only
files whose hashes are in the locks; they are compared here again.
"""

from __future__ import annotations

import hashlib
import posixpath
import re
import secrets
import tarfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

from crm.errors import HostError, Refused
from crmhost.bundle.format import MAX_FILES, MAX_SIZE
from crmhost.bundle.ground import Ground, release_in
from playbooks.host import Host, Stream
from playbooks.kind import Put
from playbooks.kinds.venv import VenvWanted, python_names
from playbooks.shell import Sh, lines, sh
from playbooks.terminal import safe, safe_line

FOLDERS = ("debs", "own", "wheels")
NO_PYTHON = "none"
"""The Python of a server that has none which would do: its packages bring it."""
_PARTS = 4
"""How many parts of a lock are fetched at the same time."""
_PATIENCE = 1800.0  # seconds
_NAME = re.compile(r"(?:debs/[A-Za-z0-9][A-Za-z0-9.+%~_-]*\.deb|(?:own|wheels)/[A-Za-z0-9_][A-Za-z0-9_.+!-]*)")
_HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})\b")
_MARK = "crmhost-ground"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is gathered. packages: Debian packages; crm: the CRM's environment; own: what crmhost depends on, hashed.

    installer: of that the pip, which does the work there too: newer ones read an index several times as fast.
    """

    packages: tuple[str, ...]
    crm: VenvWanted
    own: str
    installer: str


def ground_of(host: Host, crm: VenvWanted) -> Ground:
    """Return what sort of server a host is; its Python is the one that would run the CRM. Raises HostError."""
    text = host.ask(_ground(crm), limit=65536).decode("utf-8", "replace")
    release, mark, rest = text.partition(f"\n{_MARK}\n")
    words = rest.split("\n")
    if not mark or len(words) < 3 or not words[0]:
        raise HostError(
            f"{host.name}: is neither Debian nor Ubuntu: it has no dpkg", "Bundles are for these systems alone."
        )
    return Ground(*(safe_line(word.strip(), 100) for word in (release_in(release), words[0], words[1] or NO_PYTHON)))


def refuse_ground(ground: Ground, host: Host, crm: VenvWanted) -> None:
    """Raise Refused for a server of another sort than a bundle's; one without Python gets it from the bundle."""
    found = ground_of(host, crm)
    lacking = found.python == NO_PYTHON
    differs = ground.differs(Ground(found.system, found.architecture, ground.python) if lacking else found)
    if differs:
        raise Refused(
            f"{host.name}: the bundle is for {ground}, and there {'; '.join(differs)}; nothing was done",
            "Make one on a machine of this sort: crmhost bundle NAME --on ssh://…",
        )


def gather(host: Host, wanted: Wanted, folder: Path) -> Ground:
    """Fetch all that is wanted into the folders debs/, own/ and wheels/ of `folder`, and return the host's sort.

    Raises HostError that says what could not be had, Refused where the host has no Python for the CRM.
    """
    ground = ground_of(host, wanted.crm)
    if ground.python == NO_PYTHON:
        raise Refused(
            f"{host.name}: has no Python from {wanted.crm.minors[-1]} to {wanted.crm.minors[0]}",
            "On Debian: apt-get install python3-venv",
        )
    place = f"{host.home}/.crmhost/gather-{secrets.token_hex(6)}"
    try:
        host.ask(sh("umask 077; mkdir -p -- {above}", above=posixpath.dirname(place)))
        host.put(_puts(wanted), place)
        host.ask(_script(place, wanted), timeout=_PATIENCE)
        _fetch(host.start(sh("tar -C {place} -c {folders}", place=place, folders=FOLDERS)), folder)
    finally:
        with suppress(HostError):
            host.ask(sh("rm -rf -- {place}", place=place))
    check(folder, wanted)
    return ground


def check(folder: Path, wanted: Wanted) -> None:
    """Raise HostError for a Python package that no lock names, and where something is missing altogether. Pure reading.

    Debian packages were proven by the signatures of the archives, where they were gathered.
    """
    locks = {"own": wanted.own, "wheels": wanted.crm.lock + wanted.crm.build}
    for name, lock in locks.items():
        hashes = set(_HASH.findall(lock))
        for file in sorted((folder / name).iterdir()) if (folder / name).is_dir() else ():
            with file.open("rb") as opened:
                if hashlib.file_digest(opened, "sha256").hexdigest() not in hashes:
                    raise HostError(f"{name}/{file.name}: its hash is not in the lock; it was not taken")
    if not any((folder / "debs").glob("*.deb")):
        raise HostError("no Debian packages came", "Look at apt's sources on that machine.")


def parts(lock: str, count: int) -> tuple[str, ...]:
    """Return a lock in that many parts, fewer where it is short; a requirement stays with its hashes."""
    blocks = [block for block in re.split(r"\n(?=[A-Za-z0-9])", lock) if re.match(r"[A-Za-z0-9]", block)]
    made = ("\n".join(blocks[first::count]) for first in range(count))
    return tuple(f"{part}\n" for part in made if part)


def _ground(crm: VenvWanted) -> Sh:
    return sh(
        """\
cat /etc/os-release 2>/dev/null
printf '\\n%s\\n' {mark}
dpkg --print-architecture 2>/dev/null || echo
{python}
echo "$version"
""",
        mark=_MARK,
        python=_python(crm),
    )


def _python(crm: VenvWanted) -> Sh:
    """Return shell that sets `found` and `version` to the newest Python there that the CRM can run under."""
    return sh(
        """\
found=; version=
for p in {names}; do
  c=$(command -v "$p" 2>/dev/null) || continue
  v=$("$c" -c 'import sys; print("%d.%d.%d" % sys.version_info[:3])' 2>/dev/null) || continue
  case " {minors} " in *" ${{v%.*}} "*) found=$c version=$v; break ;; esac
done""",
        names=python_names(crm.minors),
        minors=Sh(" ".join(crm.minors)),
    )


def _puts(wanted: Wanted) -> tuple[Put, ...]:
    own = {f"own.{number}.part": part for number, part in enumerate(parts(wanted.own, _PARTS))}
    crm = {f"wheels.{number}.part": part for number, part in enumerate(parts(wanted.crm.lock, _PARTS))}
    more = {"pip.txt": wanted.installer, **({"build.txt": wanted.crm.build} if wanted.crm.build else {})}
    return tuple(Put(name, text.encode()) for name, text in {**own, **crm, **more}.items())


def _script(place: str, wanted: Wanted) -> Sh:
    return lines(sh("set -e\numask 077\ncd {place}", place=place), _apt(place, wanted.packages), _pip(wanted.crm))


def _apt(place: str, packages: Sequence[str]) -> Sh:
    """Return shell that fetches packages and all that they depend on, with apt's own state left alone."""
    return sh(
        """\
mkdir -p apt/lists/partial apt/cache debs/partial
: >apt/status
apt() {{
  LC_ALL=C apt-get -q -y -o Dir::State={place}/apt -o Dir::State::status={place}/apt/status \\
    -o Dir::State::lists={place}/apt/lists -o Dir::State::extended_states={place}/apt/extended \\
    -o Dir::Cache={place}/apt/cache -o Dir::Cache::archives={place}/debs -o Dir::Log={place}/apt \\
    -o APT::Sandbox::User=root -o Debug::NoLocking=true -o Acquire::Languages=none -o Acquire::Retries=3 \\
    -o APT::Install-Recommends=false -o APT::Install-Suggests=false "$@" >apt/said 2>&1 ||
    {{ tail -n 15 apt/said >&2; exit 1; }}
}}
apt update
apt --download-only install -- {packages}
rm -rf debs/partial debs/lock""",
        place=place,
        packages=tuple(packages),
    )


def _pip(crm: VenvWanted) -> Sh:
    """Return shell that fetches the files that the locks name; packages that exist only as source stay so."""
    build = sh(
        """\
pip install -r build.txt
pip download -r build.txt -d wheels
isolation=--no-build-isolation"""
    )
    return sh(
        """\
mkdir own wheels
{python}
"$found" -m venv venv
pip() {{
  verb=$1; shift
  venv/bin/python -m pip --disable-pip-version-check --no-input --quiet "$verb" --require-hashes --no-deps \\
    --progress-bar off "$@" >&2
}}
pip install -r pip.txt
isolation=
{build}
pids=
for part in own.*.part; do pip download --only-binary :all: -r "$part" -d own & pids="$pids $!"; done
for pid in $pids; do wait "$pid"; done
pids=
for part in wheels.*.part; do
  [ -f "$part" ] || continue
  pip download $isolation -r "$part" -d wheels & pids="$pids $!"
done
for pid in $pids; do wait "$pid"; done""",
        python=_python(crm),
        build=build if crm.build else sh(":"),
    )


class _Reading:
    """A program's output as a file that is read once."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream

    def read(self, size: int) -> bytes:
        return self._stream.read(size, 120.0)


def _fetch(stream: Stream, folder: Path) -> None:
    """Unpack what the machine sends: plain files with names of packages, and nothing else."""
    count = 0
    try:
        with tarfile.open(fileobj=cast("IO[bytes]", _Reading(stream)), mode="r|") as archive:
            for entry in archive:
                name = entry.name.removeprefix("./")
                if entry.isdir() and name in FOLDERS:
                    (folder / name).mkdir(mode=0o700)
                    continue
                count += 1
                content = archive.extractfile(entry) if entry.isreg() else None
                if content is None or not _NAME.fullmatch(name) or count > MAX_FILES or entry.size > MAX_SIZE:
                    raise HostError(f"{safe(name, 200)}: is not what was to be gathered")
                with (folder / name).open("xb") as file:
                    while part := content.read(1 << 20):
                        file.write(part)
    except (tarfile.TarError, TimeoutError) as error:
        raise HostError(f"what was gathered did not arrive whole: {error}", "Run the same command again.") from error
    finally:
        stream.close()
