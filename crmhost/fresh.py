"""Secrets that a fleet lacks and a deploy makes: stored once it begins, and never in the place of those that were used.

A release that was made with a secret cannot do without it: data that it encrypted stays closed, and who knows the old
password is locked out. So where the target was made with one that the fleet has not got, nothing is made up.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from crm.driver import Driver
from crm.errors import Refused
from crm.plan import Want
from crm.recipe import Recipe, Secret
from crm.slots import login_parts
from crmhost.vault import Vault, generate_password


@dataclass
class Fresh:
    """What was made up for one contract. made: all to be stored; lacking: the names of those that the fleet had not."""

    vault: Vault
    contract: str
    made: dict[str, str] = field(default_factory=dict, repr=False)
    lacking: set[str] = field(default_factory=set)

    def get(self, name: str) -> str:
        """Return the fleet's secret, or one that is made up."""
        value = self.vault.get(self.contract, name)
        if value is None:
            value = generate_password()
            self.add(name, value, lacking=True)
        return value

    def add(self, name: str, value: str, *, lacking: bool) -> None:
        """Keep a secret to be stored. lacking: the fleet has none, and one that was used cannot be made again."""
        self.made[name] = value
        if lacking:
            self.lacking.add(name)

    def store(self) -> None:
        """Store what was made up; raises Refused where somebody stored another one meanwhile."""
        for name in sorted(self.lacking):
            if self.vault.get(self.contract, name) not in (None, self.made[name]):
                raise Refused(
                    f"{self.contract}: its secret {name} was stored by somebody else meanwhile; nothing was done",
                    f"The same command again uses that one: crmhost deploy {self.contract}",
                )
        for name, value in self.made.items():
            self.vault.set(self.contract, name, value)
        self.made.clear()
        self.lacking.clear()

    def check(self, driver: Driver, want: Want) -> None:
        """Raise Refused where what lies on the target was made with secrets that the fleet lacks."""
        if self.lacking:
            lost = driver.made_with(want, frozenset(self.lacking))
            if lost:
                raise refusal(want, str(self.vault.folder / self.contract), lost)


def refusal(want: Want, folder: str, lost: Iterable[str]) -> Refused:
    """Return why nothing is made up in the place of secrets that were lost, and the ways to have them again. Pure."""
    names, contract = sorted(lost), want.contract
    back = (
        f"Bring {folder} back: git checkout or git merge where it was committed, else a copy from the fleet that"
        f" {contract} was deployed with."
    )
    return Refused(
        f"{contract}: was made with secrets that this fleet lacks: {', '.join(names)}; nothing was done, since new ones"
        " would be written over those that its data and its users have",
        "\n".join((back, *(f"{name}: {_anew(want, name)}" for name in names))),
    )


def _anew(want: Want, name: str) -> str:
    """Return whether a secret can be another one than it was, and how."""
    recipe, owner = want.recipe, want.contract
    if name in recipe.backup.keys:
        return "cannot be made anew, since the data needs the one that it was made with"
    if name in _passwords(recipe):
        return f"store the one that the administrator has in the CRM now: crmhost secrets set {owner} {name}"
    if name.startswith("tls-authority"):
        return (
            "another one must be trusted anew by every device; store certificate and key (PEM) of your own:"
            f" crmhost secrets set {owner} {name} < FILE"
        )
    return f"may be another one: openssl rand -hex 32 | crmhost secrets set {owner} {name}"


def _passwords(recipe: Recipe) -> frozenset[str]:
    return frozenset(part.name for part in login_parts(recipe.login) if isinstance(part, Secret))
