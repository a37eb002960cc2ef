"""Where everything of a contract lies on any host over SSH, as far as all hosts have it alike. Pure: paths are text."""

from __future__ import annotations

from abc import ABC, abstractmethod

from crm.plan import Release


class Folders(ABC):
    """The folders of one contract, and those that it shares with the host's other contracts."""

    __slots__ = ()

    @property
    @abstractmethod
    def shared(self) -> str:
        """Return the folder of what the contracts share."""

    @property
    @abstractmethod
    def customers(self) -> str:
        """Return the folder of the contracts' folders."""

    @property
    @abstractmethod
    def root(self) -> str:
        """Return the folder of this contract."""

    @property
    @abstractmethod
    def runs(self) -> str:
        """Return the folder above each release's {run}."""

    @property
    @abstractmethod
    def closed(self) -> str:
        """Return the file that is there while customers see the maintenance page."""

    @property
    @abstractmethod
    def crossing(self) -> str:
        """Return the file that remembers the last upgrade of the database's schema."""

    @abstractmethod
    def process_log(self, process: str) -> str:
        """Return the log of a process, or of the steps."""

    @property
    def unproven(self) -> tuple[str, ...]:
        """Return the folders of what is kept to go back to, until a release has proven itself."""
        return ()

    @property
    def artifacts(self) -> str:
        """Return the folder of the artifacts."""
        return f"{self.shared}/artifacts"

    @property
    def templates(self) -> str:
        """Return the folder of the initialised databases, which hold no customer's data."""
        return f"{self.shared}/templates"

    @property
    def releases(self) -> str:
        """Return the folder of the releases."""
        return f"{self.root}/releases"

    @property
    def current(self) -> str:
        """Return the link to the release that serves."""
        return f"{self.root}/current"

    @property
    def data(self) -> str:
        """Return the folder of what outlives a release."""
        return f"{self.root}/data"

    @property
    def log(self) -> str:
        """Return the folder of all logs."""
        return f"{self.root}/log"

    def artifact(self, digest: str) -> str:
        """Return one artifact's folder."""
        return f"{self.artifacts}/{digest}"

    def release(self, release_id: str) -> str:
        """Return one release's folder."""
        return f"{self.releases}/{release_id}"

    def manifest(self, release_id: str) -> str:
        """Return what a release says of itself."""
        return f"{self.release(release_id)}/release.json"

    def proven(self, release_id: str) -> str:
        """Return the file that says when a release last passed every gate."""
        return f"{self.release(release_id)}/proven"

    def run(self, release: Release) -> str:
        """Return the folder of a release's sockets: short, since a socket's path is limited."""
        return f"{self.runs}/{release.config[:8]}"
