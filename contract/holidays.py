"""Public holidays of a country, with the days that a contract adds or takes away."""

from datetime import date
from typing import Annotated, Any, TypeAlias

from pydantic import BeforeValidator, Field, WithJsonSchema

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


_Written: TypeAlias = Annotated[
    str, WithJsonSchema({"type": "string", "pattern": "^([A-Z]{2}|none)$", "examples": ["VN"]})
]
HolidayChoice: TypeAlias = Annotated[Holidays, BeforeValidator(_choice, json_schema_input_type=_Written | Holidays)]
"""A country's two letters, `none`, or a mapping."""


_CODES = (
    "AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT BV BW BY "
    "BZ CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK "
    "FM FO FR GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR "
    "IS IT JE JM JO JP KE KG KH KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK "
    "ML MM MN MO MP MQ MR MS MT MU MV MW MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM "
    "PN PR PS PT PW PY QA RE RO RS RU RW SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF "
    "TG TH TJ TK TL TM TN TO TR TT TV TW TZ UA UG UK UM US UY UZ VA VC VE VG VI VN VU WF WS XK YE YT ZA ZM ZW "
)
COUNTRIES = frozenset(_CODES.split())
"""The countries whose holidays the `holidays` library knows; a list, since asking it costs a tenth of a second."""


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
