"""Where a server that can fetch nothing finds what a deploy installs: a parcel that is sent to it. Pure."""

from __future__ import annotations

import posixpath
from dataclasses import dataclass

from playbooks.kind import Resource
from playbooks.kinds.parcel import ParcelKind, ParcelWanted

DEBS, WHEELS = "debs", "wheels"
"""The folders of a parcel."""


@dataclass(frozen=True, slots=True)
class Offline:
    """A parcel, and the folder on the server where it lies: nothing else is installed from, and no archive is asked."""

    folder: str
    parcel: ParcelWanted

    @property
    def debs(self) -> str:
        """Return the folder of Debian packages."""
        return f"{self.folder}/{DEBS}"

    @property
    def wheels(self) -> str:
        """Return the folder of Python packages."""
        return f"{self.folder}/{WHEELS}"

    def resource(self) -> Resource:
        """Return the parcel as a resource, which everything that is installed needs."""
        return Resource(ParcelKind(), self.folder, self.parcel, (f"folder:{posixpath.dirname(self.folder)}",))
