"""Public holidays of a country, with the days that a contract adds or takes away."""

from datetime import date
from typing import Annotated, Any, TypeAlias

from pydantic import BeforeValidator, Field

from contract.base import Model
from contract.moment import Date
from contract.scalar import Country


class Holidays(Model):
    """The public holidays of a country (none where it is absent), less `remove`, and `add`."""

    country: Country | None = Field(None, description="Whose public holidays")
    add: tuple[Date, ...] = Field((), description="Days that are holidays too")
    remove: tuple[Date, ...] = Field((), description="Public holidays that are worked on")


def _choice(value: Any) -> Any:  # noqa: ANN401 - pydantic gives whatever the caller gave
    if isinstance(value, str):
        return Holidays() if value.strip() == "none" else {"country": value}
    return value


HolidayChoice: TypeAlias = Annotated[Holidays, BeforeValidator(_choice, json_schema_input_type=str | Holidays)]
"""A country's two letters, `none`, or a mapping."""


def known_countries() -> frozenset[str]:
    """Return the codes of the countries whose holidays the `holidays` library knows."""
    from holidays.utils import list_supported_countries  # only contracts with holidays pay for it

    return frozenset(list_supported_countries(include_aliases=True))


def holidays_between(country: str, first: date, last: date) -> frozenset[date]:
    """Return a country's public holidays from `first` to `last`, both included.

    Iran's lunar holidays are estimates; whoever settles keeps the days that were used. Raises ValueError for a
    country that the library does not know.
    """
    from holidays import country_holidays  # only contracts with holidays pay for it

    try:
        known = country_holidays(country, years=range(first.year, last.year + 1), observed=True)
    except NotImplementedError as error:
        raise ValueError(f"the holidays of {country} are not known: list the days under holidays: add:") from error
    return frozenset(day for day in known if first <= day <= last)


def holidays_of(choice: Holidays | None, first: date, last: date) -> frozenset[date]:
    """Return the holidays that a contract means from `first` to `last`, both included."""
    if choice is None:
        return frozenset()
    public = holidays_between(choice.country, first, last) if choice.country else frozenset()
    added = frozenset(day for day in choice.add if first <= day <= last)
    return (public - frozenset(choice.remove)) | added
