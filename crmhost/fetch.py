"""Bringing a CRM's archive to this machine: over https once, or from a file that the fleet names for a closed network.

Whatever it comes from, nothing of it is used before its SHA-256 is the one that is expected. What was fetched is kept
below the fleet's `.crmhost/archives/`, under its checksum; a download that was cut off goes on where it ended.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPException, HTTPMessage, IncompleteRead
from pathlib import Path
from typing import IO, Literal, TypeAlias

from crm.driver import Progress
from crm.errors import CrmhostError
from crm.plan import Event
from crm.recipe import Archive
from crmhost.archive import normalise

PIECE = 1 << 20
MOST_BYTES = 2 << 30
"""No archive of a CRM is larger; a download ends here."""
TIMEOUT = 60.0
"""Seconds for which a server may be silent."""
Open: TypeAlias = Callable[[urllib.request.Request], IO[bytes]]


@dataclass(frozen=True, slots=True)
class Shelf:
    """Where archives are kept and found: `folder` is ours, `files` are the fleet's own, by SHA-256.

    A `Shelf` is what drivers call `Archives`. opens: what is asked over https; it follows no redirect to http.
    """

    folder: Path
    progress: Progress
    files: Mapping[str, Path] = field(default_factory=dict)
    opens: Open | None = None

    def __call__(self, archive: Archive) -> Path:
        """Return the archive in its plain form; see `crm.driver.Archives`."""
        kept = self.folder / f"{archive.sha256}-{archive.strip}.tar.gz"
        if kept.exists():
            return kept
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with self._alone(archive):
            if not kept.exists():
                self._bring(archive, kept)
        return kept

    def _bring(self, archive: Archive, kept: Path) -> None:
        begun = time.monotonic()
        self._say(archive, "begin")
        named = self._checked_file(archive)
        if named is not None:
            self._normalised(archive, named, kept)
        else:
            part = self._downloaded(archive)
            self._normalised(archive, part, kept)
            part.unlink()
        self._say(archive, "done", time.monotonic() - begun)

    def _checked_file(self, archive: Archive) -> Path | None:
        path = self.files.get(archive.sha256)
        if path is None:
            return None
        try:
            found = _digest(path)
        except OSError as error:
            raise CrmhostError(
                f"{path}: cannot be read: {error.strerror}", "crmhost.yaml names it below archives: is it there?"
            ) from error
        if found != archive.sha256:
            raise _other(str(path), archive.sha256, found)
        return path

    def _downloaded(self, archive: Archive) -> Path:
        part = self.folder / f"{archive.sha256}.part"
        try:
            self._fill(archive, part)
            found = _digest(part)
        except (urllib.error.URLError, HTTPException, OSError) as error:
            raise CrmhostError(
                f"{archive.url}: could not be fetched: {error}",
                "Try again: what came is kept. On a closed network, bring the file here and name it in crmhost.yaml:"
                f" archives: [{{of: …, sha256: {archive.sha256}, file: PATH}}]",
            ) from error
        if found != archive.sha256:
            part.unlink()
            raise _other(archive.url, archive.sha256, found)
        return part

    def _fill(self, archive: Archive, part: Path) -> None:
        """Fetch what is missing of the file; a server that knows no ranges sends all of it once more."""
        with part.open("ab") as sink:
            have = sink.seek(0, os.SEEK_END)
            request = urllib.request.Request(archive.url, headers={"Range": f"bytes={have}-"} if have else {})  # noqa: S310 - Archive takes https alone
            try:
                answer = (self.opens or _opener())(request)
            except urllib.error.HTTPError as error:
                if error.code == 416 and have:  # all of it is here
                    return
                raise
            with answer:
                if have and getattr(answer, "status", 200) != 206:
                    sink.truncate(0)
                    have = 0
                length = getattr(answer, "length", None)  # what the server says is to come
                whole = None if length is None else have + length
                while piece := answer.read(PIECE):
                    have += len(piece)
                    if have > MOST_BYTES:
                        sink.truncate(0)
                        raise CrmhostError(
                            f"{archive.url}: sends more than {MOST_BYTES >> 30} GiB", "Is it that archive?"
                        )
                    sink.write(piece)
                sink.flush()
                os.fsync(sink.fileno())
                if whole is not None and have < whole:
                    raise IncompleteRead(b"", whole - have)

    def _normalised(self, archive: Archive, source: Path, kept: Path) -> None:
        kind = "zip" if archive.url.endswith(".zip") else "tar"
        descriptor, temporary = tempfile.mkstemp(dir=self.folder, prefix=".archive-")
        try:
            with os.fdopen(descriptor, "wb") as sink:
                normalise(source, kind, archive.strip, sink)
                sink.flush()
                os.fsync(sink.fileno())
            Path(temporary).replace(kept)
        finally:
            Path(temporary).unlink(missing_ok=True)

    @contextmanager
    def _alone(self, archive: Archive) -> Iterator[None]:
        """Let no two deploys of a fleet fetch one archive at once; the kernel frees it with the process."""
        with (self.folder / f"{archive.sha256}.lock").open("ab") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _say(self, archive: Archive, state: Literal["begin", "done"], seconds: float | None = None) -> None:
        name = archive.url.rpartition("/")[2]
        self.progress(Event("stage", f"archive {name}", state, archive.url, seconds))


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _other(where: str, wanted: str, found: str) -> CrmhostError:
    return CrmhostError(
        f"{where}: its SHA-256 is {found}, and {wanted} was expected",
        "Nothing of it was used. Was it changed on the way, or published anew? Ask the project before you write another"
        " checksum.",
    )


class _HttpsAlone(urllib.request.HTTPRedirectHandler):
    """Follows a redirect to https and to nothing else."""

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> urllib.request.Request | None:
        """Return the request that follows, with the range of the one before."""
        if not newurl.startswith("https://"):
            raise urllib.error.URLError(f"it redirects to {newurl}, which is no https")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _opener() -> Open:
    opener = urllib.request.build_opener(_HttpsAlone)

    def opens(request: urllib.request.Request) -> IO[bytes]:
        answer: IO[bytes] = opener.open(request, timeout=TIMEOUT)
        return answer

    return opens
