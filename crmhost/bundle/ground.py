"""The sort of server that a bundle is for: what is compiled or packaged for one does not run on another. Pure."""

from __future__ import annotations

from dataclasses import asdict, dataclass

_WORDS = {"system": "the system", "architecture": "the architecture", "python": "Python"}


@dataclass(frozen=True, slots=True)
class Ground:
    """system: `debian 12`, as /etc/os-release says; architecture: dpkg's; python: the exact version, `3.11.2`."""

    system: str
    architecture: str
    python: str

    def plain(self) -> dict[str, str]:
        """Return it as JSON has it."""
        return asdict(self)

    def __str__(self) -> str:
        """Return it in words."""
        return f"{self.system} ({self.architecture}) with Python {self.python}"

    def differs(self, found: Ground) -> tuple[str, ...]:
        """Return how a server differs from this one, in words; nothing where it is of the same sort."""
        mine, its = self.plain(), found.plain()
        return tuple(f"{_WORDS[name]} is {its[name]}, not {mine[name]}" for name in mine if its[name] != mine[name])


def release_in(text: str) -> str:
    """Return system and version from the text of /etc/os-release; what it lacks is `unknown`."""
    found = dict(line.split("=", 1) for line in text.splitlines() if "=" in line and not line.startswith("#"))
    name, version = (found.get(key, "").strip("\"' ") or "unknown" for key in ("ID", "VERSION_ID"))
    return f"{name} {version}"
