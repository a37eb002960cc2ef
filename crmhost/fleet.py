"""The fleet: a folder with `crmhost.yaml`, `contracts/`, `secrets/`, and what this machine measured in `.crmhost/`."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from crm.errors import CrmhostError

if TYPE_CHECKING:
    from contract.model import Contract
    from contract.parse import Parsed
    from crmhost.settings import Settings
    from crmhost.vault import Vault
    from playbooks.keys import Ring

SETTINGS = "crmhost.yaml"


@dataclass(frozen=True)
class Fleet:
    """One fleet; nothing is read before it is asked for. local: this machine is the host that is worked on."""

    folder: Path
    environment: Mapping[str, str]
    local: bool = False

    @cached_property
    def settings(self) -> Settings:
        """Return what crmhost.yaml says; raises CrmhostError with every mistake in it."""
        return read_settings(self.settings_file)

    @property
    def settings_file(self) -> Path:
        """Return where crmhost.yaml is."""
        return self.folder / SETTINGS

    @property
    def state(self) -> Path:
        """Return the folder of what this machine keeps: the store of spans, the ledger, logs."""
        return self.folder / ".crmhost"

    @property
    def store(self) -> Path:
        """Return the SQLite file of spans and the ledger."""
        return self.state / "crmhost.sqlite3"

    @property
    def known_hosts(self) -> Path:
        """Return the file of the host keys that this fleet trusts."""
        return self.folder / "known_hosts"

    @cached_property
    def vault(self) -> Vault:
        """Return the fleet's secrets."""
        from crmhost.vault import Vault

        return Vault(self.folder / "secrets", self.settings.recipients, self.environment)

    @cached_property
    def ring(self) -> Ring:
        """Return the SSH keys of this user; those with a passphrase are opened once."""
        from crmhost.passphrase import phrases
        from playbooks.keys import Ring

        return Ring(phrases(self.environment))

    def contract_file(self, name: str) -> Path:
        """Return where the contract of that name is, or would be."""
        return self.folder / "contracts" / f"{name}.yaml"

    def names(self) -> tuple[str, ...]:
        """Return the names of the contracts, sorted."""
        return tuple(sorted(path.stem for path in (self.folder / "contracts").glob("*.yaml")))

    def shown(self, path: Path) -> str:
        """Return a path as errors name it: relative to the fleet where it lies in it."""
        return str(path.relative_to(self.folder)) if path.is_relative_to(self.folder) else str(path)

    def contract(self, name: str) -> Contract:
        """Return the contract; raises CrmhostError with every mistake, or when there is none of that name."""
        path = self.contract_file(name)
        if not path.is_file():
            raise no_such(name, path, self.names(), secrets=(self.folder / "secrets" / name).is_dir())
        parsed = parse_file(path, self.shown(path))
        if parsed.contract is None:
            raise CrmhostError("\n".join(str(problem) for problem in parsed.errors), "Mend these, then: crmhost check")
        return parsed.contract


def no_such(name: str, path: Path, known: Sequence[str], *, secrets: bool) -> CrmhostError:
    """Return the error for a name that no contract has, with what was probably meant. Pure.

    known: the names that there are. secrets: the fleet has secrets of it, so it was deployed once.
    """
    stem = Path(name).stem
    if name.endswith(".yaml") and stem in known:
        return CrmhostError(f"{name}: is a file, and contracts are called by their names", f"Write {stem} for it.")
    if set("*?[") & set(name):
        return CrmhostError(
            f"{name}: one contract is asked for here, by its name", "crmhost plan and crmhost deploy take globs."
        )
    near = difflib.get_close_matches(name, known, 1)
    if secrets:
        remedy = (
            "Its secrets are there, so it may be deployed still: bring its file back"
            f" (git log -- contracts/{name}.yaml), and destroy it before the file goes."
        )
    else:
        remedy = f"Did you mean {near[0]}?" if near else f"Make it: crmhost init {name}"
    return CrmhostError(f"{path}: there is no such contract", remedy)


def find_fleet(named: str | None, here: Path, environment: Mapping[str, str]) -> Fleet:
    """Return the fleet of that folder, else the nearest one upward from `here`; raises CrmhostError for none."""
    if named is not None:
        folder = (here / named).resolve()
        if not (folder / SETTINGS).is_file():
            raise CrmhostError(
                f"{folder}: is no fleet: it has no {SETTINGS}", f"Make one: crmhost --fleet {named} init"
            )
        return Fleet(folder, environment)
    for folder in (here, *here.parents):
        if (folder / SETTINGS).is_file():
            return Fleet(folder.resolve(), environment)
    raise CrmhostError(
        f"{here}: is not in a fleet: neither this folder nor one above has a {SETTINGS}",
        "Make one here: crmhost init, or name one: crmhost --fleet FOLDER …",
    )


def parse_file(path: Path, shown: str) -> Parsed:
    """Return what a contract file says and what is wrong with it; raises CrmhostError when it cannot be read."""
    from contract.parse import parse
    from contract.source import MAX_BYTES

    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise CrmhostError(f"{path}: cannot be read: {error.strerror}", "Check its name and its rights.") from error
    return parse(data, shown)


def read_settings(path: Path) -> Settings:
    """Return what a fleet's settings file says; raises CrmhostError with every mistake in it."""
    from pydantic import ValidationError

    from contract.explain import finding, line_of
    from contract.parse import found_at
    from contract.problem import Problem, path_text
    from contract.source import plain_data, read
    from crmhost.settings import Settings

    try:
        source = read(path.read_bytes(), path.name)
    except OSError as error:
        raise CrmhostError(f"{path}: cannot be read: {error.strerror}") from error
    problems = list(source.problems)
    if source.root is not None and not problems:
        try:
            return Settings.model_validate(plain_data(source.root), by_alias=True, by_name=False)
        except ValidationError as error:
            for one in error.errors():
                found = finding(one, source.root, (Settings,))
                line = line_of(source.root, found.path)
                was = found_at(found, source.root)
                problems.append(Problem(path.name, line, path_text(found.path), was, found.remedy))
    raise CrmhostError("\n".join(str(problem) for problem in problems), f"Mend {path}.")
