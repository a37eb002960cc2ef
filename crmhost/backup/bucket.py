"""Backups in a bucket that speaks S3. An object appears when its upload is completed, so none is ever there in part.

What a write that died leaves is an upload that nobody sees and everybody pays for; `sweep` aborts those.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, BinaryIO

from crm.errors import CrmhostError
from crmhost.backup.store import Entry, Guarded

if TYPE_CHECKING:
    from crmhost.settings import Backups

PART = 32 << 20
"""Bytes of one part of an upload, held in memory; of 10,000 parts at most, so a backup may have 320 GB."""
READ = 8 << 20
"""Bytes that are asked for at once."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """How a bucket is reached; without a key, by the rules of the AWS libraries (profile, role of the machine)."""

    endpoint: str | None = None
    region: str | None = None
    key: str | None = None
    secret: str | None = field(default=None, repr=False)
    token: str | None = field(default=None, repr=False)

    @classmethod
    def of(cls, settings: Backups, environment: Mapping[str, str]) -> Credentials:
        """Return what the settings and the environment (AWS_ACCESS_KEY_ID, …) say."""
        return cls(
            settings.endpoint,
            settings.region or environment.get("AWS_REGION") or environment.get("AWS_DEFAULT_REGION"),
            environment.get("AWS_ACCESS_KEY_ID"),
            environment.get("AWS_SECRET_ACCESS_KEY"),
            environment.get("AWS_SESSION_TOKEN"),
        )


@dataclass(frozen=True)
class Bucket:
    """What lies below `s3://bucket/prefix`."""

    url: str
    credentials: Credentials

    @property
    def place(self) -> str:
        """Return its URL."""
        return self.url

    def entries(self) -> Sequence[Entry]:
        """Return the objects, by name; raises CrmhostError where there is no such bucket."""
        with _explained(self.url):
            try:
                found = self._files.ls(self._path, detail=True, refresh=True)
            except FileNotFoundError:
                self._files.call_s3("head_bucket", Bucket=self._bucket)
                return ()
        return tuple(
            sorted(
                (
                    Entry(one["name"].rpartition("/")[2], one["size"], f"{one['ETag']}-{one['LastModified']}")
                    for one in found
                    if one["type"] == "file"
                ),
                key=lambda entry: entry.name,
            )
        )

    @contextmanager
    def reading(self, name: str) -> Iterator[BinaryIO]:
        """Open an object."""
        guard = partial(_explained, f"{self.url}/{name}")
        with guard():
            file = self._files.open(f"{self._path}/{name}", "rb", block_size=READ)
        with file:
            yield Guarded(file, guard).as_stream()

    @contextmanager
    def writing(self, name: str) -> Iterator[BinaryIO]:
        """Upload an object in parts, and complete it or abort it."""
        guard = partial(_explained, f"{self.url}/{name}")
        with guard():
            file = self._files.open(f"{self._path}/{name}", "wb", block_size=PART, autocommit=False)
        try:
            yield Guarded(file, guard).as_stream()
            with guard():
                file.close()
                file.commit()
        except BaseException:
            file.closed = True  # else it would complete itself when it is forgotten
            with contextlib.suppress(Exception):  # what raised is what is told; `sweep` aborts what is left
                file.discard()
            raise

    def remove(self, name: str) -> None:
        """Remove an object."""
        with _explained(f"{self.url}/{name}"):
            self._files.call_s3("delete_object", Bucket=self._bucket, Key=f"{self._prefix}/{name}")

    def sweep(self, before: int) -> int:
        """Abort uploads that died."""
        with _explained(self.url):
            found = self._files.call_s3("list_multipart_uploads", Bucket=self._bucket, Prefix=f"{self._prefix}/")
            left = [one for one in found.get("Uploads", []) if one["Initiated"].timestamp() * 1e6 < before]
            for one in left:
                self._files.abort_mpu(self._bucket, one["Key"], one["UploadId"])
        return len(left)

    @property
    def _path(self) -> str:
        return self.url.removeprefix("s3://")

    @property
    def _bucket(self) -> str:
        return self._path.partition("/")[0]

    @property
    def _prefix(self) -> str:
        return self._path.partition("/")[2]

    @cached_property
    def _files(self) -> Any:  # noqa: ANN401 -- the library has no types
        import s3fs  # type: ignore[import-untyped]  # it has no types

        client = {"region_name": self.credentials.region} if self.credentials.region else {}
        return s3fs.S3FileSystem(
            key=self.credentials.key,
            secret=self.credentials.secret,
            token=self.credentials.token,
            endpoint_url=self.credentials.endpoint,
            client_kwargs=client,
            config_kwargs={"connect_timeout": 10, "read_timeout": 60},
            skip_instance_cache=True,
            use_listings_cache=False,
        )


@contextmanager
def _explained(where: str) -> Iterator[None]:
    """Turn what the libraries raise into one error with its remedy."""
    from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError  # type: ignore[import-untyped]

    try:
        yield
    except NoCredentialsError as error:
        raise CrmhostError(
            f"{where}: cannot be used without credentials",
            "Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (or AWS_PROFILE) where crmhost runs.",
        ) from error
    except PermissionError as error:
        raise CrmhostError(
            f"{where}: is not allowed to these credentials: {_text(error)}",
            "They must list, read, write and delete below it: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY.",
        ) from error
    except FileNotFoundError as error:
        raise CrmhostError(
            f"{where}: is not there: {_text(error)}",
            "Check backups.to in crmhost.yaml; a bucket is not made by itself.",
        ) from error
    except (OSError, BotoCoreError, ClientError) as error:
        raise CrmhostError(
            f"{where}: did not answer as it should: {_text(error)}",
            "Is it reachable from here? Check backups.to, backups.endpoint and backups.region in crmhost.yaml.",
        ) from error


def _text(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__
